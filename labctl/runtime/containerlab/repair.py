"""What the nodes of a lab are doing, and links and switches made anew with the least that containerlab 0.79 can do.

What they do is read from Docker and the containers' own networks, never from the folder.

Two ways of repair that look simpler do harm: a second ``deploy`` makes missing links, but makes every switch at their
other end anew too (its kind declares no live links: core/topology_reconcile.go); removing a switch's container first
does the same to all its neighbours. So links are made one by one with ``tools veth create``, and a switch's container
is made out of its own configuration, as Docker has it, with its links kept: they wait in a network namespace of their
own meanwhile, and the other ends see no more than a carrier that was away. (containerlab parks links too, but only
inside a ``deploy`` of the whole lab, which takes a cluster of kind for a node that is missing and fails.)
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from labctl.errors import HostError, LabctlError, LabError
from labctl.folder import KINDS, Folder
from labctl.labjson import Lab, Link
from labctl.pace import paced
from labctl.runtime.api import NodeState, NodeStatus, Progress
from labctl.runtime.containerlab import cleanup
from labctl.runtime.containerlab.clab import Clab
from labctl.runtime.containerlab.dockerhost import Container, DockerHost
from labctl.runtime.containerlab.endpoints import Programs, control_plane
from labctl.runtime.containerlab.ownership import CLUSTER, KIND_NETWORK
from labctl.runtime.ports import kernel_name
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

NODE_KIND = "clab-node-kind"
NODE_NAME = "clab-node-name"
BOND = "bond0"
OLD = "-labctl-old"
START_LIMIT = 60.0
RELINK = "/etc/tc-tap-ifup"
"""vrnetlab's script that joins a VM's port to its interface; QEMU runs it once, at start, for each port (not checked
against its source: where it is not there, `repair` says so and names `--rebuild`)."""


# --- what the nodes are doing ----------------------------------------------------------------------------------------


def lost(folder: Folder, node: str, container: Container, programs: Programs, *, bonded: bool) -> list[str]:
    """Interfaces that lab.json gives the node, and its bond when it should be there, that it has not."""
    there = programs.interfaces(container)
    wanted = [kernel_name(name) for name in folder.lab.interfaces(node)]
    script = folder.path / "nodes" / f"{node}.sh"
    if bonded and script.is_file() and f"link add {BOND} " in script.read_text():
        wanted.append(BOND)
    return [name for name in wanted if name not in there]


def missing(folder: Folder, containers: Mapping[str, Container], programs: Programs) -> list[str]:
    """Why the lab is not whole: nodes that do not run, links that are not there. Empty when it is."""
    reasons = []
    for name, node in folder.lab.nodes.items():
        container = containers.get(node.container)
        if container is None:
            reasons.append(f"{name}: there is no container {node.container}")
        elif not container.running:
            reasons.append(f"{name}: container {node.container} is {container.state} (code {container.exit_code})")
        elif gone := lost(folder, name, container, programs, bonded=False):
            reasons.append(f"{name}: no {', '.join(gone)}")
    return reasons


def observe(
    folder: Folder, containers: Mapping[str, Container], programs: Programs, *, created: bool, bonded: bool
) -> dict[str, NodeStatus]:
    """``created``: every node was there once; ``bonded``: the nodes' scripts have run."""
    rows = {}
    for name, node in folder.lab.nodes.items():
        container, address = containers.get(node.container), None
        state: tuple[NodeState, str] = ("dead", "its container is gone")
        if container is not None:
            network = KIND_NETWORK if node.kind == "kube-node" else folder.topology.mgmt_network
            address = container.addresses.get(network)
            state = _state(folder, name, container, programs, created=created, bonded=bonded)
        rows[name] = NodeStatus(name, node.kind, state[0], address, state[1])
    return rows


def of_labels(containers: Mapping[str, Container]) -> dict[str, NodeStatus]:
    """When the folder cannot be read: what there is, under Docker's own names."""
    kinds = {name: kind for kind, name in KINDS.items()}
    rows = {}
    for container in containers.values():
        kind = "kube-node" if CLUSTER in container.labels else kinds.get(container.labels.get(NODE_KIND, ""), "host")
        name = container.labels.get(NODE_NAME, container.name)
        state: NodeState = "running" if container.running else "stopped"
        rows[name] = NodeStatus(name, kind, state, next(iter(container.addresses.values()), None))
    return rows


def _state(
    folder: Folder, node: str, container: Container, programs: Programs, *, created: bool, bonded: bool
) -> tuple[NodeState, str]:
    switch = node in folder.lab.switches
    again = f"labctl repair {folder.lab.name} {'--rebuild ' if switch else ''}{node}"
    if not container.running:
        begins = container.state in ("created", "restarting")
        return ("starting", container.state) if begins else ("stopped", f"code {container.exit_code}; {again}")
    try:
        gone = lost(folder, node, container, programs, bonded=bonded)
    except (LabctlError, OSError) as error:
        return "unknown", f"its interfaces cannot be read: {error}"
    if not gone:
        boots = switch and container.health in ("starting", "unhealthy")
        return ("starting", f"it says {container.health} of itself") if boots else ("running", "")
    return ("broken", _loss(folder.lab, node, gone, again)) if created else ("starting", f"no {', '.join(gone)} yet")


