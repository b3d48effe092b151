"""What all scenarios share: the folder's checks, the observer, names, deadlines, and who is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labctl.folder import Folder
from labctl.kube.api import Api
from labctl.kube.exec import PodExec
from labctl.kube.resources import (
    BGP_CONFIGURATIONS,
    BLOCK_AFFINITIES,
    ENDPOINT_SLICES,
    NODES,
    PODS,
    SERVICES,
)
from labctl.verify.expectation import Cluster
from labctl.verify.hands import Hands
from labctl.verify.inputs import ChecksInput, ModeInput
from labctl.verify.observer import Observer, Unanswered
from labctl.verify.verdict import CheckResult
from labctl.waiting import Deadline


@dataclass(frozen=True, slots=True)
class LabUnderTest:
    """One verification. ``journal``: where a change is written before it is made."""

    folder: Folder
    checks: ChecksInput
    observer: Observer
    cancel: threading.Event
    told: Callable[[CheckResult], None]
    journal: Path

    @property
    def mode(self) -> ModeInput:
        """The checks of the mode that the lab is in."""
        return self.checks.mode(self.folder.lab.mode)

    @property
    def api(self) -> Api:
        """The cluster's API. Raises `Unanswered` for a lab without one."""
        if self.observer.api is None:
            raise Unanswered("this lab has no cluster")
        return self.observer.api

    @property
    def pods(self) -> PodExec:
        """Commands in pods."""
        return PodExec(self.api.access)

    @property
    def hands(self) -> Hands:
        """How the lab is changed."""
        return Hands(self.folder, self.observer.endpoints, self.observer.login, self.observer.api)

    def tell(self, results: list[CheckResult]) -> list[CheckResult]:
        """Tell of several results; gives them back."""
        for result in results:
            self.told(result)
        return results

    def deadline(self, name: str) -> Deadline:
        """A new deadline of the lab's target."""
        return Deadline(self.folder.lab.deadlines.get(name, 60.0))

    def kube_name(self, node: str) -> str:
        """The Kubernetes name of a node of the lab."""
        nodes = self.folder.lab.kube_nodes
        names = self.folder.cluster.node_names if self.folder.cluster else ()
        return names[nodes.index(node)] if node in nodes and len(names) == len(nodes) else node

    def cluster(self) -> Cluster:
        """The API objects now. Raises `Unanswered`."""
        ask = self.observer.list
        return Cluster(
            self.folder.lab.versions.get("calico", "0.0.0"),
            ask(NODES),
            ask(SERVICES),
            ask(ENDPOINT_SLICES),
            ask(BLOCK_AFFINITIES),
            ask(BGP_CONFIGURATIONS),
            ask(PODS),
        )
