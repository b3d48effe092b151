"""The judges of pings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labctl.verify.topics.ping import PingInput, block_routes, judge_ping

PING = PingInput.model_validate({
    "name": "v4", "family": "ipv4", "count": 5, "ttl": 61,
    "from": {"node": "node01", "selector": "app=ping", "namespace": "default"},
    "to": {"node": "node02", "selector": "app=ping", "namespace": "default"},
})  # fmt: skip


def busybox(received: int = 5, *ttls: int) -> str:
    lines = [f"64 bytes from 10.244.0.1: seq={n} ttl={ttl} time=0.4 ms" for n, ttl in enumerate(ttls)]
    return "\n".join([*lines, f"5 packets transmitted, {received} packets received, 0% packet loss"])


@pytest.mark.parametrize(
    ("text", "verdict", "message"),
    [
        (busybox(5, 61, 61, 61), "PASS", "5 of 5 answered, ttl 61"),
        ("x ttl=61\n5 packets transmitted, 5 received, 0% packet loss, time 804ms", "PASS", "5 of 5 answered, ttl 61"),
        (busybox(5, 62, 62), "FAIL", "with ttl 62 and not 61"),
        (busybox(5, 61, 62), "FAIL", "with ttl 61, 62 and not 61"),
        (busybox(4, 61), "FAIL", "4 of 5 answered"),
        ("ping: bad address", "FAIL", "0 of 5 answered"),
        ("", "FAIL", "0 of 5 answered"),
    ],
)
def test_ping(text: str, verdict: str, message: str) -> None:
    found = judge_ping(PING, "10.244.0.1", text)
    assert found.verdict == verdict
    assert found.sentence.startswith("node01 to node02 (10.244.0.1): ")
    assert message in found.sentence


@pytest.mark.parametrize(
    ("rows", "route"),
    [
        ([{"dst": "10.244.1.0/26", "gateway": "192.168.1.1", "dev": "bond0"}], "via 192.168.1.1 dev bond0"),
        ([{"dst": "10.244.0.0/16", "gateway": "192.168.1.1", "dev": "bond0"}], "via 192.168.1.1 dev bond0"),
        (
            [{"dst": "10.244.1.0/26", "nexthops": [{"gateway": "192.168.1.1"}, {"gateway": "192.168.1.2"}]}],
            "via 192.168.1.1, 192.168.1.2 dev",
        ),
        ([{"dst": "default", "gateway": "172.20.20.1", "dev": "eth0"}], None),
        ([{"dst": "10.244.1.0/26", "type": "blackhole"}], None),
        ([{"dst": "10.244.1.0/26", "type": "unreachable", "gateway": "1.1.1.1"}], None),
        ([{"dst": "10.244.1.5", "gateway": "192.168.1.1"}], None),
        ([{"dst": "10.244.1.0/26", "dev": "cali1"}], None),
        ([{"dst": "2001:db8::/32", "gateway": "fe80::1"}], None),
        ([], None),
    ],
)
def test_routes_to_a_block(rows: list[Any], route: str | None) -> None:
    found = block_routes(json.dumps(rows), ["10.244.1.0/26"])
    assert found == {"10.244.1.0/26": route and f"10.244.1.0/26 {route}"}
    assert block_routes("", ["10.244.1.0/26"]) == {"10.244.1.0/26": None}
