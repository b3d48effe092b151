"""A scenario: what a verification can run on a lab, by name. All of them are listed in `labctl.verify.scenarios`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labctl.verify.lab import LabUnderTest
from labctl.verify.verdict import CheckResult


@dataclass(frozen=True, slots=True)
class Scenario:
    """``run`` gives the results of its checks; what it raises makes the scenario INCONCLUSIVE.

    ``fabric_title``: its title for a lab without a cluster. ``disruptive``: it changes the lab for a while, so it runs
    alone, and only when that was asked for. ``late``: it asks every box much, so it begins when those that prove
    traffic are over. ``on_request``: every lab has it, whatever its spec lists, and it runs when it is named.
    """

    name: str
    title: str
    run: Callable[[LabUnderTest], list[CheckResult]]
    disruptive: bool = False
    fabric_title: str | None = None
    late: bool = False
    on_request: bool = False

    def title_for(self, lab: LabUnderTest) -> str:
        """As a person reads it."""
        return self.fabric_title if self.fabric_title and not lab.folder.lab.kube_nodes else self.title