def _loss(lab: Lab, node: str, gone: Sequence[str], again: str) -> str:
    """Who lost all of its links was started again; a switch that lost some has them to nodes that were."""
    names = ", ".join(gone)
    if node in lab.switches and len(gone) < len(lab.interfaces(node)):
        return f"it lost {names}, to nodes that were started again; labctl repair {lab.name}"
    return f"it was started again and lost {names}; {again}"


def trouble(lab: Lab, rows: Mapping[str, NodeStatus]) -> str:
    """What no waiting mends: the cluster without its control plane."""
    master = rows.get(control_plane(lab) or "")
    if master is not None and master.state in ("stopped", "dead"):
        return f"the control plane {master.name} does not run: {master.detail}"
    return ""


# --- repairs ---------------------------------------------------------------------------------------------------------


class Parking:
    """A network namespace of its own, in which links wait. Raises `HostError` with iproute2's words."""

    def __init__(self, name: str) -> None:
        if os.geteuid() != 0:
            raise HostError("links between containers can only be moved by root", code="needs-root")
        self._name = name
        _run("ip", "netns", "add", name)

    def take(self, pid: int, devices: Sequence[str]) -> None:
        """Out of the network namespace of a process."""
        for device in devices:
            _run("nsenter", f"--net=/proc/{pid}/ns/net", "--", "ip", "link", "set", device, "netns", self._name)

    def give(self, pid: int, devices: Sequence[str]) -> None:
        """Into it, up."""
        for device in devices:
            _run("ip", "-n", self._name, "link", "set", device, "netns", str(pid))
            _run("nsenter", f"--net=/proc/{pid}/ns/net", "--", "ip", "link", "set", device, "up")

    def remove(self) -> None:
        _run("ip", "netns", "delete", self._name)


def _run(*argv: str) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=30, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{argv[0]}: {error}", code="links-not-moved") from None
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()
        raise HostError(f"{' '.join(argv)}: {reason}", code="links-not-moved")


