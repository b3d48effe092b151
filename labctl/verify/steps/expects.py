"""A step ``expect`` as checks: which commands are asked, and which pure judge decides.

Whether a session was reset is judged by what the switch counts: ``connsestablished`` and ``connsdropped`` of
``show ip bgp neighbors`` (NX-OS JSON) grow with each new session, so one that was down between two looks shows, however
short it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from labctl.bonding import parse_bond
from labctl.kube.api import Json
from labctl.kube.resources import NODES, PODS
from labctl.nxos.tables import flag_words, neighbors, rows
from labctl.verify import expectation
from labctl.verify.capturing import channel_of
from labctl.verify.checks import Check, cluster_check
from labctl.verify.expectation import Cluster
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Command
from labctl.verify.steps.faults import default_vrf
from labctl.verify.steps.model import Bond, Evpn, Expect, Nodes, PodsAt, PortChannel, Route, Sessions, VpcState
from labctl.verify.topics import bgp
from labctl.verify.topics.bgp import SUMMARY, BgpInput, NodeSession, RouteInput, judge_route, kinds_of
from labctl.verify.values import EndpointsOf
from labctl.verify.verdict import Judgement, Verdict, fails, passes

CONNECTIONS = {"ipv4": "show ip bgp neighbors", "ipv6": "show ipv6 bgp neighbors"}
ADDRESS_KEYS = ("neighbor", "ipv6neighbor", "ipv4neighbor")


@dataclass(frozen=True, slots=True)
class Counted:
    """What a switch says of one neighbor. ``up``: how long, in its words."""

    state: str
    established: int
    dropped: int
    up: str


def counted(body: Any) -> dict[str, Counted]:
    """Address → what is counted."""
    found = {}
    for row in rows(body, "neighbor"):
        address = next((str(row[key]) for key in ADDRESS_KEYS if key in row), None)
        if address is not None and "connsestablished" in row:
            found[address] = Counted(
                str(row.get("state")),
                int(row["connsestablished"]),
                int(row.get("connsdropped") or 0),
                str(row.get("elapsedtime") or "-"),
            )
    return found


def judge_connections(are: str, switch: str, neighbor: str, before: Mapping[str, Counted], body: Any) -> Judgement:
    """Established: ``unbroken``, by the same connection as before; ``reset``, by a newer one."""
    then, now = before.get(neighbor), counted(body).get(neighbor)
    if then is None:
        return Judgement("INCONCLUSIVE", f"{switch}: neighbor {neighbor} was not there when the scenario began")
    same = are == "unbroken"
    expected: dict[str, Any] = {"state": "Established", "connections": f"more than {then.established}"}
    if same:
        expected |= {"connections": then.established, "dropped": then.dropped}
    if now is None:
        return fails(f"{switch}: neighbor {neighbor} is not there any more", expected, None)
    seen = {"state": now.state, "connections": now.established, "dropped": now.dropped, "up_for": now.up}
    session = f"session with {neighbor}"
    if now.state != "Established":
        return fails(f"{switch}: {session} is {now.state}", expected, seen)
    if same and (now.established, now.dropped) != (then.established, then.dropped):
        why = f"{now.established} connections and {now.dropped} dropped, {then.established} and {then.dropped} before"
        return fails(f"{switch}: {session} was reset: {why}", expected, seen)
    if not same and now.established <= then.established:
        return fails(f"{switch}: {session} was not reset", expected, seen)
    return passes(f"{switch}: {session} is {'unbroken' if same else 'a new one'}, up for {now.up}", expected, seen)


COUNTED = ("unbroken", "reset")
"""Judged by the connections that the switch counts."""
Baseline = Mapping[tuple[str, str], Mapping[str, Counted]]
"""(switch, command) → what was counted when the scenario began."""


def checks(lab: LabUnderTest, expect: Expect, identity: str, baseline: Baseline) -> list[Check]:
    """The checks of an expectation that is asked (not of one that is measured: loss, packets)."""
    row = getattr(expect, expect.kind)
    makers: Mapping[type, Callable[[], Iterable[Check]]] = {
        Sessions: lambda: _sessions(lab, row, identity, baseline),
        Evpn: lambda: _evpn(lab, row, identity),
        Route: lambda: (_route(lab, row, switch, identity) for switch in row.switch),
        Bond: lambda: (_bond(row, identity),),
        PortChannel: lambda: (_port_channel(lab, row, switch, identity) for switch in row.switch),
        VpcState: lambda: (_vpc(row, switch, identity) for switch in row.switch),
        PodsAt: lambda: (_pods(lab, row, identity),),
    }
    return list(makers[type(row)]())


def session_rows(lab: LabUnderTest, row: Sessions) -> list[NodeSession]:
    """The lab's sessions that an expectation is about."""
    return [
        session
        for session in lab.section(BgpInput).sessions
        if (row.switch is None or session.switch in row.switch)
        and (row.node is None or session.node in row.node)
        and row.family in {None, session.family}
    ]


