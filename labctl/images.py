"""Which images a folder needs, what Docker and a kind cluster's nodes have, and what an archive brings to either."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from labctl.errors import HostError, InconclusiveError, Place, Problem, SpecError, UsageError
from labctl.folder import Folder
from labctl.imagename import image_name, image_trouble, where_from
from labctl.peers import calico
from labctl.runtime.containerlab.dockerhost import DockerExec, DockerHost
from labctl.runtime.containerlab.ownership import CLUSTER

if TYPE_CHECKING:
    from docker import DockerClient

CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
DIGEST = "@sha256:"
LIMIT = 20
"""Seconds for one answer of the daemon."""
IMPORT = ("ctr", "--namespace=k8s.io", "images", "import", "-")
GZIP = b"\x1f\x8b"
CHUNK = 1 << 20


# --- what a folder needs: its nodes' images, and with real nodes those that its pods run -----------------------------


@dataclass(frozen=True, slots=True)
class Need:
    """One image. ``place``: Docker has it for a node; ``pods``: the nodes pull it, unless it is loaded into them."""

    image: str
    place: Literal["nodes", "pods"]
    used_by: tuple[str, ...]
    get: str
    """The command that brings it."""


def needed(folder: Folder) -> tuple[Need, ...]:
    """Everything, nodes first: the cluster's own stands for all its nodes. Raises `SpecError` for broken YAML."""
    nodes: dict[str, list[str]] = {}
    users = {folder.lab.cluster: list(folder.lab.kube_nodes)}
    users |= {node.topology: [name] for name, node in folder.lab.nodes.items()}
    for key, image in folder.topology.images.items():
        nodes.setdefault(_whole(image), []).extend(users[key])
    found = [Need(image, "nodes", tuple(names), where_from(image)) for image, names in nodes.items()]
    if folder.lab.real_cluster:
        pods: dict[str, dict[str, None]] = {}
        for image, file in _pod_images(folder):
            pods.setdefault(image, {})[file] = None
        found += [Need(image, "pods", tuple(files), f"docker pull {image}") for image, files in pods.items()]
    return tuple(found)


def digests_in(folder: Folder) -> list[tuple[str, str]]:
    """(file, image) of each manifest that asks for a digest: what an archive brings has a tag alone."""
    return [(file, image) for image, file in _pod_images(folder) if DIGEST in image]


def _whole(image: str) -> str:
    """With the tag that Docker means, where the name has none; as it is written where it is no name (``${…}``)."""
    return image if image_trouble(image) else image_name(image).tagged


def _pod_images(folder: Folder) -> Iterator[tuple[str, str]]:
    """(image, file) of every manifest that is applied: calico/ by its kustomization, k8s/ as it lies there."""
    found: Any = next(iter(_documents(folder, "calico/kustomization.yaml")), {})
    kustomization: Any = found if isinstance(found, dict) else {}
    replaced = {row.get("name"): row for row in kustomization.get("images") or () if isinstance(row, dict)}
    for resource in kustomization.get("resources") or ():
        file = f"calico/{resource}"
        if (folder.path / file).is_file():
            yield from ((_replaced(image, replaced), file) for image in images_in(_documents(folder, file)))
        elif resource == "calico.yaml":
            yield from ((image, f"{file} (not there yet)") for image in calico_images(folder.lab.versions["calico"]))
    for path in sorted((folder.path / "k8s").glob("*.yaml")):
        file = f"k8s/{path.name}"
        yield from ((image, file) for image in images_in(_documents(folder, file)))


def calico_images(version: str) -> tuple[str, ...]:
    """Of a version whose manifest is not at hand."""
    row = calico(version)
    return tuple(f"{row.registry}/calico/{name}:v{version}" for name in row.images)


def images_in(documents: Iterable[Any]) -> list[str]:
    """Images of every container in Kubernetes objects, each once, in their order."""
    return list(dict.fromkeys(image for document in documents for image in _images(document)))


def _images(part: Any) -> Iterator[str]:
    for key, value in part.items() if isinstance(part, dict) else ():
        if key in CONTAINERS and isinstance(value, list):
            yield from (row["image"] for row in value if isinstance(row, dict) and isinstance(row.get("image"), str))
        else:
            yield from _images(value)
    for value in part if isinstance(part, list) else ():
        yield from _images(value)


def _replaced(image: str, rows: dict[Any, Any]) -> str:
    """As kustomize's ``images:`` has it (newName, newTag, digest)."""
    if image_trouble(image):
        return image
    parts = image_name(image)
    row = rows.get(parts.repository)
    if row is None:
        return image
    name = str(row.get("newName") or parts.repository)
    return f"{name}@{row['digest']}" if row.get("digest") else f"{name}:{row.get('newTag') or parts.tag}"


def _documents(folder: Folder, file: str) -> list[Any]:
    try:
        text = (folder.path / file).read_text(encoding="utf-8")
        return list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise SpecError([Problem("unreadable", f"{file} cannot be read: {reason}", Place(file))]) from None


# --- what Docker and a cluster's nodes have --------------------------------------------------------------------------


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

    with ExitStack() as stack:
        try:
            client = docker.from_env(timeout=int(limit))
            stack.callback(client.close)
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

    found: dict[str, Stored | None] = dict.fromkeys(names)
    for name in found:
        with suppress(ImageNotFound):
            image = client.images.get(name)
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


def import_archive(client: DockerClient, lab: str, archive: Path, say: Callable[[str], None]) -> list[str]:
    """Give the archive to each running node of a lab's cluster, one after the other; their containers, by name.

    Raises `InconclusiveError` where none runs, and for nodes that did not take it.
    """
    docker, wrong = DockerHost(), dict[str, str]()
    found = client.containers.list(filters={"label": f"{CLUSTER}={lab}", "status": "running"})
    ids = {str(container.name): str(container.id) for container in found}
    if not ids:
        raise InconclusiveError(f"no node of lab {lab} runs", code="no-nodes", next_command=f"labctl status {lab}")
    for node in sorted(ids):
        say(f"{node}: {archive.name}")
        code, output = _import(docker, ids[node], archive)
        if code != 0:
            wrong[node] = (output.strip().splitlines() or ["it said nothing"])[-1]
    if wrong:
        first = next(iter(wrong))
        message = f"{', '.join(wrong)} did not take {archive}: {wrong[first]}"
        raise InconclusiveError(message, code="image-import", next_command=f"labctl exec LAB {first} -- crictl images")
    return sorted(ids)


def _import(docker: DockerHost, container: str, archive: Path) -> tuple[int, str]:
    """Exit code and words of the node's own import; what ``docker save | gzip`` made is unpacked on the way."""
    stream = DockerExec(docker, container, IMPORT, stdin=True)
    try:
        with archive.open("rb") as file:
            packed = file.read(2) == GZIP
        with gzip.open(archive) if packed else archive.open("rb") as source:
            while chunk := source.read(CHUNK):
                stream.write(chunk)
        stream.close_stdin()
        output = b"".join(piece for _, piece in iter(stream.read, None))
        return stream.code(), output.decode(errors="replace")
    finally:
        stream.close()
