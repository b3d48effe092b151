"""Docker on this host: containers, networks and logs, through its API on a local socket.

Docker's errors become a `HostError`; what is not there is None or an empty tuple, never an exception.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl.errors import HostError
from labctl.pace import paced

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
    health: str = ""
    """Docker's word (starting, healthy, unhealthy), empty when the image has no health check."""
    exit_code: int = 0
    tty: bool = False
    """Whether its output is a terminal's: one stream without frames."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """IPv4 address by network."""
    published: Mapping[str, int] = field(default_factory=dict)
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
    labels: Mapping[str, str]
    users: tuple[str, ...]

    @property
    def bridge(self) -> str:
        """The bridge that Docker makes for it unless told otherwise."""
        return f"br-{self.id[:12]}"


def socket_path(environment: Mapping[str, str] | None = None) -> Path:
    """The socket that ``DOCKER_HOST`` names, else Docker's own. Raises `HostError` for a daemon elsewhere."""
    given = (os.environ if environment is None else environment).get("DOCKER_HOST", "")
    if not given:
        return SOCKET
    scheme, separator, path = given.partition("://")
    if scheme != "unix" or not separator:
        raise HostError(
            f"DOCKER_HOST is {given}: the containerlab runtime needs a Docker of this host",
            code="docker-not-local",
            hint="links between containers are made in this machine's kernel",
            next_command="unset DOCKER_HOST",
        )
    return Path(path)


Wanted = Callable[[Mapping[str, str]], bool]


class DockerHost:
    """The daemon behind one socket. Safe to use from several threads."""

    def __init__(self, socket: Path | None = None, *, limit: float = CALL_LIMIT) -> None:
        """``limit``: seconds for one call."""
        self._given_socket = socket
        self._limit = limit

    @cached_property
    def socket(self) -> Path:
        """Where the daemon listens. Raises `HostError` for a daemon that is not on this host."""
        return self._given_socket or socket_path()

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
            words = str(error.explanation or error)
            raise HostError(f"Docker could not {what}: {words}", code="docker-refused") from error
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            raise HostError(f"Docker does not answer: {error}", code="docker-not-running") from error

    def containers(self, where: Wanted, without: Collection[str] = ()) -> tuple[Container, ...]:
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
        """Kill and remove it and its anonymous volumes; one that is not there is fine."""
        import docker.errors

        with self.asking(f"remove container {container}", 404) as api:
            try:
                api.remove_container(container, v=True, force=True)
            except docker.errors.APIError as error:
                if error.status_code != 409 or "already in progress" not in str(error.explanation):
                    raise

    def start(self, container: str) -> None:
        """Start one that has ended; one that runs is fine."""
        with self.asking(f"start container {container}") as api:
            api.start(container)

    def stop(self, container: str, grace: int = 10) -> None:
        """SIGTERM, and SIGKILL after ``grace`` seconds; one that does not run is fine."""
        with self.asking(f"stop container {container}") as api:
            api.stop(container, timeout=grace)

    def rename(self, container: str, name: str) -> None:
        """Another name; the one that it has is fine."""
        with self.asking(f"rename container {container}") as api:
            if str(api.inspect_container(container)["Name"]).removeprefix("/") != name:
                api.rename(container, name)

    def create_like(self, container: str, name: str) -> str:
        """A container with the configuration of another one, not yet started; returns its id."""
        with self.asking(f"make container {name}") as api:
            row = api.inspect_container(container)
            networks = (row.get("NetworkSettings") or {}).get("Networks") or {}
            ends = {
                network: {key: end.get(key) for key in ("IPAMConfig", "Aliases", "DriverOpts") if end.get(key)}
                for network, end in networks.items()
            }
            body = {**row["Config"], "HostConfig": row["HostConfig"], "NetworkingConfig": {"EndpointsConfig": ends}}
            made = api.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        return str(made["Id"])

    def kill(self, container: str, signal: str) -> None:
        """Send a signal to its first process; one that does not run any more is fine."""
        with self.asking(f"signal container {container}", 404, 409) as api:
            api.kill(container, signal)

    def create_helper(
        self, image: str, command: Sequence[str], *, network_of: str, labels: Mapping[str, str], what: str
    ) -> str:
        """A container in another one's network, removed by Docker when it ends; returns its id, not yet started."""
        with self.asking(what) as api:
            config = api.create_host_config(network_mode=f"container:{network_of}", auto_remove=True)
            made = api.create_container(
                image,
                list(command[1:]),
                entrypoint=[command[0]],
                labels=dict(labels),
                host_config=config,
                tty=False,
            )
        return str(made["Id"])

    def tail(self, container: str, lines: int | None = None) -> str:
        """The end of its log (None: all of it); empty when the container is not there."""
        data = b""
        with self.asking(f"read the log of {container}", 404) as api:
            data = api.logs(container, stdout=True, stderr=True, tail="all" if lines is None else lines)
        return data.decode(errors="replace")

    def create_exec(
        self, container: str, argv: Sequence[str], *, tty: bool, stdin: bool, environment: Mapping[str, str]
    ) -> str:
        """Prepare a program; returns its id."""
        with self.asking(f"run {argv[0]} in {container}") as api:
            made = api.exec_create(
                container, list(argv), stdin=stdin, tty=tty, environment=dict(environment), privileged=True, user="root"
            )
        return str(made["Id"])

    def exec_code(self, program: str) -> int | None:
        """Exit code of a program; None while it runs."""
        with self.asking("look at a program") as api:
            row = api.exec_inspect(program)
        return None if row.get("Running") else int(row.get("ExitCode") or 0)

    def resize_exec(self, program: str, rows: int, columns: int) -> None:
        with self.asking("resize a terminal") as api:
            api.exec_resize(program, height=rows, width=columns)

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
        return Network(row["Id"], row["Name"], _moment(row.get("Created")), row.get("Labels") or {}, users)

    def remove_network(self, network: str) -> None:
        """Remove it; one that is not there is fine."""
        with self.asking(f"remove network {network}", 404) as api:
            api.remove_network(network)


def _container(row: Mapping[str, Any]) -> Container:
    state, config, settings = (row.get(part) or {} for part in ("State", "Config", "NetworkSettings"))
    networks, ports = (settings.get(part) or {} for part in ("Networks", "Ports"))
    return Container(
        id=row["Id"],
        name=str(row["Name"]).removeprefix("/"),
        labels=config.get("Labels") or {},
        state=str(state["Status"]),
        pid=int(state.get("Pid") or 0),
        created=_moment(row.get("Created")),
        health=str((state.get("Health") or {}).get("Status") or ""),
        exit_code=int(state.get("ExitCode") or 0),
        tty=bool(config.get("Tty")),
        addresses={name: net["IPAddress"] for name, net in networks.items() if net.get("IPAddress")},
        published={inside: int(rows[0]["HostPort"]) for inside, rows in ports.items() if rows},
    )


def _moment(text: str | None) -> float:
    """Docker writes nanoseconds, which Python does not read."""
    if not text:
        return 0.0
    match = re.fullmatch(r"([\d-]+T[\d:]+)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        return 0.0
    zone = "+00:00" if match.group(3) == "Z" else match.group(3)
    return datetime.fromisoformat(match.group(1) + zone).timestamp() + float(match.group(2) or 0)
