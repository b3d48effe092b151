"""``links``: LACP with every member, port-channels bundled, vPC consistent, MTU of uplinks. Every lab runs it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from labctl.bonding import NO_PARTNER, Bond, parse_bond
from labctl.nxos.tables import flag_words, rows
from labctl.verify.checks import Check
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Command, Unanswered
from labctl.verify.values import ChannelInput, Model, PortChannelsInput
from labctl.verify.verdict import CheckResult, Judgement, fails, judged, passes


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


def checks(lab: LabUnderTest) -> list[Check]:
    """From the inputs."""
    links = lab.section(LinksInput)
    found = [
        Check(
            f"links.lacp.{row.node}", f"{row.bond} of {row.node} distributes on every member",
            (Command("node", row.node, f"cat /proc/net/bonding/{row.bond}"),), partial(judge_lacp, row),
        )
        for row in links.lacp
    ]  # fmt: skip
    found += [
        Check(
            f"links.port-channel.{row.switch}.{channel.channel}",
            f"port-channel{channel.channel} of {row.switch} is bundled",
            (Command("nxos", row.switch, "show port-channel summary"),),
            partial(judge_port_channel, row.switch, channel),
        )
        for row in links.port_channels
        for channel in row.channels
    ]  # fmt: skip
    found += [
        Check(
            f"links.vpc.{vpc.switch}", f"vPC domain {vpc.domain} of {vpc.switch} is consistent",
            (Command("nxos", vpc.switch, "show vpc brief"),), partial(judge_vpc, vpc),
        )
        for vpc in links.vpc
    ]  # fmt: skip
    found += [
        Check(
            f"links.underlay.{row.switch}", f"{row.switch} has its neighbors of the underlay",
            (Command("nxos", row.switch, "show ip ospf neighbors"),), partial(judge_underlay, row),
        )
        for row in links.underlay
    ]  # fmt: skip
    found += [
        Check(
            f"links.mtu.{row.switch}.{port}", f"MTU of uplink {port} of {row.switch}",
            (Command("nxos", row.switch, "show interface"),), partial(judge_mtu, row.switch, port, mtu),
        )
        for row in links.mtu
        for port, mtu in row.ports.items()
    ]  # fmt: skip
    return found


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
    missing = [name for name in check.members if name not in carrying]
    if missing:
        words = [_member_trouble(name, seen.get(name), bond) for name in missing]
        return fails(f"{check.node}: {'; '.join(words)}", expected, seen)
    return passes(f"{check.node}: {' and '.join(check.members)} distribute to {bond.partner_mac}", expected, seen)


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
    found = next((row for row in rows(body, "channel") if str(row.get("group")) == str(check.channel)), None)
    expected = dict.fromkeys(check.members, "P")
    if found is None:
        return fails(f"{switch}: there is no port-channel{check.channel}", expected, None)
    seen = {str(row["port"]): str(row["port-status"]) for row in rows(found, "member")}
    wrong = [f"{name} is {flag_words(seen.get(name))}" for name in check.members if seen.get(name) != "P"]
    if wrong:
        return fails(f"{switch}: port-channel{check.channel}: {', '.join(wrong)}", expected, seen)
    return passes(f"{switch}: port-channel{check.channel} bundles {', '.join(check.members)}", expected, seen)


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
    wrong = [f"{name} is {seen.get(name, 'not there')}" for name in check.neighbors if seen.get(name) != "FULL"]
    if wrong:
        return fails(f"{check.switch}: OSPF neighbor {', '.join(wrong)}", expected, seen)
    return passes(f"{check.switch}: {len(expected)} OSPF neighbors are FULL", expected, seen)


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
    seen = int(said)
    if seen != mtu:
        return fails(f"{switch}: MTU of {port} is {seen}, expected {mtu}", {port: mtu}, {port: seen})
    return passes(f"{switch}: MTU of {port} is {seen}", {port: mtu}, {port: seen})


SCENARIO = Scenario("links", "LACP and vPC", run, fabric_title="vPC and underlay")
