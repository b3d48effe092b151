"""``scale``: the VRF gets as many networks as the white paper's had, and nothing else changes (disruptive).

The border leaf gets a static route for each, redistributed by its tag as those to external hosts are. The leafs must
have them all, no session may be reset, ping and curl must pass as before, and no node may hear of any: the filter
towards Calico lets none out. Then they go, and the tables are as large as they were.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from ipaddress import ip_network
from itertools import islice
from typing import Any, Literal

from labctl.nxos.tables import neighbors, rows
from labctl.pace import paced
from labctl.restore.changes import HEALERS, Change, change
from labctl.restore.client import LabClient
from labctl.verify.checks import Check, Stopwatch
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Command, Unanswered
from labctl.verify.topics import bgp, curl, ping
from labctl.verify.topics.bgp import BgpInput
from labctl.verify.values import Model
from labctl.verify.verdict import CheckResult, Judgement, Verdict, ruled


class ScaleRoutesInput(Model):
    """``count`` prefixes of a length, the first ones of a range, as static routes via an external host."""

    family: Literal["ipv4", "ipv6"]
    range: str
    length: int
    count: int
    via: str
    next_hop: str
    """The VTEP by which the leafs reach them."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """In their order. A range that has not so many gives all that it has."""
        networks = ip_network(self.range).subnets(new_prefix=self.length)
        return tuple(map(str, islice(networks, self.count)))

    @property
    def lines(self) -> tuple[str, ...]:
        """As a switch has them, but for their tag."""
        return tuple(f"{bgp.IP[self.family]} route {prefix} {self.via}" for prefix in self.prefixes)


class ScaleInput(Model):
    switch: str
    vrf: str
    tag: int
    routes: tuple[ScaleRoutesInput, ...]
    leafs: tuple[str, ...]
    nodes: tuple[str, ...] = ()


LIMIT = 300.0
"""Seconds for the configuration of all routes, or of their removal."""


def lines(inputs: ScaleInput) -> list[str]:
    """What the border leaf is told."""
    return [f"vrf context {inputs.vrf}", *(f"{line} tag {inputs.tag}" for row in inputs.routes for line in row.lines)]


def removal(inputs: ScaleInput, running: str) -> list[str]:
    """What takes those routes away that a running configuration has: some may have been taken already."""
    ours = {line for row in inputs.routes for line in row.lines}
    said = [" ".join(line.split()[:4]) for line in running.splitlines()]
    there = [line for line in dict.fromkeys(said) if line in ours]
    return [f"vrf context {inputs.vrf}", *(f"no {line}" for line in there)] if there else []


def heal(client: LabClient, data: Mapping[str, Any]) -> None:
    """``data``: a `ScaleInput`. Raises `NotDone` when the switch keeps one."""
    inputs = ScaleInput.model_validate(data)
    gone = removal(inputs, client.command(inputs.switch, "show running-config"))
    if gone:
        client.configure(inputs.switch, gone, timeout=paced(LIMIT))


HEALERS["scale-routes"] = heal

WINDOW = 3.0
"""Seconds over which no node may have one of the prefixes."""
SLACK = 3.0
"""Seconds by which a session's age may be behind the clock: it is told in whole seconds."""
DAY = 86400.0
Age = tuple[float, float]
"""(age of a session, what its last digit stands for), in seconds."""


