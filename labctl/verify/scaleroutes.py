"""The static routes of the scenario ``scale`` on a border leaf: lines that make them, and lines that take them away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labctl.pace import paced
from labctl.restore.changes import HEALERS
from labctl.restore.client import LabClient
from labctl.verify.inputs import ScaleInput

LIMIT = 300.0
"""Seconds for the configuration of all routes, or of their removal."""
IP = {"ipv4": "ip", "ipv6": "ipv6"}


def lines(inputs: ScaleInput) -> list[str]:
    """What the border leaf is told."""
    routes = [
        f"{IP[row.family]} route {prefix} {row.via} tag {inputs.tag}"
        for row in inputs.routes
        for prefix in row.prefixes
    ]
    return [f"vrf context {inputs.vrf}", *routes]


def removal(inputs: ScaleInput, running: str) -> list[str]:
    """What takes those routes away that a running configuration has: some may have been taken already."""
    ours = {f"{IP[row.family]} route {prefix} {row.via}" for row in inputs.routes for prefix in row.prefixes}
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
