"""``links``: LACP with every member, port-channels bundled, vPC consistent, MTU of uplinks. Every lab runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from labctl.bonding import NO_PARTNER, Bond, parse_bond
from labctl.nxos.tables import flag_words, rows
from labctl.verify.checks import Check
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Command, Unanswered
from labctl.verify.values import ChannelInput, Model, PortChannelsInput
from labctl.verify.verdict import CheckResult, Judgement, fails, judged, ruled


class LacpInput(Model):
    node: str
    bond: str
    members: tuple[str, ...]


class VpcInput(Model):
    switch: str
    domain: int
    vpcs: tuple[int, ...]


class UnderlayInput(Model):
    """OSPF neighbours of a switch, by router id."""

    switch: str
    neighbors: tuple[str, ...]


class MtuInput(Model):
    """MTU in bytes of a leaf's uplinks, by port."""

    switch: str
    ports: dict[str, int]


class LinksInput(Model):
    lacp: tuple[LacpInput, ...] = ()
    port_channels: tuple[PortChannelsInput, ...] = ()
    vpc: tuple[VpcInput, ...] = ()
    mtu: tuple[MtuInput, ...] = ()
    underlay: tuple[UnderlayInput, ...] = ()


def checks(lab: LabUnderTest) -> Iterator[Check]:
    """From the inputs."""
    links = lab.section(LinksInput)
    for row in links.lacp:
        title = f"{row.bond} of {row.node} distributes on every member"
        bond = Command("node", row.node, f"cat /proc/net/bonding/{row.bond}")
        yield Check(f"links.lacp.{row.node}", title, (bond,), partial(judge_lacp, row))
    for switch, channel in ((leaf.switch, channel) for leaf in links.port_channels for channel in leaf.channels):
        identity, title = f"links.port-channel.{switch}.{channel.channel}", f"port-channel{channel.channel} of {switch}"
        summary = Command("nxos", switch, "show port-channel summary")
        yield Check(identity, f"{title} is bundled", (summary,), partial(judge_port_channel, switch, channel))
    for vpc in links.vpc:
        brief = Command("nxos", vpc.switch, "show vpc brief")
        title = f"vPC domain {vpc.domain} of {vpc.switch} is consistent"
        yield Check(f"links.vpc.{vpc.switch}", title, (brief,), partial(judge_vpc, vpc))
    for under in links.underlay:
        ospf = Command("nxos", under.switch, "show ip ospf neighbors")
        title = f"{under.switch} has its neighbors of the underlay"
        yield Check(f"links.underlay.{under.switch}", title, (ospf,), partial(judge_underlay, under))
    for switch, port, mtu in ((leaf.switch, port, mtu) for leaf in links.mtu for port, mtu in leaf.ports.items()):
        ports = Command("nxos", switch, "show interface")
        title = f"MTU of uplink {port} of {switch}"
        yield Check(f"links.mtu.{switch}.{port}", title, (ports,), partial(judge_mtu, switch, port, mtu))


def run(lab: LabUnderTest) -> list[CheckResult]:
    return lab.poll(checks(lab), lab.deadline("bond"))


def judge_lacp(check: LacpInput, text: str) -> Judgement:
    """Every member of a node's bond distributes, in one aggregator, towards one partner."""
    bond = parse_bond(text)
    carrying = {member.name for member in bond.carrying}
    seen = {
        member.name: {
            "up": member.up, "aggregator": member.aggregator, "actor_state": member.actor_state,
            "partner_state": member.partner_state, "partner": member.partner_mac,
        }
        for member in bond.members
    }  # fmt: skip
    expected = {"distributing": list(check.members), "partner": "one"}
    wrong = [_member_trouble(name, seen.get(name), bond) for name in check.members if name not in carrying]
    right = f"{' and '.join(check.members)} distribute to {bond.partner_mac}"
    return judged(check.node, wrong, right, expected, seen)


def _member_trouble(name: str, row: Mapping[str, Any] | None, bond: Bond) -> str:
    if row is None:
        return f"{name} is no member of the bond"
    if not row["up"]:
        return f"{name} is down"
    if row["partner"] == NO_PARTNER:
        return f"{name} hears no LACP partner: the port at its other end is shut, suspended or speaks no LACP"
    if row["aggregator"] != bond.active_aggregator:
        return (
            f"{name} is in aggregator {row['aggregator']}, not in the active {bond.active_aggregator}: "
            f"its partner is {row['partner']}, that of the others {bond.partner_mac}"
        )
    return f"{name} does not distribute (actor state {row['actor_state']}, partner state {row['partner_state']})"


