"""The daemon of one embedded lab: it holds the guest, the channel, the children; the CLI is its client.

``python -m labctl.runtime.embedded.daemon LAB``; started by ``labctl up``, owned by the user. When it ends, for
whatever reason, nothing of the lab runs any more: children have a parent-death signal and the guest powers
itself off when its channel closes.

Out of a folder it boots guest, namespaces, links, switch front ends, control plane and node agents, and no more: no
configuration is pushed, no manifest applied. Those are engine steps, the same for every runtime.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import Any

from labctl import pace
from labctl.cache import look
from labctl.errors import HostError, LabctlError, LabError, SpecError, UsageError
from labctl.folder import Folder, load_folder
from labctl.guest import trial
from labctl.guest.client import Agent
from labctl.guest.image import GuestImage, find_image
from labctl.guest.launchers import start_guest
from labctl.guest.machine import Machine, RunningGuest
from labctl.kube.api import Access, Api
from labctl.kube.resources import NODES
from labctl.labjson import Lab
from labctl.logs import to_stream
from labctl.runtime.api import NodeStatus
from labctl.runtime.embedded.network import (
    KUBE_NODE,
    QUIET,
    Management,
    free_port,
    host_interfaces,
    links,
    management_of,
    ops,
)
from labctl.runtime.embedded.runtime import KINDS, EndpointTable, endpoints_file
from labctl.runtime.embedded.supervisor import (
    Supervisor,
    make_credentials,
    start_front_ends,
    start_zygote,
    write_ssh_files,
)
from labctl.standin.cluster.controlplane.binaries import find_binaries
from labctl.standin.cluster.controlplane.components import ControlPlane, Ports, control_plane
from labctl.standin.cluster.kubelet.node import control_plane_node
from labctl.standin.cluster.spec import AgentsSpec, NodeSpec
from labctl.standin.process import ProcessSpec
from labctl.state import LabState, lab_state
from labctl.waiting import Deadline

log = logging.getLogger(__name__)
Say = Callable[[str], None]

DEFAULT_SERVICES = ("10.96.0.0/16",)


Cluster = tuple[ControlPlane, AgentsSpec, Access]
"""A control plane, what the node agents will be told, who registers the control plane's Node."""


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
    return plane, spec, Access(plane.server, authority, str(admin.certificate), str(admin.key))


MEMORY_BASE_MB = 300
MEMORY_PER_BOX_MB = 40
"""Measured in the white paper's lab: 255 MB in use of 9 nodes, FRR 30 MB a leaf. What a guest has it touches sooner or
later, and what UML has touched stays taken from the host, so it gets little more than twice what it needs."""
MEMORY_VARIABLE = "LABCTL_GUEST_MEMORY_MB"
"""For labs whose workloads are scaled up: a pod of nginx takes about 5 MB."""


def guest_memory(nodes: int, wanted: str | None) -> int:
    """MB for a lab of so many nodes; more when a person says so. Raises `UsageError`."""
    least = MEMORY_BASE_MB + MEMORY_PER_BOX_MB * nodes
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


BOOT_LIMIT = 120.0
"""Seconds for guest (on each launcher that is tried) and control plane to be ready; QEMU without KVM needs about 10."""


