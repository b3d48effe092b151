"""How the nodes of a containerlab lab are reached: SSH at their management addresses, the API on loopback, consoles.

The serial console of a switch in a VM is telnet (RFC 854) on port 5000, as vrnetlab's QEMU serves it.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from labctl.errors import InconclusiveError, UsageError, did_you_mean
from labctl.guest.api import ByteStream, Capture, Completed, ExecStream, TtySize
from labctl.pace import limit
from labctl.runtime.api import SshEndpoint, SwitchLogin
from labctl.runtime.containerlab.dockerhost import Container, DockerHost
from labctl.runtime.containerlab.exec import Programs, as_capture
from labctl.runtime.containerlab.nodes import Node, Plan, members
from labctl.runtime.ports import kernel_name
from labctl.runtime.refusals import no_cluster, no_console, no_interface, ssh_config
from labctl.standin.switch.dataplane.names import BRIDGE
from labctl.state import LabState

CONSOLE_PORT = 5000
IAC, SB, SE = 255, 250, 240
WITH_OPTION = range(251, 255)
"""WILL, WONT, DO, DONT: each is followed by one option."""


class Telnet:
    """Takes telnet's commands out of a byte stream; they may be cut anywhere."""

    def __init__(self) -> None:
        self._held = b""

    def text(self, data: bytes) -> bytes:
        """What is left for a person."""
        data = self._held + data
        out = bytearray()
        position = 0
        while position < len(data):
            if data[position] != IAC:
                out.append(data[position])
                position += 1
                continue
            size = self._command(data[position:])
            if size is None:
                break
            if data[position + 1] == IAC:
                out.append(IAC)
            position += size
        self._held = data[position:]
        return bytes(out)

    @staticmethod
    def _command(data: bytes) -> int | None:
        """Length of the command at the beginning; None when it is not whole yet."""
        if len(data) < 2:
            return None
        if data[1] in WITH_OPTION:
            return 3 if len(data) >= 3 else None
        if data[1] == SB:
            end = data.find(bytes((IAC, SE)), 2)
            return None if end < 0 else end + 2
        return 2


class Console:
    """`labctl.guest.api.ByteStream` of a serial console."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._telnet = Telnet()

    def recv(self, size: int) -> bytes:
        while True:
            try:
                data = self._socket.recv(size)
            except OSError:
                return b""
            if not data:
                return b""
            text = self._telnet.text(data)
            if text:
                return text

    def sendall(self, data: bytes) -> None:
        self._socket.sendall(data.replace(b"\xff", b"\xff\xff"))

    def shutdown_write(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the other side may have been first
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that reads
        self._socket.close()


def connect_console(lab: str, switch: str, address: str, port: int = CONSOLE_PORT) -> Console:
    """Raises `InconclusiveError` when nobody answers there."""
    try:
        connection = socket.create_connection((address, port), timeout=limit("connect"))
    except OSError as error:
        raise InconclusiveError(
            f"the console of {switch} does not answer at {address} port {port}: {error}",
            code="no-console",
            hint="its virtual machine is not started yet, or has ended",
            next_command=f"labctl logs {lab} {switch}",
        ) from None
    connection.settimeout(None)
    return Console(connection)


ADMIN = "/etc/kubernetes/admin.conf"
API_PORT = "6443/tcp"


def write_kubeconfig(state: LabState, control_plane: Container, programs: Programs) -> Path:
    """kubeadm's own, its server being the port that kind publishes on loopback. Raises `InconclusiveError`."""
    done = programs.exec(control_plane, ["cat", ADMIN])
    port = control_plane.published.get(API_PORT)
    if done.code != 0 or port is None:
        words = done.stderr.decode(errors="replace").strip() or f"{API_PORT} is not published"
        raise InconclusiveError(
            f"{control_plane.name} has no kubeconfig for this host: {words}",
            code="no-kubeconfig",
            next_command=f"labctl logs {state.name} {control_plane.name}",
        )
    body: dict[str, Any] = yaml.load(done.stdout, Loader=yaml.CSafeLoader)
    for cluster in body["clusters"]:
        cluster["cluster"]["server"] = f"https://127.0.0.1:{port}"
    new = state.root / "kubeconfig.new"
    new.unlink(missing_ok=True)
    state.write(new, yaml.safe_dump(body))
    new.replace(state.kubeconfig)  # also where containerlab, as root, has written one
    return state.kubeconfig


