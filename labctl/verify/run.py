"""One verification: the link group and the scenarios asked for, evidence written as it comes, a report at the end."""

from __future__ import annotations

import platform
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from labctl import __version__
from labctl.errors import LabctlError, UsageError, did_you_mean
from labctl.events import Event, Listener
from labctl.folder import Folder, load_folder
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.nxos.session import NxosSession
from labctl.runtime.api import Endpoints
from labctl.verify.change import heal_left_over
from labctl.verify.checks import Stopwatch
from labctl.verify.evidence import Evidence
from labctl.verify.fairness import Fair
from labctl.verify.healing import HEALERS
from labctl.verify.inputs import ChecksInput, load_checks
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Observer, Unanswered
from labctl.verify.scenario import Scenario
from labctl.verify.scenarios import ALWAYS, SCENARIOS, files
from labctl.verify.verdict import CheckResult, Report, ScenarioResult
from labctl.verify.wanted import EVERY, Wanted
from labctl.waiting import Cancelled


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """What to verify and where to put the evidence. ``sessions``: switches that are logged in to already.

    ``only``: of the scenarios, those checks alone, and the link checks only when it names them. ``catalogue``: rows
    that the report is to carry, made of it when it is complete.
    """

    folder: Path
    endpoints: Endpoints
    evidence: Path
    journal: Path
    secrets: Path
    listener: Listener
    login: Callable[[str], NxosSession]
    cancel: threading.Event = field(default_factory=threading.Event)
    scenarios: Sequence[str] | None = None
    only: Wanted = EVERY
    catalogue: Callable[[Report], Sequence[Mapping[str, Any]]] | None = None
    disruptive: bool = False
    failures: bool = False
    """All failure scenarios of the folder."""
    sessions: Mapping[str, NxosSession] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    guest: int | None = None
    """Process id of the guest, which is asked how long it waited for a processor."""


def chosen(
    folder: Folder, checks: ChecksInput, wanted: Sequence[str] | None, *, disruptive: bool, failures: bool = False
) -> list[Scenario]:
    """The scenarios to run, in their order; a wanted one may be a file. ``failures``: all of the folder's, too.

    Raises `UsageError` for one that the lab does not have, and for ``failures`` where there are none; `SpecError` for a
    file that is not as it should be.
    """
    listed = folder.lab.scenarios
    in_folder = files.names(folder.path)
    if failures and not in_folder:
        raise UsageError(
            f"lab {folder.lab.name} has no failure scenarios: they need two workers with pods of the workload pingtest",
            code="no-failures",
            hint="add pingtest to workloads of the spec, or write a scenario of your own (docs/scenarios.md)",
        )
    if wanted is None:
        names = [name for name in SCENARIOS if name in listed and (disruptive or not SCENARIOS[name].disruptive)]
        broken = [name for name in in_folder if failures or (disruptive and name in listed)]
        return [*(SCENARIOS[name] for name in names), *(files.of_folder(folder, checks, name) for name in broken)]
    known = [name for name in SCENARIOS if name in listed or SCENARIOS[name].on_request]
    for name in wanted:
        if files.is_file(name):
            continue
        if name != ALWAYS.name and name not in known and name not in in_folder:
            options = [ALWAYS.name, *known, *in_folder]
            raise UsageError(
                f"lab {folder.lab.name} has no scenario {name}",
                code="no-such-scenario",
                hint=did_you_mean(name, options, f"it has {', '.join(options)}"),
            )
        if not disruptive and (name in in_folder or (name in SCENARIOS and SCENARIOS[name].disruptive)):
            raise UsageError(f"scenario {name} changes the lab for a while", code="disruptive", hint="add --disruptive")
    return [
        *(SCENARIOS[name] for name in known if name in wanted),
        *(files.of_folder(folder, checks, name) for name in in_folder if failures or name in wanted),
        *(files.of_user(Path(name), folder, checks) for name in wanted if files.is_file(name)),
    ]


def verify(request: VerifyRequest) -> Report:
    """Run it. Judgements are in the report; only what makes judging impossible is raised."""
    return _Verification(request).run()


