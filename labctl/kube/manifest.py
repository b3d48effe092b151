"""Judging Calico's manifest: that it is one, of the version that the lab was rendered for. Pure.

What is looked for is what `labctl.render.cluster` patches: the DaemonSet calico-node with a container of that name, and
the ConfigMap calico-config, both in kube-system. The operator's manifests have neither.
(projectcalico/calico, manifests/calico.yaml; the same objects from 3.20 to 3.33.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from labctl.errors import Place, Problem, SpecError
from labctl.kube.api import Json

OURS = re.compile(r"(?:^|/)calico/[\w.-]+$")
"""An image of Calico, in whatever registry: ``calico/node``, ``registry.example/mirror/calico/cni``."""


@dataclass(frozen=True, slots=True)
class ManifestFacts:
    """What a good manifest is made of."""

    images: tuple[str, ...]
    warnings: tuple[str, ...]


def judge(items: Sequence[Json], version: str, file: str) -> ManifestFacts:
    """Facts of a manifest; ``file`` names it in problems. Raises `SpecError` with everything that is wrong."""
    problems = list(_shape(items, file))
    images = tuple(dict.fromkeys(image for item in items for image in _images(item)))
    calicos = [image for image in images if OURS.search(_parts(image)[0])]
    if not problems and not calicos:
        problems.append(Problem("no-calico-manifest", "no image of Calico is in it", Place(file)))
    for image in calicos:
        tag = _parts(image)[1]
        if tag and tag != f"v{version}" and not tag.startswith(f"v{version}-"):
            message = f"the lab has Calico {version}, and this manifest has {image}"
            problems.append(
                Problem("calico-version", message, Place(file), f"cluster.calico.version: {tag.lstrip('v')}")
            )
    if problems:
        raise SpecError(problems)
    return ManifestFacts(images, tuple(_digests(images)))


def _shape(items: Sequence[Json], file: str) -> Iterator[Problem]:
    found = {(item["kind"], item["metadata"].get("namespace"), item["metadata"].get("name")): item for item in items}
    hint = "labctl wants manifests/calico.yaml of a release, not the operator's"
    for kind, name in (("DaemonSet", "calico-node"), ("ConfigMap", "calico-config")):
        if (kind, "kube-system", name) not in found:
            yield Problem("no-calico-manifest", f"there is no {kind} {name} in kube-system in it", Place(file), hint)
    node = found.get(("DaemonSet", "kube-system", "calico-node"))
    if node is not None and "calico-node" not in [row.get("name") for row in _containers(node)]:
        message = "its DaemonSet calico-node has no container calico-node"
        yield Problem("no-calico-manifest", message, Place(file), hint)


def _containers(item: Json) -> Iterator[Json]:
    pod: Any = (item.get("spec") or {}).get("template") or {}
    for field in ("initContainers", "containers"):
        yield from (pod.get("spec") or {}).get(field) or ()


def _images(item: Json) -> Iterator[str]:
    yield from (str(row["image"]) for row in _containers(item) if row.get("image"))


def _parts(image: str) -> tuple[str, str]:
    """(name with registry, tag) of a reference; a registry may have a port."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "")


def _digests(images: Sequence[str]) -> Iterator[str]:
    for image in images:
        if "@" in image:
            yield f"{image} has a digest: an image that was loaded from an archive has none, so it would be pulled"
