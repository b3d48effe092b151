"""``labctl up``: from an artifact folder to a lab that runs and is proven, as a list of steps.

Before the first of them the folder is put in its place, and a new lab told from one to go on with.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

from labctl.bonding import bond_trouble
from labctl.engine.actions import cluster, nodes, switches
from labctl.engine.actions.booting import Booting
from labctl.engine.actions.profile import Profile, default_limit, profile_of
from labctl.engine.calicomanifest import find_manifest, lay
from labctl.engine.down import take_down
from labctl.engine.proving import heal, verify_request
from labctl.engine.steps import Step, StepContext, StepFailed, StepRunner
from labctl.errors import InconclusiveError, LabctlError, LabError, UsageError
from labctl.events import INTERRUPTED, Event, Listener, interruption
from labctl.folder import Folder, load_folder
from labctl.journal import Journal
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.kube.apply import Applier
from labctl.kube.kubectl import find_kubectl
from labctl.nxos.session import NxosSession
from labctl.pace import paced
from labctl.restore import snapshot
from labctl.restore.changes import open_changes
from labctl.restore.client import LabClient
from labctl.restore.node import run_scripts
from labctl.runtime.api import Endpoints, Runtime
from labctl.state import LabState, records_root
from labctl.verify.run import verify
from labctl.verify.verdict import Report
from labctl.waiting import Deadline

NAMESPACES = ("kube-system", "default")
NODES = ("topology.clab.yml", "kind/cluster.yaml")
"""Files that decide which nodes there are: when one of them has changed, a running lab cannot go on with the folder."""


@dataclass(frozen=True, slots=True)
class UpRequest:
    """What ``up`` was asked for. ``render`` writes the artifact folder to a path."""

    state: LabState
    runtime: Runtime
    render: Callable[[Path], None]
    listener: Listener
    kubectl: Path | None = None
    """The kubectl that set-up brought; one on PATH that is new enough is taken before it."""
    prove: bool = True
    limit: float | None = None
    """Of the whole command, seconds; None: what its runtime and target need."""
    calico: Path | None = None
    """The user's manifest of Calico, or a folder of them; for a real cluster."""
    judged: Callable[[Report], None] = lambda _report: None
    """Called with what the scenarios came to, also where ``up`` then fails or is interrupted."""
    kept: bool = True
    """False: whoever asks removes the lab afterwards, so nobody is told that it stays (``--rm``)."""


@dataclass(frozen=True, slots=True)
class UpResult:
    """What came of it. ``timings``: start and end of each step, seconds since the command began."""

    lab: str
    seconds: float
    timings: Mapping[str, tuple[float, float]]
    evidence: Path
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Placing:
    """The folder that will run. ``running``: its nodes exist already; ``done``: steps that need not be done again."""

    folder: Folder
    running: bool = False
    done: frozenset[str] = frozenset()


def place_folder(
    state: LabState, runtime: Runtime, render: Callable[[Path], None], say: Callable[[str], None]
) -> Placing:
    """Render into the lab's state folder.

    What an earlier run left dead is removed first. A lab that runs is gone on with when its last ``up`` did not end,
    else refused. Raises `UsageError` or what ``render`` raises; a folder that runs is then left as it is.
    """
    now = runtime.observe() if state.runtime_file.is_file() else None
    running = now is not None and now.alive and now.complete
    journal = Journal(state.journal)
    if running and journal.last_run() in ("done", None):
        raise UsageError(
            f"lab {state.name} runs already",
            code="runs-already",
            hint="another lab of the same spec needs --name",
            next_command=f"labctl verify {state.name}, or labctl down {state.name}",
        )
    state.make()
    new = state.root / "folder.new"
    shutil.rmtree(new, ignore_errors=True)
    try:
        render(new)
        folder = load_folder(new)
        done = _steps_done(state, new, journal) if running else frozenset()
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if running:
        say(f"lab {state.name} runs and its last up did not end: going on with it")
    elif state.runtime_file.is_file():
        say(f"what an earlier run left of lab {state.name} is removed first")
        runtime.destroy(progress=say)
    shutil.rmtree(state.folder, ignore_errors=True)
    new.rename(state.folder)
    return Placing(replace(folder, path=state.folder), running, done)


