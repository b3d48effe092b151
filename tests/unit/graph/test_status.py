"""How each part stands by what the nodes said; what was not said is not known, and never up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from labctl.graph import draw, draw_mermaid
from labctl.graph.picture import picture_of
from labctl.graph.status import Standing, Status, status_of
from labctl.verify.livestate import CLUSTER, ChannelMember, KubeNode, Lacp, LiveState, Port, Session, Vpc
from tests.unit.graph.conftest import WHITEPAPER, check, evidence

PICTURE = picture_of(WHITEPAPER)
FAMILIES = {"EVPN": "evpn", "IPv4": "ipv4", "IPv6": "ipv6"}


def well() -> LiveState:
    """Every node says that all is well."""
    ends = [end for link in PICTURE.links for end in (link.a, link.b)]
    bundles = PICTURE.bundles
    return LiveState(
        "2026-01-01 00:00:00 UTC",
        tuple(
            Session(row.switch, neighbor, FAMILIES[family], "Established", 2, "PT1M")  # type: ignore[arg-type]
            for row in PICTURE.sessions
            for family, neighbor in row.neighbors
        ),
        tuple(Port(node, interface, "up") for node, interface in ends),
        tuple(ChannelMember(row.node, row.number, port, "P") for row in bundles if row.number for port in row.members),
        tuple(Lacp(row.node, row.name, row.members, row.members) for row in bundles if row.number is None),
        tuple(Vpc(leaf, "peer-ok", "peer-alive", "consistent", ((11, True),)) for leaf in ("leaf2101", "leaf2102")),
        (),
        tuple(KubeNode(node.name, ready=True) for node in PICTURE.nodes if node.tier == "kube"),
    )


def without(node: str, reason: str = "it is gone") -> LiveState:
    """All is well, but one node says nothing."""
    full = well()
    kept = {
        name: tuple(
            row
            for row in getattr(full, name)
            if node not in (getattr(row, "node", ""), getattr(row, "switch", ""), getattr(row, "node", ""))
        )
        for name in ("sessions", "ports", "channels", "lacp", "vpc")
    }
    return replace(full, **kept, unanswered={node: reason})


def standing_of(live: LiveState) -> Status:
    return status_of(PICTURE, live=live)


def states(status: Status) -> set[str]:
    return {standing.state for standing in status.parts.values()}


def the(status: Status, *name: object) -> Standing:
    """How one part stands: a node by its name, a bond by its node, a channel, pair or session by its two."""
    rows = [(node, (node.name,)) for node in PICTURE.nodes] + [(row, row.pair) for row in PICTURE.sessions]
    rows += [(row, (row.node, row.number or row.name)) for row in PICTURE.bundles]
    rows += [(row, row.leafs) for row in PICTURE.pairs]
    (found,) = [part for part, own in rows if own == name] or [name]
    return status.parts[found]


def test_a_lab_that_is_well_is_up_in_every_part() -> None:
    status = standing_of(well())
    assert states(status) == {"up"}
    assert the(status, "node01", "bond0").mark == "2/2"
    assert the(status, "leaf2101", "node01").mark == "2/2"
    assert the(status, "leaf2101", "leaf2102").mark == "peer-ok"
    assert the(status, "node01").mark == "Ready"
    assert status.notes == ()


def test_nothing_is_up_when_nobody_answers() -> None:
    names = (*(node.name for node in PICTURE.nodes), CLUSTER)
    status = standing_of(LiveState("now", unanswered=dict.fromkeys(names, "no route")))
    assert states(status) == {"unknown"}
    assert len(status.notes) == len(names)


def test_what_a_silent_switch_has_is_not_known_and_the_rest_is() -> None:
    status = standing_of(without("leaf2101"))
    assert the(status, "leaf2101") == Standing("unknown", "no answer", "it is gone")
    assert the(status, "leaf2101", "Ethernet1/1").state == "unknown"
    assert the(status, "master", "eth1").state == "up"
    assert the(status, "leaf2101", 11).mark == "?"
    assert the(status, "leaf2101", "node01") == Standing("unknown", "?/2", "it is gone")
    assert the(status, "leaf2102", "node01").state == "up"
    assert the(status, "leaf2101", "leaf2102").mark == "unread"
    assert status.notes == ("leaf2101 did not answer: it is gone",)


def test_what_a_silent_node_has_is_not_known() -> None:
    status = standing_of(without("node01"))
    assert the(status, "node01").state == "unknown"
    assert the(status, "node01", "bond0") == Standing("unknown", "?", "it is gone")
    assert the(status, "node01", "eth1").state == "unknown"


@pytest.mark.parametrize(
    ("change", "node", "expected"),
    [
        ({"nodes": (KubeNode("node01", ready=False),)}, "node01", Standing("down", "NotReady")),
        ({"nodes": ()}, "node01", Standing("down", "no Node", "the API has no Node of this name")),
        ({"nodes": (), "unanswered": {CLUSTER: "refused"}}, "node01", Standing("unknown", "Node unread", "refused")),
        ({"nodes": (), "unanswered": {CLUSTER: "refused"}}, "spine1", Standing("up", "answers", "it answers")),
    ],
)
def test_a_node_stands_as_its_node_object(change: dict[str, object], node: str, expected: Standing) -> None:
    assert the(standing_of(replace(well(), **change)), node) == expected  # type: ignore[arg-type]


def test_a_port_that_is_down_says_why() -> None:
    end = ("leaf2101", "Ethernet1/1")
    others = tuple(port for port in well().ports if (port.node, port.interface) != end)
    down = standing_of(replace(well(), ports=(*others, Port(*end, "down", "Administratively down"))))
    assert the(down, *end) == Standing("down", "", "down (Administratively down)")
    assert the(standing_of(replace(well(), ports=others)), *end) == Standing("down", "", "there is no such interface")
    strange = standing_of(replace(well(), ports=(*others, Port(*end, "unknown"))))
    assert the(strange, *end).state == "unknown"


def test_bundles_count_the_members_that_carry() -> None:
    half = replace(well(), lacp=(Lacp("node01", "bond0", ("eth1", "eth2"), ("eth2",)),))
    assert the(standing_of(half), "node01", "bond0") == Standing("down", "1/2", "eth2 distributing, of eth1, eth2")
    rows = (ChannelMember("leaf2101", 11, "Ethernet1/1", "s"), ChannelMember("leaf2101", 12, "Ethernet1/2", "P"))
    status = standing_of(replace(well(), channels=rows))
    assert the(status, "leaf2101", 11) == Standing("down", "s", "Ethernet1/1 s")
    assert the(status, "leaf2101", 12).state == "up"
    assert the(status, "leaf2101", 13) == Standing("down", "-", "Ethernet1/3 -")


def test_sessions_count_those_that_are_established() -> None:
    rows = tuple(
        replace(row, state="Idle") if (row.switch, row.neighbor) == ("leaf2101", "192.168.1.11") else row
        for row in well().sessions
    )
    found = the(standing_of(replace(well(), sessions=rows)), "leaf2101", "node01")
    assert found == Standing("down", "1/2", "IPv4 192.168.1.11 Idle; IPv6 2001:192:168:1::11 Established")
    gone = the(standing_of(replace(well(), sessions=())), "leaf2101", "spine1")
    assert gone == Standing("down", "0/1", "EVPN 10.2.1.5 is not configured")


@pytest.mark.parametrize(
    ("side", "mark"),
    [
        (Vpc("leaf2101", "peer-link-down", "peer-alive", "consistent", ()), "peer-link-down"),
        (Vpc("leaf2101", "peer-ok", "peer-not-reachable", "consistent", ()), "peer-not-reachable"),
        (Vpc("leaf2101", "peer-ok", "peer-alive", "inconsistent", ()), "inconsistent"),
    ],
)
def test_a_pair_is_as_its_worse_side(side: Vpc, mark: str) -> None:
    found = the(standing_of(replace(well(), vpc=(well().vpc[1], side))), "leaf2101", "leaf2102")
    assert (found.state, found.mark) == ("down", mark)


def test_of_a_verification_and_the_running_lab_the_worse_is_believed() -> None:
    silent = [check(f"bgp.route.{node}", f"{node}: timeout", verdict="INCONCLUSIVE") for node in ("leaf2101", "node02")]
    status = status_of(PICTURE, evidence(check("ping.node01.answered"), *silent), without("leaf2101"))
    assert the(status, "node01").state == "down"
    assert the(status, "node02").state == "unknown"
    assert the(status, "leaf2101") == Standing("unknown", "no answer", "it is gone")
    assert the(status, "master").state == "up"


def test_a_running_lab_is_as_it_was_looked_at(golden: Callable[[str, str], None]) -> None:
    """A leaf that does not answer, a port that is shut with what hangs on it, a node that is not ready."""
    live = without("leaf2101", "show interface brief: timed out")
    shut = {("leaf2102", "Ethernet1/2"), ("node01", "eth2")}
    live = replace(
        live,
        ports=tuple(replace(row, state="down") if (row.node, row.interface) in shut else row for row in live.ports),
        lacp=tuple(replace(row, distributing=("eth1",)) if row.node == "node01" else row for row in live.lacp),
        channels=tuple(replace(row, flag="D") if row.channel == 12 else row for row in live.channels),
        nodes=tuple(replace(row, ready=row.name != "node02") for row in live.nodes),
    )
    golden("graph/whitepaper-live.svg", draw(WHITEPAPER, live=live))
    golden("graph/whitepaper-live.mmd", draw_mermaid(WHITEPAPER, live=live))


def test_the_drawing_says_when_it_was_read_and_what_is_not_known() -> None:
    for text in (draw(WHITEPAPER, live=without("leaf2101")), draw_mermaid(WHITEPAPER, live=without("leaf2101"))):
        assert "running lab, read 2026-01-01 00:00:00 UTC" in text
        assert "leaf2101 did not answer: it is gone" in text
        assert "no answer" in text
    assert "? no answer" in draw_mermaid(WHITEPAPER, live=without("leaf2101"))
    assert "✓ answers" in draw_mermaid(WHITEPAPER, live=well())