def host_keys(state: LabState, switch: str) -> Path:
    """Where the key is kept that a switch showed first. A file each: several are logged in to at once."""
    return state.root / "host_keys" / switch


def write_ssh_config(state: LabState, addresses: Mapping[str, str], username: str) -> None:
    """One alias a switch. Its key is accepted the first time and then held to: a switch of a lab has no older one."""
    keys = state.root / "host_keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    hosts = {
        name: {
            "HostName": address, "User": username, "UserKnownHostsFile": f'"{host_keys(state, name)}"',
            "GlobalKnownHostsFile": "none", "StrictHostKeyChecking": "accept-new",
            "PreferredAuthentications": "password,keyboard-interactive",
        }
        for name, address in addresses.items()
    }  # fmt: skip
    state.write(state.ssh_config, ssh_config(hosts))


SSH_PORT = 22


class ContainerlabEndpoints:
    """`labctl.runtime.api.Endpoints` of one running lab."""

    def __init__(self, state: LabState, plan: Plan, docker: DockerHost, programs: Programs, login: SwitchLogin) -> None:
        self._state = state
        self._plan = plan
        self._docker = docker
        self._programs = programs
        self.login = login

    def container(self, node: str) -> Container:
        """A node's container as it is now. Raises `UsageError`, or `InconclusiveError` when it is gone."""
        name = self._plan.node(node).container
        found = self._docker.container(name)
        if found is None:
            raise InconclusiveError(
                f"{node}: its container {name} is gone",
                code="not-running",
                next_command=f"labctl status {self._state.name}",
            )
        return found

    def _switch(self, name: str) -> Node:
        node = self._plan.node(name)
        if node.kind != "switch":
            known = [switch.name for switch in self._plan.switches()]
            raise UsageError(
                f"{name} is no switch of lab {self._state.name}",
                code="no-such-switch",
                hint=did_you_mean(name, known, f"it has {', '.join(known)}"),
                next_command=f"labctl exec {self._state.name} {name} -- COMMAND",
            )
        return node

    def _management(self, switch: str) -> str:
        self._switch(switch)
        address = self.container(switch).addresses.get(self._plan.network)
        if address is None:
            raise InconclusiveError(
                f"{switch} has no address on {self._plan.network}: it does not run",
                code="not-running",
                next_command=f"labctl status {self._state.name}",
            )
        return address

    def ssh(self, switch: str) -> SshEndpoint:
        address = self._management(switch)
        keys = host_keys(self._state, switch)
        return SshEndpoint(address, SSH_PORT, self.login.username, self.login.password, self._state.ssh_config, keys)

    def kubeconfig(self) -> Path:
        if self._plan.control_plane is None:
            raise no_cluster(self._state.name)
        return write_kubeconfig(self._state, self.container(self._plan.control_plane), self._programs)

    def exec(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float | None = None) -> Completed:
        return self._programs.exec(self.container(node), argv, stdin=stdin, timeout=timeout)

    def stream(self, node: str, argv: Sequence[str], *, tty: TtySize | None = None) -> ExecStream:
        return self._programs.stream(self.container(node), argv, tty=tty, env={"LABCTL_NODE": node})

    def capture(self, node: str, interface: str, expression: str = "") -> Capture:
        container = self.container(node)
        names = self._interfaces(node, interface)
        there = self._programs.interfaces(container)
        for name in names:
            if name not in there:
                raise no_interface(node, interface, sorted(there - {"lo"}))
        captures: list[Capture] = []
        try:
            for name in names:
                captures.append(self._programs.capture(container, name, expression))  # noqa: PERF401 - closed on failure
        except BaseException:
            for capture in captures:
                capture.close()
            raise
        return as_capture(captures)

    def _interfaces(self, node: str, interface: str) -> tuple[str, ...]:
        """Where the frames of an interface pass: a port at its own end of the link, a port-channel at its members."""
        if self._plan.node(node).kind != "switch" or not interface.lower().startswith("port-channel"):
            return (kernel_name(interface),)
        if self._plan.switch == "standin":
            return (BRIDGE,)  # there frames carry the VLAN tag, as they do between VM and link
        return members(self._state.folder, node, interface)

    def console(self, switch: str) -> ByteStream:
        self._switch(switch)
        if self._plan.switch == "standin":
            raise no_console(self._state.name, switch)
        return connect_console(self._state.name, switch, self._management(switch))

    def close(self) -> None:
        self._programs.close()
