"""How the nodes of a containerlab lab are reached: programs and captures in containers, SSH, the API, consoles.

Nothing is installed in a container. Root goes through its first process: `nsenter` and a packet socket of our own take
a tenth of the time of Docker's way. Anyone else goes through Docker's API, and captures with a helper container of our
own image. The serial console of a switch in a VM is telnet (RFC 854) on port 5000, as vrnetlab's QEMU serves it.
"""

from __future__ import annotations

import os
import queue
import re
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from operator import itemgetter
from pathlib import Path
from typing import Any

import yaml

from labctl.errors import HostError, InconclusiveError, UsageError, did_you_mean
from labctl.folder import Folder
from labctl.guest.api import AgentError, AgentTimeout, ByteStream, Capture, Completed, ExecStream, TtySize
from labctl.guest.client import Agent, local_agent
from labctl.labjson import Lab
from labctl.pace import limit
from labctl.runtime.api import SshEndpoint, SwitchLogin
from labctl.runtime.containerlab.dockerhost import Container, DockerExec, DockerHost, Hijacked
from labctl.runtime.pcap import Records
from labctl.runtime.ports import kernel_name
from labctl.runtime.refusals import no_cluster, no_console, no_interface, no_node, ssh_config
from labctl.standin.switch.dataplane.names import BRIDGE
from labctl.state import LabState
from labctl.waiting import Deadline

PROC = Path("/proc")
CAPTURE_IMAGE = "labctl/host:latest"


class Programs:
    """Programs and captures in one lab's containers. ``labels``: of the helpers that are made for it."""

    def __init__(self, docker: DockerHost, labels: Mapping[str, str]) -> None:
        self._docker = docker
        self._labels = labels
        self._own_agent: Agent | None = None
        self._lock = threading.Lock()

    @property
    def _agent(self) -> Agent:
        with self._lock:
            if self._own_agent is None:
                self._own_agent = local_agent()
            return self._own_agent

    def _seen(self, node: Container) -> bool:
        """Whether the container's process has its number here too (labctl itself may run in a container)."""
        if not node.running:
            raise InconclusiveError(f"container {node.name} does not run: it is {node.state}", code="not-running")
        try:
            return node.id[:12] in (PROC / str(node.pid) / "cgroup").read_text()
        except OSError:
            return False

    def _joinable(self, node: Container) -> bool:
        return self._seen(node) and os.geteuid() == 0

    def interfaces(self, node: Container) -> frozenset[str]:
        """Names of its network interfaces now. Raises `InconclusiveError` when it does not run."""
        if self._seen(node):  # any user may read this file of any process
            text = (PROC / str(node.pid) / "net" / "dev").read_text()
        else:
            text = self.exec(node, ["cat", "/proc/net/dev"]).stdout.decode(errors="replace")
        return frozenset(line.partition(":")[0].strip() for line in text.splitlines() if ":" in line)

    def exec(
        self, node: Container, argv: Sequence[str], *, stdin: bytes = b"", timeout: float | None = None
    ) -> Completed:
        """Run to its end. Raises `AgentError` with what went wrong, also when it takes too long."""
        if self._joinable(node):
            return self._agent.run(argv, join=node.pid, stdin=stdin, timeout=timeout)
        stream = DockerExec(self._docker, node.id, argv, stdin=bool(stdin))
        with closing(stream):
            return _to_the_end(stream, stdin, Deadline(limit("call") if timeout is None else timeout), argv[0])

    def stream(self, node: Container, argv: Sequence[str], tty: TtySize | None, env: Mapping[str, str]) -> ExecStream:
        if self._joinable(node):
            return self._agent.stream(argv, join=node.pid, tty=tty, env=env)
        return DockerExec(self._docker, node.id, argv, tty=tty, stdin=True, env=env)

    def capture(self, node: Container, interface: str, expression: str) -> Capture:
        """Capture on an interface of the container's network; returns once packets are being captured."""
        if not self._joinable(node):
            return DockerCapture(self._docker, node, self._labels, interface, expression)
        if expression and shutil.which("tcpdump") is None:
            raise HostError(
                "this host has no tcpdump, which compiles capture filters",
                code="no-tcpdump",
                hint="a capture without a filter needs none",
                next_command="apt-get install tcpdump",
            )
        return self._agent.capture(None, interface, expression, join=node.pid)

    def close(self) -> None:
        with self._lock:
            if self._own_agent is not None:
                self._own_agent.close()
                self._own_agent = None


