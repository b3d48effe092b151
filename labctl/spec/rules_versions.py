"""Versions that nobody knows, that do not go together, or that an image does not have (`labctl.peers`).

Beside what is known (one version further) is a warning: its authors say that it may work. Further off is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from labctl import peers
from labctl.design import versions
from labctl.imagename import ROLES, SWITCH_ROLES, image_name, image_trouble
from labctl.spec.keys import Cluster, Spec
from labctl.spec.validation import Judge
from labctl.yamldoc import Path

KUBERNETES: Path = ("cluster", "kubernetes")
CALICO: Path = ("cluster", "calico", "version")
NXOS: Path = ("fabric", "nxos")
REAL_IMAGES = ("vrnetlab/", "kindest/")
"""Whose images are never a stand-in."""


class Misfit(NamedTuple):
    """What is wrong with a version, and what to write instead."""

    path: Path
    message: str
    hint: str
    fatal: bool = True


def judge_versions(it: Judge) -> None:
    """All of them, each at the line that asks for it."""
    found = [*of_switches(it.spec, it.switch_target), *of_cluster(it.spec, it.cluster_target, it.containerlab)]
    for misfit in (*found, *_idle_images(it)):
        (it.say if misfit.fatal else it.warn)("version", misfit.message, misfit.path, misfit.hint)


def of_switches(spec: Spec, target: str) -> Iterator[Misfit]:
    """NX-OS: known, and that of the images."""
    nxos, known = spec.fabric.nxos, peers.NXOS_KNOWN
    far = peers.outside(nxos, known)
    if far:
        why = f"labctl knows NX-OS {peers.span(known)}, not {nxos}"
        yield Misfit(NXOS, why, f"{peers.NXOS_DEFAULT} is the default", far > 1)
    for role in ("switch", *SWITCH_ROLES) if target == "n9kv" else ():
        has = versions.image_version(getattr(spec.images, role), "n9kv")
        if has and peers.numbers(has) != peers.numbers(nxos)[:3]:
            major, minor, patch = peers.numbers(has)
            why = f"this image has NX-OS {major}.{minor}({patch}), and the configuration is written for {nxos}"
            other = (major, minor) != peers.numbers(nxos)[:2]
            yield Misfit(("images", role), why, f'fabric: {{nxos: "{major}.{minor}({patch})"}}', other)


def of_cluster(spec: Spec, target: str, containerlab: str = peers.WRITTEN_FOR) -> Iterator[Misfit]:
    """Kubernetes and Calico: what the target can run, what goes together, and what the image has."""
    wanted = spec.cluster
    if not isinstance(wanted, Cluster):
        return
    if target == "standin":
        yield from _of_standin(wanted)
        return
    kubernetes, calico = versions.of_cluster(spec, target, containerlab)
    _, row = peers.kind(containerlab)
    has = versions.image_version(spec.images.node, "node")
    said_at = KUBERNETES if wanted.kubernetes else ("images", "node") if has else CALICO
    far = peers.outside(kubernetes, row.kubernetes)
    if far:
        yield _unknown_to_kind(kubernetes, containerlab, said_at, far)
    if has and wanted.kubernetes and peers.numbers(has) != peers.numbers(wanted.kubernetes):
        why = f"this image has Kubernetes {has}, and the cluster is to have {wanted.kubernetes}"
        other = peers.numbers(has)[:2] != peers.numbers(wanted.kubernetes)[:2]
        yield Misfit(("images", "node"), why, f"cluster: {{kubernetes: {has}}}", other)
    if wanted.calico.version or not far:
        yield from _of_calico(calico, kubernetes, CALICO if wanted.calico.version else said_at)


def _unknown_to_kind(kubernetes: str, containerlab: str, said_at: Path, far: int) -> Misfit:
    """``far``: how many versions further than the kind in a containerlab knows.

    Of the newest library nobody knows yet what it cannot do; of an older one it is known.
    """
    library, row = peers.kind(containerlab)
    its = f"the kind {library} of containerlab {containerlab} runs Kubernetes {peers.span(row.kubernetes)}"
    newer = peers.numbers(kubernetes)[:2] > row.kubernetes[1]
    can = newer and row is not peers.kind(peers.WRITTEN_FOR)[1]
    hint = f"--target containerlab={peers.WRITTEN_FOR}" if can else f"leave it out for {row.images[0]}"
    return Misfit(said_at, f"{its}, not {kubernetes}", hint, far > 1 or not newer or can)


def _of_calico(calico: str, kubernetes: str, path: Path) -> Iterator[Misfit]:
    far, known = peers.outside(calico, peers.CALICO_ON_KIND), peers.CALICO_ON_KIND
    newest = peers.CALICO[0].standin[0]
    if far:
        newer = peers.numbers(calico)[:2] > known[1]
        why = f"labctl knows Calico {peers.span(known)} on the Kubernetes of kind, not {calico}"
        hint = newest if newer else f"{newest}, or target: {{cluster: standin}} for an older one"
        yield Misfit(path, why, hint, far > 1 or not newer)
        return
    tested = peers.calico(calico).kubernetes
    far = peers.outside(kubernetes, tested) if tested else 0
    if tested and far:
        why = f"Calico {calico} is tested with Kubernetes {peers.span(tested)}, and the cluster has {kubernetes}"
        rows = (row for row in peers.CALICO if row.kubernetes and not peers.outside(kubernetes, row.kubernetes))
        fitting = next((row.standin[0] for row in rows), None)
        hint = f"Calico {fitting}" if fitting else f"Kubernetes {peers.dotted(tested[1])}"
        yield Misfit(path, why, hint, far > 1)


def _of_standin(wanted: Cluster) -> Iterator[Misfit]:
    """The stand-in is what it is: no version is near enough."""
    runs, known = peers.STANDIN_KUBERNETES, peers.STANDIN_CALICO
    if wanted.kubernetes not in (None, runs):
        why = f"the stand-in cluster runs Kubernetes {runs}, not {wanted.kubernetes}"
        yield Misfit(KUBERNETES, why, f"leave the version out, or write {runs}")
    if wanted.calico.version not in (None, *known):
        why = f"the stand-in cluster does not know Calico {wanted.calico.version}"
        yield Misfit(CALICO, why, f"one of {', '.join(known)}")


def _idle_images(it: Judge) -> Iterator[Misfit]:
    """Images of real nodes for a part that has stand-ins."""
    for role in ROLES:
        image = getattr(it.spec.images, role)
        part, real = ("cluster", "kind") if role == "node" else ("switch", "n9kv")
        target = it.cluster_target if role == "node" else it.switch_target
        if image is None or role == "host" or target != "standin" or image_trouble(image):
            continue
        if image_name(image).repository.startswith(REAL_IMAGES):
            why = f"{image} is no stand-in, and the target has stand-ins there"
            yield Misfit(("images", role), why, f"target: {{{part}: {real}}}", fatal=False)
