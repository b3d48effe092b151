"""``checks.yaml``: what ``verify`` expects. A person may edit it; the judge reads nothing else of the design.

An expectation is a value, or a rule that is resolved from API objects when the check runs: pod placement and address
blocks are not known when a folder is rendered. Each topic has a module here and one of the same name in
`labctl.verify.topics`, which reads and judges it.
"""

from __future__ import annotations

from typing import Any

from labctl.design.design import Design
from labctl.render.checks import bgp, cluster, curl, leafs, links, ping, scale
from labctl.render.yamltext import dump

SCHEMA = "labctl.checks/v2"


def checks(design: Design) -> str:
    """The text."""
    body: dict[str, Any] = {"schema": SCHEMA, "links": links.section(design), "modes": _modes(design)}
    if design.cluster:
        body["cluster"] = cluster.section(design, design.cluster)
    body["leafs"] = leafs.section(design)
    body |= scale.section(design)
    return dump(body)


def _modes(design: Design) -> dict[str, dict[str, Any]]:
    if not design.cluster:
        return {"routed": {"bgp": bgp.of_fabric(design)}}
    return {
        mode: {
            "bgp": bgp.section(design, design.cluster, mode),
            **ping.section(design, design.cluster, mode),
            **curl.section(design, design.cluster, mode),
        }
        for mode in ("routed", "ipip")
    }
