"""Which show commands a verification asks each switch: for a recording, and for nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from labctl.folder import Folder
from labctl.verify.capturing import GATEWAY_MACS
from labctl.verify.checks import Check
from labctl.verify.inputs import load_checks
from labctl.verify.lab import LabUnderTest
from labctl.verify.scenarios import bgp, leafs, links
from labctl.verify.steps.expects import counters

SWITCH = ("nxos", "nxos-text")


def switch_commands(folder: Folder) -> dict[str, list[str]]:
    """Switch → its commands, each once. Raises `SpecError` when ``checks.yaml`` is wrong."""
    inputs = load_checks(folder.path)
    lab = LabUnderTest(folder, inputs, None, threading.Event(), lambda _result: None, folder.path / "journal.jsonl")  # type: ignore[arg-type]
    found: dict[str, list[str]] = {name: [] for name in folder.lab.switches}
    checks: Iterable[Check] = (*links.checks(lab), *bgp.checks(lab, lab.mode.bgp), *leafs.checks(lab))
    asked_by_checks = (command for check in checks for command in check.commands if command.kind in SWITCH)
    for command in (*asked_by_checks, *counters(lab.mode.bgp.sessions)):
        known = found.setdefault(command.target, [])
        if command.text not in known and command.text != leafs.RUNNING:  # a recording reads it back anyway
            known.append(command.text)
    for name, asked in found.items():
        if folder.lab.nodes[name].role != "spine" and GATEWAY_MACS not in asked:
            asked.append(GATEWAY_MACS)
    return found
