"""The containerlab runtime as the engine sees it: Docker, containerlab and kind on this host."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from labctl import pace
from labctl.errors import HostError, LabctlError, LabError, UsageError
from labctl.folder import load_folder
from labctl.guest.agent.speed import measure
from labctl.host import memory_free
from labctl.journal import Journal
from labctl.runtime.api import Observation, Progress, SwitchLogin
from labctl.runtime.containerlab import cleanup, logs, status
from labctl.runtime.containerlab.clab import Clab
from labctl.runtime.containerlab.cleanup import HostPaths
from labctl.runtime.containerlab.dockerhost import Container, DockerHost
from labctl.runtime.containerlab.endpoints import ContainerlabEndpoints, host_keys, write_ssh_config
from labctl.runtime.containerlab.exec import Programs
from labctl.runtime.containerlab.logs import Follower
from labctl.runtime.containerlab.nodes import Plan, boot_environment, plan_of
from labctl.runtime.containerlab.ownership import Owned, helper_labels, refuse_foreign
from labctl.runtime.containerlab.record import (
    KIND_NETWORK,
    NAME,
    Record,
    begin,
    read_login,
    read_record,
    write_login,
    write_record,
)
from labctl.runtime.containerlab.repair import NamespaceParking, Parking, Repair, Replacement
from labctl.runtime.refusals import not_running
from labctl.state import LabState

MAKING_ENDS = 60.0
"""Seconds for a creation of this very process to notice that its lab is being taken away."""


class ContainerlabRuntime:
    """`labctl.runtime.api.Runtime` with real containers."""

    name = NAME
    images = reached = kept = True
    limit = 1800.0

    def __init__(
        self,
        state: LabState,
        *,
        login: SwitchLogin | None = None,
        docker: DockerHost | None = None,
        paths: HostPaths | None = None,
        parking: Callable[[str], Parking] = NamespaceParking,
    ) -> None:
        """``login``: what the switches' accounts shall be; None: what the lab was made with."""
        self._state = state
        self._login = login
        self._given_docker = docker
        self._paths = paths or HostPaths()
        self._parking = parking
        self._making: threading.Event | None = None
        self._made = threading.Condition()

    @classmethod
    def of(cls, state: LabState, *, launcher: str = "auto", login: SwitchLogin | None = None) -> ContainerlabRuntime:
        del launcher  # there is no guest
        return cls(state, login=login)

    # --- what the parts need -----------------------------------------------------------------------------------

    @property
    def _docker(self) -> DockerHost:
        if self._given_docker is None:
            self._given_docker = DockerHost()
        return self._given_docker

    @property
    def _clab(self) -> Clab:
        return Clab(self._state, self._login or read_login(self._state))

    @cached_property
    def _programs(self) -> Programs:
        return Programs(self._docker, helper_labels(self._state), proc=self._paths.processes)

    def _plan(self) -> Plan:
        return plan_of(load_folder(self._state.folder))

    def _nodes(self, record: Record | None = None) -> Mapping[str, Container]:
        return Owned(self._docker, self._state, record or read_record(self._state)).nodes()

    # --- create ------------------------------------------------------------------------------------------------

    def create(self, folder: Path, *, progress: Progress) -> ContainerlabEndpoints:
        if folder != self._state.folder:
            raise LabError("the containerlab runtime runs the folder in the lab's state")
        self._state.make()
        whole = load_folder(folder)
        plan = plan_of(whole)
        clab = self._clab
        clab.version()
        if self._login is not None:
            write_login(self._state, self._login)
        pace.know(measure())
        progress(f"this host has {pace.speed():.2g} of the speed of the reference guest")
        with self._creation() as cancel:
            clab.end(progress)
            refuse_foreign(plan, self._docker, self._state, read_record(self._state))
            record = self._begin(plan)
            boot = boot_environment(whole.topology, memory_free())
            self._deploy(plan, record, clab, boot, progress, cancel)
            nodes = self._proven(plan, record)
        endpoints = self._write_access(plan, nodes)
        progress(f"{len(record.containers)} containers, {len(plan.links)} links")
        return endpoints

    @contextmanager
    def _creation(self) -> Iterator[threading.Event]:
        """One at a time, and `destroy` can end it."""
        cancel = threading.Event()
        with self._made:
            self._making = cancel
        try:
            yield cancel
        finally:
            with self._made:
                self._making = None
                self._made.notify_all()

    def _begin(self, plan: Plan) -> Record:
        return begin(
            self._state,
            plan,
            now=time.time(),
            kind_network_there=self._docker.network(KIND_NETWORK) is not None,
            veths=cleanup.half_links(self._paths),
            backups=self._paths.backups.is_dir(),
        )

    def _deploy(
        self,
        plan: Plan,
        record: Record,
        clab: Clab,
        boot: Mapping[str, str],
        progress: Progress,
        cancel: threading.Event,
    ) -> None:
        names = {node.container: node.name for node in plan.nodes.values() if node.kind == "kube-node"}

        def kind_nodes(known: Collection[str]) -> dict[str, Container]:
            found = Owned(self._docker, self._state, record).cluster(without=known)
            return {names.get(node.name, node.name): node for node in found}

        with Follower(self._docker, kind_nodes, self._state.logs, progress) as follower:
            clab.deploy(
                plan.workers,
                progress=progress,
                kind_started=lambda: follower.started,
                cancel=cancel,
                limit=plan.limit,
                boot=boot,
            )

    def _proven(self, plan: Plan, record: Record) -> Mapping[str, Container]:
        """containerlab said that it is done: look. Raises `LabError` with all that is not there."""
        nodes = self._nodes(record)
        trouble = status.missing(plan, nodes, self._programs)
        if trouble:
            raise LabError(
                f"containerlab says that the lab is made, but: {'; '.join(trouble)}",
                code="deploy-incomplete",
                next_command=f"labctl logs {self._state.name}",
            )
        write_record(self._state, replace(record, created=True))
        return nodes

    def _write_access(self, plan: Plan, nodes: Mapping[str, Container]) -> ContainerlabEndpoints:
        addresses = {
            node.name: address
            for node in plan.switches()
            if (address := nodes[node.container].addresses.get(plan.network)) is not None
        }
        made = self._endpoints(plan)
        write_ssh_config(self._state, addresses, made.login.username)
        if plan.control_plane is not None:
            made.kubeconfig()
        return made

    def _endpoints(self, plan: Plan) -> ContainerlabEndpoints:
        login = self._login or read_login(self._state)
        return ContainerlabEndpoints(self._state, plan, self._docker, self._programs, login)

    # --- look --------------------------------------------------------------------------------------------------

    def observe(self) -> Observation:
        try:
            record = read_record(self._state)
            if not record.began:
                return Observation(self.name, None, alive=False, nodes={}, detail="none of its nodes was made")
            nodes = self._nodes(record)
        except LabctlError as error:
            return status.unseen(self._state.folder, error.message)
        try:
            plan = self._plan()
        except LabctlError as error:
            return status.observe_unknown(nodes, f"the lab's folder cannot be read: {error.message}")
        bonded = "nodes" in Journal(self._state.journal).done_steps()
        now = status.observe(plan, nodes, self._programs, created=record.created, bonded=bonded)
        return replace(now, speed=record.speed)

    def endpoints(self) -> ContainerlabEndpoints:
        plan = self._plan()
        pace.know(read_record(self._state).speed)
        if not any(container.running for container in self._nodes().values()):
            raise not_running(self._state.name, "none of its containers runs")
        return self._endpoints(plan)

    def pids(self) -> dict[str, int]:
        """The first process of each container that runs; none of it where Docker is not on this host."""
        with suppress(HostError):  # Docker does not answer: nobody can tell
            return {name: node.pid for name, node in self._nodes().items() if Path(f"/proc/{node.pid}/ns").is_dir()}
        return {}

    def logs(self, node: str | None = None) -> str:
        """Of everything, of one node, or one file of the lab's logs by its name."""
        nodes: Mapping[str, Container] = {}
        with suppress(HostError):  # without Docker the files of the lab's logs are all there is
            nodes = self._nodes()
        try:
            named = {
                node.name: nodes[node.container] for node in self._plan().nodes.values() if node.container in nodes
            }
        except LabctlError:
            named = dict(nodes)  # the folder is gone: Docker's own names
        return logs.collect(self._state.logs, node, named, self._docker, read_login(self._state).password)

    def last_line(self, node: str) -> str:
        container = self._nodes().get(self._plan().node(node).container)
        return logs.last_line(container, self._docker, read_login(self._state).password) if container else ""

    # --- change ------------------------------------------------------------------------------------------------

    def rebuild(self, switch: str, *, progress: Progress) -> None:
        plan = self._plan()
        node = plan.node(switch)
        if node.kind != "switch":
            raise UsageError(
                f"{switch} is no switch: only switches are made anew",
                code="no-such-switch",
                hint=f"it has {', '.join(one.name for one in plan.switches())}",
                next_command=f"labctl repair {self._state.name} {switch}",
            )
        self._repair(plan).rebuild(node, Replacement(self._docker, self._paths, self._parking), progress)
        host_keys(self._state, switch).unlink(missing_ok=True)
        self._write_access(plan, self._nodes())

    def recover(self, node: str, *, progress: Progress) -> None:
        plan = self._plan()
        self._repair(plan).recover(plan.node(node), progress)

    def _repair(self, plan: Plan) -> Repair:
        return Repair(plan, self._clab, self._docker, self._programs, self._nodes)

    # --- destroy -----------------------------------------------------------------------------------------------

    def destroy(self, *, progress: Progress) -> None:
        self._stop_creation()
        clab = self._clab
        clab.end(progress)
        record = read_record(self._state)
        if clab.topology.is_file() and record.began and self._nodes(record):
            try:
                clab.destroy(progress=progress)
            except LabctlError as error:
                # what it did not remove is found and removed below, or named in an error
                progress(f"{error.message}; going on without it")
        cleanup.Cleanup(self._docker, self._state, record, self._paths, progress).all()
        if self._state.runtime_file.exists():
            write_record(self._state, Record())

    def _stop_creation(self) -> None:
        """A creation under way in this process: it ends containerlab itself when it is told."""
        with self._made:
            if self._making is not None:
                self._making.set()
            if not self._made.wait_for(lambda: self._making is None, timeout=MAKING_ENDS):
                raise LabError("the creation of the lab does not end", next_command=f"labctl down {self._state.name}")
