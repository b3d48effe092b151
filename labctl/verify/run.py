"""One verification: the link group and the scenarios asked for, evidence written as it comes, a report at the end."""

from __future__ import annotations

import platform
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl import __version__
from labctl.errors import LabctlError, UsageError
from labctl.events import Event, Listener
from labctl.folder import Folder, load_folder
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.nxos.session import NxosSession
from labctl.runtime.api import Endpoints
from labctl.verify.change import open_changes, write
from labctl.verify.checks import Stopwatch
from labctl.verify.evidence import Evidence
from labctl.verify.inputs import load_checks
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Observer, Unanswered
from labctl.verify.scenario import Scenario
from labctl.verify.scenarios import ALWAYS, SCENARIOS, ipip
from labctl.verify.verdict import CheckResult, Report, ScenarioResult
from labctl.waiting import Cancelled


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """What to verify and where to put the evidence. ``sessions``: switches that are logged in to already."""

    folder: Path
    endpoints: Endpoints
    evidence: Path
    journal: Path
    secrets: Path
    listener: Listener
    login: Callable[[str], NxosSession]
    cancel: threading.Event = field(default_factory=threading.Event)
    scenarios: Sequence[str] | None = None
    disruptive: bool = False
    sessions: Mapping[str, NxosSession] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)


def chosen(folder: Folder, wanted: Sequence[str] | None, *, disruptive: bool) -> list[str]:
    """The scenarios to run, in their order. Raises `UsageError` for one that the lab does not have."""
    known = [name for name in SCENARIOS if name in folder.lab.scenarios]
    if wanted is None:
        return [name for name in known if disruptive or not SCENARIOS[name].disruptive]
    for name in wanted:
        if name != ALWAYS.name and name not in known:
            raise UsageError(
                f"lab {folder.lab.name} has no scenario {name}",
                code="no-such-scenario",
                hint=f"it has {', '.join([ALWAYS.name, *known])}",
            )
        if name in SCENARIOS and SCENARIOS[name].disruptive and not disruptive:
            raise UsageError(f"scenario {name} changes the lab for a while", code="disruptive", hint="add --disruptive")
    return [name for name in known if name in wanted]


def verify(request: VerifyRequest) -> Report:
    """Run it. Judgements are in the report; only what makes judging impossible is raised."""
    return _Verification(request).run()


class _Verification:
    def __init__(self, request: VerifyRequest) -> None:
        self._request = request
        self._watch = Stopwatch()
        self._folder = load_folder(request.folder)
        self._checks = load_checks(request.folder)
        shutil.rmtree(request.evidence, ignore_errors=True)
        self._evidence = Evidence(request.evidence)
        self._files = self._evidence.lab(self._folder)
        self._api: Api | None = None
        if self._folder.lab.kube_nodes:
            self._api = Api(access_from_kubeconfig(request.endpoints.kubeconfig(), request.secrets), connections=8)

    def run(self) -> Report:
        request = self._request
        names = chosen(self._folder, request.scenarios, disruptive=request.disruptive)
        observer = Observer(request.endpoints, self._evidence, request.login, request.sessions, self._api)
        try:
            self._heal_left_over(self._lab(observer))
            wanted = [ALWAYS, *(SCENARIOS[name] for name in names)]
            calm = [scenario for scenario in wanted if not scenario.disruptive]
            with ThreadPoolExecutor(len(calm)) as pool:
                try:
                    futures = [pool.submit(self._scenario, scenario, observer) for scenario in calm]
                    results = [future.result() for future in futures]
                except BaseException:
                    request.cancel.set()  # Ctrl-C: the scenarios end at their next poll, and the pool waits for them
                    raise
            results += [self._scenario(scenario, observer) for scenario in wanted if scenario.disruptive]
        finally:
            observer.close()
        report = Report(
            self._folder.lab.name, tuple(results), self._watch.seconds, self._environment(),
            {scenario.id: round(scenario.seconds, 3) for scenario in results}, self._files,
        )  # fmt: skip
        self._evidence.report(report)
        return report

    def _environment(self) -> dict[str, Any]:
        lab = self._folder.lab
        return {
            "labctl": __version__, "target": dict(lab.target), "mode": lab.mode, "versions": dict(lab.versions),
            "python": platform.python_version(), "kernel": platform.release(), "edited": list(self._folder.edited),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **self._request.environment,
        }  # fmt: skip

    def _heal_left_over(self, lab: LabUnderTest) -> None:
        """A verification that was killed in the middle of a change left it in the journal."""
        for name in open_changes(self._request.journal):
            if name == ipip.CHANGE and self._api is not None:
                ipip.apply_mode(self._api, self._folder.path, self._folder.lab.mode, lab.deadline("scenario"))
                write(self._request.journal, name, "healed")
                self._tell("message", name, "a change that an earlier verification left was healed")

    def _lab(self, observer: Observer) -> LabUnderTest:
        request = self._request
        return LabUnderTest(self._folder, self._checks, observer, request.cancel, self._told, request.journal)

    def _scenario(self, scenario: Scenario, observer: Observer) -> ScenarioResult:
        started = self._watch.seconds
        lab = self._lab(observer)
        name, title = scenario.name, scenario.title_for(lab)
        self._tell("scenario", name, title, state="started")
        try:
            checks = scenario.run(lab)
        except (LabctlError, Unanswered, Cancelled) as error:
            checks = [CheckResult(f"{name}.ran", title, "INCONCLUSIVE", str(error))]
        result = ScenarioResult(name, title, self._watch.seconds - started, tuple(checks), started)
        self._tell(
            "scenario", name, result.sentence, state="done", verdict=result.verdict, seconds=round(result.seconds, 3)
        )
        return result

    def _told(self, result: CheckResult) -> None:
        self._tell("check", result.id, result.sentence, verdict=result.verdict, title=result.title)

    def _tell(self, kind: Any, name: str, message: str, **data: Any) -> None:
        self._request.listener(Event(kind, self._folder.lab.name, name, message, self._watch.seconds, data=data))
