"""Docker on this host: containers, networks, logs and the streams of programs, through its API on a local socket.

Docker's errors become a `HostError`; what is not there is None or an empty tuple, never an exception.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labctl.errors import HostError
from labctl.guest.api import AgentError, AgentTimeout, TtySize
from labctl.pace import limit, paced
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

if TYPE_CHECKING:
    import docker

SOCKET = Path("/var/run/docker.sock")
CALL_LIMIT = 60.0
"""Seconds for one call; a removal on a loaded machine takes several."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container as Docker has it now. ``pid`` is 0 unless it runs; ``created`` is seconds since the epoch."""

    id: str
    name: str
    labels: Mapping[str, str]
    state: str
    """Docker's word: created, running, paused, restarting, removing, exited, dead."""
    pid: int
    created: float
    health: str
    """Docker's word (starting, healthy, unhealthy), empty when the image has no health check."""
    exit_code: int
    tty: bool
    """Whether its output is a terminal's: one stream without frames."""
    addresses: Mapping[str, str]
    """IPv4 address by network."""
    published: Mapping[str, int]
    """Port of this host by port of the container, as in ``6443/tcp``."""

    @property
    def running(self) -> bool:
        return self.state == "running" and self.pid > 0


@dataclass(frozen=True, slots=True)
class Network:
    """A network as Docker has it now. ``users``: names of the containers on it, running or not."""

    id: str
    name: str
    created: float
    users: tuple[str, ...]


class DockerHost:
    """The daemon behind one socket. Safe to use from several threads."""

    def __init__(self, socket: Path | None = None, *, limit: float = CALL_LIMIT) -> None:
        """``limit``: seconds for one call."""
        self._given_socket = socket
        self._limit = limit

    @cached_property
    def socket(self) -> Path:
        """What ``DOCKER_HOST`` names, else Docker's own. Raises `HostError` for a daemon that is not on this host."""
        given = os.environ.get("DOCKER_HOST", "")
        if self._given_socket or not given:
            return self._given_socket or SOCKET
        if not given.startswith("unix://"):
            raise HostError(
                f"DOCKER_HOST is {given}: the containerlab runtime needs a Docker of this host",
                code="docker-not-local",
                hint="links between containers are made in this machine's kernel",
                next_command="unset DOCKER_HOST",
            )
        return Path(given.removeprefix("unix://"))

    @cached_property
    def _api(self) -> docker.APIClient:
        import docker

        api = docker.APIClient(
            base_url=f"unix://{self.socket}", version="auto", timeout=max(1, int(paced(self._limit)))
        )
        api.trust_env = False  # requests would look for a proxy at every call, which no unix socket has
        return api

    @contextmanager
    def asking(self, what: str, *fine: int) -> Iterator[docker.APIClient]:
        """Docker's client, for one thing that is asked of it: its errors become a `HostError`.

        ``fine``: answers (HTTP) that end it without one, as 404 for what is not there.
        """
        import docker.errors
        import requests

        if not self.socket.exists():
            raise HostError(
                f"Docker does not answer: there is no {self.socket}",
                code="docker-not-running",
                hint="start it: systemctl start docker",
            )
        if not os.access(self.socket, os.R_OK | os.W_OK):
            raise HostError(
                f"this user may not use Docker: {self.socket} is closed to it",
                code="docker-no-rights",
                hint="run labctl as root, or: usermod -aG docker USER, then log in again",
            )
        try:
            yield self._api
        except docker.errors.APIError as error:
            if error.status_code in fine:
                return
            reason = str(error.explanation or error)
            raise HostError(f"Docker could not {what}: {reason}", code="docker-refused") from error
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise HostError(f"Docker does not answer: {error}", code="docker-not-running") from error

    def containers(
        self, where: Callable[[Mapping[str, str]], bool], without: Collection[str] = ()
    ) -> tuple[Container, ...]:
        """Every container, running or not, whose labels are as ``where`` wants them, by name.

        Each is looked at with a call of its own: those whose ids are in ``without`` are left out, and cost none.
        """
        with self.asking("list containers") as api:
            rows = api.containers(all=True)
        ids = [row["Id"] for row in rows if where(row["Labels"] or {})]
        found = [self.container(name) for name in ids if name not in without]
        return tuple(sorted((one for one in found if one), key=lambda one: one.name))

    def container(self, name: str) -> Container | None:
        """By name or id; None when there is none."""
        found = None
        with self.asking(f"look at container {name}", 404) as api:
            found = _container(api.inspect_container(name))
        return found  # noqa: RET504 - it stays None where Docker knows none

    def remove(self, container: str) -> None:
        """Kill and remove it and its anonymous volumes; one that is not there, or is being removed, is fine."""
        with self.asking(f"remove container {container}", 404, 409) as api:
            api.remove_container(container, v=True, force=True)

    def start(self, container: str) -> None:
        """Start one that has ended; one that runs is fine."""
        with self.asking(f"start container {container}") as api:
            api.start(container)

    def tail(self, container: str, lines: int | None = None) -> str:
        """The end of its log (None: all of it); empty when the container is not there."""
        data = b""
        with self.asking(f"read the log of {container}", 404) as api:
            data = api.logs(container, stdout=True, stderr=True, tail="all" if lines is None else lines)
        return data.decode(errors="replace")

    def network(self, name: str) -> Network | None:
        """By its exact name; None when there is none."""
        with self.asking("list networks") as api:
            rows = [row for row in api.networks(names=[name]) if row["Name"] == name]
            if not rows:
                return None
            row = api.inspect_network(rows[0]["Id"])
            # its own list of containers lacks those that are stopped, which would not start again without it
            on_it = api.containers(all=True, filters={"network": [row["Id"]]})
        users = tuple(sorted(str(one["Names"][0]).removeprefix("/") for one in on_it if one.get("Names")))
        return Network(row["Id"], row["Name"], _moment(row), users)


