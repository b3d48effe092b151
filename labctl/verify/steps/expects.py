"""A step ``expect`` as checks: which commands are asked, and which pure judge decides.

Whether a session was reset is judged by what the switch counts: ``connsestablished`` and ``connsdropped`` of
``show ip bgp neighbors`` (NX-OS JSON) grow with each new session, so one that was down between two looks shows, however
short it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from labctl.bonding import parse_bond
from labctl.kube.api import Json
from labctl.kube.resources import PODS
from labctl.nxos.tables import flag_words, neighbors, rows
from labctl.verify import expectation
from labctl.verify.capturing import channel_of
from labctl.verify.checks import Check
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Command, listing
from labctl.verify.steps.faults import default_vrf
from labctl.verify.steps.model import Bond, Evpn, Expect, PodsAt, PortChannel, Route, Sessions, VpcState
from labctl.verify.topics import bgp
from labctl.verify.topics.bgp import BgpInput, NodeSession, RouteInput
from labctl.verify.topics.links import channel_flags
from labctl.verify.verdict import Judgement, Verdict, fails, judged, ruled

ADDRESS_KEYS = ("neighbor", "ipv6neighbor", "ipv4neighbor")


def counted(body: Any) -> dict[str, Mapping[str, Any]]:
    """Address → what a switch says of a neighbor whose connections it counts."""
    found = {}
    for row in rows(body, "neighbor"):
        address = next((str(row[key]) for key in ADDRESS_KEYS if key in row), None)
        if address is not None and "connsestablished" in row:
            found[address] = row
    return found


def judge_connections(
    are: str, switch: str, neighbor: str, before: Mapping[str, Mapping[str, Any]], body: Any
) -> Judgement:
    """Established: ``unbroken``, by the same connection as before; ``reset``, by a newer one."""
    then, now = before.get(neighbor), counted(body).get(neighbor)
    if then is None:
        return Judgement("INCONCLUSIVE", f"{switch}: neighbor {neighbor} was not there when the scenario began")
    same, (made_then, lost_then) = are == "unbroken", _connections(then)
    expected: dict[str, Any] = {"state": "Established", "connections": f"more than {made_then}"}
    if same:
        expected |= {"connections": made_then, "dropped": lost_then}
    if now is None:
        return fails(f"{switch}: neighbor {neighbor} is not there any more", expected, None)
    (made, lost), up = _connections(now), str(now.get("elapsedtime") or "-")
    seen = {"state": str(now.get("state")), "connections": made, "dropped": lost, "up_for": up}
    rules = (
        (seen["state"] != "Established", f"is {seen['state']}"),
        (same and (made, lost) != (made_then, lost_then),
         f"was reset: {made} connections and {lost} dropped, {made_then} and {lost_then} before"),
        (not same and made <= made_then, "was not reset"),
    )  # fmt: skip
    right = f"is {'unbroken' if same else 'a new one'}, up for {up}"
    return ruled(f"{switch}: session with {neighbor} ", rules, right, expected, seen)


def _connections(row: Mapping[str, Any]) -> tuple[int, int]:
    """How many there were, and how many of them were dropped."""
    return int(row["connsestablished"]), int(row.get("connsdropped") or 0)


COUNTED = ("unbroken", "reset")
"""Judged by the connections that the switch counts."""
Baseline = Mapping[Command, Mapping[str, Mapping[str, Any]]]
"""What was counted when the scenario began."""


def checks(lab: LabUnderTest, expect: Expect, identity: str, baseline: Baseline) -> list[Check]:
    """The checks of an expectation that is asked (not of one that is measured: loss, packets)."""
    found: Iterable[Check]
    match row := getattr(expect, expect.kind):
        case Sessions():
            found = _sessions(lab, row, identity, baseline)
        case Evpn():
            found = _evpn(lab, row, identity)
        case Route():
            found = (_route(lab, row, switch, f"{identity}.{switch}") for switch in row.switch)
        case PortChannel():
            found = (_port_channel(lab, row, switch, f"{identity}.{switch}") for switch in row.switch)
        case VpcState():
            found = (_vpc(row, switch, f"{identity}.{switch}") for switch in row.switch)
        case Bond():
            asked = Command("node", row.node, "cat /proc/net/bonding/bond0")
            found = [Check(identity, f"bond0 of {row.node}", (asked,), partial(judge_bond, row))]
        case _:
            asked, judge = listing(PODS, row.namespace), partial(judge_pods, row, lab.kube_name)
            found = [Check(identity, f"{row.count} pods {row.pod}", (asked,), judge)]
    return list(found)


def counters(rows: Sequence[NodeSession]) -> list[Command]:
    """What is asked to count the connections of sessions."""
    return list(dict.fromkeys(row.show("neighbors") for row in rows))


def _sessions(lab: LabUnderTest, row: Sessions, identity: str, baseline: Baseline) -> Iterator[Check]:
    for session in lab.section(BgpInput).sessions:
        if (
            session.switch not in (row.switch or (session.switch,))
            or session.node not in (row.node or (session.node,))
            or row.family not in {None, session.family}
        ):
            continue
        switch, neighbor, asked = session.switch, session.neighbor, session.summary
        judge: Callable[[Any], Judgement] = partial(_down, switch, neighbor)
        if row.are == "up":
            judge = partial(bgp.judge_session, switch, neighbor, session.asn)
        elif row.are in COUNTED:
            (asked,) = counters([session])
            judge = partial(judge_connections, row.are, switch, neighbor, baseline.get(asked, {}))
        title = f"{switch} with {session.node} ({neighbor}) is {row.are}"
        yield Check(f"{identity}.{switch}.{neighbor}", title, (asked,), judge)


def _evpn(lab: LabUnderTest, row: Evpn, identity: str) -> Iterator[Check]:
    for switch, neighbor in ((one.switch, peer) for one in lab.section(BgpInput).evpn for peer in one.neighbors):
        if switch in (row.switch or (switch,)) and neighbor in (row.neighbor or (neighbor,)):
            judge = partial(_down, switch, neighbor)
            if row.are == "up":
                judge = partial(bgp.judge_session, switch, neighbor, None)
            title = f"EVPN of {switch} with {neighbor} is {row.are}"
            yield Check(f"{identity}.{switch}.{neighbor}", title, (bgp.evpn(switch),), judge)


def _down(switch: str, neighbor: str, body: Any) -> Judgement:
    row = neighbors(body).get(neighbor)
    expected = {"state": "not Established"}
    if row is None:
        return fails(f"{switch}: neighbor {neighbor} is not configured", expected, None)
    seen = {"state": row.get("state")}
    rules = [(seen["state"] == "Established", "still Established")]
    return ruled(f"{switch}: neighbor {neighbor} is ", rules, str(seen["state"]), expected, seen)


def _route(lab: LabUnderTest, row: Route, switch: str, identity: str) -> Check:
    vrf = row.vrf or default_vrf(lab)
    what = row.prefix if isinstance(row.prefix, str) else row.prefix.cluster_ip_of
    wanted = RouteInput(switch=switch, vrf=vrf, prefix=row.prefix, next_hops=row.next_hops)
    table = bgp.route_table(switch, vrf, what)
    check = bgp.route_check(lab, wanted, identity, f"route to {what} at {switch}", table)
    return check if row.next_hops else replace(check, judge=lambda *seen: _absent(check.judge(*seen)))


def _absent(found: Judgement) -> Judgement:
    """A route that must not be there: the judge of routes sees none."""
    gone = found.seen is None
    sentence = found.sentence if gone else f"{found.sentence.partition(' has next hops')[0]} is still there"
    return Judgement("PASS" if gone else "FAIL", sentence, "no such route", found.seen)


def judge_bond(row: Bond, text: str) -> Judgement:
    """Which members distribute, of ``/proc/net/bonding/bond0``. Pure."""
    carrying = [member.name for member in parse_bond(text).carrying]
    expected = {"distributing": list(row.up), "not": list(row.down)}
    wrong = [f"{name} does not distribute" for name in row.up if name not in carrying]
    wrong += [f"{name} still distributes" for name in row.down if name in carrying]
    return judged(row.node, wrong, f"{', '.join(carrying) or 'no member'} distributes", expected, carrying)


def _port_channel(lab: LabUnderTest, row: PortChannel, switch: str, identity: str) -> Check:
    name = channel_of(lab, switch, row.node)
    judge = partial(judge_channel, switch, name, up=row.state == "up")
    asked = Command("nxos", switch, "show port-channel summary")
    return Check(identity, f"{name} of {switch}, towards {row.node}, is {row.state}", (asked,), judge)


def judge_channel(switch: str, name: str, body: Any, *, up: bool) -> Judgement:
    """Whether a port-channel bundles a member. Pure."""
    expected, seen = "up" if up else "down", channel_flags(body, name.removeprefix("port-channel"))
    if seen is None:
        return fails(f"{switch}: there is no {name}", expected, None)
    told = ", ".join(f"{port} is {flag_words(flag)}" for port, flag in seen.items()) or "no member"
    verdict: Verdict = "PASS" if ("P" in seen.values()) is up else "FAIL"
    return Judgement(verdict, f"{switch}: {name}: {told}", expected, seen)


def _vpc(row: VpcState, switch: str, identity: str) -> Check:
    asked = Command("nxos", switch, "show vpc brief")
    return Check(identity, f"vPC domain of {switch}", (asked,), partial(judge_vpc, row, switch))


def judge_vpc(row: VpcState, switch: str, body: Any) -> Judgement:
    """Peer and keepalive as ``show vpc brief`` tells them. Pure."""
    said = body if isinstance(body, Mapping) else {}
    peer, alive = (str(said.get(f"vpc-{key}-status", "unknown")) for key in ("peer", "peer-keepalive"))
    wrong = []
    if row.peer is not None and (peer == "peer-ok") is not (row.peer == "ok"):
        wrong.append(f"peer status is {peer}")
    if row.keepalive is not None and (alive == "peer-alive") is not (row.keepalive == "alive"):
        wrong.append(f"keepalive status is {alive}")
    expected = row.model_dump(include={"peer", "keepalive"}, exclude_none=True)
    seen = {"peer": peer, "keepalive": alive}
    return judged(switch, wrong, f"peer is {peer}, keepalive {alive}", expected, seen)


def judge_pods(row: PodsAt, kube_name: Callable[[str], str], items: Sequence[Json]) -> Judgement:
    """Ready pods with the label, and where they are. Pure."""
    ready = [pod for pod in expectation.pods_with(items, row.namespace, row.pod) if expectation.is_ready(pod)]
    seen = {pod["metadata"]["name"]: pod["spec"].get("nodeName") for pod in ready}
    here = [name for name, node in seen.items() if row.node is None or node == kube_name(row.node)]
    expected = {"pods": row.count, "node": row.node, "not_on": row.not_on}
    told = ", ".join(f"{name} on {node}" for name, node in seen.items()) or "none"
    where = f" on {row.node}" if row.node else ""
    rules = (
        (row.not_on is not None and kube_name(row.not_on) in seen.values(), f"{row.pod} is still on {row.not_on}"),
        (len(here) != row.count, f"{len(here)} pods {row.pod} are ready{where}, not {row.count}"),
    )
    judgement = ruled("", rules, "ready", expected, seen)
    return replace(judgement, sentence=f"{judgement.sentence}: {told}")
