"""Faults made in a node or host: ``ip link set … down`` through the runtime, as a pulled cable looks from there."""

from __future__ import annotations

import json
from collections.abc import Sequence

from labctl.verify.faults.plan import Plan, Planned
from labctl.verify.hands import NotDone
from labctl.verify.lab import LabUnderTest
from labctl.verify.steps.faultmodel import Leg


def unplug(lab: LabUnderTest, row: Leg) -> Plan:
    """Interfaces of a node."""
    return Plan(f"{row.node}: {', '.join(row.interface)} down", [_down(lab, row.node, row.interface)])


def node_down(lab: LabUnderTest, node: str) -> Plan:
    """Every wire of a node: it runs on, and nobody reaches it but over the management network."""
    wires = lab.folder.lab.interfaces(node)
    return Plan(f"{node} is cut off: {', '.join(wires)} down (it runs on)", [_down(lab, node, wires)])


def _down(lab: LabUnderTest, node: str, interfaces: Sequence[str]) -> Planned:
    closed = [name for name in interfaces if not _is_up(lab, node, name)]
    if closed:
        raise NotDone(f"{node}: {', '.join(closed)} is down already: healing would bring it up")

    def commands(state: str) -> list[list[str]]:
        return [["ip", "link", "set", "dev", name, state] for name in interfaces]

    def make() -> None:
        for argv in commands("down"):
            lab.hands.run(node, argv)

    return Planned("node-commands", {"node": node, "commands": commands("up")}, make)


def _is_up(lab: LabUnderTest, node: str, interface: str) -> bool:
    rows = json.loads(lab.hands.run(node, ["ip", "-j", "link", "show", "dev", interface]) or "[]")
    return any("UP" in row.get("flags", []) for row in rows)
