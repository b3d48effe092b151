"""``labctl up``: from an artifact folder to a lab that runs and is proven, as a list of steps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from labctl.bonding import bond_trouble
from labctl.cache import cache_dir
from labctl.engine.actions import cluster, nodes, switches
from labctl.engine.journal import Journal
from labctl.engine.steps import Step, StepContext, StepFailed, StepRunner
from labctl.errors import LabError, UsageError
from labctl.events import Event, Listener
from labctl.folder import Folder, load_folder
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.kube.apply import Applier
from labctl.kube.kubectl import find_kubectl
from labctl.kube.ready import await_workloads
from labctl.nxos.session import NxosSession
from labctl.runtime.api import Endpoints, Runtime
from labctl.standin.cluster.controlplane.binaries import find_binaries
from labctl.state import LabState
from labctl.verify.run import VerifyRequest, verify
from labctl.verify.verdict import Report
from labctl.waiting import Deadline

DEFAULT_LIMIT = 600.0
NAMESPACES = ("kube-system", "default")


@dataclass(frozen=True, slots=True)
class UpRequest:
    """What ``up`` was asked for. ``source`` is a rendered folder, or a function that renders into one."""

    state: LabState
    runtime: Runtime
    render: Callable[[Path], None]
    listener: Listener
    prove: bool = True
    limit: float = DEFAULT_LIMIT


@dataclass(slots=True)
class UpResult:
    """What came of it."""

    lab: str
    seconds: float
    timings: dict[str, tuple[float, float]]
    report: Report | None = None
    evidence: Path | None = None


@dataclass(slots=True)
class _Running:
    """What one step hands to the next."""

    folder: Folder | None = None
    endpoints: Endpoints | None = None
    sessions: dict[str, NxosSession] = field(default_factory=dict)
    api: Api | None = None
    applier: Applier | None = None
    report: Report | None = None


class Up:
    """One run of ``up`` on one lab."""

    def __init__(self, request: UpRequest) -> None:
        self._request = request
        self._state = request.state
        self._now = _Running()
        self._deadline = Deadline(request.limit)

    def run(self) -> UpResult:
        """Do it. Raises the error of the step that failed; what was made stays for ``down`` or another look."""
        state = self._state
        journal = Journal(state.journal)
        self._refuse_running()
        self._place_folder()
        runner = StepRunner(state.name, journal, self._request.listener, self._deadline)
        journal.write("run", "up", "started", runtime=self._request.runtime.name)
        try:
            runner.run(self._steps())
        except StepFailed as failed:
            journal.write("run", "up", "failed", step=failed.name, code=failed.error.code)
            raise failed.error from failed
        except BaseException:
            runner.cancel.set()
            journal.write("run", "up", "interrupted")
            raise
        finally:
            switches.close_sessions(self._now.sessions.values())
        journal.write("run", "up", "done", seconds=round(self._deadline.elapsed, 3))
        return UpResult(state.name, self._deadline.elapsed, runner.timings, self._now.report, state.evidence)

    def _refuse_running(self) -> None:
        """A lab of that name that runs is not touched; one that is dead is cleared away first."""
        if not self._state.exists or not self._state.runtime_file.is_file():
            return
        if self._request.runtime.observe().alive:
            raise UsageError(
                f"lab {self._state.name} runs already",
                code="runs-already",
                next_command=f"labctl down {self._state.name}, or up with --name",
            )
        self._tell("what an earlier run left of this lab is removed first")
        self._request.runtime.destroy(progress=self._tell)

    def _place_folder(self) -> None:
        self._state.make()
        shutil.rmtree(self._state.folder, ignore_errors=True)
        self._request.render(self._state.folder)
        self._now.folder = load_folder(self._state.folder)
        for name in self._now.folder.edited:
            self._tell(f"{name} differs from what was rendered: it is used as it is")

    def _tell(self, text: str) -> None:
        self._request.listener(Event("message", self._state.name, "up", text, self._deadline.elapsed))

    @property
    def _folder(self) -> Folder:
        assert self._now.folder is not None  # noqa: S101 - placed before the first step
        return self._now.folder

    @property
    def _endpoints(self) -> Endpoints:
        if self._now.endpoints is None:
            raise LabError("the boxes are not there")
        return self._now.endpoints

    def _steps(self) -> list[Step]:
        lab = self._folder.lab
        steps = [
            Step("create", "boxes and wires", self._create, resumable=False),
            Step("nodes", "bonds and addresses of nodes", self._nodes, ("create",)),
            Step("ssh", "switches take logins", self._ssh, ("create",)),
            Step("push", "NX-OS configurations", self._push, ("ssh",)),
        ]
        if lab.kube_nodes:
            steps += [
                Step("calico", "Calico", self._calico, ("nodes", "push")),
                Step("workloads", "workloads", self._workloads, ("calico", "push")),
                Step("bonds", "every bond has a partner", self._bonds, ("push", "nodes")),
            ]
        if self._request.prove:
            # a check waits for what it needs itself: a pod that never comes must be its verdict, not a missed gate
            last = ("workloads", "bonds") if lab.kube_nodes else ("push",)
            steps.append(Step("verify", "the scenarios", self._verify, last))
        elif lab.kube_nodes:
            steps.append(Step("ready", "workloads are ready", self._ready, ("workloads", "bonds")))
        return steps

    def _limit(self, name: str) -> Deadline:
        return self._deadline.at_most(self._folder.lab.deadlines.get(name, 60.0))

    def _create(self, context: StepContext) -> str:
        self._now.endpoints = self._request.runtime.create(self._state.folder, progress=context.say)
        return f"{len(self._folder.lab.nodes)} boxes, {len(self._folder.topology.links)} wires"

    def _nodes(self, context: StepContext) -> str:
        del context
        lab = self._folder.lab
        return nodes.run_scripts(self._folder.path, [*lab.kube_nodes, *lab.hosts], self._endpoints)

    def _ssh(self, context: StepContext) -> str:
        names = self._folder.lab.switches
        self._now.sessions = switches.await_ssh(names, self._endpoints, self._limit("ssh"), context.cancel)
        return f"{len(names)} switches"

    def _push(self, context: StepContext) -> str:
        del context
        return switches.push_all(self._folder.path, self._now.sessions, timeout=self._limit("push").remaining)

    def _calico(self, context: StepContext) -> str:
        kubectl = find_kubectl(brought_kubectl())
        manifests = cluster.calico_manifests(self._folder.path, kubectl)
        access = access_from_kubeconfig(self._endpoints.kubeconfig(), self._state.secrets)
        self._now.api = Api(access, connections=8)
        self._now.applier = Applier(self._now.api)
        cluster.await_api(self._now.api, self._request.runtime, self._limit("api"), context.cancel)
        return cluster.apply_calico(self._now.applier, self._folder.path, manifests, self._limit("api"), context.cancel)

    def _workloads(self, context: StepContext) -> str:
        assert self._now.applier is not None  # noqa: S101 - made by the step before
        return cluster.apply_workloads(self._now.applier, self._folder.path, self._limit("workloads"), context.cancel)

    def _bonds(self, context: StepContext) -> str:
        names = self._folder.lab.kube_nodes
        return nodes.await_bonds(names, self._endpoints, self._limit("bond"), context.cancel, bond_trouble)

    def _ready(self, context: StepContext) -> str:
        assert self._now.api is not None  # noqa: S101 - made by an earlier step
        return await_workloads(self._now.api, NAMESPACES, self._limit("workloads"), context.cancel)

    def _environment(self) -> dict[str, str]:
        now = self._request.runtime.observe()
        return {"runtime": now.runtime, "launcher": now.launcher or ""}

    def _verify(self, context: StepContext) -> str:
        request = VerifyRequest(
            self._state.folder,
            self._endpoints,
            self._state.evidence,
            self._state.journal,
            self._state.secrets,
            self._request.listener,
            lambda switch: switches.open_session(switch, self._endpoints),
            context.cancel,
            disruptive=True,
            sessions=self._now.sessions,
            environment=self._environment(),
        )
        self._now.report = verify(request)
        return self._now.report.sentence


def brought_kubectl() -> Path | None:
    """The kubectl that ``labctl setup`` brought."""
    binaries = find_binaries(cache_dir())
    return binaries.path("kubectl") if binaries else None


def up(request: UpRequest) -> UpResult:
    """Bring a lab up under its lock."""
    with request.state.lock():
        return Up(request).run()