def _to_the_end(stream: DockerExec, stdin: bytes, deadline: Deadline, program: str) -> Completed:
    """All output of a program; stdin is fed by a thread of its own, as a program may write before it has read all."""

    def feed() -> None:
        stream.write(stdin)
        stream.close_stdin()

    if stdin:
        threading.Thread(target=feed, daemon=True).start()
    outputs = {"stdout": bytearray(), "stderr": bytearray()}
    try:
        while True:
            stream.settimeout(max(0.001, deadline.remaining))
            piece = stream.read()
            if piece is None:
                break
            outputs[piece[0]] += piece[1]
    except TimeoutError:
        raise AgentTimeout(f"{program}: not done after {deadline.seconds:.0f} s") from None
    return Completed(stream.code(), bytes(outputs["stdout"]), bytes(outputs["stderr"]))


class DockerCapture:
    """`labctl.guest.api.Capture` by tcpdump in a helper container, which Docker removes when tcpdump ends."""

    def __init__(
        self, docker: DockerHost, node: Container, labels: Mapping[str, str], interface: str, expression: str
    ) -> None:
        command = ["-Z", "root", "-i", interface, "-U", "-s", "0", "-w", "-"]
        command += ["--", expression] if expression else []
        with docker.asking(f"start a capture with {CAPTURE_IMAGE} (labctl setup images says how to get it)") as api:
            made = api.create_container(
                CAPTURE_IMAGE,
                command,
                entrypoint=["tcpdump"],
                labels={**labels, "labctl.helper": "capture"},
                host_config=api.create_host_config(network_mode=f"container:{node.id}", auto_remove=True),
            )
        self._docker = docker
        self._helper = str(made["Id"])
        self._early: list[bytes] = []
        target = f"/containers/{self._helper}/attach?stream=1&stdout=1&stderr=1"
        try:
            self._streams = Hijacked(docker.socket, target, {}, framed=True)
            docker.start(self._helper)
            self._await_start()
        except BaseException:
            docker.remove(self._helper)
            raise

    def _await_start(self) -> None:
        """Until tcpdump says that it listens. Raises `AgentError` with its words when it does not."""
        said = b""
        self._streams.settimeout(limit("call"))
        try:
            while b"listening on" not in said:
                piece = self._streams.read()
                if piece is None:
                    last = (said.decode(errors="replace").strip().splitlines() or ["tcpdump ended at once"])[-1]
                    raise AgentError(f"capture: {last}", cause="filter" if "filter expression" in last else None)
                if piece[0] == "stderr":
                    said += piece[1]
                else:
                    self._early.append(piece[1])
        except TimeoutError:
            raise AgentTimeout(f"capture: tcpdump did not begin within {limit('call'):.0f} s") from None
        self._streams.settimeout(None)

    def read(self) -> bytes | None:
        if self._early:
            return self._early.pop(0)
        while (piece := self._streams.read()) is not None:
            if piece[0] == "stdout":
                return piece[1]
        return None

    def end(self) -> None:
        with self._docker.asking(f"signal container {self._helper}", 404, 409) as api:  # it may have ended
            api.kill(self._helper, "SIGINT")

    def stop(self) -> bytes:
        self.end()
        data = b"".join(iter(self.read, None))
        self._streams.close()
        return data

    def close(self) -> None:
        self._streams.close()
        self._docker.remove(self._helper)


class MergedCapture:
    """`labctl.guest.api.Capture` over several that all capture already."""

    def __init__(self, captures: Sequence[Capture]) -> None:
        self._captures = captures
        self._pieces: queue.SimpleQueue[tuple[bytes, bytes] | AgentError | None] = queue.SimpleQueue()
        self._live = self._merged()

    def stop(self) -> bytes:
        """All packets by their time."""
        header = b""
        packets: list[tuple[tuple[int, int], bytes]] = []
        for capture in self._captures:
            records = Records()
            packets += [(records.moment(record), record) for record in records.feed(capture.stop())]
            header = _same(header, records.header)
        return header + b"".join(record for _, record in sorted(packets, key=itemgetter(0)))

    def end(self) -> None:
        """All of them; `read` gives what is left."""
        for capture in self._captures:
            capture.end()

    def read(self) -> bytes | None:
        """Whole packets as they come; None when all have ended."""
        return next(self._live, None)

    def close(self) -> None:
        for capture in self._captures:
            capture.close()

    def _merged(self) -> Iterator[bytes]:
        """The file's header once, before any packet."""
        for capture in self._captures:
            threading.Thread(target=self._feed, args=(capture,), daemon=True).start()
        known, running = b"", len(self._captures)
        while running:
            piece = self._pieces.get()
            if isinstance(piece, AgentError):
                raise piece
            if piece is None:
                running -= 1
                continue
            header, packets = piece
            if not known:
                yield header
            known = _same(known, header)
            if packets:
                yield packets

    def _feed(self, capture: Capture) -> None:
        records = Records()
        try:
            while (piece := capture.read()) is not None:
                packets = b"".join(records.feed(piece))
                if records.header:
                    self._pieces.put((records.header, packets))
            self._pieces.put(None)
        except AgentError as error:
            self._pieces.put(error)