def judge_port_channel(switch: str, check: ChannelInput, body: Any) -> Judgement:
    """Every member of a leaf's port-channel is bundled."""
    expected = dict.fromkeys(check.members, "P")
    seen = channel_flags(body, check.channel)
    if seen is None:
        return fails(f"{switch}: there is no port-channel{check.channel}", expected, None)
    wrong = [f"{name} is {flag_words(seen.get(name))}" for name in check.members if seen.get(name) != "P"]
    right = f"bundles {', '.join(check.members)}"
    return judged(f"{switch}: port-channel{check.channel}", wrong, right, expected, seen)


def channel_flags(body: Any, channel: int | str) -> dict[str, str] | None:
    """Member → flag (``P``: bundled) in ``show port-channel summary``; None without the channel."""
    for row in rows(body, "channel"):
        if str(row.get("group")) == str(channel):
            return {str(member["port"]): str(member["port-status"]) for member in rows(row, "member")}
    return None


def judge_vpc(check: VpcInput, body: Any) -> Judgement:
    """Peer there, configuration consistent, every vPC up."""
    said: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    legs = {str(row["vpc-id"]): row for row in rows(body, "vpc")}
    vpcs = {number: "up" if str(row.get("vpc-port-state")) == "1" else "down" for number, row in legs.items()}
    wanted = [str(number) for number in check.vpcs]
    unlike = [
        number for number, row in legs.items() if number in wanted and str(row.get("vpc-consistency")) != "consistent"
    ]
    peer, consistency = said.get("vpc-peer-status"), said.get("vpc-peer-consistency")
    seen = {"peer": peer, "consistency": consistency, "vpcs": vpcs, "inconsistent_vpcs": unlike}
    expected = {
        "peer": "peer-ok", "consistency": "consistent", "vpcs": dict.fromkeys(wanted, "up"), "inconsistent_vpcs": [],
    }  # fmt: skip
    wrong = [] if peer == "peer-ok" else [f"peer status is {peer}"]
    wrong += [] if consistency == "consistent" else [f"configuration is {consistency}"]
    wrong += [f"vPC {number} is {vpcs.get(number, 'not there')}" for number in wanted if vpcs.get(number) != "up"]
    wrong += [f"vPC {number} is not consistent with the peer" for number in unlike]
    return judged(check.switch, wrong, f"peer ok, {len(check.vpcs)} vPCs up and consistent", expected, seen)


def judge_underlay(check: UnderlayInput, body: Any) -> Judgement:
    """Every OSPF neighbour is there, FULL on one link at least."""
    expected = dict.fromkeys(check.neighbors, "FULL")
    seen: dict[str, str] = {}
    for row in rows(body, "ctx", "nbr"):
        neighbor, state = str(row.get("rid")), str(row.get("state")).partition("/")[0].strip().upper()
        seen[neighbor] = "FULL" if seen.get(neighbor) == "FULL" else state
    wrong = ", ".join(f"{name} is {seen.get(name, 'not there')}" for name in expected if seen.get(name) != "FULL")
    told = f"OSPF neighbor {wrong}" if wrong else f"{len(expected)} OSPF neighbors are FULL"
    return Judgement("FAIL" if wrong else "PASS", f"{check.switch}: {told}", expected, seen)


def judge_mtu(switch: str, port: str, mtu: int, body: Any) -> Judgement:
    """An uplink has its MTU: OSPF stays in EXSTART where the two ends differ, and large VXLAN packets are lost where
    both are too small.

    Raises `Unanswered` where the switch says no MTU of the port.
    """
    row = next((row for row in rows(body, "interface") if row.get("interface") == port), None)
    if row is None:
        return fails(f"{switch}: there is no {port}, expected with MTU {mtu}", {port: mtu}, None)
    said = str(row.get("eth_mtu"))
    if not said.isdecimal():
        raise Unanswered(f"{switch}: show interface says no MTU of {port}", switch, "show interface says no MTU")
    rules = [(int(said) != mtu, f", expected {mtu}")]
    return ruled(f"{switch}: MTU of {port} is {int(said)}", rules, "", {port: mtu}, {port: int(said)})


SCENARIO = Scenario("links", "LACP and vPC", run, fabric_title="vPC and underlay")
