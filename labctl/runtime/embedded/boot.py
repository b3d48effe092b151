"""What the daemon does with a folder: guest, namespaces, links, switch front ends, control plane, node agents.

Boots only: no configuration is pushed, no manifest applied. Those are engine steps, the same for every runtime.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from labctl import pace
from labctl.cache import look
from labctl.errors import HostError, LabctlError, LabError, UsageError
from labctl.folder import Folder, load_folder
from labctl.guest import trial
from labctl.guest.client import Agent
from labctl.guest.hub import GuestBox
from labctl.guest.image import GuestImage, find_image
from labctl.guest.launchers import start_guest
from labctl.guest.machine import Machine
from labctl.kube.api import Access, Api
from labctl.kube.resources import NODES
from labctl.runtime.embedded import switches
from labctl.runtime.embedded.endpoints import EndpointTable, endpoints_file
from labctl.runtime.embedded.network import (
    Management,
    Plan,
    free_port,
    host_interfaces,
    kube_node,
    links,
    namespaces,
    plan,
    quiet,
)
from labctl.runtime.embedded.supervisor import Supervisor
from labctl.runtime.embedded.switches import make_credentials
from labctl.standin.cluster.controlplane.binaries import find_binaries
from labctl.standin.cluster.controlplane.components import ControlPlane, Ports, control_plane
from labctl.standin.cluster.kubelet.node import control_plane_node
from labctl.standin.cluster.spec import AgentsSpec, NodeSpec
from labctl.standin.process import ProcessSpec
from labctl.state import LabState
from labctl.waiting import Deadline

DEFAULT_SERVICES = ("10.96.0.0/16",)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A control plane and what the node agents will be told."""

    plane: ControlPlane
    agents: AgentsSpec
    admin: Access

    @property
    def port(self) -> int:
        """The API server's."""
        return self.plane.ports.api


def prepare_cluster(state: LabState, folder: Folder, management: Management) -> Cluster:
    """Certificates, kubeconfig, ports. Raises `HostError` when the programs are not on this host."""
    binaries = look(find_binaries)
    if binaries is None:
        raise HostError(
            "the control plane's programs are not on this host", code="no-control-plane", next_command="labctl setup"
        )
    ranges = folder.cluster
    services = ranges.service_subnets or DEFAULT_SERVICES
    plane = control_plane(
        binaries, state.root / "cluster", state.logs, state.kubeconfig, Ports(free_port(), free_port(), free_port()),
        folder.lab.name, services, pod_ranges=ranges.pod_subnets,
    )  # fmt: skip
    nodes = []
    for lab_name, name in folder.lab.kubernetes.items():
        node = folder.lab.nodes[lab_name]
        serving = plane.authority.kubelet(f"kubelet-{name}", name, ("localhost", "127.0.0.1"))
        nodes.append(
            NodeSpec(
                name,
                node.topology,
                node.role == "control-plane",
                str(management.addresses[node.topology]),
                free_port(),
                str(serving.certificate),
                str(serving.key),
            )
        )
    system = plane.authority.calico_node()
    admin = plane.client("node-admin", "labctl:node-admin", ("system:masters",))
    authority = str(plane.authority.certificate)
    spec = AgentsSpec(
        plane.server, authority, str(state.root / "agent.sock"), folder.lab.versions.get("kubernetes", ""),
        ranges.pod_subnets,
        str(system.certificate), str(system.key), tuple(nodes),
    )  # fmt: skip
    return Cluster(plane, spec, Access(plane.server, authority, str(admin.certificate), str(admin.key)))


def start_control_plane(
    cluster: Cluster, supervisor: Supervisor, say: Callable[[str], None], deadline: Deadline, cancel: threading.Event
) -> None:
    """Start the control plane; returns when its API is ready and the control plane's Node is registered with its role.

    Role and taint are kubeadm's to set: a kubelet may not (NodeRestriction).
    """
    supervisor.start_all(cluster.plane.processes, deadline, cancel)
    api = Api(cluster.admin, connections=1)
    for node in cluster.agents.nodes:
        if node.control_plane:
            api.create(NODES.path(), control_plane_node(node.name))
    say(f"Kubernetes API answers on port {cluster.port}")


def start_agents(cluster: Cluster, state: LabState, supervisor: Supervisor) -> None:
    """Start the node agents' process (it registers the nodes)."""
    path = state.root / "node-agents.json"
    replace(cluster.agents, speed=pace.speed()).write(path)
    argv = (sys.executable, "-m", "labctl.standin.cluster.agents", str(path))
    supervisor.start(ProcessSpec("node-agents", argv, state.logs / "node-agents.log"))


