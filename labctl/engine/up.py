"""``labctl up``: from an artifact folder to a lab that runs and is proven, as a list of steps.

Before the first of them the folder is put in its place, and a new lab told from one to go on with.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from labctl.engine import cluster, switches
from labctl.engine.down import take_down
from labctl.engine.proving import Running, heal, is_real, verify_request
from labctl.engine.steps import Step, StepContext, StepRunner, plan
from labctl.errors import InconclusiveError, LabctlError, UsageError
from labctl.events import INTERRUPTED, Event, Listener, interruption
from labctl.folder import Folder, load_folder
from labctl.journal import Journal
from labctl.kube.kubectl import find_kubectl
from labctl.pace import paced
from labctl.restore import snapshot
from labctl.restore.changes import open_changes
from labctl.runtime.api import Runtime
from labctl.state import LabState, records_root
from labctl.verify.run import verify
from labctl.verify.verdict import Report
from labctl.waiting import Deadline

SCHEMA = "labctl.up/v1"
NAMESPACES = ("kube-system", "default")
NODES = ("topology.clab.yml", "kind/cluster.yaml")
"""Files that decide which nodes there are: when one of them has changed, a running lab cannot go on with the folder."""
N9KV_LIMIT = 5400.0
"""Seconds for a whole ``up`` with 9000v images."""


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


class Up:
    """One run of ``up`` on one lab, which the caller has locked."""

    def __init__(self, request: UpRequest, placing: Placing, deadline: Deadline) -> None:
        self._request = request
        self._state = request.state
        self._placing = placing
        self._runner = StepRunner(request.state.name, Journal(request.state.journal), request.listener, deadline)
        self._lab = Running(request.state, request.runtime, placing.folder)
        self._report: Report | None = None

    @property
    def worth_keeping(self) -> bool:
        """Whether the push has begun, or had in an earlier run: from then on a lab stays for a look."""
        if self._placing.running or "push" in self._runner.begun:
            return True
        # a real switch took minutes to boot: once the nodes are there, they stay for a look
        return self._request.runtime.kept and "create" in self._runner.finished

    def run(self) -> tuple[dict[str, Any], Report | None]:
        """Do it. Raises the error of the step that failed; see `up` for what becomes of the lab then."""
        state, runner = self._state, self._runner
        with runner.journalled("up", runtime=self._request.runtime.name):
            try:
                runner.run(self._steps(), done=self._placing.done, interrupted=self._give_up)
            finally:
                switches.close_sessions(self._lab.sessions.values())
        body = {
            "schema": SCHEMA,
            "lab": state.name,
            "seconds": round(runner.deadline.elapsed, 3),
            "timings": runner.timings,
            "evidence": str(state.evidence),
            "report": self._report.as_dict() if self._report else None,
        }
        return body, self._report

    def _give_up(self) -> None:
        """Ctrl-C: a creation that is under way ends when its nodes are taken away, everything else at its next poll."""
        self._runner.tell("message", "up", interruption(self._ending))
        if "create" not in self._runner.finished and not self._placing.running:
            self._request.runtime.destroy(progress=lambda _text: None)

    @property
    def _ending(self) -> str:
        name, begun = self._state.name, self._runner.begun
        becomes = "is kept" if self._request.kept else "is then removed"
        if "verify" in begun and self._report is None:
            return f"ending the checks, undoing what they changed; what was judged is written, lab {name} {becomes}"
        if self.worth_keeping:
            return f"ending the steps that run; lab {name} {becomes}"
        return f"removing lab {name}, which was not configured yet"

    def _steps(self) -> list[Step]:
        def gate(name: str, title: str, run: Callable[[StepContext], str], *needs: str) -> Step:
            return Step(name, title, run, needs, resumable=False)

        lab, kube = self._lab, bool(self._lab.folder.lab.kube_nodes)
        # what is broken on purpose is healed before a gate or a push stumbles over it
        left = self._placing.running and open_changes(self._state.journal)
        there = ("addresses", "workloads", "bonds")
        return plan(
            (self._lab.folder.lab.real_cluster, gate("inputs", "Calico's manifest", self._inputs)),
            (True, gate("create", "nodes and links", self._create, "inputs")),
            (True, Step("nodes", "bonds and addresses of nodes", partial(cluster.set_up, lab), ("create",))),
            (True, gate("ssh", "switches take logins", partial(switches.await_ssh, lab), "create")),
            (True, gate("ports", "switches list their ports", partial(switches.await_ports, lab), "ssh")),
            (kube, gate("api", "Kubernetes API", partial(cluster.await_api, lab), "create")),
            (left, gate("heal", "what a killed labctl left broken", self._heal, "ports", "api")),
            (True, Step("push", "NX-OS configurations", partial(switches.push_all, lab), ("ports", "heal"))),
            (kube, gate("names", "nodes have the names of the lab", partial(cluster.await_names, lab), "api")),
            (kube, Step("calico", "Calico", self._calico, ("nodes", "push", "names"))),
            (kube, gate("addresses", "Calico uses bond0", partial(cluster.await_calico_addresses, lab), "calico")),
            (kube, Step("workloads", "workloads", partial(cluster.apply_workloads, lab), ("calico",))),
            (kube, gate("bonds", "every bond has a partner", partial(cluster.await_bonds, lab), "push", "nodes")),
            # a check waits for what it needs itself: a pod that never comes must be its verdict, not a missed gate
            (self._request.prove, gate("verify", "the scenarios", self._verify, "push", "nodes", *there)),
            (kube, gate("ready", "workloads are ready", self._ready, "verify", *there)),
            (True, gate("first-state", "the snapshot is kept", self._snapshot, "push", "nodes", "verify", "ready")),
        )

    def _heal(self, context: StepContext) -> str:
        return f"healed {', '.join(heal(self._state, self._lab.endpoints, context.say))}"

    def _inputs(self, context: StepContext) -> str:
        """Before anything boots: a manifest that cannot be had would be found out half an hour later."""
        folder, version = self._lab.folder.path, self._lab.folder.lab.versions["calico"]
        manifest = cluster.find_manifest(folder, version, self._request.calico, context.say)
        cluster.lay_manifest(self._state, folder, manifest, version, context.say)
        return f"Calico {version} from {manifest.source}"

    def _create(self, context: StepContext) -> str:
        if not self._placing.running:
            self._request.runtime.create(self._state.folder, progress=context.say)
            if self._request.limit is None:
                context.deadline.seconds = paced(context.deadline.seconds)
        lab = self._lab.client.folder.lab  # the ways in are made here: the next steps run side by side
        if self._placing.running:
            return "the nodes of the earlier run"
        return f"{len(lab.nodes)} nodes, {len(lab.links)} links"

    def _calico(self, context: StepContext) -> str:
        laid = self._state.root if self._lab.folder.lab.real_cluster else self._lab.folder.path
        return cluster.apply_calico(self._lab, context, laid / "calico", find_kubectl(self._request.kubectl))

    def _ready(self, context: StepContext) -> str:
        """Also what no scenario uses must run; where a scenario has failed already, nothing more is waited for."""
        if self._report is not None and self._report.verdict != "PASS":
            return "not looked at: the scenarios did not pass"
        return cluster.await_ready(self._lab, context, NAMESPACES)

    def _snapshot(self, context: StepContext) -> str:
        """After the scenarios, which put back what they change: what is there now is what ``reset`` brings back."""
        timeout = context.deadline.at_most(self._lab.folder.lab.limit("push")).remaining
        must = self._report is None or self._report.verdict == "PASS"
        return snapshot.take(self._state, self._lab.client, self._lab.sessions, timeout=timeout, must=must)

    def _verify(self, context: StepContext) -> str:
        now = self._request.runtime.observe()
        endpoints, sessions = self._lab.endpoints, self._lab.sessions
        request = verify_request(self._state, endpoints, now, self._request.listener, disruptive=True)
        # what was pushed now is another state than the one that an earlier run may have kept
        drift = request.drift if "push" in self._placing.done else None
        request = replace(request, cancel=context.cancel, sessions=sessions, limit=context.deadline, drift=drift)
        report = self._report = verify(request)
        self._request.judged(report)
        if report.cut:
            raise InconclusiveError(report.sentence, code="cancelled" if report.cut == INTERRUPTED else "deadline")
        return report.sentence


def default_limit(runtime: Runtime, target: Mapping[str, str]) -> float:
    """The limit of an ``up`` that was given none, seconds."""
    return N9KV_LIMIT if is_real(target) else runtime.limit


def up(request: UpRequest) -> tuple[dict[str, Any], Report | None]:
    """Bring a lab up under its lock: what was done (schema ``labctl.up/v1``), and what the scenarios came to.

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
        if request.calico is not None and not placing.folder.lab.real_cluster:
            tell(f"{request.calico} is not used: only a cluster of kind runs Calico's own manifest")
        if request.limit is None:
            deadline.seconds = default_limit(request.runtime, placing.folder.lab.target)
        for name in placing.folder.edited:
            tell(f"{name} differs from what was rendered: it is used as it is")
        lab = Up(request, placing, deadline)
        try:
            return lab.run()
        except BaseException as error:
            _after_failure(lab, request, error if isinstance(error, LabctlError) else None, tell)
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
