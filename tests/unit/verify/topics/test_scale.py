"""The scenario with tables as large as the paper's, against a fabric that takes routes and gives them on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from labctl.errors import InconclusiveError
from labctl.guest.api import Completed
from labctl.restore.changes import open_changes
from labctl.restore.client import NotDone
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Unanswered
from labctl.verify.topics import scale
from labctl.verify.topics.bgp import BgpInput
from labctl.verify.topics.scale import ScaleInput

BEFORE = {"ipv4": 20, "ipv6": 10}


class Fabric:
    """Switches in front of ``nodes``: the border takes routes, and every leaf has what the border has."""

    def __init__(self, inputs: ScaleInput) -> None:
        self.inputs = inputs
        self.routes: list[str] = []
        self.refuses = ""
        """A text that the border does not take."""
        self.loses = 0
        """How many routes the leafs lack."""
        self.age = 100
        self.aging = 50
        self.sessions: list[list[str]] = []

    def login(self, switch: str) -> Switch:
        return Switch(self, switch)

    def summary(self, family: str) -> dict[str, Any]:
        word = "ipv6 route" if family == "ipv6" else "ip route"
        brought = sum(line.startswith(word) for line in self.routes)
        networks = BEFORE[family] + max(0, brought - (self.loses if brought else 0))
        age, self.age = self.age, self.age + self.aging
        neighbor = {"neighborid": "10.2.1.5", "state": "Established", "time": f"PT{age}S"}
        saf = {
            "totalnetworks": str(networks),
            "totalpaths": str(networks + 5),
            "TABLE_neighbor": {"ROW_neighbor": neighbor},
        }
        return {"TABLE_vrf": {"ROW_vrf": {"TABLE_af": {"ROW_af": {"TABLE_saf": {"ROW_saf": saf}}}}}}


class Switch:
    def __init__(self, fabric: Fabric, name: str) -> None:
        self.fabric, self.name = fabric, name

    def configure(self, lines: Sequence[tuple[int, str]], *, timeout: float) -> list[Any]:
        from labctl.nxos.session import Refused

        assert self.name == self.fabric.inputs.switch
        self.fabric.sessions.append([line for _, line in lines])
        refused = []
        for number, line in lines:
            if self.fabric.refuses and self.fabric.refuses in line:
                refused.append(Refused(number, line, "% Invalid command"))
            elif line.startswith("no "):
                self.fabric.routes = [row for row in self.fabric.routes if not row.startswith(f"{line[3:]} ")]
            elif " route " in line:
                self.fabric.routes.append(line)
        return refused

    def ask(self, command: str, *, timeout: float = 30.0) -> str:
        assert command == "show running-config"
        return "\n".join(
            [
                "vrf context vrf-001",
                "  ip route 12.1.0.0/16 198.18.0.2 tag 12345",
                *(f"  {r}" for r in self.fabric.routes),
            ]
        )

    def show_json(self, text: str) -> Mapping[str, Any]:
        if "route" in text:
            prefix = text.split()[3]
            hop = self.fabric.inputs.routes[0].next_hop
            row = {"ipprefix": prefix, "TABLE_path": {"ROW_path": [{"ipnexthop": f"{hop}%default", "ubest": "true"}]}}
            return {"TABLE_vrf": {"ROW_vrf": {"TABLE_addrf": {"ROW_addrf": {"TABLE_prefix": {"ROW_prefix": [row]}}}}}}
        return self.fabric.summary("ipv6" if text.startswith("show ipv6") else "ipv4")

    def close(self) -> None:
        """Nothing is kept."""


@pytest.fixture
def small(lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch, scripted: Any) -> LabUnderTest:
    """The white paper's lab, with 40 and 8 prefixes, and no traffic of its own."""
    monkeypatch.setattr(scale, "WINDOW", 0.0)
    inputs = lab.checks.scale
    assert inputs is not None
    rows = tuple(row.model_copy(update={"count": {"ipv4": 40, "ipv6": 8}[row.family]}) for row in inputs.routes)
    routed = lab.checks.modes["routed"].model_copy(
        update={"ping": (), "curl": (), "bgp": BgpInput(evpn=lab.checks.mode(lab.folder.lab.mode).bgp.evpn[:1])}
    )
    checks = lab.checks.model_copy(
        update={"scale": inputs.model_copy(update={"routes": rows}),
                "modes": {**lab.checks.modes, "routed": routed}}
    )  # fmt: skip
    for node in inputs.nodes:
        for flag, route in (("-4", "12.1.0.0/16"), ("-6", "2001:db8:42::/56")):
            routes = json.dumps([{"dst": "default"}, {"dst": route}]).encode()
            scripted.nodes[node, f"ip -j {flag} route show"] = Completed(0, routes, b"")
    quick = lab.folder.lab.model_copy(update={"deadlines": {"converged": 0.0, "scenario": 0.0}})
    folder = replace(lab.folder, lab=quick)
    return replace(lab, checks=checks, folder=folder)


@pytest.fixture
def fabric(small: LabUnderTest, monkeypatch: pytest.MonkeyPatch) -> Fabric:
    assert small.checks.scale is not None
    fabric = Fabric(small.checks.scale)
    monkeypatch.setattr(small.observer, "login", fabric.login)
    return fabric


def failed(results: Any) -> dict[str, str]:
    return {row.id: row.sentence for row in results if row.verdict != "PASS"}


