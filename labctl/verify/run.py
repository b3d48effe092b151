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
from labctl.kube.exec import PodExec
from labctl.nxos.session import NxosSession
from labctl.runtime.api import Endpoints
from labctl.verify.change import open_changes, write
from labctl.verify.checks import Stopwatch
from labctl.verify.evidence import Evidence
from labctl.verify.inputs import load_checks
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Observer, Unanswered
from labctl.verify.scenarios import bgp, curl, ipip, links, ping
from labctl.verify.verdict import CheckResult, Report, ScenarioResult
from labctl.waiting import Cancelled

SCENARIOS = ("bgp", "ping", "curl", "ping-ipip")
DISRUPTIVE = ("ping-ipip",)
TITLES = {"links": links.TITLE, "bgp": bgp.TITLE, "ping": ping.TITLE, "curl": curl.TITLE, "ping-ipip": ipip.TITLE}
FABRIC_TITLES = {"links": "vPC and underlay", "bgp": "BGP EVPN in the fabric"}
"""Of a lab without a cluster."""

Runner = Callable[[], list[CheckResult]]


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
        return [name for name in known if disruptive or name not in DISRUPTIVE]
    for name in wanted:
        if name != "links" and name not in known:
            raise UsageError(
                f"lab {folder.lab.name} has no scenario {name}",
                code="no-such-scenario",
                hint=f"it has {', '.join(['links', *known])}",
            )
        if name in DISRUPTIVE and not disruptive:
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
        self._api: Api | None = None
        if self._folder.lab.kube_nodes:
            self._api = Api(access_from_kubeconfig(request.endpoints.kubeconfig(), request.secrets), connections=8)

    def run(self) -> Report:
        request = self._request
        names = chosen(self._folder, request.scenarios, disruptive=request.disruptive)
        observer = Observer(request.endpoints, self._evidence, request.login, request.sessions, self._api)
        try:
            self._heal_left_over()
            calm = [name for name in ("links", *names) if name not in DISRUPTIVE]
            with ThreadPoolExecutor(len(calm)) as pool:
                try:
                    futures = [pool.submit(self._scenario, name, observer) for name in calm]
                    results = [future.result() for future in futures]
                except BaseException:
                    request.cancel.set()  # Ctrl-C: the scenarios end at their next poll, and the pool waits for them
                    raise
            results += [self._scenario(name, observer) for name in names if name in DISRUPTIVE]
        finally:
            observer.close()
        report = Report(
            self._folder.lab.name, tuple(results), self._watch.seconds, self._environment(),
            {scenario.id: round(scenario.seconds, 3) for scenario in results},
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

    def _heal_left_over(self) -> None:
        """A verification that was killed in the middle of a change left it in the journal."""
        for name in open_changes(self._request.journal):
            if name == ipip.CHANGE and self._api is not None:
                lab = self._lab(None)
                ipip.apply_mode(self._api, self._folder.path, self._folder.lab.mode, lab.deadline("scenario"))
                write(self._request.journal, name, "healed")
                self._tell("message", name, "a change that an earlier verification left was healed")

    def _lab(self, observer: Observer | None) -> LabUnderTest:
        return LabUnderTest(self._folder, self._checks, observer, self._request.cancel, self._told)  # type: ignore[arg-type]

    def _scenario(self, name: str, observer: Observer) -> ScenarioResult:
        started = self._watch.seconds
        title = TITLES[name] if self._folder.lab.kube_nodes else FABRIC_TITLES.get(name, TITLES[name])
        self._tell("scenario", name, title, state="started")
        lab = self._lab(observer)
        try:
            checks = self._runner(name, lab)()
        except (LabctlError, Unanswered, Cancelled) as error:
            checks = [CheckResult(f"{name}.ran", title, "INCONCLUSIVE", str(error))]
        result = ScenarioResult(name, title, self._watch.seconds - started, tuple(checks), started)
        self._tell(
            "scenario", name, result.sentence, state="done", verdict=result.verdict, seconds=round(result.seconds, 3)
        )
        return result

    def _runner(self, name: str, lab: LabUnderTest) -> Runner:
        mode = lab.mode
        if name == "links":
            return lambda: links.run(lab)
        if name == "bgp":
            return lambda: bgp.run(lab)
        if name == "curl":
            return lambda: curl.run(lab, mode.curl)
        api = self._api
        if api is None:
            raise UsageError("this lab has no cluster", code="no-cluster")
        exec_in = PodExec(api.access)
        if name == "ping":
            return lambda: ping.run(lab, exec_in, mode.ping)
        return lambda: ipip.run(lab, exec_in, api, self._request.journal)

    def _told(self, result: CheckResult) -> None:
        self._tell("check", result.id, result.sentence, verdict=result.verdict, title=result.title)

    def _tell(self, kind: Any, name: str, message: str, **data: Any) -> None:
        self._request.listener(Event(kind, self._folder.lab.name, name, message, self._watch.seconds, data=data))
