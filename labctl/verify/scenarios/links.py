"""``links``: LACP with every member, port-channels bundled, vPC consistent. Every verification runs it."""

from __future__ import annotations

from functools import partial

from labctl.verify import judges
from labctl.verify.checks import Check
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Command
from labctl.verify.scenario import Scenario
from labctl.verify.verdict import CheckResult


def checks(lab: LabUnderTest) -> list[Check]:
    """From the inputs."""
    links = lab.checks.links
    found = [
        Check(
            f"links.lacp.{row.node}", f"{row.bond} of {row.node} distributes on every member",
            (Command("node", row.node, f"cat /proc/net/bonding/{row.bond}"),), partial(judges.lacp, row),
        )
        for row in links.lacp
    ]  # fmt: skip
    found += [
        Check(
            f"links.port-channel.{row.switch}.{channel.channel}",
            f"port-channel{channel.channel} of {row.switch} is bundled",
            (Command("nxos", row.switch, "show port-channel summary"),),
            partial(judges.port_channel, row.switch, channel),
        )
        for row in links.port_channels
        for channel in row.channels
    ]  # fmt: skip
    found += [
        Check(
            f"links.vpc.{vpc.switch}", f"vPC domain {vpc.domain} of {vpc.switch} is consistent",
            (Command("nxos", vpc.switch, "show vpc brief"),), partial(judges.vpc, vpc),
        )
        for vpc in links.vpc
    ]  # fmt: skip
    found += [
        Check(
            f"links.underlay.{row.switch}", f"{row.switch} has its neighbors of the underlay",
            (Command("nxos", row.switch, "show ip ospf neighbors"),), partial(judges.underlay, row),
        )
        for row in links.underlay
    ]  # fmt: skip
    return found


def run(lab: LabUnderTest) -> list[CheckResult]:
    return lab.poll(checks(lab), lab.deadline("bond"))


SCENARIO = Scenario("links", "LACP and vPC", run, fabric_title="vPC and underlay")