def run(lab: LabUnderTest) -> list[CheckResult]:
    """Grow, prove, shrink, prove."""
    inputs = next(iter(lab.parts(ScaleInput)), None)
    if inputs is None:
        raise Unanswered("this lab has no border leaf with an external host, from where the prefixes would come")
    tables = [(leaf, row) for leaf in inputs.leafs for row in inputs.routes]
    before = {table: sizes(lab.observer.ask(_summary(inputs, *table))[0])[0] for table in tables}
    sessions = lab.section(BgpInput)
    asked = [*(bgp.evpn(row.switch) for row in sessions.evpn), *(row.summary for row in sessions.sessions)]
    ages = {summary: _ages(lab.observer.ask(summary)[0]) for summary in dict.fromkeys(asked)}
    watch = Stopwatch()
    growth = Change("scale", "scale-routes", inputs.model_dump(mode="json"))

    def grow() -> None:
        lab.client.configure(inputs.switch, lines(inputs), timeout=paced(LIMIT))

    with change(lab.journal, growth, grow, lab.client, HEALERS):
        pushed = watch.seconds
        large = [_has(inputs, *table, before[table], watch, pushed) for table in tables]
        large += [_reaches(inputs, *table) for table in tables]
        found = lab.poll(large, lab.deadline("converged"))
        found += lab.flows("scale.ping", ping.PingInput, ping.one)
        found += lab.flows("scale.curl", curl.CurlInput, curl.one)
        unheard = [_unheard(node, row) for node in inputs.nodes for row in inputs.routes]
        found += lab.hold(unheard, WINDOW, found) if unheard else []
        elapsed = watch.seconds  # now, since a session's age is told later: what it then has more proves nothing less
        kept = [_kept(summary, age, elapsed) for summary, age in ages.items()]
        found += lab.poll(kept, lab.deadline("scenario"))
    gone = [_gone(inputs, *table, before[table]) for table in tables]
    return found + lab.poll(gone, lab.deadline("converged"))


def _summary(inputs: ScaleInput, leaf: str, row: ScaleRoutesInput) -> Command:
    return Command("nxos", leaf, f"show {bgp.IP[row.family]} bgp summary vrf {inputs.vrf}")


def sizes(body: Any) -> tuple[int, int]:
    """(networks, paths) of a BGP summary; zeros when there is none. Pure."""
    row = next(iter(rows(body, "vrf", "af", "saf")), {})
    return int(row.get("totalnetworks") or 0), int(row.get("totalpaths") or 0)


def _has(inputs: ScaleInput, leaf: str, row: ScaleRoutesInput, before: int, watch: Stopwatch, pushed: float) -> Check:
    def judged(body: Any) -> Judgement:
        networks, paths = sizes(body)
        expected, seen = {"networks": row.count}, {"networks": networks, "paths": paths, "before": before}
        what = f"{leaf}: {networks} networks and {paths} paths of {row.family} in {inputs.vrf}"
        when = f" {watch.seconds:.1f} s after the first line ({pushed:.1f} s of it for the lines)"
        short = networks < max(row.count, before + row.count)
        rules = [(short, f", expected {row.count} and the {before} from before")]
        return ruled(what, rules, when, expected, seen)

    title = f"{row.count} networks of {row.family} more at {leaf}"
    return Check(f"scale.networks.{leaf}.{row.family}", title, (_summary(inputs, leaf, row),), judged)


def _reaches(inputs: ScaleInput, leaf: str, row: ScaleRoutesInput) -> Check:
    """The last prefix is in the routing table, over VXLAN."""
    last = row.prefixes[-1]
    asked = Command("nxos", leaf, f"show {bgp.IP[row.family]} route {last} vrf {inputs.vrf}")
    return Check(f"scale.route.{leaf}.{row.family}", f"{leaf} routes the last of them, {last}", (asked,),
                 lambda body: bgp.judge_hops(leaf, last, [row.next_hop], None, body))  # fmt: skip


def _unheard(node: str, row: ScaleRoutesInput) -> Check:
    asked = Command("node", node, f"ip -j {'-6' if row.family == 'ipv6' else '-4'} route show")
    title = f"{node} hears of none of them, {row.family}"
    return Check(f"scale.filtered.{node}.{row.family}", title, (asked,), partial(judge_unheard, node, row))


