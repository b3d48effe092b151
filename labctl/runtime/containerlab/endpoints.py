"""How the boxes of a containerlab lab are reached: SSH at their management addresses, the API on loopback."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labctl.errors import HostError, InconclusiveError, UsageError, did_you_mean
from labctl.guest.api import ByteStream, Capture, Completed, ExecStream, TtySize
from labctl.runtime.api import SshEndpoint, SwitchLogin
from labctl.runtime.containerlab import access, console
from labctl.runtime.containerlab.boxes import Box, Plan, members
from labctl.runtime.containerlab.dockerhost import Container, DockerHost
from labctl.runtime.containerlab.inside import Inside, as_capture
from labctl.runtime.ports import kernel_name
from labctl.standin.switch.dataplane.names import BRIDGE
from labctl.state import LabState

SSH_PORT = 22


class ContainerlabEndpoints:
    """`labctl.runtime.api.Endpoints` of one running lab."""

    def __init__(self, state: LabState, plan: Plan, docker: DockerHost, inside: Inside, login: SwitchLogin) -> None:
        self._state = state
        self._plan = plan
        self._docker = docker
        self._inside = inside
        self._login = login

    def container(self, node: str) -> Container:
        """A node's container as it is now. Raises `UsageError`, or `InconclusiveError` when it is gone."""
        box = self._plan.box(node)
        found = self._docker.container(box.container)
        if found is None:
            raise InconclusiveError(
                f"{node}: its container {box.container} is gone",
                code="not-running",
                next_command=f"labctl status {self._state.name}",
            )
        return found

    def _switch(self, name: str) -> Box:
        box = self._plan.box(name)
        if box.kind != "switch":
            known = [switch.name for switch in self._plan.switches()]
            raise UsageError(
                f"{name} is no switch of lab {self._state.name}",
                code="no-such-switch",
                hint=did_you_mean(name, known, f"it has {', '.join(known)}"),
                next_command=f"labctl exec {self._state.name} {name} -- COMMAND",
            )
        return box

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
        keys = access.host_keys(self._state, switch)
        return SshEndpoint(address, SSH_PORT, self._login.username, self._login.password, self._state.ssh_config, keys)

    def kubeconfig(self) -> Path:
        if self._plan.control_plane is None:
            raise UsageError(f"lab {self._state.name} has no cluster", code="no-cluster")
        return access.write_kubeconfig(self._state, self.container(self._plan.control_plane), self._inside)

    def exec(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float | None = None) -> Completed:
        return self._inside.exec(self.container(node), argv, stdin=stdin, timeout=timeout)

    def stream(self, node: str, argv: Sequence[str], *, tty: TtySize | None = None) -> ExecStream:
        return self._inside.stream(self.container(node), argv, tty=tty, env={"LABCTL_NODE": node})

    def capture(self, node: str, interface: str, expression: str = "") -> Capture:
        container = self.container(node)
        names = self._interfaces(node, interface)
        there = self._inside.interfaces(container)
        for name in names:
            if name not in there:
                raise _no_interface(node, interface, sorted(there - {"lo"}))
        captures: list[Capture] = []
        try:
            for name in names:
                captures.append(self._inside.capture(container, name, expression))  # noqa: PERF401 - closed on failure
        except BaseException:
            for capture in captures:
                capture.close()
            raise
        return as_capture(captures)

    def _interfaces(self, node: str, interface: str) -> tuple[str, ...]:
        """Where the frames of an interface pass: a port at its own end of the wire, a port-channel at its members."""
        box = self._plan.box(node)
        if box.kind != "switch" or not interface.lower().startswith("port-channel"):
            return (kernel_name(interface),)
        if self._plan.switch == "standin":
            return (BRIDGE,)  # there frames carry the VLAN tag, as they do between VM and wire
        return members(self._state.folder, node, interface)

    def console(self, switch: str) -> ByteStream:
        self._switch(switch)
        if self._plan.switch == "standin":
            raise HostError(
                f"{switch} is a stand-in and has no serial console: its SSH answers as soon as it runs",
                code="no-console",
                next_command=f"labctl ssh {self._state.name} {switch}",
            )
        return console.connect(self._state.name, switch, self._management(switch))

    def close(self) -> None:
        self._inside.close()


def _no_interface(node: str, name: str, known: Sequence[str]) -> UsageError:
    return UsageError(
        f"{node} has no interface {name}",
        code="no-such-interface",
        hint=did_you_mean(name, known, f"it has {', '.join(known)}"),
    )