class Repair:
    """One lab's repairs. ``nodes`` reads the lab's containers anew."""

    def __init__(
        self,
        folder: Folder,
        clab: Clab,
        docker: DockerHost,
        programs: Programs,
        nodes: Callable[[], Mapping[str, Container]],
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._lab = folder.lab
        self._clab = clab
        self._docker = docker
        self._programs = programs
        self._nodes = nodes
        self._progress = progress

    def recover(self, node: str) -> None:
        """Start the node's container if it does not run, and make its lost links again."""
        self._running(node)
        made = self._links(node)
        for link in made:
            for end in link:
                self._replug(*end)
        if not made:
            self._progress(f"{node} has all of its links")

    def rebuild(self, switch: str) -> None:
        """Replace a switch's container; a stopped one is started first, and lost links are made again."""
        self._running(switch)
        self._links(switch)
        devices = [kernel_name(name) for name in self._lab.interfaces(switch)]
        self._replace(self._nodes()[self._lab.nodes[switch].container], devices)
        if trouble := missing(self._folder, self._nodes(), self._programs):
            raise LabError(
                f"{switch} is new, but: {'; '.join(trouble)}",
                code="rebuilt-without-links",
                hint=f"labctl repair {self._lab.name} makes lost links again",
                next_command=f"labctl status {self._lab.name}",
            )

    def _running(self, node: str) -> None:
        name = self._lab.nodes[node].container
        container = self._nodes().get(name)
        if container is None:
            why = "containerlab would make its neighbours anew too: take the lab down and up again"
            raise self._cannot(f"{node}: its container {name} is gone, and its links with it", "down", why)
        if not container.running:
            self._progress(f"starting container {name}, which is {container.state}")
            self._started(container.id, name)

    def _cannot(self, message: str, verb: str, hint: str | None = None) -> LabError:
        return LabError(message, code="cannot-recover", hint=hint, next_command=f"labctl {verb} {self._lab.name}")

    def _started(self, container: str, name: str) -> Container:
        def runs() -> Container | NotYet:
            now = self._docker.container(container)
            return now if now is not None and now.running else NotYet(now.state if now else "gone")

        self._docker.start(container)
        try:
            return wait_for(runs, Deadline(paced(START_LIMIT)), every=0.2)
        except DeadlinePassed as passed:
            raise self._cannot(f"container {name} does not run: it is {passed.reason}", "logs") from None

    # --- links -------------------------------------------------------------------------------------------------

    def _links(self, node: str) -> list[Link]:
        """Make the node's lost links again. Raises `LabError` for half a link, and one that did not come."""
        made = []
        for link, keyed in zip(self._lab.links, self._lab.keyed_links, strict=True):
            if node not in (link[0][0], link[1][0]):
                continue
            there = [self._there(*end) for end in link]
            if all(there):
                continue
            text = " - ".join(map(":".join, keyed))
            if any(there):
                message = f"half of the link {text} is there: that is no link of containerlab's"
                raise self._cannot(message, "down", "take the lab down and up again")
            self._progress(f"making the link {text} again")
            self._clab.veth(keyed)
            if not all(self._there(*end) for end in link):
                raise self._cannot(f"containerlab made the link {text}, and it is not there", "logs")
            made.append(link)
        return made

    def _there(self, node: str, interface: str) -> bool:
        container = self._docker.container(self._lab.nodes[node].container)
        if container is None or not container.running:
            raise self._cannot(f"{node} does not run, so its links cannot be made", "status")
        return kernel_name(interface) in self._programs.interfaces(container)

    def _replug(self, node: str, interface: str) -> None:
        """A VM's port forwards to the interface that was there when it started: join it to the new one.

        Inferred from how vrnetlab joins them (connection mode tc); not yet run with a Cisco image.
        """
        if node not in self._lab.switches or self._lab.target.get("switch", "standin") == "standin":
            return
        container = self._nodes()[self._lab.nodes[node].container]
        tap = f"tap{kernel_name(interface).removeprefix('eth')}"
        if tap not in self._programs.interfaces(container):
            return  # macvtap, or the VM is not started yet
        self._programs.exec(container, ["tc", "qdisc", "del", "dev", tap, "ingress"])
        done = self._programs.exec(container, [RELINK, tap])
        if done.code != 0:
            reason = done.stderr.decode(errors="replace").strip()
            raise LabError(
                f"{interface} of {node} is wired again, but its virtual machine is not joined to it: {reason}",
                code="cannot-recover",
                next_command=f"labctl repair {self._lab.name} --rebuild {node}",
            )
        self._progress(f"{interface} of {node} is joined to its virtual machine again")

    # --- a container made anew ---------------------------------------------------------------------------------

    def _replace(self, old: Container, devices: Sequence[str]) -> None:
        """A new container with the old one's name, configuration and ``devices``. Raises `HostError` or `LabError`.

        When the new one does not start, the old one is started again with its links.
        """
        parking = Parking(f"{cleanup.PARKED}{old.name}")
        self._progress(f"{len(devices)} links of {old.name} wait in a namespace of their own")
        parking.take(old.pid, devices)
        new = None
        try:
            with self._docker.asking(f"stop container {old.name}") as api:
                api.stop(old.id, timeout=10)
            self._rename(old.id, f"{old.name}{OLD}")
            new = self._create_like(old.id, old.name)
            self._progress(f"starting a new {old.name}")
            made = self._started(new, old.name)
            parking.give(made.pid, devices)
        except BaseException:
            self._back(old, new, devices, parking)
            raise
        self._docker.remove(old.id)
        parking.remove()
        _mark(made)

    def _back(self, old: Container, new: str | None, devices: Sequence[str], parking: Parking) -> None:
        self._progress(f"{old.name} could not be made anew: the old one is started again")
        try:
            if new is not None:
                self._docker.remove(new)
            self._rename(old.id, old.name)
            again = self._started(old.id, old.name)
            parking.give(again.pid, devices)
            parking.remove()
            _mark(again)
        except LabctlError as trouble:
            self._progress(f"nor could the old one be started: {trouble.message}")

    def _rename(self, container: str, name: str) -> None:
        """Another name; the one that it has is fine."""
        with self._docker.asking(f"rename container {container}") as api:
            if str(api.inspect_container(container)["Name"]).removeprefix("/") != name:
                api.rename(container, name)

    def _create_like(self, container: str, name: str) -> str:
        """A container with the configuration of another one, not yet started; returns its id."""
        with self._docker.asking(f"make container {name}") as api:
            row = api.inspect_container(container)
            networks = (row.get("NetworkSettings") or {}).get("Networks") or {}
            ends = {
                network: {key: end.get(key) for key in ("IPAMConfig", "Aliases", "DriverOpts") if end.get(key)}
                for network, end in networks.items()
            }
            body = {**row["Config"], "HostConfig": row["HostConfig"], "NetworkingConfig": {"EndpointsConfig": ends}}
            made = api.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        return str(made["Id"])


def _mark(container: Container) -> None:
    """``/run/netns/NAME`` is a link to the container's namespace, as containerlab makes it."""
    path = cleanup.NAMESPACES / container.name
    if path.is_symlink():
        path.unlink()
        path.symlink_to(Path("/proc") / str(container.pid) / "ns" / "net")
