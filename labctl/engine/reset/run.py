"""``labctl reset``: what differs from the first state is changed back, part by part, then the lab is proven again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from labctl.bonding import bond_trouble
from labctl.engine import firststate
from labctl.engine.actions import cluster as cluster_action
from labctl.engine.actions import nodes as nodes_action
from labctl.engine.actions.profile import profile_of
from labctl.engine.actions.switches import open_session
from labctl.engine.firststate import FirstState
from labctl.engine.healing import heal
from labctl.engine.proving import verify_request
from labctl.engine.reset import cluster, nodes, switches
from labctl.engine.reset.model import LIMIT, ResetRequest, ResetResult, Row, Turned, counted
from labctl.engine.steps import Step, StepContext, StepFailed, StepRunner
from labctl.events import Event, interruption
from labctl.folder import load_folder
from labctl.journal import Journal
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.nxos.session import NxosSession
from labctl.pace import paced
from labctl.verify.change import open_changes
from labctl.verify.run import verify
from labctl.verify.verdict import Report
from labctl.waiting import Deadline

SCENARIOS = ("bgp",)
"""With the checks of the links, which every verification has."""


def reset(request: ResetRequest) -> ResetResult:
    """Bring the lab back under its lock.

    Every part does what it can also when another one fails; then the error of the first that failed is raised.
    """
    with request.state.lock():
        return _Reset(request).run()


def _in_order(first: FirstState, names: tuple[str, ...]) -> FirstState:
    """Boxes in the order of the folder, as everywhere."""
    return replace(
        first,
        switches={name: first.switches[name] for name in names if name in first.switches},
        nodes={name: first.nodes[name] for name in names if name in first.nodes},
    )


@dataclass(slots=True)
class _Came:
    """What the steps have found out."""

    turned: list[Turned] = field(default_factory=list)
    report: Report | None = None


class _Reset:
    def __init__(self, request: ResetRequest) -> None:
        self._request = request
        self._state = request.state
        self._folder = load_folder(request.state.folder)
        self._first = _in_order(firststate.load(request.state), tuple(self._folder.lab.nodes))
        self._endpoints = request.runtime.endpoints()
        self._deadline = Deadline(request.limit or paced(LIMIT))
        self._journal = Journal(request.state.journal)
        self._runner = StepRunner(request.state.name, self._journal, request.listener, self._deadline)
        self._came = _Came()
        self._stop = threading.Event()
        """Ctrl-C. That another part failed stops nothing here: each part is worth having."""

    @cached_property
    def _api(self) -> Api:
        return Api(access_from_kubeconfig(self._endpoints.kubeconfig(), self._state.secrets), connections=8)

    def run(self) -> ResetResult:
        word = "look" if self._request.look else "reset"
        self._journal.write("run", word, "started")
        try:
            self._runner.run(self._steps(), interrupted=self._interrupted)
        except StepFailed as failed:
            self._journal.write("run", word, "failed", step=failed.name, code=failed.error.code)
            raise failed.error from failed
        except BaseException:
            self._journal.write("run", word, "interrupted")
            raise
        self._journal.write("run", word, "done", seconds=round(self._deadline.elapsed, 3))
        order = {name: place for place, name in enumerate(("scenario", "switch", "node", "cluster"))}
        turned = tuple(sorted(self._came.turned, key=lambda row: order[row.part]))
        return ResetResult(
            self._state.name,
            self._deadline.elapsed,
            self._runner.timings,
            turned,
            self._request.look,
            self._came.report,
        )

    def _interrupted(self) -> None:
        self._stop.set()
        name = self._state.name
        words = interruption(f"each part ends where it is, labctl reset {name} goes on")
        self._request.listener(Event("message", name, "reset", words, self._deadline.elapsed))

    def _steps(self) -> list[Step]:
        """Named apart from the steps of ``up``, which a second ``up`` looks up in the same journal."""
        has_cluster = self._first.objects is not None
        steps = [
            Step("reset-scenarios", "changes that scenarios left", self._scenarios),
            Step("reset-switches", "configurations of switches", self._switches, ("reset-scenarios",)),
            Step("reset-nodes", "links, addresses and routes of nodes", self._nodes, ("reset-scenarios",)),
        ]
        if has_cluster:
            steps.append(Step("reset-cluster", "objects of the cluster", self._cluster, ("reset-scenarios",)))
        if self._request.look:
            return steps
        last: tuple[str, ...] = ("reset-switches", "reset-nodes")
        if has_cluster:
            steps += [
                Step("reset-bonds", "every bond has a partner", self._bonds, last),
                Step("reset-ready", "workloads are ready", self._ready, ("reset-cluster", "reset-bonds")),
            ]
            last = ("reset-ready",)
        if self._request.prove:
            steps.append(Step("verify", "links and BGP", self._verify, last))
        return steps

    def _limit(self, name: str) -> Deadline:
        return self._deadline.at_most(self._folder.lab.limit(name))

    def _told(self, turned: Sequence[Turned]) -> str:
        self._came.turned += turned
        different = [row for row in turned if row.rows]
        if not different:
            return "as they were"
        # one clause a box is too much for a line: the whole list is the command's result
        rows = [entry for row in different for entry in row.rows]
        noun = "line" if different[0].part == "switch" else "thing"
        where = ", ".join(row.name for row in different)
        return (
            f"{counted(rows, noun)} ({where})"
            if not self._request.look
            else f"would be: {counted(rows, noun)} ({where})"
        )

    def _scenarios(self, context: StepContext) -> str:
        del context
        left = open_changes(self._state.journal)
        if left and not self._request.look:
            heal(self._state, self._endpoints, self._request.runtime.observe(), lambda _name: None)
        return self._told([Turned("scenario", change.name, (Row("change", "healed"),)) for change in left])

    def _switches(self, context: StepContext) -> str:
        del context  # a line that is on its way to a switch is not called back
        timeout = self._limit("push").remaining
        if self._request.look:
            return self._told(switches.look(self._first.switches, self._login, timeout))
        folder = self._state.folder
        return self._told(switches.back(self._first.switches, self._login, folder, timeout, self._stop.is_set))

    def _login(self, switch: str) -> NxosSession:
        return open_session(switch, self._endpoints, profile=profile_of(self._folder.lab.target))

    def _nodes(self, context: StepContext) -> str:
        del context
        if self._request.look:
            return self._told(nodes.look(self._first.nodes, self._endpoints))
        return self._told(nodes.back(self._first.nodes, self._state.folder, self._endpoints))

    def _cluster(self, context: StepContext) -> str:
        objects = self._first.objects or {}
        if self._request.look:
            return self._told([cluster.look(objects, self._api)])
        return self._told([cluster.back(objects, self._api, self._limit("workloads"), self._stop, context.tick)])

    def _bonds(self, context: StepContext) -> str:
        names = self._folder.lab.kube_nodes
        return nodes_action.await_bonds(names, self._endpoints, self._limit("bond"), context.cancel, bond_trouble)

    def _ready(self, context: StepContext) -> str:
        spaces = cluster.namespaces(self._first.objects or {})
        guest = self._request.runtime.observe().guest
        return cluster_action.await_ready(self._api, spaces, guest, self._limit("workloads"), context.cancel)

    def _verify(self, context: StepContext) -> str:
        now = self._request.runtime.observe()
        request = verify_request(self._state, self._endpoints, now, self._request.listener, disruptive=False)
        wanted = [name for name in SCENARIOS if name in self._folder.lab.scenarios]
        self._came.report = verify(replace(request, cancel=context.cancel, scenarios=wanted))
        return self._came.report.sentence
