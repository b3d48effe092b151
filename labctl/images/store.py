"""Docker's own images and those in the nodes of a kind cluster: what is there, and what an archive brings."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from labctl.errors import HostError, InconclusiveError, UsageError
from labctl.runtime.containerlab.dockerhost import DockerHost
from labctl.runtime.containerlab.exec import DockerExec
from labctl.runtime.containerlab.hijack import hijack
from labctl.runtime.containerlab.ownership import CLUSTER

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LIMIT = 20
"""Seconds for one answer of the daemon."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An image that Docker has. ``size`` in bytes."""

    id: str
    size: int


@contextmanager
def docker_client(limit: float = LIMIT) -> Iterator[DockerClient]:
    """A client of the daemon that ``DOCKER_HOST`` or Docker's default names. Raises `HostError` when none answers."""
    import docker
    from docker.errors import DockerException

    client = None
    try:
        try:
            client = docker.from_env(timeout=int(limit))
            client.ping()
        except DockerException as error:
            where = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
            raise HostError(
                f"Docker does not answer at {where}: {_reason(error)}",
                code="docker-unreachable",
                hint="the daemon has to run, and you may have to be in the group docker, or root",
                next_command="labctl doctor --runtime containerlab",
            ) from None
        yield client
    finally:
        if client is not None:
            client.close()


def _reason(error: BaseException) -> str:
    """The system's own words, which the SDK wraps several times; else the SDK's first line."""
    inner: list[object] = [error]
    for found in inner:  # grows while it is walked
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        if isinstance(found, BaseException):
            inner += [each for each in (found.__cause__, found.__context__, *found.args) if each not in inner]
    return str(error).splitlines()[0]


def stored(client: DockerClient, names: Iterable[str]) -> Mapping[str, Stored | None]:
    """Which of the images Docker has under exactly that tag."""
    from docker.errors import ImageNotFound

    found: dict[str, Stored | None] = {}
    for name in names:
        try:
            image = client.images.get(name)
        except ImageNotFound:
            found[name] = None
        else:
            found[name] = Stored(str(image.id), int(image.attrs.get("Size", 0)))
    return found


def load_archive(client: DockerClient, archive: Path) -> list[tuple[tuple[str, ...], str]]:
    """What ``docker load`` does with a file of ``docker save``: (tags, id) of each image in it.

    Raises `UsageError` for a file that is no archive of images.
    """
    from docker.errors import DockerException

    try:
        with archive.open("rb") as stream:
            loaded = client.images.load(stream)
    except DockerException as error:  # some of them are OSErrors, too
        raise UsageError(
            f"Docker cannot load {archive}: {str(error).splitlines()[0]}",
            code="no-image-archive",
            hint="a file that `docker save -o FILE IMAGE…` wrote",
        ) from None
    except OSError as error:
        raise UsageError(f"{archive} cannot be read: {error.strerror or error}", code="unreadable") from None
    return [(tuple(image.tags), str(image.id)) for image in loaded]


IMPORT = ("ctr", "--namespace=k8s.io", "images", "import", "-")
GZIP = b"\x1f\x8b"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Imported:
    """What one node said."""

    node: str
    code: int
    output: str


def node_containers(client: DockerClient, lab: str) -> list[Container]:
    """The running node containers of a lab's cluster, by name."""
    found = client.containers.list(filters={"label": f"{CLUSTER}={lab}", "status": "running"})
    return sorted(found, key=lambda container: str(container.name))


def import_archive(containers: list[Container], archive: Path, say: Callable[[str], None]) -> list[Imported]:
    """Give the archive to each node, one after the other. Raises `InconclusiveError` for nodes that did not take it."""
    docker = DockerHost()
    done = []
    for container in containers:
        say(f"{container.name}: {archive.name}")
        done.append(_import(docker, container, archive))
    failed = [one for one in done if one.code != 0]
    if failed:
        last = (failed[0].output.strip().splitlines() or ["it said nothing"])[-1]
        raise InconclusiveError(
            f"{', '.join(one.node for one in failed)} did not take {archive}: {last}",
            code="image-import",
            next_command=f"labctl exec LAB {failed[0].node} -- crictl images",
        )
    return done


def _import(docker: DockerHost, container: Container, archive: Path) -> Imported:
    program = docker.create_exec(str(container.id), IMPORT, tty=False, stdin=True, environment={})
    body = {"Detach": False, "Tty": False}
    stream = DockerExec(docker, program, hijack(docker.socket, f"/exec/{program}/start", body, framed=True))
    try:
        with _opened(archive) as source:
            while chunk := source.read(CHUNK):
                stream.write(chunk)
        stream.close_stdin()
        output = b"".join(piece for _, piece in iter(stream.read, None))
        return Imported(str(container.name), stream.code(), output.decode(errors="replace"))
    finally:
        stream.close()


def _opened(archive: Path) -> IO[bytes]:
    """The tar file in it: what ``docker save | gzip`` made is unpacked on the way."""
    with archive.open("rb") as stream:
        packed = stream.read(2) == GZIP
    return cast("IO[bytes]", gzip.open(archive, "rb")) if packed else archive.open("rb")
