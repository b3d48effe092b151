"""What all scenarios share: the folder's checks, the observer, names, deadlines, and who is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from labctl.folder import Folder
from labctl.kube.api import Json, Resource
from labctl.pace import within
from labctl.restore.client import LabClient
from labctl.verify.checks import CUT, EVERY, Check, Stopwatch, Wanted, hold, poll, unanswered_by
from labctl.verify.expectation import KINDS, Cluster
from labctl.verify.observer import Command, Observer, Unanswered, listing
from labctl.verify.values import Flow
from labctl.verify.verdict import CheckResult, Judgement
from labctl.waiting import Cancelled, Deadline, tell_reason

_Part = TypeVar("_Part")
_Flow = TypeVar("_Flow", bound=Flow)


class Sections(Protocol):
    """``checks.yaml``, of which each topic asks for its own part by the part's model (`labctl.verify.inputs`)."""

    def of(self, kind: type[_Part], mode: str) -> tuple[_Part, ...]:
        """Every part of a kind, in a mode: a section is one, the pings are several."""


@dataclass(frozen=True, slots=True)
class LabUnderTest:
    """One verification. ``journal``: where a change is written before it is made; ``wanted``: which of its checks.

    ``patient``: whether what is not there yet is waited for; else it is judged as it is now.
    """

    folder: Folder
    checks: Sections
    observer: Observer
    cancel: threading.Event
    told: Callable[[CheckResult], None]
    journal: Path
    wanted: Wanted = EVERY
    patient: bool = True

    def poll(self, checks: Iterable[Check], deadline: Deadline) -> list[CheckResult]:
        """`labctl.verify.checks.poll` of those that are wanted."""
        return poll(self._wanted(checks), self.observer, deadline, self.cancel, self.told)

    def hold(self, checks: Iterable[Check], window: float, after: Sequence[CheckResult]) -> list[CheckResult]:
        """`labctl.verify.checks.hold` of those that are wanted: what must not be, after what must be.

        Without convergence (a result of ``after`` that is no PASS) nothing passes: what is not there may be late. What
        is there and must not be fails all the same.
        """
        window = window if self.patient else 0.0
        results = hold(self._wanted(checks), self.observer, window, self.cancel, lambda _result: None)
        for late in [result for result in after if result.verdict != "PASS"][:1]:
            cause = f"cannot be told while {late.id} is {late.verdict}"
            results = [
                replace(result, verdict="INCONCLUSIVE", sentence=f"{result.sentence}; {cause}", cause=cause)
                if result.verdict == "PASS"
                else result
                for result in results
            ]
        return self.tell(results)

    def _wanted(self, checks: Iterable[Check]) -> list[Check]:
        return [check for check in checks if self.wanted.check(check.id)]

    def section(self, kind: type[_Part]) -> _Part:
        """The section of a kind, in the lab's mode. Raises `Unanswered` where checks.yaml has none."""
        for part in self.parts(kind):
            return part
        raise Unanswered(f"checks.yaml says nothing of the {kind.__name__.removesuffix('Input').lower()}")

    def parts(self, kind: type[_Part], mode: str | None = None) -> tuple[_Part, ...]:
        """All parts of a kind, in the lab's mode or another one."""
        return self.checks.of(kind, mode or self.folder.lab.mode)

    def flows(
        self, topic: str, kind: type[_Flow], prove: Callable[[LabUnderTest, _Flow, str, Deadline], list[CheckResult]]
    ) -> list[CheckResult]:
        """``prove`` of all that are wanted, one after the other, with one deadline; told as they end."""
        deadline = self.deadline("converged")
        found: list[CheckResult] = []
        with within(lambda: deadline.remaining):
            for row in self.parts(kind):
                identity = f"{topic}.{row.name}"
                if self.wanted.flow(identity):
                    found += self.tell(prove(self, row, identity, deadline))
        return found

    def again(
        self, deadline: Deadline, pause: float, once: Callable[[], tuple[Judgement, bool]]
    ) -> tuple[Judgement, dict[str, Any]]:
        """Prove it ``once`` until that says that it is enough; the last judgement, with how often and how long.

        Raises `Cancelled` for what had not passed when the verification was cut short.
        """
        attempts, watch = 0, Stopwatch()
        while True:
            attempts += 1
            try:
                judgement, enough = once()
            except Unanswered as unanswered:
                judgement, enough = unanswered_by(unanswered), False
            if enough or deadline.passed:
                break
            passed = judgement.verdict == "PASS"
            if not passed:
                tell_reason(judgement.sentence)
            if self.cancel.wait(pause):
                if passed:
                    break
                raise Cancelled(f"{CUT}, last: {judgement.sentence}")
        return judgement, {"attempts": attempts, "seconds": watch.seconds}

    @property
    def client(self) -> LabClient:
        """How the lab is changed."""
        return LabClient(self.folder, self.observer.endpoints, self.observer.login, self.observer.api)

    def tell(self, results: list[CheckResult]) -> list[CheckResult]:
        """Tell of several results; gives them back."""
        for result in results:
            self.told(result)
        return results

    def deadline(self, name: str) -> Deadline:
        """A new deadline of the lab's target."""
        return Deadline(self.folder.lab.limit(name) if self.patient else 0.0)

    def kube_name(self, node: str) -> str:
        """The Kubernetes name of a node of the lab."""
        return self.folder.lab.kube_name(node)

    def view(self, objects: Mapping[Resource, Sequence[Json]]) -> Cluster:
        """Objects by kind, for the version of Calico that the lab was made for."""
        calico = self.folder.lab.versions.get("calico", "0.0.0")
        return Cluster(calico, **{KINDS[kind]: items for kind, items in objects.items()})

    def cluster(self, *kinds: Resource) -> Cluster:
        """The API objects of some kinds, now. Raises `Unanswered`."""
        return self.view({kind: self.observer.list(kind) for kind in kinds})

    def cluster_check(
        self, identity: str, title: str, kinds: Sequence[Resource], judge: Callable[..., Judgement], *commands: Command
    ) -> Check:
        """A check whose judge gets a `Cluster` of some kinds of object before the commands' observations."""

        def judged(*seen: Any) -> Judgement:
            objects = dict(zip(kinds, seen[len(commands) :], strict=True))
            return judge(self.view(objects), *seen[: len(commands)])

        return Check(identity, title, (*commands, *map(listing, kinds)), judged)


@dataclass(frozen=True, slots=True)
class Scenario:
    """``run`` gives the results of its checks; what it raises makes the scenario INCONCLUSIVE.

    ``fabric_title``: its title for a lab without a cluster. ``disruptive``: it changes the lab for a while, so it runs
    alone, and only when that was asked for. ``traffic``: it proves that packets get through. ``late``: it asks every
    node much, so it begins when those that prove traffic are over. ``on_request``: every lab has it, whatever its spec
    lists, and it runs when it is named.
    """

    name: str
    title: str
    run: Callable[[LabUnderTest], list[CheckResult]]
    disruptive: bool = False
    fabric_title: str | None = None
    traffic: bool = False
    late: bool = False
    on_request: bool = False
