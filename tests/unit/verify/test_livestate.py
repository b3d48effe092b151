"""What a lab's nodes say, as one state; what they do not say is not made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import InconclusiveError
from labctl.guest.api import Completed
from labctl.verify.livestate import CLUSTER, KubeNode, Lacp, LiveState, Pod, Port, Session, Vpc, read
from labctl.verify.observer import Observer
from tests.unit.verify.conftest import ScriptedNodes

SHOWS = Path(__file__).parents[2] / "golden" / "shows"
LINKS = """\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
3: eth1@if7: <NO-CARRIER,BROADCAST,MULTICAST,SLAVE,UP> mtu 1500 qdisc noqueue master bond0 state DOWN mode DEFAULT
4: eth2@if9: <BROADCAST,MULTICAST,SLAVE,UP,LOWER_UP> mtu 1500 qdisc noqueue master bond0 state UP mode DEFAULT
"""
BOND = """\
Ethernet Channel Bonding Driver: v6.12
802.3ad info
Active Aggregator Info:
	Aggregator ID: 1
	Partner Mac Address: 02:00:00:00:00:0a

Slave Interface: eth1
MII Status: down
Aggregator ID: 2
details actor lacp pdu:
    port state: 69
details partner lacp pdu:
    system mac address: 00:00:00:00:00:00
    port state: 1

Slave Interface: eth2
MII Status: up
Aggregator ID: 1
details actor lacp pdu:
    port state: 63
details partner lacp pdu:
    system mac address: 02:00:00:00:00:0a
    port state: 63
"""


def item(name: str, *, ready: bool = True, **more: Any) -> dict[str, Any]:
    status = {"conditions": [{"type": "Ready", "status": str(ready)}], **more.pop("status", {})}
    return {"metadata": {"name": name, **more.pop("metadata", {})}, "status": status, **more}


@pytest.fixture
def running(scripted: ScriptedNodes, done: Callable[..., Completed]) -> ScriptedNodes:
    """leaf2101 and node01 answer, and the API; no other node does."""
    scripted.switches["leaf2101"] = json.loads((SHOWS / "leaf2101.json").read_text())
    scripted.nodes["node01", "ip -o link show"] = done(LINKS)
    scripted.nodes["node01", "cat /proc/net/bonding/bond0"] = done(BOND)
    scripted.objects = {
        "nodes": [item("master"), item("node01", ready=False)],
        "pods": [
            item(
                "web", metadata={"namespace": "default"}, spec={"nodeName": "node01"},
                status={"phase": "Running", "podIP": "10.244.1.2"},
            ),
            item("late", ready=False, metadata={"namespace": "default"}, spec={}, status={"phase": "Pending"}),
        ],
    }  # fmt: skip
    return scripted


@pytest.fixture
def state(running: ScriptedNodes, observer: Observer, whitepaper: Any) -> LiveState:
    folder, checks = whitepaper
    return read(observer, folder, checks, clock=lambda: 0.0)


def test_a_switch_tells_its_links_sessions_and_vpc(state: LiveState) -> None:
    assert state.read_at == "1970-01-01 00:00:00 UTC"
    assert Port("leaf2101", "Ethernet1/4", "up") in state.ports
    assert Session("leaf2101", "10.2.1.5", "evpn", "Established", 39, "PT11M48S") in state.sessions
    assert Session("leaf2101", "192.168.1.10", "ipv4", "Active", 0, "never") in state.sessions
    assert Session("leaf2101", "2001:192:168:1::13", "ipv6", "Established", 1, "PT6M22S") in state.sessions
    assert len(state.sessions) == 8
    assert [(row.channel, row.interface, row.flag) for row in state.channels] == [
        (11, "Ethernet1/1", "P"), (12, "Ethernet1/2", "P"), (13, "Ethernet1/3", "P"),
    ]  # fmt: skip
    assert state.vpc == (
        Vpc("leaf2101", "peer-ok", "peer-alive", "consistent", ((11, True), (12, True), (13, True))),
    )  # fmt: skip


def test_a_port_that_is_down_says_why(running: ScriptedNodes, observer: Observer, whitepaper: Any) -> None:
    interfaces = {"TABLE_interface": {"ROW_interface": {
        "interface": "Ethernet1/1", "state": "down", "state_rsn_desc": "Administratively down",
    }}}  # fmt: skip
    running.switches["leaf2101"] = dict(running.switches["leaf2101"]) | {"show interface brief": interfaces}
    ports = read(observer, *whitepaper).ports
    assert Port("leaf2101", "Ethernet1/1", "down", "Administratively down") in ports


def test_an_svi_has_words_of_its_own(running: ScriptedNodes, observer: Observer, whitepaper: Any) -> None:
    interfaces = {"TABLE_interface": {"ROW_interface": [
        {"interface": "Vlan3001", "svi_admin_state": "up", "svi_reason_desc": "--"},
        {"interface": "Vlan7", "svi_admin_state": "down", "svi_reason_desc": "Administratively down"},
    ]}}  # fmt: skip
    running.switches["leaf2101"] = dict(running.switches["leaf2101"]) | {"show interface brief": interfaces}
    ports = read(observer, *whitepaper).ports
    assert Port("leaf2101", "Vlan3001", "up") in ports
    assert Port("leaf2101", "Vlan7", "down", "Administratively down") in ports


def test_a_node_tells_its_bond(state: LiveState) -> None:
    assert state.lacp == (Lacp("node01", "bond0", ("eth1", "eth2"), ("eth2",)),)
    assert [row for row in state.ports if row.node == "node01"] == [
        Port("node01", "lo", "unknown"), Port("node01", "eth1", "down"), Port("node01", "eth2", "up"),
    ]  # fmt: skip


def test_the_api_tells_nodes_and_pods(state: LiveState) -> None:
    assert state.nodes == (KubeNode("master", ready=True), KubeNode("node01", ready=False))
    assert state.pods == (
        Pod("default", "web", "node01", "Running", ready=True, ip="10.244.1.2"),
        Pod("default", "late", "", "Pending", ready=False, ip=""),
    )


def test_who_does_not_answer_is_named_with_the_reason(state: LiveState) -> None:
    assert set(state.unanswered) == {"spine1", "spine2", "leaf2102", "leaf2999", "master", "node02", "ext1"}
    assert "leaf2102 is not up" in state.unanswered["leaf2102"]


def test_a_node_that_falls_silent_keeps_what_it_said_and_is_asked_no_more(
    running: ScriptedNodes, observer: Observer, whitepaper: Any
) -> None:
    shows = dict(running.switches["leaf2101"])
    shows["show vpc brief"] = InconclusiveError("the session ended")
    running.switches["leaf2101"] = shows
    state = read(observer, *whitepaper)
    assert "the session ended" in state.unanswered["leaf2101"]
    assert state.vpc == ()
    assert state.sessions == ()
    assert Port("leaf2101", "Ethernet1/4", "up") in state.ports
    assert [text for node, text in running.asked if node == "leaf2101"][-1] == "show vpc brief"


def test_an_api_that_does_not_answer_is_named(running: ScriptedNodes, observer: Observer, whitepaper: Any) -> None:
    running.objects = None
    state = read(observer, *whitepaper)
    assert "Connection refused" in state.unanswered[CLUSTER]
    assert state.nodes == state.pods == ()