def _container(row: Mapping[str, Any]) -> Container:
    state, config, settings = (row.get(part) or {} for part in ("State", "Config", "NetworkSettings"))
    networks, ports = (settings.get(part) or {} for part in ("Networks", "Ports"))
    return Container(
        id=row["Id"],
        name=str(row["Name"]).removeprefix("/"),
        labels=config.get("Labels") or {},
        state=str(state["Status"]),
        pid=int(state.get("Pid") or 0),
        created=_moment(row),
        health=str((state.get("Health") or {}).get("Status") or ""),
        exit_code=int(state.get("ExitCode") or 0),
        tty=bool(config.get("Tty")),
        addresses={name: net["IPAddress"] for name, net in networks.items() if net.get("IPAddress")},
        published={inside: int(rows[0]["HostPort"]) for inside, rows in ports.items() if rows},
    )


def _moment(row: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(row["Created"]).timestamp()


HEADER = struct.Struct(">BxxxI")
"""Before each piece when there is no terminal: 1 is stdout, 2 is stderr; then its length."""
STDERR = 2
ENVIRONMENT = {"LANG": "C.UTF-8", "TERM": "xterm"}


class Hijacked:
    """A program's streams: the connection of one request, taken over after its headers.

    Docker's own client for Python reads the headers through a buffer and then goes around it, so output that came along
    with the headers is lost on a slow machine; here that buffer is read on. ``framed`` is False on a terminal, where
    all output is one stream.
    """

    def __init__(self, path: Path, target: str, body: Mapping[str, Any], *, framed: bool) -> None:
        """POST to Docker's socket and keep the connection. Raises `AgentError` with Docker's words."""
        self._framed = framed
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._answer = HTTPResponse(self._socket, method="POST")
        data = json.dumps(body).encode()
        head = (
            f"POST {target} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        self._socket.settimeout(limit("connect"))
        try:
            self._socket.connect(str(path))
            self._socket.sendall(head.encode() + data)
            self._answer.begin()
            refused = b"" if self._answer.status in (101, 200) else self._answer.read() or b"without a word"
        except (OSError, HTTPException) as error:
            self._socket.close()
            raise AgentError(f"Docker could not run it: {error}") from error
        if refused:
            self._socket.close()
            raise AgentError(f"Docker could not run it: {refused.decode(errors='replace').strip()}")
        self._socket.settimeout(None)

    def settimeout(self, seconds: float | None) -> None:
        """How long one read may take (None: for ever); TimeoutError afterwards."""
        self._socket.settimeout(seconds)

    def read(self) -> tuple[Literal["stdout", "stderr"], bytes] | None:
        """The next piece of output; None at the end."""
        output = self._answer.fp
        try:
            if not self._framed:
                data = output.read1(65536)
                return ("stdout", data) if data else None
            header = output.read(HEADER.size)
            if len(header) < HEADER.size:
                return None
            kind, size = HEADER.unpack(header)
            return ("stderr" if kind == STDERR else "stdout"), output.read(size)
        except TimeoutError:
            raise
        except OSError:
            return None  # reset, or closed here by another thread

    def close(self) -> None:
        with suppress(OSError):  # the other side may have been first
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that reads
        self._socket.close()


class DockerExec(Hijacked):
    """`labctl.guest.api.ExecStream` over Docker's API."""

    def __init__(
        self,
        docker: DockerHost,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bool,
        tty: TtySize | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start a program, by root. Raises `HostError` or `AgentError` with Docker's words."""
        self._docker = docker
        terminal = tty is not None
        with docker.asking(f"run {argv[0]} in {container}") as api:
            made = api.exec_create(
                container, [*argv], stdin=stdin, tty=terminal, environment={**ENVIRONMENT, **(env or {})},
                privileged=True, user="root",
            )  # fmt: skip
        self._program = str(made["Id"])
        body = {"Detach": False, "Tty": terminal}
        super().__init__(docker.socket, f"/exec/{self._program}/start", body, framed=not terminal)
        if tty:
            self.resize(tty)

    def write(self, data: bytes) -> None:
        with suppress(OSError):  # it has ended or closed its input: its output tells
            self._socket.sendall(data)

    def close_stdin(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def resize(self, size: TtySize) -> None:
        with self._docker.asking("resize a terminal") as api:
            api.exec_resize(self._program, height=size.rows, width=size.columns)

    def signal(self, number: int) -> None:
        """Docker's API sends no signals to programs: said, not ignored."""
        raise HostError(
            f"signal {number} cannot be sent through Docker",
            code="docker-no-signal",
            hint="root can: run labctl as root",
        )

    def code(self) -> int:
        def ended() -> int | NotYet:
            with self._docker.asking("look at a program") as api:
                row = api.exec_inspect(self._program)
            return NotYet("it still runs") if row.get("Running") else int(row.get("ExitCode") or 0)

        try:
            return wait_for(ended, Deadline(limit("end")), every=0.05)
        except DeadlinePassed as passed:
            raise AgentTimeout(f"a program closed its output and goes on: {passed.reason}") from None