class Daemon:
    """One lab's nodes, and the control socket through which they are made, looked at and ended."""

    def __init__(self, state: LabState) -> None:
        self._state = state
        self._supervisor = Supervisor(state.processes)
        self._guest: RunningGuest | None = None
        self._statuses: list[NodeStatus] | None = None
        """Of nodes that are there, as if all went well; None until then."""
        self._failure = ""
        self._busy = threading.Lock()
        """Nodes are made and ended one at a time."""
        self._cancel = threading.Event()
        """Set: a create that is under way gives up at its next wait."""
        self._destroyed = False
        self._over = threading.Event()

    # --- the control socket ---------------------------------------------------------------------------------------

    def serve(self, path: Path) -> None:
        """Accept requests until the lab is destroyed or a signal says so."""
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen(16)
            listener.settimeout(0.2)
            while not self._over.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    if not path.exists() and not self._over.is_set():
                        self.stop()  # the state folder was removed: nobody can reach this lab any more
                    continue
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
        path.unlink(missing_ok=True)

    def stop(self) -> None:
        """End the lab and the daemon (SIGTERM)."""
        self._destroy(lambda _message: None)
        self._over.set()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:

            def send(**body: Any) -> None:
                try:
                    stream.write(json.dumps(body).encode() + b"\n")
                    stream.flush()
                except (OSError, ValueError):
                    return  # the client went away; the work goes on

            try:
                verb = json.loads(stream.readline() or b"{}").get("verb", "")
                send(result=self._do(verb, lambda message: send(progress=message)))
            except LabctlError as error:
                send(error=describe(error))
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                log.exception("the daemon broke")
                send(error=describe(LabError(f"the daemon broke: {error!r}", hint=str(self._state.logs))))
        if self._destroyed:
            self._over.set()

    def _do(self, verb: str, say: Say) -> dict[str, Any]:
        match verb:
            case "observe":
                return self._observe()
            case "create":
                with self._busy:
                    return self._created(say)
            case "destroy":
                self._destroy(say)
                return {}
            case _:
                raise LabError(f"unknown verb {verb!r}")

    # --- the nodes --------------------------------------------------------------------------------------------------

    def _created(self, say: Say) -> dict[str, Any]:
        """Make everything that is not there. A failure ends what was started."""
        if self._statuses is None:
            try:
                self._create(say)
            except BaseException as error:
                self._failure = str(error)
                self._end()
                raise
        return self._observe()

    def _create(self, say: Say) -> None:
        deadline = Deadline(BOOT_LIMIT)
        state, folder = self._state, load_folder(self._state.folder)
        lab, management = folder.lab, management_of(folder)
        launcher = json.loads(state.runtime_file.read_text()).get("launcher", "auto")
        switch_ports = {name: free_port() for name in lab.switches}
        user_key, host_key = make_credentials(state.secrets)
        # kept for as long as the lab is there: what it is the end of ends with it
        zygote = self._zygote = start_zygote(state, self._supervisor)
        cluster = prepare_cluster(state, folder, management) if lab.kube_nodes else None
        nodes = threading.Event()
        if cluster:
            arguments = (cluster, nodes, say, deadline)
            threading.Thread(target=self._start_cluster, args=arguments, name="control plane", daemon=True).start()
        agent = self._boot_guest(launcher, len(lab.nodes), say)
        pace.know(agent.speed())
        deadline.seconds = pace.paced(deadline.seconds)
        say(f"guest speed {pace.speed():.2g} of the reference")
        self._link(agent, lab, management)
        say(f"{len(lab.nodes)} nodes and {len(lab.links)} links")
        start_front_ends(state, zygote, self._supervisor, folder, management, switch_ports, user_key)
        say(f"{len(switch_ports)} switches started")
        write_ssh_files(state, host_key, switch_ports)
        addresses = {name: str(management.addresses[node.topology]) for name, node in lab.nodes.items()}
        table = EndpointTable(
            namespaces={name: node.topology for name, node in lab.nodes.items()},
            kinds={name: node.kind for name, node in lab.nodes.items()},
            management=addresses,
            ssh_ports=switch_ports,
            api_port=cluster[0].ports.api if cluster else None,
            speed=pace.speed(),
        )
        state.write(endpoints_file(state), json.dumps(asdict(table)))
        nodes.set()
        self._statuses = [NodeStatus(name, node.kind, "running", addresses[name]) for name, node in lab.nodes.items()]

    def _start_cluster(self, cluster: Cluster, nodes: threading.Event, say: Say, deadline: Deadline) -> None:
        """Beside everything else; that the API answers is a gate of the engine, its failure is told by `observe`."""
        plane, agents, admin = cluster
        try:
            self._supervisor.start_all(plane.processes, deadline, self._cancel)
            api = Api(admin, connections=1)
            for node in agents.nodes:
                if node.control_plane:  # role and taint are kubeadm's to set: a kubelet may not (NodeRestriction)
                    api.create(NODES.path(), control_plane_node(node.name))
            say(f"Kubernetes API answers on port {plane.ports.api}")
            while not nodes.wait(0.1):
                if self._cancel.is_set():
                    return
            path = self._state.root / "node-agents.json"
            replace(agents, speed=pace.speed()).write(path)
            argv = (sys.executable, "-m", "labctl.standin.cluster.agents", str(path))
            self._supervisor.start(ProcessSpec("node-agents", argv, self._state.logs / "node-agents.log"))
        except LabctlError as error:
            self._failure = f"control plane: {error.message}"

    def _boot_guest(self, launcher: str, nodes: int, say: Say) -> Agent:
        image, state = lab_image(), self._state
        workdir, console = state.root / "guest", state.logs / "console.log"
        workdir.mkdir(mode=0o700, exist_ok=True)

        def start(name: str) -> RunningGuest:
            if console.exists():  # of the launcher before: what it said stays apart
                console.rename(state.logs / "console-before.log")
            memory = guest_memory(nodes, os.environ.get(MEMORY_VARIABLE))
            machine = Machine(memory, workdir, console, state.root / "agent.sock")
            guest = self._guest = self._supervisor.call(lambda: start_guest(name, image, machine))
            say(f"guest starts on {name} with {memory} MB")
            self._supervisor.record("guest", guest.process.pid)
            return guest

        return trial.boot(launcher, image, start, limit=BOOT_LIMIT, cancel=self._cancel, say=say).connect()

    @staticmethod
    def _link(agent: Agent, lab: Lab, management: Management) -> None:
        names = [node.topology for node in lab.nodes.values()]
        inside = []
        for name, node in lab.nodes.items():
            if node.kind != "switch":
                forwarding = KUBE_NODE if node.kind == "kube-node" else []
                addressed = host_interfaces(node.topology, lab.interfaces(name), management)
                inside.append((node.topology, [*forwarding, *addressed]))
        for groups in (
            [(None, ops(*(f"netns add {name}" for name in names)))],
            [(name, QUIET) for name in names],
            [(None, links(lab.keyed_links, management))],
            inside,
        ):
            for (namespace, _), failures in zip(groups, agent.batches(groups), strict=True):
                if failures:
                    first = failures[0]
                    raise LabError(
                        f"the guest refused {len(failures)} changes in {namespace or 'its own namespace'}, the first: "
                        f"{first.text}: {first.message}",
                        code="guest-refused",
                    )

    def _observe(self) -> dict[str, Any]:
        """What `labctl.runtime.api.Observation` has, read now."""
        running = self._supervisor.running()
        guest = self._guest
        guest_alive = guest is not None and guest.exit_code() is None
        dead = [name for name, alive in running.items() if not alive]
        return {
            "alive": self._statuses is not None and guest_alive,
            "launcher": guest.launcher if guest else None,
            "speed": pace.speed(),
            "guest": guest.process.pid if guest else None,
            "nodes": [asdict(_now(one, running, guest_alive=guest_alive)) for one in self._statuses or ()],
            "detail": self._failure or (f"ended: {', '.join(dead)}" if dead else ""),
        }

    def _destroy(self, say: Say) -> None:
        """End everything. Idempotent."""
        self._cancel.set()
        with self._busy:
            self._end()
            self._destroyed = True
            say("guest and processes ended")

    def _end(self) -> None:
        with ThreadPoolExecutor(2) as pool:
            guest = pool.submit(self._guest.power_off) if self._guest else None
            pool.submit(self._supervisor.stop_all, 1.0).result()
            if guest:
                guest.result()


def describe(error: LabctlError) -> dict[str, Any]:
    """An error as it travels: as the nearest class that both sides know."""
    same = (kind for kind in KINDS if isinstance(error, kind) and kind.exit_code == error.exit_code)
    return {
        "type": next(same, LabctlError).__name__,
        "message": error.message,
        "code": error.code,
        "place": error.place and asdict(error.place),
        "hint": error.hint,
        "next_command": error.next_command,
        "problems": [asdict(problem) for problem in error.problems] if isinstance(error, SpecError) else [],
    }


def _now(status: NodeStatus, running: Mapping[str, bool], *, guest_alive: bool) -> NodeStatus:
    process = {"switch": f"switch:{status.name}", "kube-node": "node-agents"}.get(status.kind)
    if not guest_alive:
        return replace(status, state="dead", detail="the guest ended")
    if process and not running.get(process):
        return replace(status, state="dead", detail=f"process {process} ended")
    return status


def main(arguments: list[str]) -> int:
    os.umask(0o077)
    to_stream(sys.stderr)
    state = lab_state(arguments[0])
    daemon = Daemon(state)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=daemon.stop, daemon=True).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    daemon.serve(state.root / "daemon.sock")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