def counters(rows: Sequence[NodeSession]) -> list[Command]:
    """What is asked to count the connections of sessions."""
    found = [Command("nxos", row.switch, f"{CONNECTIONS[row.family]} vrf {row.vrf}") for row in rows]
    return list(dict.fromkeys(found))


def _sessions(lab: LabUnderTest, row: Sessions, identity: str, baseline: Baseline) -> Iterator[Check]:
    for session in session_rows(lab, row):
        title = f"{session.switch} with {session.node} ({session.neighbor}) is {row.are}"
        name = f"{identity}.{session.switch}.{session.neighbor}"
        if row.are in COUNTED:
            command = counters([session])[0]
            before = baseline.get((command.target, command.text), {})
            yield Check(
                name, title, (command,), partial(judge_connections, row.are, session.switch, session.neighbor, before)
            )
            continue
        command = Command("nxos", session.switch, f"{SUMMARY[session.family]} vrf {session.vrf}")
        judge = partial(bgp.judge_session, session.switch, session.neighbor, session.asn)
        yield Check(
            name, title, (command,), judge if row.are == "up" else partial(_down, session.switch, session.neighbor)
        )


def _evpn(lab: LabUnderTest, row: Evpn, identity: str) -> Iterator[Check]:
    for switch in lab.section(BgpInput).evpn:
        for neighbor in switch.neighbors:
            if (row.switch and switch.switch not in row.switch) or (row.neighbor and neighbor not in row.neighbor):
                continue
            judge = partial(bgp.judge_session, switch.switch, neighbor, None)
            yield Check(
                f"{identity}.{switch.switch}.{neighbor}", f"EVPN of {switch.switch} with {neighbor} is {row.are}",
                (Command("nxos", switch.switch, "show bgp l2vpn evpn summary"),),
                judge if row.are == "up" else partial(_down, switch.switch, neighbor),
            )  # fmt: skip


def _down(switch: str, neighbor: str, body: Any) -> Judgement:
    row = neighbors(body).get(neighbor)
    expected = {"state": "not Established"}
    if row is None:
        return fails(f"{switch}: neighbor {neighbor} is not configured", expected, None)
    seen = {"state": row.get("state")}
    if row.get("state") == "Established":
        return fails(f"{switch}: neighbor {neighbor} is still Established", expected, seen)
    return passes(f"{switch}: neighbor {neighbor} is {row.get('state')}", expected, seen)


def _route(lab: LabUnderTest, row: Route, switch: str, identity: str) -> Check:
    vrf = row.vrf or default_vrf(lab)
    what = row.prefix if isinstance(row.prefix, str) else row.prefix.cluster_ip_of
    family = "ipv6" if ":" in what and not what.startswith("/") and isinstance(row.prefix, str) else "ip"

    by_node = (NODES,) if isinstance(row.next_hops, Nodes) else ()

    def judged(cluster: Cluster, body: Any) -> Judgement:
        hops: EndpointsOf | tuple[str, ...]
        if isinstance(row.next_hops, Nodes):
            version = 6 if family == "ipv6" else 4
            found = [expectation.node_address(cluster, lab.kube_name(node), version) for node in row.next_hops.nodes]
            hops = tuple(address for address in found if address)
        else:
            hops = row.next_hops
        wanted = RouteInput(switch=switch, vrf=vrf, prefix=row.prefix, next_hops=hops)
        judgement = judge_route(lab.kube_name, wanted, cluster, body)
        return _absent(judgement) if hops == () else judgement

    return cluster_check(
        f"{identity}.{switch}", f"route to {what} at {switch}",
        (Command("nxos", switch, f"show {family} route vrf {vrf}"),), judged,
        calico=lab.calico, kinds=(*by_node, *kinds_of(row.prefix, row.next_hops)),
    )  # fmt: skip


def _absent(found: Judgement) -> Judgement:
    """A route that must not be there: the judge of routes sees none."""
    gone = found.seen is None
    sentence = found.sentence if gone else f"{found.sentence.partition(' has next hops')[0]} is still there"
    return Judgement("PASS" if gone else "FAIL", sentence, "no such route", found.seen)


def _bond(row: Bond, identity: str) -> Check:
    return Check(
        identity, f"bond0 of {row.node}", (Command("node", row.node, "cat /proc/net/bonding/bond0"),),
        partial(judge_bond, row),
    )  # fmt: skip