Say = Callable[[str], None]

MEMORY_BASE_MB = 300
MEMORY_PER_NODE_MB = 40
"""Measured in the white paper's lab: 255 MB in use of 9 nodes, FRR 30 MB a leaf. What a guest has it touches sooner or
later, and what UML has touched stays taken from the host, so it gets little more than twice what it needs."""
MEMORY_VARIABLE = "LABCTL_GUEST_MEMORY_MB"
"""For labs whose workloads are scaled up: a pod of nginx takes about 5 MB."""


def guest_memory(nodes: int, wanted: str | None) -> int:
    """MB for a lab of so many nodes; more when a person says so. Raises `UsageError`."""
    least = MEMORY_BASE_MB + MEMORY_PER_NODE_MB * nodes
    if wanted is None:
        return least
    if not wanted.isdecimal() or int(wanted) < least:
        raise UsageError(f"{MEMORY_VARIABLE}={wanted}: a number of MB, {least} at least", code="bad-guest-memory")
    return int(wanted)


def lab_image() -> GuestImage:
    """The image that labs boot. Raises `HostError`."""
    image = look(find_image)
    if image is None:
        raise HostError("the guest image is not on this host", code="no-image", next_command="labctl setup")
    return image


def start_box(state: LabState, image: GuestImage, launcher: str, nodes: int, say: Say) -> GuestBox:
    """Start a guest that is big enough. Must run on a thread that lives as long as the guest. Raises `UsageError`."""
    workdir = state.root / "guest"
    workdir.mkdir(mode=0o700, exist_ok=True)
    console = state.logs / "console.log"
    if console.exists():  # of the launcher before: what it said stays apart
        console.rename(state.logs / "console-before.log")
    memory = guest_memory(nodes, os.environ.get(MEMORY_VARIABLE))
    guest = start_guest(launcher, image, Machine(memory), workdir=workdir, console=console)
    say(f"guest starts on {launcher} with {memory} MB")
    return GuestBox(guest, state.root / "agent.sock")


BOOT_LIMIT = 120.0
"""Seconds for guest (on each launcher that is tried) and control plane to be ready; QEMU without KVM needs about 10."""


