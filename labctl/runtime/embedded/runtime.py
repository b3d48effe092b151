"""The embedded runtime as the engine sees it: starts the lab's daemon, is its client, reaches the nodes, reads logs.

Nodes are reached by SSH and the API server on loopback, the rest through the agent. How, is read from
``endpoints.json``, which the daemon writes once the nodes exist.

The daemon is asked on a unix socket, in JSON lines, one request a connection: ``{"verb": …}``. It answers any number of
``{"progress": "…"}`` and then exactly one ``{"result": …}`` or ``{"error": …}``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl import errors, pace
from labctl.cache import cache_dir
from labctl.errors import HostError, InconclusiveError, LabctlError, LabError
from labctl.guest.api import AgentError, ByteStream, Capture, Completed, ExecStream, TtySize
from labctl.guest.client import Agent, connect
from labctl.pace import limit, paced
from labctl.runtime.api import NodeStatus, Observation, Progress, SshEndpoint, SwitchLogin
from labctl.runtime.ports import kernel_name
from labctl.runtime.processes import (
    ProcessRecord,
    end_leftovers,
    is_running,
    open_log,
    read_records,
    start_time,
    tail,
    write_records,
)
from labctl.runtime.refusals import no_cluster, no_console, no_interface, no_node, not_running
from labctl.state import LabState, state_root
from labctl.waiting import Deadline, DeadlinePassed, Late, NotYet, wait_for

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


# --- the daemon's control socket ------------------------------------------------------------------------------------

KINDS: tuple[type[LabctlError], ...] = (
    errors.RejectedError, errors.SpecError, errors.UsageError, errors.GateMissed, errors.InconclusiveError,
    errors.HostError, errors.LabError, errors.CheckFailed,
)  # fmt: skip
"""Errors that travel."""


class DaemonGone(LabError):
    """Nobody answers on the control socket."""

    code = "daemon-gone"


class DaemonLate(DaemonGone, InconclusiveError, Late):
    """It listens, and has not answered in time: nothing can be said (exit 3)."""

    code = "daemon-late"


def request(
    path: Path, verb: str, *, progress: Callable[[str], None] | None = None, timeout: float | None = None
) -> dict[str, Any]:
    """Ask the daemon and give its result. Raises the error that the daemon raised, or `DaemonGone`.

    ``timeout``: seconds between two of its words, None: as long as a call may take.
    """
    timeout = limit("call") if timeout is None else timeout
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(json.dumps({"verb": verb}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                for answer in map(json.loads, lines):
                    if "error" in answer:
                        raise rebuild(answer["error"])
                    if "result" in answer:
                        result: dict[str, Any] = answer["result"]
                        return result
                    if progress:
                        progress(answer["progress"])
    except TimeoutError:
        raise DaemonLate(f"the lab's daemon said nothing for {timeout:.0f} s") from None
    except OSError as error:
        raise DaemonGone(f"the lab's daemon does not answer: {error}") from None
    raise DaemonGone("the lab's daemon closed the connection")


def rebuild(data: dict[str, Any]) -> LabctlError:
    """The error on this side."""
    name = data.pop("type")
    kind = next((kind for kind in KINDS if kind.__name__ == name), LabError)
    problems = [errors.Problem(**{**row, "place": _place(row["place"])}) for row in data.pop("problems")]
    if issubclass(kind, errors.SpecError):
        return kind(problems, next_command=data["next_command"])
    return kind(**{**data, "place": _place(data["place"])})


def _place(row: dict[str, Any] | None) -> errors.Place | None:
    return errors.Place(**row) if row else None


# --- the runtime ----------------------------------------------------------------------------------------------------

GUEST_FOLDERS = {"switch": "/var/log/labctl/{node}", "kube-node": "/run/labctl/calico/{namespace}"}

CREATE_LIMIT = 600.0
"""Seconds between two words of a daemon that makes the nodes: it has limits of its own."""
DESTROY_LIMIT = 30.0


class EmbeddedRuntime:
    """`labctl.runtime.api.Runtime` on this host alone: no root, no Docker, no images but the guest's."""

    name = "embedded"
    images = reached = kept = False
    limit = 600.0

    def __init__(self, state: LabState, launcher: str = "auto") -> None:
        self._state = state
        self._launcher = launcher

    @classmethod
    def of(cls, state: LabState, *, launcher: str = "auto", login: SwitchLogin | None = None) -> EmbeddedRuntime:
        del login  # a stand-in's account is made with the lab
        return cls(state, launcher)

    @property
    def _socket(self) -> Path:
        return self._state.root / "daemon.sock"

    @property
    def _record(self) -> Path:
        return self._state.root / "daemon.json"

    def create(self, folder: Path, *, progress: Progress) -> EmbeddedEndpoints:
        if folder != self._state.folder:
            raise LabError("the embedded runtime runs the folder in the lab's state")
        self._state.make()
        for left in ("cluster", "guest", "front-ends"):  # of an earlier run: nothing of it is used again
            shutil.rmtree(self._state.root / left, ignore_errors=True)
        self._state.write(self._state.runtime_file, json.dumps({"runtime": self.name, "launcher": self._launcher}))
        self._await_socket(self._start_daemon())
        request(self._socket, "create", progress=progress, timeout=CREATE_LIMIT)
        return self.endpoints()

    def _start_daemon(self) -> subprocess.Popen[bytes]:
        log = open_log(self._state.logs / "daemon.log")
        try:
            child = subprocess.Popen(
                (sys.executable, "-m", "labctl.runtime.embedded.daemon", self._state.name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._state.root,
                env={**os.environ, **_places()},
            )
        finally:
            os.close(log)
        write_records(self._record, [ProcessRecord("daemon", child.pid, start_time(child.pid) or 0)])
        return child

    def _await_socket(self, child: subprocess.Popen[bytes]) -> None:
        def answers() -> bool | NotYet:
            if child.poll() is not None:
                raise LabError(f"the lab's daemon ended at once: {tail(self._state.logs / 'daemon.log')}")
            try:
                request(self._socket, "observe", timeout=2.0)
            except DaemonGone as gone:
                return NotYet(gone.message)
            return True

        try:
            wait_for(answers, Deadline(limit("start")), every=0.02)
        except DeadlinePassed as passed:
            raise InconclusiveError(f"the lab's daemon did not start: {passed.reason}") from None

    def _daemon(self) -> list[ProcessRecord]:
        """The daemon's process if it runs."""
        return list(filter(is_running, read_records(self._record)))

    def observe(self) -> Observation:
        detail = "the lab's daemon does not run"
        if self._daemon():
            try:
                answer = request(self._socket, "observe")
            except DaemonGone as gone:
                detail = gone.message
            else:
                nodes = {row["name"]: NodeStatus(**row) for row in answer.pop("nodes")}
                return Observation(self.name, nodes=nodes, **answer)
        try:
            table = read_table(self._state)
        except InconclusiveError:
            return Observation(self.name, None, alive=False, nodes={}, detail=detail)
        nodes = {
            name: NodeStatus(name, kind, "dead", table.management.get(name))  # type: ignore[arg-type]
            for name, kind in table.kinds.items()
        }
        return Observation(self.name, None, alive=False, nodes=nodes, detail=detail)

    def pids(self) -> dict[str, int]:
        """Every process of the lab that runs, by name."""
        records = [*read_records(self._state.processes), *read_records(self._record)]
        return {record.name: record.pid for record in records if is_running(record)}

    def endpoints(self) -> EmbeddedEndpoints:
        if not self._daemon():
            raise not_running(self._state.name, "its daemon is gone")
        return EmbeddedEndpoints(self._state, read_table(self._state))

    def destroy(self, *, progress: Progress) -> None:
        daemon = self._daemon()
        if daemon:
            try:
                request(self._socket, "destroy", progress=progress, timeout=paced(DESTROY_LIMIT))
            except DaemonGone as gone:
                progress(gone.message)
            with contextlib.suppress(DeadlinePassed):
                wait_for(lambda: NotYet("the daemon still runs") if self._daemon() else True, Deadline(5.0), every=0.02)
            end_leftovers(daemon, Deadline(5.0))
        for left in end_leftovers(read_records(self._state.processes), Deadline(5.0)):
            progress(f"ended left-over {left.name} (pid {left.pid})")
        endpoints_file(self._state).unlink(missing_ok=True)

    def rebuild(self, switch: str, *, progress: Progress) -> None:  # noqa: ARG002 - the protocol's
        raise self._cannot(f"make {switch} anew")

    def recover(self, node: str, *, progress: Progress) -> None:  # noqa: ARG002 - the protocol's
        raise self._cannot(f"recover {node}")

    def _cannot(self, what: str) -> HostError:
        return HostError(
            f"the embedded runtime cannot {what}: all of its nodes live and die with one guest",
            code="runtime-cannot",
            hint="up makes the whole lab anew within seconds",
            next_command=f"labctl down {self._state.name}",
        )

    def last_line(self, node: str) -> str:
        path = self._state.logs / f"{node}.log"
        return tail(path, 1) if path.is_file() and path.stat().st_size else ""

    def logs(self, node: str | None = None) -> str:
        """Texts with a heading each, of all processes, or of one node or process."""
        pieces = []
        for path in sorted(self._state.logs.glob("*.log")):
            text = path.read_text(errors="replace")
            if node is None or path.name.removesuffix(".log") == node:
                pieces.append((path.name, text))
            elif path.name == "node-agents.log":
                # one process serves all nodes: each of its lines names its node after the time
                lines = [line for line in text.splitlines() if line.partition(" ")[2].startswith(f"{node} ")]
                pieces.append((f"{path.name} (lines of {node})", "\n".join(lines)))
        if node is not None:
            pieces += self._guest_logs(node)
        return "\n".join(f"==> {name} <==\n{text.rstrip()}" for name, text in pieces if text.strip())

    def _guest_logs(self, node: str) -> list[tuple[str, str]]:
        try:
            endpoints = self.endpoints()
        except InconclusiveError:
            return []  # it does not run (yet, or any more): what the host has is all there is
        kind = endpoints.kind(node)
        if kind not in GUEST_FOLDERS:
            return []
        folder = GUEST_FOLDERS[kind].format(node=node, namespace=endpoints.namespace(node))
        try:
            listed = endpoints.exec(node, ["find", folder, "-name", "*.log", "-size", "+0"])
            names, read = sorted(listed.stdout.decode(errors="replace").split()), endpoints.agent.read_file
            return [(f"guest:{name}", read(name).decode(errors="replace")) for name in names]
        except (AgentError, InconclusiveError) as error:
            return [("guest", f"its logs cannot be read now: {error}")]


def _places() -> dict[str, str]:
    """Folders that the environment names, as they are seen from any other one: the daemon works in the lab's."""
    given = {"LABCTL_STATE_DIR": state_root, "LABCTL_CACHE_DIR": cache_dir}
    return {name: str(place().absolute()) for name, place in given.items() if name in os.environ}
