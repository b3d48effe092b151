"""``labctl reset``: what differs from the snapshot is brought back, part by part, then the lab is proven again."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from labctl.engine import cluster, proving
from labctl.engine.steps import Step, StepContext, StepRunner, plan
from labctl.events import Listener, interruption
from labctl.folder import load_folder
from labctl.journal import Journal
from labctl.pace import paced
from labctl.restore import node, snapshot, switch
from labctl.restore.changes import open_changes
from labctl.restore.cluster import ClusterPart, namespaces
from labctl.restore.part import Entry, Part, Restored, counted, each, look, restore
from labctl.runtime.api import Runtime
from labctl.state import LabState
from labctl.verify.run import verify
from labctl.verify.verdict import Report
from labctl.waiting import Deadline

SCHEMA = "labctl.reset/v1"
LIMIT = 600.0
"""Seconds for the whole command when the user says nothing."""
SCENARIOS = ("bgp",)
"""With the checks of the links, which every verification has."""


def reset(
    state: LabState,
    runtime: Runtime,
    listener: Listener,
    *,
    prove: bool = True,
    look: bool = False,
    limit: float | None = None,
) -> tuple[dict[str, Any], Report | None]:
    """Bring the lab back under its lock: what was done (schema ``labctl.reset/v1``), and what the checks came to.

    ``prove``: end with the checks of links and BGP; ``look``: say what would be done, and do nothing; ``limit``: of the
    whole, seconds, None: `LIMIT` at the guest's pace. Every part does what it can also when another one fails; then the
    error of the first that failed is raised.
    """
    with state.lock():
        return _Reset(state, runtime, listener, limit, prove=prove, look=look).run()


class _Reset:
    def __init__(
        self, state: LabState, runtime: Runtime, listener: Listener, limit: float | None, *, prove: bool, look: bool
    ) -> None:
        self._state, self._runtime, self._listener = state, runtime, listener
        self._prove, self._look = prove, look
        self._lab = proving.Running(state, runtime, load_folder(state.folder))
        self._first = snapshot.load(state)
        self._client = self._lab.client
        self._runner = StepRunner(state.name, Journal(state.journal), listener, Deadline(limit or paced(LIMIT)))
        self._restored: dict[str, list[Restored]] = {"scenarios": [], "switches": [], "nodes": [], "cluster": []}
        """By step, in the order in which they are told."""
        self._report: Report | None = None
        self._stop = threading.Event()
        """Ctrl-C. That another part failed stops nothing here: each part is worth having."""

    def run(self) -> tuple[dict[str, Any], Report | None]:
        runner = self._runner
        with runner.journalled("look" if self._look else "reset"):
            runner.run(self._steps(), interrupted=self._interrupted)
        report = self._report
        body = {
            "schema": SCHEMA,
            "lab": self._state.name,
            "dry_run": self._look,
            "seconds": round(runner.deadline.elapsed, 3),
            "timings": runner.timings,
            "changes": [row.as_dict() for rows in self._restored.values() for row in rows if row.entries],
            "report": report.as_dict() if report else None,
        }
        return body, report

    def _interrupted(self) -> None:
        self._stop.set()
        ending = f"each part ends where it is, labctl reset {self._state.name} goes on"
        self._runner.tell("message", "reset", interruption(ending))

    def _steps(self) -> list[Step]:
        """Named apart from the steps of ``up``, which a second ``up`` looks up in the same journal."""
        kube, does = self._first.objects is not None, not self._look
        healed, back = ("reset-scenarios",), ("reset-switches", "reset-nodes")
        bonds = partial(cluster.await_bonds, self._lab)
        return plan(
            (True, Step("reset-scenarios", "changes that scenarios left", self._scenarios)),
            (True, Step("reset-switches", "configurations of switches", self._switches, healed)),
            (True, Step("reset-nodes", "links, addresses and routes of nodes", self._nodes, healed)),
            (kube, Step("reset-cluster", "objects of the cluster", self._cluster, healed)),
            (kube and does, Step("reset-bonds", "every bond has a partner", bonds, back)),
            (kube and does, Step("reset-ready", "workloads are ready", self._ready, ("reset-cluster", "reset-bonds"))),
            (does and self._prove, Step("verify", "links and BGP", self._verify, (*back, "reset-ready"))),
        )

    def _one_way(self, step: str, named: Sequence[Part[Any]]) -> str:
        """All parts of a step; a sentence about what is, or would be, brought back."""
        restored = each(named, look if self._look else partial(restore, stopped=self._stop.is_set))
        return self._told(step, restored, "line" if step == "switches" else "thing")

    def _told(self, step: str, restored: list[Restored], noun: str) -> str:
        self._restored[step] = restored
        different = [row for row in restored if row.entries]
        if not different:
            return "as they were"
        # one clause a node is too much for a line: the whole list is the command's result
        entries = [entry for row in different for entry in row.entries]
        message = f"{counted(entries, noun)} ({', '.join(row.name for row in different)})"
        return f"would be: {message}" if self._look else message

    def _scenarios(self, context: StepContext) -> str:
        left = open_changes(self._state.journal)
        if left and not self._look:
            proving.heal(self._state, self._client.endpoints, context.tick)
        healed = Entry("change", "healed")
        return self._told("scenarios", [Restored("scenario", change.name, (healed,)) for change in left], "thing")

    def _switches(self, context: StepContext) -> str:
        """A line that is on its way to a switch is not called back."""
        timeout = context.deadline.at_most(self._lab.folder.lab.limit("push")).remaining
        return self._one_way("switches", switch.parts(self._first.switches, self._client, timeout))

    def _nodes(self, context: StepContext) -> str:
        del context
        return self._one_way("nodes", node.parts(self._first.nodes, self._client))

    def _cluster(self, context: StepContext) -> str:
        deadline = context.deadline.at_most(self._lab.folder.lab.limit("workloads"))
        part = ClusterPart(self._first.objects or {}, self._client.cluster, deadline, self._stop, context.tick)
        return self._one_way("cluster", [part])

    def _ready(self, context: StepContext) -> str:
        return cluster.await_ready(self._lab, context, namespaces(self._first.objects or {}))

    def _verify(self, context: StepContext) -> str:
        now, endpoints = self._runtime.observe(), self._client.endpoints
        request = proving.verify_request(self._state, endpoints, now, self._listener, disruptive=False)
        wanted = [name for name in SCENARIOS if name in self._lab.folder.lab.scenarios]
        self._report = verify(replace(request, cancel=context.cancel, scenarios=wanted))
        return self._report.sentence
