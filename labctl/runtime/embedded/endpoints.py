"""How the nodes of an embedded lab are reached: SSH and the API server on loopback, the rest through the agent.

Everything here is read from ``endpoints.json``, which the daemon writes once the nodes exist.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labctl import pace
from labctl.errors import InconclusiveError
from labctl.guest.api import AgentError, ByteStream, Capture, Completed, ExecStream, TtySize
from labctl.guest.client import Agent, connect
from labctl.runtime.api import SshEndpoint
from labctl.runtime.ports import kernel_name
from labctl.runtime.refusals import no_cluster, no_console, no_interface, no_node
from labctl.state import LabState

USERNAME = "admin"
PASSWORD, KEY = "switch_password", "switch_key"
"""Files in the lab's secrets: what logs in to a switch."""


@dataclass(frozen=True, slots=True)
class EndpointTable:
    """``endpoints.json``: namespaces by lab name, SSH ports by switch, API server port."""

    namespaces: Mapping[str, str]
    kinds: Mapping[str, str]
    management: Mapping[str, str]
    ssh_ports: Mapping[str, int]
    api_port: int | None
    speed: float | None = None
    """The guest's, as it was measured when it had booted."""


def endpoints_file(state: LabState) -> Path:
    return state.root / "endpoints.json"


def read_table(state: LabState) -> EndpointTable:
    """Raises `InconclusiveError` when the lab never came so far."""
    try:
        return EndpointTable(**json.loads(endpoints_file(state).read_text()))
    except (OSError, ValueError, TypeError):  # the last: an older labctl's
        raise InconclusiveError(
            f"lab {state.name} has no nodes", code="not-running", next_command=f"labctl status {state.name}"
        ) from None


class EmbeddedEndpoints:
    """`labctl.runtime.api.Endpoints` of one running lab."""

    def __init__(self, state: LabState, table: EndpointTable) -> None:
        self._state = state
        self._table = table
        pace.know(table.speed)
        self._agent: Agent | None = None
        self._lock = threading.Lock()

    @property
    def agent(self) -> Agent:
        """The connection to the guest's agent, made at first use."""
        with self._lock:
            if self._agent is None:
                self._agent = connect(self._state.root / "agent.sock")
            return self._agent

    def ssh(self, switch: str) -> SshEndpoint:
        port = self._table.ssh_ports.get(switch)
        if port is None:
            raise no_node(self._state.name, switch, self._table.ssh_ports, "switch")
        secrets = self._state.secrets
        password = (secrets / PASSWORD).read_text().strip()
        return SshEndpoint("127.0.0.1", port, USERNAME, password, self._state.ssh_config, key_file=secrets / KEY)

    def kubeconfig(self) -> Path:
        if self._table.api_port is None:
            raise no_cluster(self._state.name)
        return self._state.kubeconfig

    def kind(self, node: str) -> str | None:
        """switch, kube-node or host; None for what is no node."""
        return self._table.kinds.get(node)

    def namespace(self, node: str) -> str:
        """The network namespace of a node in the guest."""
        namespace = self._table.namespaces.get(node)
        if namespace is None:
            raise no_node(self._state.name, node, self._table.namespaces)
        return namespace

    def exec(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float | None = None) -> Completed:
        return self.agent.run(argv, ns=self.namespace(node), stdin=stdin, timeout=timeout)

    def stream(self, node: str, argv: Sequence[str], *, tty: TtySize | None = None) -> ExecStream:
        return self.agent.stream(argv, ns=self.namespace(node), tty=tty, env={"LABCTL_NODE": node})

    def capture(self, node: str, interface: str, expression: str = "") -> Capture:
        name = self._interface(node, interface)
        try:
            return self.agent.capture(self.namespace(node), name, expression)
        except AgentError:
            # names that the kernel has now
            listed = self.exec(node, ["ip", "-j", "link", "show"]).stdout
            known = [str(row["ifname"]) for row in json.loads(listed or b"[]")]
            if name in known:
                raise
            raise no_interface(node, interface, known) from None

    def _interface(self, node: str, interface: str) -> str:
        """A stand-in leaf's port-channel is captured at its bridge, where frames carry the VLAN tag."""
        bridged = self.kind(node) == "switch" and interface.lower().startswith("port-channel")
        return "br0" if bridged else kernel_name(interface)

    def console(self, switch: str) -> ByteStream:
        raise no_console(self._state.name, switch)

    def close(self) -> None:
        with self._lock:
            if self._agent is not None:
                self._agent.close()
                self._agent = None
