"""What the daemon does with a folder: guest, namespaces, wires, switch front ends, control plane, node agents.

Boots only: no configuration is pushed, no manifest applied. Those are engine steps, the same for every runtime.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from labctl import pace
from labctl.errors import LabctlError, LabError
from labctl.folder import Folder, load_folder
from labctl.guest import trial
from labctl.guest.api import Agent
from labctl.guest.box import GuestBox
from labctl.runtime.embedded import cluster as cluster_parts
from labctl.runtime.embedded import guestbox, switches
from labctl.runtime.embedded.endpoints import EndpointTable, endpoints_file
from labctl.runtime.embedded.management import Management, free_port, plan_management
from labctl.runtime.embedded.secrets import make_credentials
from labctl.runtime.embedded.supervisor import Supervisor
from labctl.runtime.embedded.wires import host_interfaces, kube_node, namespaces, quiet, wires
from labctl.state import LabState
from labctl.waiting import Deadline

BOOT_LIMIT = 120.0
"""Seconds for guest (on each launcher that is tried) and control plane to be ready; QEMU without KVM needs about 10."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the folder asks for, in the runtime's words."""

    folder: Folder
    management: Management
    namespaces: Mapping[str, str]
    """Lab name → namespace (the topology's name)."""


def plan(folder: Folder) -> Plan:
    """Addresses of eth0 for every box of the topology (the cluster itself is none)."""
    boxes = [(node.topology, folder.topology.addresses.get(node.topology)) for node in folder.lab.nodes.values()]
    management = plan_management(folder.topology.mgmt_ipv4_subnet, boxes)
    return Plan(folder, management, {name: node.topology for name, node in folder.lab.nodes.items()})


class EmbeddedLab:
    """One lab's boxes, inside the daemon. Not thread-safe: the daemon serialises create and destroy."""

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
        control_plane = cluster_parts.prepare(self._state, folder, made.management) if folder.lab.kube_nodes else None
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
        self._wire(agent, made)
        say(f"{len(made.namespaces)} boxes and {len(folder.lab.links)} wires")
        switches.start_front_ends(self._state, zygote, self._supervisor, made, switch_ports, credentials)
        say(f"{len(switch_ports)} switches started")
        switches.write_ssh_files(self._state, credentials, switch_ports)
        self._write_table(made, switch_ports, credentials.username, str(credentials.password_file), control_plane)
        agents.set()

    def _start_cluster(
        self, cluster: cluster_parts.Cluster, boxes: threading.Event, say: Say, deadline: Deadline
    ) -> None:
        """Beside everything else; that the API answers is a gate of the engine, its failure is told by `observe`."""
        try:
            cluster_parts.start(cluster, self._supervisor, say, deadline, self._cancel)
            while not boxes.wait(0.1):
                if self._cancel.is_set():
                    return
            cluster_parts.start_agents(cluster, self._state, self._supervisor)
        except LabctlError as error:
            self._failure = f"control plane: {error.message}"

    def _boot_guest(self, launcher: str, folder: Folder, say: Say) -> Agent:
        image = guestbox.lab_image()

        def start(name: str) -> GuestBox:
            boxes = len(folder.lab.nodes)
            guest = self._supervisor.call(lambda: guestbox.start(self._state, image, name, boxes, say))
            self._guest = guest
            for process, pid in guest.pids.items():
                self._supervisor.record(process, pid)
            return guest

        return trial.boot(launcher, image, start, limit=BOOT_LIMIT, cancel=self._cancel, say=say).connect()

    def _wire(self, agent: Agent, made: Plan) -> None:
        lab = made.folder.lab
        names = list(made.namespaces.values())
        self._do(agent, [(None, namespaces(names))])
        self._do(agent, [*((name, quiet()) for name in names)])
        self._do(agent, [(None, wires(lab.keyed_links, made.management))])
        groups = []
        for name, node in lab.nodes.items():
            if node.kind != "switch":
                box = made.namespaces[name]
                forwarding = kube_node() if node.kind == "kube-node" else []
                ops = host_interfaces(box, lab.interfaces(name), made.management)
                groups.append((box, [*forwarding, *ops]))
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
            management={name: str(made.management.addresses[box]) for name, box in made.namespaces.items()},
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
        guest_alive = self._guest is not None and not self._guest.exited()
        nodes = []
        if self._plan and self._created:
            for name, node in self._plan.folder.lab.nodes.items():
                nodes.append(self._node_status(name, node.kind, running, guest_alive=guest_alive))
        dead = [name for name, alive in running.items() if not alive]
        detail = self._failure or (f"ended: {', '.join(dead)}" if dead else "")
        return {
            "alive": self._created and guest_alive,
            "launcher": self._guest.launcher if self._guest else None,
            "speed": pace.speed(),
            "guest": self._guest.pids.get("guest") if self._guest else None,
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
