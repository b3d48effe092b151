"""Images into the nodes of a kind cluster, as ``kind load`` does it: containerd's own import in each of them."""

from __future__ import annotations

import gzip
import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from labctl.errors import InconclusiveError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

CLUSTER = "io.x-k8s.kind.cluster"
"""The label of kind's containers; its value is the cluster's name, and that is the lab's."""
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


def import_archive(
    client: DockerClient, containers: list[Container], archive: Path, say: Callable[[str], None]
) -> list[Imported]:
    """Give the archive to each node, one after the other. Raises `InconclusiveError` for nodes that did not take it."""
    done = []
    for container in containers:
        say(f"{container.name}: {archive.name}")
        done.append(_import(client, container, archive))
    failed = [one for one in done if one.code != 0]
    if failed:
        last = (failed[0].output.strip().splitlines() or ["it said nothing"])[-1]
        raise InconclusiveError(
            f"{', '.join(one.node for one in failed)} did not take {archive}: {last}",
            code="image-import",
            next_command=f"labctl exec LAB {failed[0].node} -- crictl images",
        )
    return done


def _import(client: DockerClient, container: Container, archive: Path) -> Imported:
    api = client.api
    execution = api.exec_create(container.id, list(IMPORT), stdin=True, stdout=True, stderr=True)
    # the SDK gives a file over the connection; its socket is needed to say that the input ends
    with closing(cast("Any", api.exec_start(execution["Id"], socket=True))) as stream:
        connection: socket.socket = getattr(stream, "_sock", stream)
        connection.settimeout(None)
        try:
            with _opened(archive) as source:
                shutil.copyfileobj(source, cast("Any", _Sink(connection)), CHUNK)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has ended before its input did: its exit code and its words say why
        else:
            connection.shutdown(socket.SHUT_WR)
        output = _demultiplexed(connection)
    code = api.exec_inspect(execution["Id"])["ExitCode"]
    return Imported(str(container.name), -1 if code is None else int(code), output)


@dataclass(frozen=True, slots=True)
class _Sink:
    connection: socket.socket

    def write(self, chunk: bytes) -> int:
        self.connection.sendall(chunk)
        return len(chunk)


def _opened(archive: Path) -> IO[bytes]:
    """The tar file in it: what ``docker save | gzip`` made is unpacked on the way."""
    with archive.open("rb") as stream:
        packed = stream.read(2) == GZIP
    return cast("IO[bytes]", gzip.open(archive, "rb")) if packed else archive.open("rb")


def _demultiplexed(connection: socket.socket) -> str:
    """What came of stdout and stderr: frames of a stream number, three zeros, a length (Docker's API, "attach")."""
    raw = bytearray()
    while True:
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:
            break
        if not chunk:
            break
        raw += chunk
    text, position = bytearray(), 0
    while position + 8 <= len(raw):
        length = int.from_bytes(raw[position + 4 : position + 8], "big")
        text += raw[position + 8 : position + 8 + length]
        position += 8 + length
    return text.decode(errors="replace")
