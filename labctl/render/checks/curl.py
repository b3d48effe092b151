"""What is to be fetched from Services, by which host, and how its packets look at the leafs."""

from __future__ import annotations

from typing import Any

from labctl.design.design import Cluster, Curl, Design
from labctl.render.checks.ping import tagged


def section(design: Design, cluster: Cluster, mode: str) -> dict[str, Any]:
    """The rows ``curl`` of a mode: in the routed one alone."""
    rows = [row for curl in cluster.curls for row in _curl(design, curl)] if mode == "routed" else []
    return {"curl": rows} if rows else {}


def _curl(design: Design, curl: Curl) -> list[dict[str, Any]]:
    service = f"{curl.namespace}/{curl.service}"
    expected = tagged(
        design,
        {
            "inner": {
                "source": str(curl.sender.address.ip),
                "target": str(curl.endpoint) if curl.endpoint else {"endpoints_of": service},
                "protocol": "tcp",
                "port": 80,
            },
            "source_mac": {"reported_by": "leaf"},
            "encapsulated": False,
        },
    )
    captures = [
        {"at": list(curl.backends.leafs), "interface": {"port_channel_of": curl.backends.name}, "expect": expected}
    ]
    common = {"service": service, "port": 80, "contains": curl.contains}
    endpoint = {"endpoint": str(curl.endpoint)} if curl.endpoint else {}
    row = {"name": f"{curl.sender.name}-{curl.service}", "from": {"node": curl.sender.name}, **common, **endpoint}
    return [
        {**row, "captures": captures},
        *(
            {"name": f"{host.name}-{curl.service}", "from": {"node": host.name}, **common, "captures": []}
            for host in design.externals
        ),
    ]