def test_it_grows_and_shrinks(small: LabUnderTest, fabric: Fabric) -> None:
    found = scale.run(small)
    assert failed(found) == {}
    kinds = {row.id.split(".")[1] for row in found}
    assert kinds == {"networks", "route", "filtered", "sessions", "gone"}
    grown, shrunk = fabric.sessions
    assert (len(grown), len(shrunk)) == (49, 49)
    assert grown[:2] == ["vrf context vrf-001", "ip route 198.19.0.0/29 198.18.0.2 tag 12345"]
    assert shrunk[:2] == ["vrf context vrf-001", "no ip route 198.19.0.0/29 198.18.0.2"]
    assert fabric.routes == []
    assert open_changes(small.journal) == []
    sentence = next(row.sentence for row in found if row.id == "scale.networks.leaf2101.ipv4")
    assert "60 networks and 65 paths of ipv4 in vrf-001" in sentence


def test_a_leaf_that_lacks_one(small: LabUnderTest, fabric: Fabric) -> None:
    fabric.loses = 1
    found = failed(scale.run(small))
    assert {name.split(".")[1] for name in found} == {"networks", "filtered"}, "what is late may reach nodes yet"
    assert found["scale.networks.leaf2102.ipv4"].endswith(
        "59 networks and 64 paths of ipv4 in vrf-001, expected 40 and the 20 from before"
    )


def test_a_refused_line_is_said_and_everything_goes_again(small: LabUnderTest, fabric: Fabric) -> None:
    fabric.refuses = "2001:2:0:5::/64"
    with pytest.raises(NotDone, match=r"leaf2999 refused: ipv6 route 2001:2:0:5::/64 .* tag 12345 "):
        scale.run(small)
    assert fabric.routes == []


def test_what_a_killed_run_left_is_taken_away_line_by_line(small: LabUnderTest, fabric: Fabric) -> None:
    assert small.checks.scale is not None
    fabric.routes = ["ip route 198.19.0.8/29 198.18.0.2 tag 12345", "ip route 198.19.0.0/24 198.18.0.2 tag 1"]
    data = small.checks.scale.model_dump(mode="json")
    scale.heal(small.client, data)
    assert fabric.sessions == [["vrf context vrf-001", "no ip route 198.19.0.8/29 198.18.0.2"]]
    scale.heal(small.client, data)
    assert len(fabric.sessions) == 1, "nothing is left: nothing is configured"


def test_a_session_that_was_reset(small: LabUnderTest, fabric: Fabric) -> None:
    fabric.aging = -9
    found = failed(scale.run(small))
    assert {name.split(".")[1] for name in found} == {"sessions"}
    assert "reset meanwhile: 10.2.1.5" in next(iter(found.values()))


def test_a_node_that_hears_of_them(small: LabUnderTest, fabric: Fabric, scripted: Any) -> None:
    routes = [{"dst": "default"}, {"dst": "198.19.0.16/29"}]
    scripted.nodes["node01", "ip -j -4 route show"] = Completed(0, json.dumps(routes).encode(), b"")
    found = failed(scale.run(small))
    assert list(found) == ["scale.filtered.node01.ipv4"]
    assert "node01 has 1 routes of 198.19.0.0/16, the first 198.19.0.16/29: the leafs let them out" in str(found)


def test_a_node_that_does_not_answer_is_inconclusive(small: LabUnderTest, fabric: Fabric, scripted: Any) -> None:
    scripted.nodes["node01", "ip -j -4 route show"] = InconclusiveError("node01 is gone")
    found = {row.id: row.verdict for row in scale.run(small) if row.verdict != "PASS"}
    assert found == {"scale.filtered.node01.ipv4": "INCONCLUSIVE", "scale.filtered.node01.ipv6": "INCONCLUSIVE"}


def test_a_lab_without_an_outside(small: LabUnderTest) -> None:
    checks = small.checks.model_copy(update={"scale": None})
    with pytest.raises(Unanswered, match="no border leaf with an external host"):
        scale.run(replace(small, checks=checks))


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("PT28S", (28.0, 1.0)), ("PT1H2M", (3720.0, 1.0)), ("00:03:18", (198.0, 1.0)), ("P1DT2H", (93600.0, 3600.0)),
        ("1d02h", (93600.0, 3600.0)), ("3w4d", (2160000.0, 86400.0)), ("never", None), ("", None),
    ],
)  # fmt: skip
def test_ages(text: str, age: Any) -> None:
    assert scale._seconds(text) == age


@pytest.mark.parametrize(
    ("before", "now", "elapsed", "verdict"),
    [
        ((10.0, 1.0), (40.0, 1.0), 30.0, "PASS"),
        ((10.0, 1.0), (38.0, 1.0), 30.0, "PASS"),
        ((10.0, 1.0), (20.0, 1.0), 30.0, "FAIL"),
        ((93600.0, 3600.0), (93600.0, 3600.0), 30.0, "PASS"),
        ((93600.0, 3600.0), (5.0, 1.0), 30.0, "FAIL"),
        ((10.0, 1.0), None, 30.0, "FAIL"),
    ],
)
def test_whether_a_session_was_kept(before: Any, now: Any, elapsed: float, verdict: str) -> None:
    found = scale.judge_kept("leaf1", {"10.0.0.1": before}, {"10.0.0.1": now} if now else {}, elapsed)
    assert found.verdict == verdict
