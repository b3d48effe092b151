"""The containerlab runtime as the engine sees it: Docker, containerlab and kind on this host."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from labctl import pace
from labctl.errors import HostError, LabctlError, LabError
from labctl.folder import TOPOLOGY_FILE, Folder, load_folder
from labctl.guest.agent.speed import measure
from labctl.journal import Journal
from labctl.runtime.api import NodeStatus, Observation, Progress, SwitchLogin
from labctl.runtime.containerlab import cleanup, logs, ownership, repair
from labctl.runtime.containerlab.clab import Clab
from labctl.runtime.containerlab.dockerhost import Container, DockerHost
from labctl.runtime.containerlab.endpoints import ContainerlabEndpoints, Programs, host_keys
from labctl.runtime.containerlab.ownership import KIND_NETWORK, Owned, Record, read_login, read_record, write_record
from labctl.runtime.refusals import no_node, not_running
from labctl.state import LabState

MAKING_ENDS = 60.0
"""Seconds for a creation of this very process to notice that its lab is being taken away."""


class ContainerlabRuntime:
    """`labctl.runtime.api.Runtime` with real containers."""

    name = "containerlab"
    images = reached = kept = True
    limit = 1800.0

    def __init__(self, state: LabState, *, login: SwitchLogin | None = None) -> None:
        """``login``: what the switches' accounts shall be; None: what the lab was made with."""
        self._state = state
        self._given_login = login
        self._docker = DockerHost()
        self._creating = threading.Lock()
        self._cancel = threading.Event()

    @classmethod
    def of(cls, state: LabState, *, launcher: str = "auto", login: SwitchLogin | None = None) -> ContainerlabRuntime:
        del launcher  # there is no guest
        return cls(state, login=login)

    # --- what the parts need -----------------------------------------------------------------------------------

    @property
    def _login(self) -> SwitchLogin:
        return self._given_login or read_login(self._state)

    def _clab(self, progress: Progress) -> Clab:
        return Clab(self._state, self._login, progress)

    @cached_property
    def _programs(self) -> Programs:
        return Programs(self._docker, ownership.helper_labels(self._state))

    def _folder(self) -> Folder:
        return load_folder(self._state.folder)

    def _nodes(self) -> Mapping[str, Container]:
        return Owned(self._docker, self._state, read_record(self._state)).nodes()

    def _endpoints(self, folder: Folder) -> ContainerlabEndpoints:
        return ContainerlabEndpoints(self._state, folder, self._docker, self._programs, self._login)

    # --- create ------------------------------------------------------------------------------------------------

    def create(self, folder: Path, *, progress: Progress) -> ContainerlabEndpoints:
        self._state.make()
        whole = load_folder(folder)
        if self._given_login is not None:
            ownership.write_login(self._state, self._given_login)
        pace.know(measure())
        progress(f"this host has {pace.speed():.2g} of the speed of the reference guest")
        with self._creating:
            self._cancel.clear()
            clab = self._clab(progress)
            clab.end()
            ownership.refuse_foreign(whole, self._docker, self._state)
            record = self._begin(whole)
            self._deploy(whole, record, clab, progress)
            nodes = self._proven(whole, record)
        endpoints = self._endpoints(whole)
        endpoints.write_access(nodes)
        progress(f"{len(record.containers)} containers, {len(whole.lab.links)} links")
        return endpoints

    def _begin(self, folder: Folder) -> Record:
        """Written down before anything is made. What an interrupted creation before it had made stays the lab's."""
        before, lab = read_record(self._state), folder.lab
        others = ownership.other_records(self._state)
        kind_ours = self._docker.network(KIND_NETWORK) is None or any(other.kind_network_ours for other in others)
        topology = hashlib.sha256((folder.path / TOPOLOGY_FILE).read_bytes()).hexdigest()
        record = Record(
            began=before.began or time.time(),
            speed=pace.speed(),
            network=folder.topology.mgmt_network,
            cluster=lab.cluster,
            containers=tuple(sorted({*before.containers, *(node.container for node in lab.nodes.values())})),
            kind_network_ours=lab.cluster is not None and (before.kind_network_ours or kind_ours),
            topologies=tuple(sorted({*before.topologies, topology})),
            veths_before=before.veths_before if before.began else cleanup.half_links(),
            backups_before=before.backups_before if before.began else cleanup.BACKUPS.is_dir(),
        )
        write_record(self._state, record)
        return record

    def _deploy(self, folder: Folder, record: Record, clab: Clab, progress: Progress) -> None:
        names = {folder.lab.nodes[node].container: node for node in folder.lab.kube_nodes}
        owned = Owned(self._docker, self._state, record)

        def kind_nodes(known: Collection[str]) -> dict[str, Container]:
            return {names.get(node.name, node.name): node for node in owned.cluster(without=known)}

        with logs.following(self._docker, kind_nodes, self._state.logs, progress):
            clab.deploy(folder, self._cancel)

    def _proven(self, folder: Folder, record: Record) -> Mapping[str, Container]:
        """containerlab said that it is done: look. Raises `LabError` with all that is not there."""
        nodes = self._nodes()
        trouble = repair.missing(folder, nodes, self._programs)
        if trouble:
            raise LabError(
                f"containerlab says that the lab is made, but: {'; '.join(trouble)}",
                code="deploy-incomplete",
                next_command=f"labctl logs {self._state.name}",
            )
        write_record(self._state, record.model_copy(update={"created": True}))
        return nodes

    # --- look --------------------------------------------------------------------------------------------------

    def observe(self) -> Observation:
        rows: dict[str, NodeStatus] = {}
        try:
            record = read_record(self._state)
            if not record.began:
                return Observation(self.name, None, alive=False, nodes=rows, detail="none of its nodes was made")
            nodes = self._nodes()
        except LabctlError as error:
            with suppress(LabctlError):  # nothing is known of any node
                lab = self._folder().lab
                rows = {name: NodeStatus(name, node.kind, "unknown") for name, node in lab.nodes.items()}
            return Observation(self.name, None, alive=False, nodes=rows, detail=error.message)
        alive = any(container.running for container in nodes.values())
        try:
            folder = self._folder()
        except LabctlError as error:
            detail = f"the lab's folder cannot be read: {error.message}"
            return Observation(self.name, None, alive, repair.of_labels(nodes), detail)
        bonded = "nodes" in Journal(self._state.journal).done_steps()
        rows = repair.observe(folder, nodes, self._programs, created=record.created, bonded=bonded)
        detail = repair.trouble(folder.lab, rows) if alive and record.created else ""
        return Observation(self.name, None, alive, rows, detail, record.created, record.speed)

    def endpoints(self) -> ContainerlabEndpoints:
        folder = self._folder()
        pace.know(read_record(self._state).speed)
        if not any(container.running for container in self._nodes().values()):
            raise not_running(self._state.name, "none of its containers runs")
        return self._endpoints(folder)

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
        with suppress(LabctlError):  # the folder is gone: Docker's own names
            lab = self._folder().lab
            nodes = {name: nodes[one.container] for name, one in lab.nodes.items() if one.container in nodes}
        return logs.collect(self._state.logs, node, nodes, self._docker, self._login.password)

    def last_line(self, node: str) -> str:
        container = self._nodes().get(self._folder().lab.nodes[node].container)
        return logs.last_line(container, self._docker, self._login.password) if container else ""

    # --- change ------------------------------------------------------------------------------------------------

    def rebuild(self, switch: str, *, progress: Progress) -> None:
        folder = self._folder()
        self._repair(folder, progress).rebuild(switch)
        host_keys(self._state, switch).unlink(missing_ok=True)
        self._endpoints(folder).write_access(self._nodes())

    def recover(self, node: str, *, progress: Progress) -> None:
        folder = self._folder()
        if node not in folder.lab.nodes:
            raise no_node(self._state.name, node, folder.lab.nodes)
        self._repair(folder, progress).recover(node)

    def _repair(self, folder: Folder, progress: Progress) -> repair.Repair:
        return repair.Repair(folder, self._clab(progress), self._docker, self._programs, self._nodes, progress)

    # --- destroy -----------------------------------------------------------------------------------------------

    def destroy(self, *, progress: Progress) -> None:
        self._cancel.set()  # a creation under way in this process ends containerlab itself
        if not self._creating.acquire(timeout=MAKING_ENDS):
            raise LabError("the creation of the lab does not end", next_command=f"labctl down {self._state.name}")
        self._creating.release()
        clab = self._clab(progress)
        clab.end()
        record = read_record(self._state)
        if (self._state.folder / TOPOLOGY_FILE).is_file() and record.began and self._nodes():
            try:
                clab.destroy()
            except LabctlError as error:
                # what it did not remove is found and removed below, or named in an error
                progress(f"{error.message}; going on without it")
        cleanup.Cleanup(self._docker, self._state, record, progress).all()
        if self._state.runtime_file.exists():
            write_record(self._state, Record())
