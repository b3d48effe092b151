"""Which images a folder needs: its boxes', and with real nodes those that its pods run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from labctl.errors import Place, Problem, SpecError
from labctl.folder import Folder
from labctl.imagename import image_name, image_trouble, where_from
from labctl.peers import calico

CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
DIGEST = "@sha256:"


@dataclass(frozen=True, slots=True)
class Need:
    """One image. ``place``: Docker has it for a box; ``pods``: the nodes pull it, unless it is loaded into them."""

    image: str
    place: Literal["boxes", "pods"]
    used_by: tuple[str, ...]
    get: str
    """The command that brings it."""


def needed(folder: Folder) -> tuple[Need, ...]:
    """Everything, boxes first: the cluster's own stands for all its nodes. Raises `SpecError` for broken YAML."""
    boxes: dict[str, list[str]] = {}
    users = {folder.lab.cluster: list(folder.lab.kube_nodes)}
    users |= {node.topology: [name] for name, node in folder.lab.nodes.items()}
    for key, image in folder.topology.images.items():
        boxes.setdefault(_whole(image), []).extend(users[key])
    found = [Need(image, "boxes", tuple(names), where_from(image)) for image, names in boxes.items()]
    if folder.lab.target.get("cluster") == "kind":
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
    kustomization: Any = next(iter(_documents(folder, "calico/kustomization.yaml")), {})
    if not isinstance(kustomization, dict):
        kustomization = {}
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
    found: dict[str, None] = {}

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            for key, value in part.items():
                if key in CONTAINERS and isinstance(value, list):
                    found.update((row["image"], None) for row in value if _has_image(row))
                else:
                    walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    for document in documents:
        walk(document)
    return list(found)


def _has_image(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("image"), str)


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
