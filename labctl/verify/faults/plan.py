"""A fault as changes: what is written to the journal, and what is then done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labctl.restore.changes import Change
from labctl.verify.lab import LabUnderTest
from labctl.verify.steps.faultmodel import Fault


@dataclass(frozen=True, slots=True)
class Planned:
    """One change: what undoes it (kind and data, see `labctl.restore.changes`), and what makes it."""

    healer: str
    data: Mapping[str, Any]
    make: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """A fault that is ready to be made: its changes in their order, and a sentence for the report."""

    sentence: str
    changes: Sequence[Planned]

    def named(self, name: str) -> list[tuple[Change, Callable[[], None]]]:
        """The changes under names of the fault's own."""

        def silent(planned: Planned) -> Callable[[], None]:
            def make() -> None:
                planned.make()

            return make

        return [
            (Change(name if not index else f"{name}.{index + 1}", row.healer, row.data), silent(row))
            for index, row in enumerate(self.changes)
        ]


def plan(lab: LabUnderTest, fault: Fault) -> Plan:
    """Look what is there now and say what to do and how to undo it; nothing is touched.

    Raises `labctl.restore.client.NotDone` when the fault cannot be made (a port that is shut already).
    """
    from labctl.verify.faults import nodes, pods, switches

    makers: Mapping[str, Callable[[LabUnderTest, Any], Plan]] = {
        "shutdown": switches.shutdown,
        "isolate": switches.isolate,
        "keepalive": switches.keepalive,
        "peer_link": switches.peer_link,
        "clear_bgp": switches.clear_bgp,
        "unplug": nodes.unplug,
        "node_down": nodes.node_down,
        "restart_pod": pods.restart,
        "move_pod": pods.move,
        "drain": pods.drain,
    }
    return makers[fault.kind](lab, getattr(fault, fault.kind))
