"""One verification: the link group and the scenarios asked for, evidence written as it comes, a report at the end."""

from __future__ import annotations

import platform
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from labctl import __version__
from labctl.errors import LabctlError, UsageError
from labctl.events import INTERRUPTED, Event, Listener, interruption
from labctl.folder import load_folder
from labctl.host import Load, between, look, not_judged, overloaded
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.nxos.session import NxosSession
from labctl.restore.changes import HEALERS, heal_left_over
from labctl.runtime.api import Endpoints
from labctl.verify.checks import CUT, EVERY, Stopwatch, Wanted
from labctl.verify.evidence import Evidence
from labctl.verify.inputs import load_checks
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Observer, Unanswered
from labctl.verify.scenarios import ALWAYS, chosen
from labctl.verify.verdict import CheckResult, Report, ScenarioResult
from labctl.waiting import SLICE, Cancelled, Deadline, all_over, reasons_to

SHOWN = 5
"""Changes that are told while the checks run; all of them are in the report."""


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """What to verify and where to put the evidence. ``sessions``: switches that are logged in to already.

    ``only``: of the scenarios, those checks alone, and the link checks only when it names them. ``failures``: all
    failure scenarios of the folder. ``catalogue``: rows that the report is to carry, made of it when it is complete.
    ``guest``: the guest's process, which is asked how long it waited for a processor. ``wait``: whether what is not
    there yet is waited for; else it is judged as it is now. ``limit``: when the whole command must be over. ``drift``:
    looks up what was changed in the lab since ``up``; it is asked once, as soon as something is not as expected.
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
    sessions: Mapping[str, NxosSession] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    guest: int | None = None
    wait: bool = True
    limit: Deadline | None = None
    drift: Callable[[], Sequence[str]] | None = None


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
        slow = [scenario.name for scenario in self._chosen if scenario.disruptive]
        if slow and not request.wait:
            raise UsageError(
                f"{', '.join(slow)} changes the lab, and waits for what comes of it", code="no-wait",
                hint="--no-wait judges what is there now: leave the scenario or --no-wait out",
            )  # fmt: skip
        shutil.rmtree(request.evidence, ignore_errors=True)
        self._evidence = Evidence(request.evidence)
        self._files = self._evidence.lab(self._folder)
        self._cut = ""
        self._lock = threading.Lock()
        self._drift_reader = threading.Thread(target=self._read_drift, name="drift", daemon=True)
        self._drift: tuple[str, ...] = ()
        api: Api | None = None
        if self._folder.lab.kube_nodes:
            api = Api(access_from_kubeconfig(request.endpoints.kubeconfig(), request.secrets), connections=8)
        self._observer = Observer(request.endpoints, self._evidence, request.login, request.sessions, api)

    def run(self) -> Report:
        """Ctrl-C and a limit that passes end it early: the report then has what was judged, and says so."""
        request = self._request
        with ExitStack() as over:
            over.callback(self._observer.close)
            if request.limit:
                timer = threading.Timer(request.limit.remaining, self._over, (request.limit,))
                over.callback(timer.cancel)
                timer.start()
            # a verification that was killed in the middle of a change left it in the journal
            heal_left_over(request.journal, self._lab(self._told).client, HEALERS, self._healed)
            results = self._all()
        report = Report(
            self._folder.lab.name, tuple(results), self._watch.seconds, self._environment(),
            {scenario.id: round(scenario.seconds, 3) for scenario in results}, self._files,
            only=request.only.patterns, cut=self._cut or (INTERRUPTED if request.cancel.is_set() else ""),
        )  # fmt: skip
        if report.verdict != "PASS":  # what somebody changed since `up` stands in the report of what is not as expected
            if not report.cut:
                self._look_for_drift()
                self._end_drift()
            report = replace(report, drift=self._drift, seconds=self._watch.seconds)
        if request.catalogue is not None:
            report = replace(report, catalogue=tuple(request.catalogue(report)))
        self._evidence.report(report)
        return report

    def _all(self) -> list[ScenarioResult]:
        """Those that change nothing side by side; then the disruptive ones."""
        wanted = [row for row in (ALWAYS, *self._chosen) if self._request.only.flow(row.name)]
        calm = [row for row in wanted if not row.disruptive]
        results = self._at_once(sorted(calm, key=lambda row: row.late))
        self._end_drift()  # what is changed on purpose from here on is not to be read as a drift
        for row in wanted:
            results += self._at_once([row]) if row.disruptive else []
        return results

    def _look_for_drift(self) -> None:
        """What somebody changed since ``up``: read once, beside the checks, when one is not as expected."""
        with self._lock:
            if self._request.drift is not None and self._drift_reader.ident is None:
                self._drift_reader.start()

    def _end_drift(self) -> None:
        while self._drift_reader.is_alive():
            self._drift_reader.join(SLICE)  # in slices, so that Ctrl-C is seen

    def _read_drift(self) -> None:
        self._drift = tuple(self._request.drift() if self._request.drift else ())
        more = [f"{len(self._drift) - SHOWN} more things"] if self._drift[SHOWN:] else []
        for change in (*self._drift[:SHOWN], *more):
            self._tell("message", "drift", f"changed since up: {change}")

    def _at_once(self, scenarios: Sequence[Scenario]) -> list[ScenarioResult]:
        """In threads, also a single one: Ctrl-C then never comes in the middle of what is undone."""
        futures = list[Future[ScenarioResult]]()
        with ThreadPoolExecutor(max(1, len(scenarios))) as pool:
            try:
                try:
                    for scenario in scenarios:
                        early = [pair for pair in zip(scenarios, futures, strict=False) if not pair[0].late]
                        before = [future for row, future in early if row.traffic] or [future for _, future in early]
                        futures.append(pool.submit(self._scenario, scenario, before if scenario.late else ()))
                    all_over(futures)
                except KeyboardInterrupt:
                    self._interrupted(scenarios)
                    futures += [pool.submit(self._scenario, row) for row in scenarios[len(futures) :]]
                    all_over(futures)
                return [future.result() for future in futures]
            except BaseException:
                self._request.cancel.set()  # the pool waits for the others, which end at their next poll
                raise

    def _interrupted(self, scenarios: Sequence[Scenario]) -> None:
        self._cut = INTERRUPTED
        self._request.cancel.set()
        undone = "".join(f", undoing what {row.name} changed" for row in scenarios if row.disruptive)
        self._tell("message", "verify", interruption(f"ending the checks{undone}; what was judged is written"))

    def _over(self, limit: Deadline) -> None:
        self._cut = f"the limit of {limit.seconds:g} s passed"
        self._request.cancel.set()

    def _environment(self) -> dict[str, Any]:
        lab = self._folder.lab
        return {
            "labctl": __version__, "target": lab.parts, "mode": lab.mode, "versions": dict(lab.versions),
            "python": platform.python_version(), "kernel": platform.release(), "host": platform.node(),
            "edited": list(self._folder.edited),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **self._request.environment,
        }  # fmt: skip

    def _healed(self, name: str) -> None:
        self._tell("message", name, "a change that an earlier labctl left was healed")

    def _lab(self, told: Callable[[CheckResult], None]) -> LabUnderTest:
        request, observer = self._request, self._observer
        return LabUnderTest(
            self._folder, self._checks, observer, request.cancel, told, request.journal, request.only, request.wait
        )

    def _scenario(self, scenario: Scenario, before: Sequence[Future[ScenarioResult]] = ()) -> ScenarioResult:
        all_over(before)
        started, judged = self._watch.seconds, _Judged(self._told, self._watch, self._request.guest)
        lab = self._lab(judged)
        name, title = scenario.name, scenario.title
        if scenario.fabric_title and not self._folder.lab.kube_nodes:
            title = scenario.fabric_title
        self._tell("scenario", name, title, state="started")
        begun = not self._request.cancel.is_set()
        try:
            with reasons_to(partial(self._waits, scenario)):
                checks = scenario.run(lab) if begun else [_unjudged(name, title, "did not begin")]
        except (LabctlError, Unanswered, Cancelled) as error:
            checks, cut = judged.results, isinstance(error, Cancelled)
            if not (cut and any(check.cause == CUT for check in checks)):  # else those that are missing say it
                checks.append(_unjudged(name, title, str(error), CUT if cut else None))
        took = self._watch.seconds - started
        result = ScenarioResult(name, title, took, judged.timed(checks, started), started, judged.load().as_json())
        if result.verdict != "PASS" and not scenario.disruptive:
            self._look_for_drift()
        self._tell(
            "scenario", name, result.sentence, state="done", verdict=result.verdict, seconds=round(result.seconds, 3)
        )
        return result

    def _waits(self, scenario: Scenario, reason: str) -> None:
        if not scenario.disruptive:
            self._look_for_drift()
        self._tell("scenario", scenario.name, reason, state="waiting")

    def _told(self, result: CheckResult) -> None:
        why = {key: value for key in ("cause", "node") if (value := result.gist[key]) is not None}
        self._tell("check", result.id, result.sentence, verdict=result.verdict, title=result.title, **why)

    def _tell(self, kind: Any, name: str, message: str, **data: Any) -> None:
        self._request.listener(Event(kind, self._folder.lab.name, name, message, self._watch.seconds, data=data))


def _unjudged(name: str, title: str, sentence: str, cause: str | None = CUT) -> CheckResult:
    """What stands for the checks of a scenario that were not made."""
    return CheckResult(f"{name}.ran", title, "INCONCLUSIVE", sentence, cause=cause)


class Fair:
    """Whether a failed check may be called one: not where the host kept the lab from its work meanwhile.

    On an overloaded host what is only late looks like what is broken: sessions time out, packets are lost, pods are
    Pending. Over one scenario, from now on. Thread-safe: what was said of a check once stays said.
    """

    def __init__(self, guest: int | None) -> None:
        self._guest = guest
        self._began = look(guest)
        self._said: dict[tuple[str, str], CheckResult] = {}

    def load(self) -> Load:
        """Of the host until now."""
        return between(self._began, look(self._guest))

    def judged(self, result: CheckResult) -> CheckResult:
        """A result as it may be told: a FAIL on an overloaded host is INCONCLUSIVE, with both reasons."""
        if result.verdict != "FAIL":
            return result
        fair, why = result, overloaded(self.load())
        if why is not None:
            sentence, cause = not_judged(why, result.sentence), f"the host was overloaded ({why})"
            fair = replace(result, verdict="INCONCLUSIVE", sentence=sentence, cause=cause)
        return self._said.setdefault((result.id, result.sentence), fair)


class _Judged(Fair):
    """What a scenario has told of so far, and when: all that there is of one that is cut short."""

    def __init__(self, told: Callable[[CheckResult], None], watch: Stopwatch, guest: int | None) -> None:
        super().__init__(guest)
        self._told, self._watch = told, watch
        self._found: dict[str, tuple[CheckResult, float]] = {}

    def __call__(self, result: CheckResult) -> None:
        result = self.judged(result)
        self._found[result.id] = result, self._watch.seconds
        self._told(result)

    @property
    def results(self) -> list[CheckResult]:
        return [result for result, _ in self._found.values()]

    def timed(self, checks: Sequence[CheckResult], began: float) -> tuple[CheckResult, ...]:
        """As they may be told, with the time of their beginning: what has none began when the one before was judged."""
        timed, last = list[CheckResult](), began
        for check in map(self.judged, checks):
            ended = self._found[check.id][1] if check.id in self._found else self._watch.seconds
            seconds = max(0.0, ended - last) if check.seconds is None else check.seconds
            timed.append(replace(check, started=max(began, ended - seconds), seconds=seconds))
            last = ended
        return tuple(timed)
