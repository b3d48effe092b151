"""Faults: what is typed, what is written down to undo it, and what is refused because healing would not be exact."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from labctl.guest.api import Completed
from labctl.restore.changes import HEALERS, Change, Changes
from labctl.restore.client import NotDone
from labctl.verify.lab import LabUnderTest
from labctl.verify.steps.faults import peer_link_members, plan, vpc_domain
from labctl.verify.steps.model import Fault
from tests.rendered import rendered
from tests.unit.verify.conftest import FOLDER, ScriptedNodes

RUNNING = (FOLDER / "nxos" / "leaf2101.cfg").read_text()
PHYSICAL = rendered("whitepaper-standin-physical")["nxos/leaf2101.cfg"]
UP, DOWN = '[{"flags":["BROADCAST","UP","LOWER_UP"]}]', '[{"flags":["BROADCAST"]}]'


def fault(**kind: Any) -> Fault:
    return Fault.model_validate({"name": "cut", **kind})


def made(lab: LabUnderTest, wanted: Fault) -> list[Change]:
    """Make it; the changes as they stand in the journal."""
    changes = Changes(lab.journal, lab.client, HEALERS)
    found = []
    for index, (healer, data, make) in enumerate(plan(lab, wanted)[1]):
        found.append(Change(f"s.cut.{index}", healer, data))
        changes.make(found[-1], make)
    return found


def healed(lab: LabUnderTest, changes: list[Change]) -> None:
    for change in reversed(changes):
        HEALERS[change.healer](lab.client, json.loads(json.dumps(dict(change.data))))


def test_shutdown(lab: LabUnderTest, scripted: ScriptedNodes) -> None:
    scripted.switches["leaf2101"] = {}
    (change,) = made(lab, fault(shutdown={"switch": "leaf2101", "interface": ["Ethernet1/1", "Ethernet1/2"]}))
    assert scripted.typed == [("leaf2101", ["interface Ethernet1/1", "shutdown", "interface Ethernet1/2", "shutdown"])]
    healed(lab, [change])
    assert scripted.typed[1] == (
        "leaf2101", ["interface Ethernet1/1", "no shutdown", "interface Ethernet1/2", "no shutdown"]
    )  # fmt: skip


def test_a_port_that_is_shut_already_is_left_alone(lab: LabUnderTest, scripted: ScriptedNodes) -> None:
    scripted.switches["leaf2101"] = {}
    scripted.words["leaf2101", "show running-config interface Ethernet1/1"] = "interface Ethernet1/1\n  shutdown\n"
    with pytest.raises(NotDone, match="Ethernet1/1 is shut already"):
        plan(lab, fault(shutdown={"switch": "leaf2101", "interface": "Ethernet1/1"}))
    assert scripted.typed == []


def test_isolate_shuts_every_port_that_is_open(lab: LabUnderTest, scripted: ScriptedNodes) -> None:
    scripted.switches["spine1"] = {}
    scripted.words["spine1", "show running-config interface Ethernet1/2"] = "interface Ethernet1/2\n  shutdown\n"
    (change,) = made(lab, fault(isolate="spine1"))
    assert change.data["lines"] == ["interface Ethernet1/1", "no shutdown", "interface Ethernet1/3", "no shutdown"]


def test_a_refused_line_is_an_error(lab: LabUnderTest, scripted: ScriptedNodes) -> None:
    scripted.switches["spine1"] = {}
    scripted.refuses = "shutdown"
    with pytest.raises(NotDone, match="spine1 refused: shutdown"):
        made(lab, fault(isolate="spine1"))


def test_keepalive_comes_back_as_it_was(lab: LabUnderTest, scripted: ScriptedNodes) -> None:
    scripted.switches["leaf2101"] = {}
    scripted.words["leaf2101", "show running-config"] = RUNNING
    changes = made(lab, fault(keepalive="leaf2101"))
    healed(lab, changes)
    line = next(text.strip() for text in RUNNING.splitlines() if "peer-keepalive" in text)
    (_, broken), (_, back) = scripted.typed
    assert broken[1] == line.replace(line.split()[2], "192.0.2.1")
    assert back == [broken[0], line]
    assert broken[0].startswith("vpc domain ")


def test_a_virtual_peer_link(lab: LabUnderTest, scripted: ScriptedNodes) -> None:
    scripted.switches["leaf2101"] = {}
    scripted.words["leaf2101", "show running-config"] = RUNNING
    healed(lab, made(lab, fault(peer_link="leaf2101")))
    (_, broken), (_, back) = scripted.typed
    assert broken[1] == f"no {back[1]}"
    assert back[1].startswith("virtual peer-link destination ")


def test_a_physical_peer_link(lab: LabUnderTest, scripted: ScriptedNodes) -> None:
    scripted.switches["leaf2101"] = {}
    scripted.words["leaf2101", "show running-config"] = PHYSICAL
    made(lab, fault(peer_link="leaf2101"))
    members = peer_link_members(PHYSICAL)
    assert len(members) == 2
    assert scripted.typed == [("leaf2101", [line for port in members for line in (f"interface {port}", "shutdown")])]


@pytest.mark.parametrize("kind", ["keepalive", "peer_link"])
def test_a_leaf_without_vpc(lab: LabUnderTest, scripted: ScriptedNodes, kind: str) -> None:
    scripted.switches["leaf2101"] = {}
    scripted.words["leaf2101", "show running-config"] = "hostname leaf2101\n"
    assert vpc_domain("hostname leaf2101\n") == ("", [])
    with pytest.raises(NotDone, match="has no"):
        plan(lab, fault(**{kind: "leaf2101"}))


@pytest.mark.parametrize(
    ("neighbor", "line"),
    [
        ("192.168.1.11", "clear ip bgp vrf vrf-001 192.168.1.11"),
        ("2001:192:168:1::11", "clear ipv6 bgp vrf vrf-001 2001:192:168:1::11"),
    ],
)
def test_clear(lab: LabUnderTest, scripted: ScriptedNodes, neighbor: str, line: str) -> None:
    scripted.switches["leaf2101"] = {}
    (change,) = made(lab, fault(clear_bgp={"switch": "leaf2101", "neighbor": neighbor}))
    assert ("leaf2101", line) in scripted.asked
    assert change.healer == "by-itself"


def test_a_clear_that_is_refused(lab: LabUnderTest, scripted: ScriptedNodes) -> None:
    scripted.switches["leaf2101"] = {}
    scripted.words["leaf2101", "clear ip bgp vrf vrf-001 192.168.1.11"] = "ERROR: no such neighbor"
    with pytest.raises(NotDone, match="leaf2101 refused: clear ip bgp"):
        made(lab, fault(clear_bgp={"switch": "leaf2101", "neighbor": "192.168.1.11"}))


def test_unplugged_and_cut_off(lab: LabUnderTest, scripted: ScriptedNodes, done: Callable[..., Completed]) -> None:
    for name in ("eth1", "eth2"):
        scripted.nodes["node01", f"ip -j link show dev {name}"] = done(UP)
        for state in ("down", "up"):
            scripted.nodes["node01", f"ip link set dev {name} {state}"] = done()
    healed(lab, made(lab, fault(unplug={"node": "node01", "interface": "eth1"})))
    assert scripted.asked[-1] == ("node01", "ip link set dev eth1 up")
    scripted.asked.clear()
    made(lab, fault(node_down="node01"))
    assert [text for _, text in scripted.asked if "down" in text] == [
        "ip link set dev eth1 down", "ip link set dev eth2 down",
    ]  # fmt: skip


def test_a_leg_that_is_down_already(lab: LabUnderTest, scripted: ScriptedNodes, done: Callable[..., Completed]) -> None:
    scripted.nodes["node01", "ip -j link show dev eth1"] = done(DOWN)
    with pytest.raises(NotDone, match="eth1 is down already"):
        plan(lab, fault(unplug={"node": "node01", "interface": "eth1"}))


def test_a_command_that_fails_is_an_error(
    lab: LabUnderTest, scripted: ScriptedNodes, done: Callable[..., Completed]
) -> None:
    scripted.nodes["node01", "ip -j link show dev eth1"] = done(UP)
    scripted.nodes["node01", "ip link set dev eth1 down"] = done(
        code=2, message="RTNETLINK answers: Operation not permitted"
    )
    with pytest.raises(NotDone, match="node01: ip link set dev eth1 down: RTNETLINK answers"):
        made(lab, fault(unplug={"node": "node01", "interface": "eth1"}))


# --- pods


def pod(name: str, node: str, *, label: str = "app=web", **meta: Any) -> dict[str, Any]:
    key, _, value = label.partition("=")
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {key: value}, **meta},
        "spec": {"nodeName": node},
        "status": {"phase": "Running"},
    }


@pytest.fixture
def cluster(scripted: ScriptedNodes) -> ScriptedNodes:
    scripted.objects = {
        "nodes": [{"metadata": {"name": "node01"}, "spec": {}}, {"metadata": {"name": "node02"}, "spec": {}}],
        "pods": [pod("web-1", "node01"), pod("web-0", "node02", deletionTimestamp="now")],
        "endpointslices": [
            {
                "metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
                "endpoints": [
                    {"nodeName": "node01", "targetRef": {"kind": "Pod", "name": "web-1"}},
                    {"nodeName": "node02", "targetRef": {"kind": "Pod", "name": "web-2"}},
                ],
            }
        ],
    }
    return scripted


CORDON = ("PATCH", "/api/v1/nodes/node01", {"spec": {"unschedulable": True}})
UNCORDON = ("PATCH", "/api/v1/nodes/node01", {"spec": {"unschedulable": None}})
DELETED = ("DELETE", "/api/v1/namespaces/default/pods/web-1", None)


def test_a_pod_moved(lab: LabUnderTest, cluster: ScriptedNodes) -> None:
    changes = made(lab, fault(move_pod={"pod": "app=web"}))
    assert cluster.requests == [CORDON, DELETED]
    healed(lab, changes)
    assert cluster.requests[2:] == [UNCORDON]


def test_a_pod_restarted(lab: LabUnderTest, cluster: ScriptedNodes) -> None:
    made(lab, fault(restart_pod={"pod": "app=web", "node": "node01"}))
    assert cluster.requests == [DELETED]


def test_endpoints_drained(lab: LabUnderTest, cluster: ScriptedNodes) -> None:
    made(lab, fault(drain={"service": "default/web", "node": "node01"}))
    assert cluster.requests == [CORDON, DELETED]


def test_a_node_that_is_cordoned_already_stays_so(lab: LabUnderTest, cluster: ScriptedNodes) -> None:
    assert cluster.objects is not None
    cluster.objects["nodes"][0]["spec"]["unschedulable"] = True
    healed(lab, made(lab, fault(move_pod={"pod": "app=web"})))
    assert cluster.requests == [DELETED]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"move_pod": {"pod": "app=none"}}, "no running pods app=none in default, one is wanted"),
        ({"restart_pod": {"pod": "app=web", "node": "node02"}}, "no running pods app=web on node02"),
        ({"drain": {"service": "default/other", "node": "node01"}}, "default/other has no endpoint on node01"),
    ],
)
def test_nothing_to_break(lab: LabUnderTest, cluster: ScriptedNodes, kind: Any, message: str) -> None:
    with pytest.raises(NotDone, match=message):
        plan(lab, fault(**kind))
    assert cluster.requests == []


def test_one_of_several_must_be_named(lab: LabUnderTest, cluster: ScriptedNodes) -> None:
    assert cluster.objects is not None
    cluster.objects["pods"].append(pod("web-9", "node02"))
    with pytest.raises(NotDone, match="say which by node"):
        plan(lab, fault(move_pod={"pod": "app=web"}))