def judge_unheard(node: str, row: ScaleRoutesInput, text: str) -> Judgement:
    """No route of a node is inside the range. Pure."""
    room: Any = ip_network(row.range)
    if not text.strip():
        return Judgement("INCONCLUSIVE", f"{node} did not tell its routes")
    routes = [str(entry.get("dst", "default")) for entry in json.loads(text)]
    heard = [dst for dst in routes if dst != "default" and ip_network(dst, strict=False).subnet_of(room)]
    seen = {"routes": len(routes), "inside": heard[:5]}
    told = f" has {len(heard)} routes of {row.range}, the first {' '.join(heard[:1])}: the leafs let them out"
    return ruled(node, [(heard, told)], f": none of {len(routes)} routes is of {row.range}", 0, seen)


def _kept(asked: Command, before: Mapping[str, Age], elapsed: float) -> Check:
    switch = asked.target
    family = "evpn" if "evpn" in asked.text else "ipv6" if asked.text.startswith("show ipv6") else "ipv4"
    title = f"no session of {switch} was reset, {family}"
    return Check(f"scale.sessions.{switch}.{family}", title, (asked,),
                 lambda body: judge_kept(switch, before, _ages(body), elapsed))  # fmt: skip


def judge_kept(switch: str, before: Mapping[str, Age], now: Mapping[str, Age], elapsed: float) -> Judgement:
    """Every session that was Established is older by the seconds that have passed at least. Pure."""
    expected = dict.fromkeys(before, f"established, {elapsed:.0f} s older")
    seen = {neighbor: f"{age:.0f} s" for neighbor, (age, _) in now.items()}
    lost = ", ".join(neighbor for neighbor in before if neighbor not in now)
    both = [(neighbor, before[neighbor][0], *now[neighbor]) for neighbor in before if neighbor in now]
    reset = ", ".join(
        f"{neighbor} ({age:.0f} s ago)" for neighbor, old, age, unit in both if age + unit + SLACK < old + elapsed
    )
    rules = ((lost, f"not Established any more: {lost}"), (reset, f"reset meanwhile: {reset}"))
    right = f"none of {len(before)} sessions was reset in {elapsed:.0f} s"
    return ruled(f"{switch}: ", rules, right, expected, seen)


def _ages(body: Any) -> dict[str, Age]:
    found = {neighbor: _seconds(str(row.get("time", ""))) for neighbor, row in neighbors(body).items()
             if row.get("state") == "Established"}  # fmt: skip
    return {neighbor: age for neighbor, age in found.items() if age is not None}


UNITS = {"Y": 365 * DAY, "W": 7 * DAY, "D": DAY, "H": 3600.0, "M": 60.0, "S": 1.0}


def _seconds(text: str) -> Age | None:
    """``PT1M28S``, ``P1DT2H``, ``00:01:28``, ``1d02h``, ``3w4d`` with the unit of the last digit; None: no age."""
    clock = re.fullmatch(r"(\d+):(\d\d):(\d\d)", text)
    if clock:
        hours, minutes, seconds = (int(part) for part in clock.groups())
        return hours * 3600.0 + minutes * 60.0 + seconds, 1.0
    parts = re.findall(r"(\d+)([YWDHMS])", text.upper())
    if not parts or not re.fullmatch(r"P?(\d+[YWDHMS]|T)+", text.upper()):
        return None
    # from a day on NX-OS leaves the minutes out, from a week on the hours
    unit = UNITS[parts[-1][1]] if any(letter in "YWD" for _, letter in parts) else 1.0
    return sum(int(number) * UNITS[letter] for number, letter in parts), unit


def _gone(inputs: ScaleInput, leaf: str, row: ScaleRoutesInput, before: int) -> Check:
    def judged(body: Any) -> Judgement:
        networks, _ = sizes(body)
        verdict: Verdict = "PASS" if 0 < networks <= before else "FAIL"
        told = f"{leaf}: {networks} networks of {row.family} in {inputs.vrf}, {before} before"
        return Judgement(verdict, told, before, networks)

    title = f"{leaf} is as before, {row.family}"
    return Check(f"scale.gone.{leaf}.{row.family}", title, (_summary(inputs, leaf, row),), judged)


SCENARIO = Scenario("scale", "tables as large as the white paper's", run, disruptive=True, on_request=True)
