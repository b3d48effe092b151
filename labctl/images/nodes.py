"""Images into the nodes of a kind cluster, as ``kind load`` does it: containerd's own import in each of them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from labctl.errors import InconclusiveError
from labctl.runtime.containerlab.dockerhost import DockerHost
from labctl.runtime.containerlab.hijack import hijack
from labctl.runtime.containerlab.inside import DockerExec
from labctl.runtime.containerlab.ownership import CLUSTER

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

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
