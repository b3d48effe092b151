"""``ping-ipip``: the cluster is moved to IPIP with the full mesh, pinged, captured, and moved back (disruptive)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labctl.kube.apply import Applier, load
from labctl.kube.resources import BGP_CONFIGURATIONS, BLOCK_AFFINITIES
from labctl.restore.changes import HEALERS, Change, change
from labctl.restore.client import LabClient
from labctl.verify import expectation
from labctl.verify.checks import Check, cluster_check, poll
from labctl.verify.expectation import Cluster
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Command
from labctl.verify.topics import ping
from labctl.verify.topics.ping import PingInput
from labctl.verify.verdict import CheckResult, Judgement, fails, passes
from labctl.waiting import Deadline

CHANGE = "mode-ipip"
TUNNEL = "tunl0"
PROTOCOLS = {"bird": {"bird", "12"}, "80": {"80"}}
"""Of a route's programmer: its name in iproute2's list, or its number where that is not there."""


def run(lab: LabUnderTest) -> list[CheckResult]:
    """Move, prove, move back, and prove that it is back."""
    home, limit = lab.folder.lab.mode, lab.deadline("scenario").seconds
    inputs = [row for row in lab.parts(ping.PingInput, "ipip") if lab.wanted.flow(f"ping-ipip.{row.name}")]
    found: list[CheckResult] = []

    def make() -> None:
        apply_mode(lab.hands, "ipip", lab.deadline("scenario"))

    with change(lab.journal, Change(CHANGE, "calico-mode", {"seconds": limit}), make, lab.hands, HEALERS):
        deadline = lab.deadline("converged")
        for row in inputs:
            gate = poll([_tunnelled(lab, row, expected=True)], lab.observer, deadline, lab.cancel, lab.told)
            found += gate
            if gate[0].verdict == "PASS":
                found += lab.tell(ping.one(lab, row, f"ping-ipip.{row.name}", deadline))
    if home != "ipip":
        back = [_tunnelled(lab, row, expected=False) for row in inputs]
        found += poll(back, lab.observer, lab.deadline("converged"), lab.cancel, lab.told)
    return found


def _tunnelled(lab: LabUnderTest, row: PingInput, *, expected: bool) -> Check:
    """Each node's route to the other's block leads into the tunnel; or no longer does, and no other route either.

    BIRD moves its routes one by one: the pair's own may be back while one to a third node still is in the tunnel.
    """
    ends = ((row.sender.node, row.target.node), (row.target.node, row.sender.node))
    commands = tuple(Command("node", here, "ip -j -4 route show") for here, _ in ends)
    word = "tunnelled" if expected else "routed-again"

    def judged(cluster: Cluster, *tables: str) -> Judgement:
        seen, wrong = {}, []
        for (here, there), text in zip(ends, tables, strict=True):
            blocks = expectation.block_of(cluster, lab.kube_name(there), 4)
            table = json.loads(text or "[]")
            rows = [entry for entry in table if entry.get("dst") in blocks]
            devices = sorted({str(entry.get("dev")) for entry in rows})
            seen[here] = devices
            made = {str(entry.get("protocol")) for entry in rows}
            if expected and devices == [TUNNEL] and made - PROTOCOLS[expectation.tunnel_protocol(cluster)]:
                wrong.append(f"{here}'s routes into {TUNNEL} are of protocol {', '.join(sorted(made))}")
            if (devices == [TUNNEL]) is not expected or not devices:
                wrong.append(f"{here} reaches {', '.join(blocks)} by {', '.join(devices) or 'no route'}")
            left = [str(entry.get("dst")) for entry in table if entry.get("dev") == TUNNEL and entry not in rows]
            if left and not expected:
                seen[here] = [*devices, TUNNEL]
                wrong.append(f"{here} still reaches {', '.join(left)} by {TUNNEL}")
        wanted = {here: TUNNEL if expected else "not the tunnel" for here, _ in ends}
        if wrong:
            return fails("; ".join(wrong), wanted, seen)
        return passes(f"blocks are reached {'through' if expected else 'without'} {TUNNEL}", wanted, seen)

    return cluster_check(
        f"ping-ipip.{row.name}.{word}",
        f"{row.sender.node} and {row.target.node} are {word.replace('-', ' ')}",
        commands,
        judged,
        calico=lab.calico,
        kinds=(BLOCK_AFFINITIES, BGP_CONFIGURATIONS),
    )


SCENARIO = Scenario("ping-ipip", "pod ping over IPIP", run, disruptive=True)


def heal(client: LabClient, data: Mapping[str, Any]) -> None:
    """``{seconds}``: the mode that the folder begins with, applied within that time."""
    apply_mode(client, client.folder.lab.mode, Deadline(float(data.get("seconds", 120.0))))


def apply_mode(client: LabClient, mode: str, deadline: Deadline) -> None:
    """``calico/modes/<mode>/*`` through the API."""
    folder = client.folder.path
    Applier(client.cluster).apply(load(sorted((folder / "calico" / "modes" / mode).glob("*.yaml"))), deadline)


HEALERS["calico-mode"] = heal