def _steps_done(state: LabState, new: Path, journal: Journal) -> frozenset[str]:
    """Steps of the journal that hold for the new folder too. Raises `UsageError` when it needs other nodes."""
    before, after = _texts(state.folder), _texts(new)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if not changed:
        return frozenset(journal.done_steps())
    nodes = [name for name in changed if name in NODES]
    if nodes:
        raise UsageError(
            f"lab {state.name} runs, and {', '.join(nodes)} differs from what it was made of",
            code="runs-already",
            next_command=f"labctl down {state.name}",
        )
    return frozenset()


def _texts(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass(slots=True)
class _Handed:
    """What one step hands to a later one."""

    endpoints: Endpoints | None = None
    sessions: dict[str, NxosSession] = field(default_factory=dict)
    report: Report | None = None


class Up:
    """One run of ``up`` on one lab, which the caller has locked."""

    def __init__(self, request: UpRequest, placing: Placing, deadline: Deadline) -> None:
        self._request = request
        self._state = request.state
        self._placing = placing
        self._deadline = deadline
        self._now = _Handed()
        self._runner = StepRunner(request.state.name, Journal(request.state.journal), request.listener, deadline)

    @property
    def worth_keeping(self) -> bool:
        """Whether the push has begun, or had in an earlier run: from then on a lab stays for a look."""
        if self._placing.running or "push" in self._runner.begun:
            return True
        # a real switch took minutes to boot: once the nodes are there, they stay for a look
        return self._request.runtime.kept and self._now.endpoints is not None

    def run(self) -> UpResult:
        """Do it. Raises the error of the step that failed; see `up` for what becomes of the lab then."""
        state, runner = self._state, self._runner
        with runner.journalled("up", runtime=self._request.runtime.name):
            try:
                runner.run(self._steps(), done=self._placing.done, interrupted=self._give_up)
            finally:
                switches.close_sessions(self._now.sessions.values())
        return UpResult(state.name, self._deadline.elapsed, runner.timings, state.evidence, self._now.report)

    def _give_up(self) -> None:
        """Ctrl-C: a creation that is under way ends when its nodes are taken away, everything else at its next poll."""
        self._request.listener(
            Event("message", self._state.name, "up", interruption(self._ending), self._deadline.elapsed)
        )
        if self._now.endpoints is None and not self._placing.running:
            self._request.runtime.destroy(progress=lambda _text: None)

    @property
    def _ending(self) -> str:
        name, begun = self._state.name, self._runner.begun
        becomes = "is kept" if self._request.kept else "is then removed"
        if "verify" in begun and self._now.report is None:
            return f"ending the checks, undoing what they changed; what was judged is written, lab {name} {becomes}"
        if self.worth_keeping:
            return f"ending the steps that run; lab {name} {becomes}"
        return f"removing lab {name}, which was not configured yet"

    @property
    def _folder(self) -> Folder:
        return self._placing.folder

    @property
    def _endpoints(self) -> Endpoints:
        if self._now.endpoints is None:
            raise LabError("the nodes are not there")
        return self._now.endpoints

    @cached_property
    def _api(self) -> Api:
        return Api(access_from_kubeconfig(self._endpoints.kubeconfig(), self._state.secrets), connections=8)

    @cached_property
    def _applier(self) -> Applier:
        return Applier(self._api)

    def _steps(self) -> list[Step]:
        lab = self._folder.lab
        inputs = self._real_cluster
        # what is broken on purpose is healed before a gate or a push stumbles over it
        left = ("heal",) if self._placing.running and open_changes(self._state.journal) else ()
        steps = [Step("inputs", "Calico's manifest", self._inputs, resumable=False)] if inputs else []
        steps += [
            Step("create", "nodes and links", self._create, ("inputs",) if inputs else (), resumable=False),
            Step("nodes", "bonds and addresses of nodes", self._nodes, ("create",)),
            Step("ssh", "switches take logins", self._ssh, ("create",), resumable=False),
            Step("ports", "switches list their ports", self._ports, ("ssh",), resumable=False),
        ]
        if lab.kube_nodes:
            steps.append(Step("api", "Kubernetes API", self._await_api, ("create",), resumable=False))
        if left:
            needs = ("ports", "api") if lab.kube_nodes else ("ports",)
            steps.append(Step("heal", "what a killed labctl left broken", self._heal, needs, resumable=False))
        steps.append(Step("push", "NX-OS configurations", self._push, ("ports", *left)))
        last: tuple[str, ...] = ("push", "nodes")
        if lab.kube_nodes:
            steps += [
                Step("names", "nodes have the names of the lab", self._names, ("api",), resumable=False),
                Step("calico", "Calico", self._calico, ("nodes", "push", "names")),
                Step("addresses", "Calico uses bond0", self._addresses, ("calico",), resumable=False),
                Step("workloads", "workloads", self._workloads, ("calico",)),
                Step("bonds", "every bond has a partner", self._bonds, ("push", "nodes"), resumable=False),
            ]
            last = ("addresses", "workloads", "bonds")
        if self._request.prove:
            # a check waits for what it needs itself: a pod that never comes must be its verdict, not a missed gate
            steps.append(Step("verify", "the scenarios", self._verify, last, resumable=False))
            last = ("verify",)
        if lab.kube_nodes:
            steps.append(Step("ready", "workloads are ready", self._ready, last, resumable=False))
            last = ("ready",)
        steps.append(Step("first-state", "the snapshot is kept", self._snapshot, last, resumable=False))
        return steps

    def _heal(self, context: StepContext) -> str:
        return f"healed {', '.join(heal(self._state, self._endpoints, context.say))}"

    def _limit(self, name: str) -> Deadline:
        return self._deadline.at_most(self._folder.lab.limit(name))

    @property
    def _real_cluster(self) -> bool:
        lab = self._folder.lab
        return bool(lab.kube_nodes) and lab.target.get("cluster") == "kind"

    def _inputs(self, context: StepContext) -> str:
        """Before anything boots: a manifest that cannot be had would be found out half an hour later."""
        folder, version = self._folder.path, self._folder.lab.versions["calico"]
        manifest = find_manifest(folder, version, self._request.calico, context.say)
        lay(self._state, folder, manifest, version, context.say)
        return f"Calico {version} from {manifest.source}"

    def _create(self, context: StepContext) -> str:
        runtime = self._request.runtime
        if self._placing.running:
            self._now.endpoints = runtime.endpoints()
            return "the nodes of the earlier run"
        self._now.endpoints = runtime.create(self._state.folder, progress=context.say)
        if self._request.limit is None:
            self._deadline.seconds = paced(self._deadline.seconds)
        return f"{len(self._folder.lab.nodes)} nodes, {len(self._folder.lab.links)} links"

    def _nodes(self, context: StepContext) -> str:
        lab = self._folder.lab
        done = run_scripts(self._folder.path, [*lab.kube_nodes, *lab.hosts], self._endpoints)
        if lab.kube_nodes:
            nodes.await_addresses(lab.kube_nodes, self._endpoints, self._limit("nodes"), context.cancel)
        return done

    def _ssh(self, context: StepContext) -> str:
        names = self._folder.lab.switches
        self._now.sessions = switches.await_ssh(
            names,
            self._endpoints,
            self._limit("ssh"),
            context.cancel,
            booting=self._booting(context, "switches take logins"),
            profile=self._profile,
        )
        return f"{len(names)} switches"

    def _ports(self, context: StepContext) -> str:
        return switches.await_ports(
            switches.wired_ports(self._folder),
            self._now.sessions,
            self._login,
            self._limit("ssh"),
            context.cancel,
            booting=self._booting(context, "switches list their ports"),
        )

    @property
    def _profile(self) -> Profile:
        return profile_of(self._folder.lab.target)

    def _booting(self, context: StepContext, what: str) -> Booting:
        names, runtime = self._folder.lab.switches, self._request.runtime
        return Booting(len(names), what, context.tick, runtime.last_line, estimate=self._profile.estimate)

    def _push(self, context: StepContext) -> str:
        del context  # a line that is on its way to a switch is not called back
        return switches.push_all(self._folder.path, self._now.sessions, timeout=self._limit("push").remaining)

    def _await_api(self, context: StepContext) -> str:
        return cluster.await_api(self._api, self._request.runtime, self._limit("api"), context.cancel)

    def _names(self, context: StepContext) -> str:
        running = partial(cluster.must_run, self._request.runtime)
        names = tuple(self._folder.lab.kubernetes.values())
        return cluster.await_names(self._api, names, running, self._limit("nodes"), context.cancel)

    def _addresses(self, context: StepContext) -> str:
        lab = self._folder.lab
        bonds = nodes.all_bond_addresses(lab.kube_nodes, self._endpoints)
        named = {name: bonds[node] for node, name in lab.kubernetes.items()}
        return cluster.await_calico_addresses(self._api, named, self._limit("workloads"), context.cancel)

    def _calico(self, context: StepContext) -> str:
        kubectl = find_kubectl(self._request.kubectl)
        laid = self._state.root if self._real_cluster else self._folder.path
        manifests = cluster.calico_manifests(laid / "calico", kubectl)
        return cluster.apply_calico(self._applier, self._folder.path, manifests, self._limit("api"), context.cancel)

    def _workloads(self, context: StepContext) -> str:
        return cluster.apply_workloads(self._applier, self._folder.path, self._limit("workloads"), context.cancel)

    def _bonds(self, context: StepContext) -> str:
        names = self._folder.lab.kube_nodes
        return nodes.await_bonds(names, self._endpoints, self._limit("bond"), context.cancel, bond_trouble)

    def _ready(self, context: StepContext) -> str:
        """Also what no scenario uses must run; where a scenario has failed already, nothing more is waited for."""
        if self._now.report is not None and self._now.report.verdict != "PASS":
            return "not looked at: the scenarios did not pass"
        guest = self._request.runtime.observe().guest
        return cluster.await_ready(self._api, NAMESPACES, guest, self._limit("workloads"), context.cancel)

    def _snapshot(self, context: StepContext) -> str:
        """After the scenarios, which put back what they change: what is there now is what ``reset`` brings back."""
        del context
        report, timeout = self._now.report, self._limit("push").remaining
        api = self._api if self._folder.lab.kube_nodes else None
        client = LabClient(self._folder, self._endpoints, self._login, api)
        must = report is None or report.verdict == "PASS"
        return snapshot.take(self._state, client, self._now.sessions, timeout=timeout, must=must)

    def _login(self, switch: str) -> NxosSession:
        return switches.open_session(switch, self._endpoints, profile=self._profile)

    def _verify(self, context: StepContext) -> str:
        now = self._request.runtime.observe()
        request = verify_request(self._state, self._endpoints, now, self._request.listener, disruptive=True)
        # what was pushed now is another state than the one that an earlier run may have kept
        drift = request.drift if "push" in self._placing.done else None
        request = replace(
            request, cancel=context.cancel, sessions=self._now.sessions, limit=context.deadline, drift=drift
        )
        report = self._now.report = verify(request)
        self._request.judged(report)
        if report.cut:
            raise InconclusiveError(f"{report.sentence}", code="cancelled" if report.cut == INTERRUPTED else "deadline")
        return report.sentence


def up(request: UpRequest) -> UpResult:
    """Bring a lab up under its lock.

    Raises the error of the step that failed. Before the push has begun (with containers: before the nodes are there)
    the lab is then removed, its journal and logs kept in the archive; later it stays for a look, and a second ``up``
    goes on from there.
    """
    state = request.state
    with state.lock():
        deadline = Deadline(request.limit or request.runtime.limit)

        def tell(text: str) -> None:
            request.listener(Event("message", state.name, "up", text, deadline.elapsed))

        made_here = not state.runtime_file.is_file()
        try:
            placing = place_folder(state, request.runtime, request.render, tell)
        except BaseException:
            if made_here:
                state.remove()
            raise
        if request.calico is not None and placing.folder.lab.target.get("cluster") != "kind":
            tell(f"{request.calico} is not used: only a cluster of kind runs Calico's own manifest")
        if request.limit is None:
            deadline.seconds = default_limit(request.runtime, placing.folder.lab.target)
        for name in placing.folder.edited:
            tell(f"{name} differs from what was rendered: it is used as it is")
        lab = Up(request, placing, deadline)
        try:
            return lab.run()
        except BaseException as error:
            _after_failure(lab, request, error.error if isinstance(error, StepFailed) else None, tell)
            if isinstance(error, StepFailed):
                raise error.error from error
            raise


def _after_failure(lab: Up, request: UpRequest, error: LabctlError | None, tell: Callable[[str], None]) -> None:
    """Remove or keep the lab, and say so. ``error`` is None after Ctrl-C and its like."""
    state = request.state
    if lab.worth_keeping:
        if not request.kept:
            return  # it is removed in a moment, by whoever asked
        if error is None:
            tell(f"lab {state.name} is kept: labctl up goes on with it, labctl down {state.name} removes it")
        elif error.next_command is None:
            error.next_command = f"labctl logs {state.name}"
        return
    try:
        gone = take_down(state, tell, locked=True)
    except LabctlError as trouble:
        tell(f"lab {state.name} could not be removed: {trouble.message}; next: labctl down {state.name}")
        return
    tell(f"lab {state.name} was removed; its record is in {gone.archive or records_root()}")
    if error is not None and error.hint is None and gone.archive is not None:
        error.hint = f"logs of the run are in {gone.archive / 'logs'}"