def _same(known: bytes, header: bytes) -> bytes:
    """One header for all: every capture was made by the same program on the same machine."""
    if known and header and known != header:
        raise AgentError("captures of two kinds cannot be one file")
    return known or header


CONSOLE_PORT = 5000
COMMAND = re.compile(rb"\xff(?:(\xff)|[\xfb-\xfe].|\xfa.*?\xff\xf0|[^\xfa-\xff]|(.*))", re.DOTALL)
"""Of telnet: an escaped byte; WILL, WONT, DO or DONT with an option; a subnegotiation; any other; one that is cut."""


class Telnet:
    """Takes telnet's commands out of a byte stream; they may be cut anywhere."""

    def __init__(self) -> None:
        self._held = b""

    def text(self, data: bytes) -> bytes:
        """What is left for a person."""
        data, self._held = self._held + data, b""
        return COMMAND.sub(self._left, data)

    def _left(self, command: re.Match[bytes]) -> bytes:
        if command[2] is not None:
            self._held = command[0]
        return command[1] or b""


class Console:
    """`labctl.guest.api.ByteStream` of a serial console."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._telnet = Telnet()

    def recv(self, size: int) -> bytes:
        with suppress(OSError):
            while data := self._socket.recv(size):
                if text := self._telnet.text(data):
                    return text
        return b""

    def sendall(self, data: bytes) -> None:
        self._socket.sendall(data.replace(b"\xff", b"\xff\xff"))

    def shutdown_write(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with suppress(OSError):  # the other side may have been first
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that reads
        self._socket.close()


SSH_PORT = 22
ADMIN = "/etc/kubernetes/admin.conf"
API_PORT = "6443/tcp"


def control_plane(lab: Lab) -> str | None:
    """The lab's name of the node that runs it; None in a lab without a cluster."""
    return next((name for name, node in lab.nodes.items() if node.role == "control-plane"), None)


def host_keys(state: LabState, switch: str) -> Path:
    """Where the key is kept that a switch showed first. A file each: several are logged in to at once."""
    return state.root / "host_keys" / switch


