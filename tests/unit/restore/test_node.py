"""What of a node is brought back: read from iproute2's words, compared, and turned into lines for it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labctl.errors import CheckFailed, InconclusiveError
from labctl.guest.api import AgentError, Completed
from labctl.restore import node
from labctl.restore.node import Link, NodePart, NodeState, differences, parse
from labctl.restore.part import look, restore

LINKS = [
    {"ifname": "lo", "flags": ["LOOPBACK", "UP"], "mtu": 65536, "addr_info": [
        {"local": "127.0.0.1", "prefixlen": 8, "scope": "host"}]},
    {"ifname": "eth1", "flags": ["BROADCAST", "SLAVE", "UP"], "mtu": 9000, "master": "bond0", "addr_info": []},
    {"ifname": "bond0", "flags": ["UP"], "mtu": 9000, "linkinfo": {"info_kind": "bond"}, "addr_info": [
        {"local": "192.168.1.10", "prefixlen": 24, "scope": "global"},
        {"local": "2001:192:168:1::10", "prefixlen": 64, "scope": "global"},
        {"local": "2001:192:168:1::99", "prefixlen": 64, "scope": "global", "dynamic": True},
        {"local": "fe80::1", "prefixlen": 64, "scope": "link"}]},
    {"ifname": "tunl0", "flags": [], "mtu": 1480, "addr_info": [
        {"local": "10.244.1.1", "prefixlen": 32, "scope": "global"}]},
    {"ifname": "cali80de97cfe2d", "flags": ["UP"], "mtu": 9000, "addr_info": []},
]  # fmt: skip
ROUTES = [
    {"type": "unicast", "dst": "default", "gateway": "172.20.20.1", "dev": "eth0", "protocol": "boot"},
    {"type": "unicast", "dst": "192.168.1.0/24", "dev": "bond0", "protocol": "kernel", "prefsrc": "192.168.1.10"},
    {"type": "unicast", "dst": "192.168.100.0/24", "gateway": "192.168.1.1", "dev": "bond0", "protocol": "boot",
     "flags": ["linkdown"]},
    {"type": "unicast", "dst": "10.244.2.0/26", "gateway": "192.168.1.1", "dev": "bond0", "protocol": "bird"},
    {"type": "blackhole", "dst": "9.0.0.0/8", "protocol": "static", "metric": 50},
    {"type": "unicast", "dst": "10.244.1.7", "dev": "cali80de97cfe2d", "protocol": "boot", "scope": "link"},
]  # fmt: skip
ROUTES6 = [
    {"type": "unicast", "dst": "default", "gateway": "2001:172::1", "dev": "eth0", "protocol": "boot", "metric": 1024},
    {"type": "unicast", "dst": "fe80::/64", "dev": "bond0", "protocol": "kernel", "metric": 256},
]


def answer(links: Any = LINKS, routes: Any = ROUTES, routes6: Any = ROUTES6) -> str:
    return "\n\n".join(json.dumps(part) for part in (links, routes, routes6)) + "\n"


STATE = parse(answer())


def test_what_is_read() -> None:
    assert STATE.links == {
        "lo": Link(True, 65536, None),
        "eth1": Link(True, 9000, "bond0"),
        "bond0": Link(True, 9000, None),
    }
    assert STATE.addresses == {"192.168.1.10/24 dev bond0", "2001:192:168:1::10/64 dev bond0"}
    assert STATE.routes == {
        "default via 172.20.20.1 dev eth0",
        "192.168.100.0/24 via 192.168.1.1 dev bond0",
        "blackhole 9.0.0.0/8 metric 50",
        "::/0 via 2001:172::1 dev eth0 metric 1024",
    }
    assert NodeState.of(json.loads(json.dumps(asdict(STATE), default=sorted))) == STATE


def test_what_iproute2_prints_is_read() -> None:
    """Its words on this machine, whatever it has."""
    done = subprocess.run(["sh", "-c", node.READ], capture_output=True, text=True, check=True)
    assert "lo" in parse(done.stdout).links


def test_a_table_that_is_empty() -> None:
    assert parse(answer(routes=[], routes6=[]).replace("[]", "[ ]")).routes == frozenset()


def changed(**fields: Any) -> list[tuple[str, str, str]]:
    return [(row.do, row.what, row.command) for row in differences(STATE, replace(STATE, **fields))]


def test_nothing_is_different() -> None:
    assert changed() == []


def test_a_leg_that_is_down() -> None:
    links = {**STATE.links, "eth1": Link(False, 9000, "bond0")}
    assert changed(links=links) == [("change", "interface eth1: up", "link set eth1 up")]


def test_a_leg_that_left_its_bond() -> None:
    links = {**STATE.links, "eth1": Link(True, 9000, None)}
    assert changed(links=links) == [
        ("change", "interface eth1: port of bond0", "link set eth1 down\nlink set eth1 master bond0\nlink set eth1 up")
    ]


def test_a_bond_that_is_gone_is_the_scripts() -> None:
    links = {name: link for name, link in STATE.links.items() if name != "bond0"}
    (change,) = differences(STATE, replace(STATE, links=links))
    assert (change.do, change.what, change.command) == ("add", "interface bond0", "")


def test_what_was_added_goes_and_takes_its_own_along() -> None:
    links = {**STATE.links, "dum0": Link(True, 1500, None)}
    addresses = STATE.addresses | {"7.7.7.7/32 dev dum0", "9.9.9.9/32 dev bond0"}
    routes = STATE.routes | {"8.0.0.0/8 via 192.168.1.1 dev bond0", "7.0.0.0/8 dev dum0"}
    assert changed(links=links, addresses=addresses, routes=routes) == [
        ("remove", "interface dum0", "link del dum0"),
        ("remove", "route 8.0.0.0/8 via 192.168.1.1 dev bond0", "route del 8.0.0.0/8 via 192.168.1.1 dev bond0"),
        ("remove", "address 9.9.9.9/32 dev bond0", "addr del 9.9.9.9/32 dev bond0"),
    ]


def test_what_is_missing_comes_back() -> None:
    route = "192.168.100.0/24 via 192.168.1.1 dev bond0"
    assert changed(addresses=frozenset(), routes=STATE.routes - {route}) == [
        ("add", "address 192.168.1.10/24 dev bond0", "addr replace 192.168.1.10/24 dev bond0"),
        ("add", "address 2001:192:168:1::10/64 dev bond0", "addr replace 2001:192:168:1::10/64 dev bond0 nodad"),
        ("add", f"route {route}", f"route replace {route}"),
    ]


class Node:
    """A node whose answers are given; the last one stays."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.typed: list[str] = []

    def exec(self, node: str, argv: list[str], *, stdin: bytes = b"", timeout: float = 0.0) -> Completed:
        if argv[:2] == ["sh", "-c"]:
            text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            return Completed(0, text.encode(), b"")
        self.typed.append(stdin.decode())
        return Completed(1, b"", b"RTNETLINK answers: No such device\n")


def test_it_is_undone_and_looked_at_again(tmp_path: Path) -> None:
    down = [{**row, "flags": []} if row["ifname"] == "eth1" else row for row in LINKS]
    node = Node(answer(down), answer())
    done = restore(NodePart("node01", STATE, node, tmp_path))  # type: ignore[arg-type]
    assert [row.what for row in done.entries] == ["interface eth1: up"]
    assert node.typed == ["link set eth1 up\n"]


def test_what_stays_different_is_a_failure_with_the_words_of_ip(tmp_path: Path) -> None:
    down = [{**row, "flags": []} if row["ifname"] == "eth1" else row for row in LINKS]
    with pytest.raises(CheckFailed) as caught:
        restore(NodePart("node01", STATE, Node(answer(down)), tmp_path))  # type: ignore[arg-type]
    assert caught.value.message == ("node01 is not as it was: interface eth1: up (RTNETLINK answers: No such device)")


def test_a_node_that_does_not_answer_is_inconclusive() -> None:
    def silent(*_: Any, **__: Any) -> None:
        raise AgentError("no such node")

    with pytest.raises(InconclusiveError):
        look(NodePart("node01", STATE, SimpleNamespace(exec=silent), Path()))  # type: ignore[arg-type]