class _Verification:
    def __init__(self, request: VerifyRequest) -> None:
        self._request = request
        self._watch = Stopwatch()
        self._folder = load_folder(request.folder)
        self._checks = load_checks(request.folder)
        self._chosen = chosen(
            self._folder, self._checks, request.scenarios, disruptive=request.disruptive, failures=request.failures
        )  # what is refused replaces no evidence
        shutil.rmtree(request.evidence, ignore_errors=True)
        self._evidence = Evidence(request.evidence)
        self._files = self._evidence.lab(self._folder)
        self._api: Api | None = None
        if self._folder.lab.kube_nodes:
            self._api = Api(access_from_kubeconfig(request.endpoints.kubeconfig(), request.secrets), connections=8)

    def run(self) -> Report:
        request = self._request
        observer = Observer(request.endpoints, self._evidence, request.login, request.sessions, self._api)
        try:
            self._heal_left_over(self._lab(observer))
            wanted = [scenario for scenario in (ALWAYS, *self._chosen) if request.only.scenario(scenario.name)]
            results: list[ScenarioResult] = []
            for late in (False, True):
                results += self._at_once(
                    [item for item in wanted if not item.disruptive and item.late == late], observer
                )
            results += [self._scenario(scenario, observer) for scenario in wanted if scenario.disruptive]
        finally:
            observer.close()
        report = Report(
            self._folder.lab.name, tuple(results), self._watch.seconds, self._environment(),
            {scenario.id: round(scenario.seconds, 3) for scenario in results}, self._files,
        )  # fmt: skip
        if request.catalogue is not None:
            report = replace(report, catalogue=tuple(request.catalogue(report)))
        self._evidence.report(report)
        return report

    def _at_once(self, scenarios: Sequence[Scenario], observer: Observer) -> list[ScenarioResult]:
        with ThreadPoolExecutor(max(1, len(scenarios))) as pool:
            try:
                futures = [pool.submit(self._scenario, scenario, observer) for scenario in scenarios]
                return [future.result() for future in futures]
            except BaseException:
                self._request.cancel.set()  # Ctrl-C: the scenarios end at their next poll, and the pool waits for them
                raise

    def _environment(self) -> dict[str, Any]:
        lab = self._folder.lab
        return {
            "labctl": __version__, "target": dict(lab.target), "mode": lab.mode, "versions": dict(lab.versions),
            "python": platform.python_version(), "kernel": platform.release(), "edited": list(self._folder.edited),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **self._request.environment,
        }  # fmt: skip

    def _heal_left_over(self, lab: LabUnderTest) -> None:
        """A verification that was killed in the middle of a change left it in the journal."""
        heal_left_over(
            self._request.journal,
            lab.hands,
            HEALERS,
            lambda name: self._tell("message", name, "a change that an earlier labctl left was healed"),
        )

    def _lab(self, observer: Observer) -> LabUnderTest:
        request = self._request
        return LabUnderTest(
            self._folder, self._checks, observer, request.cancel, self._told, request.journal, request.only
        )

    def _scenario(self, scenario: Scenario, observer: Observer) -> ScenarioResult:
        started, fair = self._watch.seconds, Fair(self._request.guest)
        lab = replace(self._lab(observer), told=lambda result: self._told(fair.judged(result)))
        name, title = scenario.name, scenario.title_for(lab)
        self._tell("scenario", name, title, state="started")
        try:
            checks = scenario.run(lab)
        except (LabctlError, Unanswered, Cancelled) as error:
            checks = [CheckResult(f"{name}.ran", title, "INCONCLUSIVE", str(error))]
        judged = tuple(fair.judged(check) for check in checks)
        result = ScenarioResult(name, title, self._watch.seconds - started, judged, started, fair.load().as_json())
        self._tell(
            "scenario", name, result.sentence, state="done", verdict=result.verdict, seconds=round(result.seconds, 3)
        )
        return result

    def _told(self, result: CheckResult) -> None:
        self._tell("check", result.id, result.sentence, verdict=result.verdict, title=result.title)

    def _tell(self, kind: Any, name: str, message: str, **data: Any) -> None:
        self._request.listener(Event(kind, self._folder.lab.name, name, message, self._watch.seconds, data=data))