def judge_bond(row: Bond, text: str) -> Judgement:
    """Which members distribute, of ``/proc/net/bonding/bond0``. Pure."""
    carrying = [member.name for member in parse_bond(text).carrying]
    expected = {"distributing": list(row.up), "not": list(row.down)}
    wrong = [f"{name} does not distribute" for name in row.up if name not in carrying]
    wrong += [f"{name} still distributes" for name in row.down if name in carrying]
    if wrong:
        return fails(f"{row.node}: {', '.join(wrong)}", expected, carrying)
    return passes(f"{row.node}: {', '.join(carrying) or 'no member'} distributes", expected, carrying)


def _port_channel(lab: LabUnderTest, row: PortChannel, switch: str, identity: str) -> Check:
    name = channel_of(lab, switch, row.node)
    return Check(
        f"{identity}.{switch}", f"{name} of {switch}, towards {row.node}, is {row.state}",
        (Command("nxos", switch, "show port-channel summary"),),
        partial(judge_channel, switch, name, up=row.state == "up"),
    )  # fmt: skip


def judge_channel(switch: str, name: str, body: Any, *, up: bool) -> Judgement:
    """Whether a port-channel bundles a member. Pure."""
    number = name.removeprefix("port-channel")
    found = next((row for row in rows(body, "channel") if str(row.get("group")) == number), None)
    if found is None:
        return fails(f"{switch}: there is no {name}", "up" if up else "down", None)
    seen = {str(row["port"]): str(row["port-status"]) for row in rows(found, "member")}
    is_up = "P" in seen.values()
    words = ", ".join(f"{port} is {flag_words(flag)}" for port, flag in seen.items()) or "no member"
    verdict: Verdict = "PASS" if is_up is up else "FAIL"
    return Judgement(verdict, f"{switch}: {name}: {words}", "up" if up else "down", seen)


def _vpc(row: VpcState, switch: str, identity: str) -> Check:
    return Check(
        f"{identity}.{switch}", f"vPC domain of {switch}", (Command("nxos", switch, "show vpc brief"),),
        partial(judge_vpc, row, switch),
    )  # fmt: skip


def judge_vpc(row: VpcState, switch: str, body: Any) -> Judgement:
    """Peer and keepalive as ``show vpc brief`` tells them. Pure."""
    peer = str(body.get("vpc-peer-status")) if isinstance(body, Mapping) else "unknown"
    alive = str(body.get("vpc-peer-keepalive-status")) if isinstance(body, Mapping) else "unknown"
    wrong = []
    if row.peer is not None and (peer == "peer-ok") is not (row.peer == "ok"):
        wrong.append(f"peer status is {peer}")
    if row.keepalive is not None and (alive == "peer-alive") is not (row.keepalive == "alive"):
        wrong.append(f"keepalive status is {alive}")
    expected = {word: value for word, value in (("peer", row.peer), ("keepalive", row.keepalive)) if value}
    seen = {"peer": peer, "keepalive": alive}
    sentence = "; ".join(wrong) if wrong else f"peer is {peer}, keepalive {alive}"
    return Judgement("FAIL" if wrong else "PASS", f"{switch}: {sentence}", expected, seen)


def _pods(lab: LabUnderTest, row: PodsAt, identity: str) -> Check:
    path = PODS.path(row.namespace)
    return Check(
        identity, f"{row.count} pods {row.pod}", (Command("kube", "kubernetes", path),),
        partial(judge_pods, row, lab.kube_name),
    )  # fmt: skip


def judge_pods(row: PodsAt, kube_name: Any, items: Sequence[Json]) -> Judgement:
    """Ready pods with the label, and where they are. Pure."""
    ready = [pod for pod in expectation.pods_with(items, row.namespace, row.pod) if expectation.is_ready(pod)]
    seen = {pod["metadata"]["name"]: pod["spec"].get("nodeName") for pod in ready}
    here = [name for name, node in seen.items() if row.node is None or node == kube_name(row.node)]
    expected = {"pods": row.count, "node": row.node, "not_on": row.not_on}
    words = ", ".join(f"{name} on {node}" for name, node in seen.items()) or "none"
    if row.not_on is not None and kube_name(row.not_on) in seen.values():
        return fails(f"{row.pod} is still on {row.not_on}: {words}", expected, seen)
    if len(here) != row.count:
        where = f" on {row.node}" if row.node else ""
        return fails(f"{len(here)} pods {row.pod} are ready{where}, not {row.count}: {words}", expected, seen)
    return passes(f"ready: {words}", expected, seen)