class EmbeddedLab:
    """One lab's nodes, inside the daemon. Not thread-safe: the daemon serialises create and destroy."""

    def __init__(self, state: LabState) -> None:
        self._state = state
        self._supervisor = Supervisor(state.processes)
        self._guest: GuestBox | None = None
        self._cancel = threading.Event()
        self._plan: Plan | None = None
        self._zygote: switches.Zygote | None = None
        self._plane: threading.Thread | None = None
        self._created = False
        self._failure = ""
        self.destroyed = False

    def cancel(self) -> None:
        """Make a create that is under way give up at its next wait."""
        self._cancel.set()

    def create(self, say: Say) -> dict[str, Any]:
        """Make everything; returns what `observe` does. A failure ends what was started."""
        if self._created:
            return self.observe()
        try:
            self._create(say)
        except BaseException as error:
            self._failure = str(error)
            self._end()
            raise
        self._created = True
        return self.observe()

    def _create(self, say: Say) -> None:
        deadline = Deadline(BOOT_LIMIT)
        folder = load_folder(self._state.folder)
        made = plan(folder)
        self._plan = made
        launcher = json.loads(self._state.runtime_file.read_text()).get("launcher", "auto")
        switch_ports = {name: free_port() for name in folder.lab.switches}
        credentials = make_credentials(self._state.secrets)
        zygote = self._zygote = switches.start_zygote(self._state, self._supervisor)  # ends when its channel closes
        control_plane = prepare_cluster(self._state, folder, made.management) if folder.lab.kube_nodes else None
        agents = threading.Event()
        if control_plane:
            self._plane = threading.Thread(
                target=self._start_cluster,
                args=(control_plane, agents, say, deadline),
                name="control plane",
                daemon=True,
            )
            self._plane.start()
        agent = self._boot_guest(launcher, folder, say)
        pace.know(agent.speed())
        deadline.seconds = pace.paced(deadline.seconds)
        say(f"guest speed {pace.speed():.2g} of the reference")
        self._link(agent, made)
        say(f"{len(made.namespaces)} nodes and {len(folder.lab.links)} links")
        switches.start_front_ends(self._state, zygote, self._supervisor, made, switch_ports, credentials)
        say(f"{len(switch_ports)} switches started")
        switches.write_ssh_files(self._state, credentials, switch_ports)
        self._write_table(made, switch_ports, credentials.username, str(credentials.password_file), control_plane)
        agents.set()

    def _start_cluster(self, cluster: Cluster, nodes: threading.Event, say: Say, deadline: Deadline) -> None:
        """Beside everything else; that the API answers is a gate of the engine, its failure is told by `observe`."""
        try:
            start_control_plane(cluster, self._supervisor, say, deadline, self._cancel)
            while not nodes.wait(0.1):
                if self._cancel.is_set():
                    return
            start_agents(cluster, self._state, self._supervisor)
        except LabctlError as error:
            self._failure = f"control plane: {error.message}"

    def _boot_guest(self, launcher: str, folder: Folder, say: Say) -> Agent:
        image = lab_image()

        def start(name: str) -> GuestBox:
            nodes = len(folder.lab.nodes)
            guest = self._supervisor.call(lambda: start_box(self._state, image, name, nodes, say))
            self._guest = guest
            self._supervisor.record("guest", guest.guest.process.pid)
            return guest

        return trial.boot(launcher, image, start, limit=BOOT_LIMIT, cancel=self._cancel, say=say).connect()

    def _link(self, agent: Agent, made: Plan) -> None:
        lab = made.folder.lab
        names = list(made.namespaces.values())
        self._do(agent, [(None, namespaces(names))])
        self._do(agent, [*((name, quiet()) for name in names)])
        self._do(agent, [(None, links(lab.keyed_links, made.management))])
        groups = []
        for name, node in lab.nodes.items():
            if node.kind != "switch":
                namespace = made.namespaces[name]
                forwarding = kube_node() if node.kind == "kube-node" else []
                ops = host_interfaces(namespace, lab.interfaces(name), made.management)
                groups.append((namespace, [*forwarding, *ops]))
        self._do(agent, groups)

    @staticmethod
    def _do(agent: Agent, groups: list[Any]) -> None:
        for (namespace, _), failures in zip(groups, agent.batches(groups), strict=True):
            if failures:
                first = failures[0]
                raise LabError(
                    f"the guest refused {len(failures)} changes in {namespace or 'its own namespace'}, the first: "
                    f"{first.text}: {first.message}",
                    code="guest-refused",
                )

    def _write_table(self, made: Plan, ports: Mapping[str, int], username: str, password_file: str, plane: Any) -> None:
        nodes = made.folder.lab.nodes
        table = EndpointTable(
            namespaces=dict(made.namespaces),
            kinds={name: node.kind for name, node in nodes.items()},
            management={name: str(made.management.addresses[key]) for name, key in made.namespaces.items()},
            ssh_ports=dict(ports),
            username=username,
            password_file=password_file,
            api_port=plane.port if plane else None,
            speed=pace.speed(),
        )
        self._state.write(endpoints_file(self._state), json.dumps(asdict(table)))

    def observe(self) -> dict[str, Any]:
        """As `labctl.runtime.api.Observation`, read now."""
        running = self._supervisor.running()
        guest = self._guest.guest if self._guest else None
        guest_alive = guest is not None and not guest.exited()
        nodes = []
        if self._plan and self._created:
            for name, node in self._plan.folder.lab.nodes.items():
                nodes.append(self._node_status(name, node.kind, running, guest_alive=guest_alive))
        dead = [name for name, alive in running.items() if not alive]
        detail = self._failure or (f"ended: {', '.join(dead)}" if dead else "")
        return {
            "alive": self._created and guest_alive,
            "launcher": guest.launcher if guest else None,
            "speed": pace.speed(),
            "guest": guest.process.pid if guest else None,
            "nodes": nodes,
            "detail": detail,
        }

    def _node_status(self, name: str, kind: str, running: Mapping[str, bool], *, guest_alive: bool) -> dict[str, Any]:
        assert self._plan is not None  # noqa: S101
        processes = {"switch": f"switch:{name}", "kube-node": "node-agents"}
        process = processes.get(kind)
        up = guest_alive and (process is None or running.get(process, False))
        return {
            "name": name,
            "kind": kind,
            "state": "running" if up else "dead",
            "management": str(self._plan.management.addresses[self._plan.namespaces[name]]),
            "detail": "" if up else ("the guest ended" if not guest_alive else f"process {process} ended"),
        }

    def watch(self) -> None:
        """Called now and then by the daemon: nothing to do, a look at the children reaps them."""
        self._supervisor.running()

    def destroy(self, say: Say) -> None:
        """End everything. Idempotent."""
        self._end()
        self.destroyed = True
        say("guest and processes ended")

    def _end(self) -> None:
        with ThreadPoolExecutor(2) as pool:
            guest = pool.submit(self._guest.power_off) if self._guest else None
            pool.submit(self._supervisor.stop_all, 1.0).result()
            if guest:
                guest.result()