class ContainerlabEndpoints:
    """`labctl.runtime.api.Endpoints` of one running lab."""

    def __init__(
        self, state: LabState, folder: Folder, docker: DockerHost, programs: Programs, login: SwitchLogin
    ) -> None:
        self._state = state
        self._folder = folder
        self._lab = folder.lab
        self._docker = docker
        self._programs = programs
        self._login = login

    def write_access(self, nodes: Mapping[str, Container]) -> None:
        """An alias for each switch in ssh_config, and the kubeconfig. ``nodes``: the containers by name.

        A switch's key is accepted the first time and then held to: a switch of a lab has no older one.
        """
        hosts = {}
        for name in self._lab.switches:
            address = nodes[self._lab.nodes[name].container].addresses.get(self._folder.topology.mgmt_network)
            keys = host_keys(self._state, name)
            keys.parent.mkdir(mode=0o700, exist_ok=True)
            if address is not None:
                hosts[name] = {
                    "HostName": address, "User": self._login.username, "UserKnownHostsFile": f'"{keys}"',
                    "GlobalKnownHostsFile": "none", "StrictHostKeyChecking": "accept-new",
                    "PreferredAuthentications": "password,keyboard-interactive",
                }  # fmt: skip
        self._state.write(self._state.ssh_config, ssh_config(hosts))
        if control_plane(self._lab) is not None:
            self.kubeconfig()

    def _container(self, node: str) -> Container:
        """As it is now. Raises `UsageError`, or `InconclusiveError` when it is gone."""
        if node not in self._lab.nodes:
            raise no_node(self._lab.name, node, self._lab.nodes)
        name = self._lab.nodes[node].container
        found = self._docker.container(name)
        if found is None:
            raise InconclusiveError(
                f"{node}: its container {name} is gone",
                code="not-running",
                next_command=f"labctl status {self._lab.name}",
            )
        return found

    def _management(self, switch: str) -> str:
        if switch not in self._lab.switches:
            raise no_node(self._lab.name, switch, self._lab.switches, "switch")
        network = self._folder.topology.mgmt_network
        address = self._container(switch).addresses.get(network)
        if address is None:
            raise InconclusiveError(
                f"{switch} has no address on {network}: it does not run",
                code="not-running",
                next_command=f"labctl status {self._lab.name}",
            )
        return address

    def ssh(self, switch: str) -> SshEndpoint:
        address, login = self._management(switch), self._login
        keys = host_keys(self._state, switch)
        return SshEndpoint(address, SSH_PORT, login.username, login.password, self._state.ssh_config, keys)

    def kubeconfig(self) -> Path:
        """kubeadm's own, its server being the port that kind publishes on loopback. Raises `InconclusiveError`."""
        node = control_plane(self._lab)
        if node is None:
            raise no_cluster(self._lab.name)
        container = self._container(node)
        done = self._programs.exec(container, ["cat", ADMIN])
        port = container.published.get(API_PORT)
        if done.code != 0 or port is None:
            reason = done.stderr.decode(errors="replace").strip() or f"{API_PORT} is not published"
            raise InconclusiveError(
                f"{container.name} has no kubeconfig for this host: {reason}",
                code="no-kubeconfig",
                next_command=f"labctl logs {self._lab.name} {container.name}",
            )
        body: dict[str, Any] = yaml.load(done.stdout, Loader=yaml.CSafeLoader)
        for cluster in body["clusters"]:
            cluster["cluster"]["server"] = f"https://127.0.0.1:{port}"
        new = self._state.root / "kubeconfig.new"
        new.unlink(missing_ok=True)
        self._state.write(new, yaml.safe_dump(body))
        return new.replace(self._state.kubeconfig)  # also where containerlab, as root, has written one

    def exec(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float | None = None) -> Completed:
        return self._programs.exec(self._container(node), argv, stdin=stdin, timeout=timeout)

    def stream(self, node: str, argv: Sequence[str], *, tty: TtySize | None = None) -> ExecStream:
        return self._programs.stream(self._container(node), argv, tty, {"LABCTL_NODE": node})

    def capture(self, node: str, interface: str, expression: str = "") -> Capture:
        container = self._container(node)
        names = self._interfaces(node, interface)
        there = self._programs.interfaces(container)
        if not there.issuperset(names):
            raise no_interface(node, interface, sorted(there - {"lo"}))
        with ExitStack() as opened:  # one that cannot be had closes those before it
            begun = (closing(self._programs.capture(container, name, expression)) for name in names)
            captures = [opened.enter_context(one) for one in begun]
            opened.pop_all()
        return captures[0] if len(captures) == 1 else MergedCapture(captures)

    def _interfaces(self, node: str, interface: str) -> tuple[str, ...]:
        """Where the frames of an interface pass: a port at its own end of the link, a port-channel at its members."""
        if node not in self._lab.switches or not interface.lower().startswith("port-channel"):
            return (kernel_name(interface),)
        if self._standins:
            return (BRIDGE,)  # there frames carry the VLAN tag, as they do between VM and link
        return members(self._folder.path, node, interface)

    @property
    def _standins(self) -> bool:
        return self._lab.target.get("switch", "standin") == "standin"

    def console(self, switch: str) -> ByteStream:
        if self._standins and switch in self._lab.switches:
            raise no_console(self._lab.name, switch)
        address = self._management(switch)
        try:
            connection = socket.create_connection((address, CONSOLE_PORT), timeout=limit("connect"))
        except OSError as error:
            raise InconclusiveError(
                f"the console of {switch} does not answer at {address} port {CONSOLE_PORT}: {error}",
                code="no-console",
                hint="its virtual machine is not started yet, or has ended",
                next_command=f"labctl logs {self._lab.name} {switch}",
            ) from None
        connection.settimeout(None)
        return Console(connection)

    def close(self) -> None:
        self._programs.close()


def members(folder: Path, switch: str, channel: str) -> tuple[str, ...]:
    """Kernel names of a port-channel's members, from ``checks.yaml``. Raises `UsageError` for one that is not there."""
    checks = yaml.load((folder / "checks.yaml").read_text(), Loader=yaml.CSafeLoader) or {}
    rows: Sequence[Mapping[str, Any]] = (checks.get("links") or {}).get("port_channels") or []
    channels = {
        f"port-channel{entry['channel']}": tuple(kernel_name(str(member)) for member in entry["members"])
        for row in rows
        if row.get("switch") == switch
        for entry in row.get("channels") or []
    }
    found = channels.get(channel.lower())
    if not found:
        raise UsageError(
            f"{switch} has no {channel} with members",
            code="no-such-interface",
            hint=did_you_mean(channel, channels, f"it has {', '.join(channels) or 'none'}"),
        )
    return found
