"""What is known of the versions of everything that labctl meets: one table a peer, each row with its source.

Spec, renderer, doctor, stand-ins and checks read these rows, and the pages that name a version are held to them by a
test (``tests/unit/core/test_peers.py``). *Tested* is what labctl has really been run with; *known* is what its authors
published about later ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

Version = tuple[int, ...]


def numbers(text: str) -> Version:
    """``10.5(4)``, ``v1.35.1`` or ``10.5.4.M.lite`` as numbers; empty when there are none."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", text))


def dotted(version: Version) -> str:
    """The other way round."""
    return ".".join(map(str, version))


def span(versions: tuple[Version, Version]) -> str:
    """``1.32 to 1.35``."""
    return f"{dotted(versions[0])} to {dotted(versions[1])}"


def outside(version: str | Version, versions: tuple[Version, Version]) -> int:
    """How far a version is from those of a range, by its second number: 0 inside, 1 beside it, more beyond."""
    known = (numbers(version) if isinstance(version, str) else version)[:2]
    oldest, newest = versions
    end = oldest if known < oldest else newest if known > newest else known
    return 0 if end == known else abs(known[1] - end[1]) if known[0] == end[0] else 99


class Containerlab(NamedTuple):
    """How containerlab is from a version on."""

    since: Version
    cluster_keys: frozenset[str]
    """What it reads on a node of kind ``k8s-kind`` of how the cluster is made: another row's keys it refuses."""
    kind: str
    """The kind library in it."""
    source: str
    counts_ports: bool = False
    """Whether it is sure to put ``CLAB_INTFS`` into a switch's container; the image waits for as many ports."""


EXTRAS, ON_NODE = frozenset({"extras"}), frozenset({"wait", "kubeconfig"})
CONTAINERLAB: Sequence[Containerlab] = (
    Containerlab((0, 81), ON_NODE, "0.32", "release notes 0.81: `extras` removed, its keys stand on the node"),
    Containerlab((0, 80), EXTRAS, "0.32", "release notes 0.80: `CLAB_*` variables removed; pull request 3350"),
    Containerlab((0, 78, 2), EXTRAS, "0.31", "0.79: nodes/k8s_kind, nodes/default_node.go, go.mod", counts_ports=True),
)
"""Newest first. The oldest is the first whose second `deploy` goes on where the first one ended, and that builds
without patched libraries."""
CONTAINERLAB_OLDEST = CONTAINERLAB[-1].since
CONTAINERLAB_TESTED: Version = (0, 79)
CONTAINERLAB_KNOWN: Version = (0, 83)
DEVELOPMENT: Version = (0, 0, 0)
"""What a containerlab says that was built from its sources without a version."""
WRITTEN_FOR = dotted(CONTAINERLAB[0].since)
"""The containerlab that a folder is written for where nobody says otherwise: this one and all later ones."""


def containerlab(version: str | Version) -> Containerlab:
    """The row of a containerlab. One too old for labctl is as the oldest, a build without a version as the newest."""
    known = numbers(version) if isinstance(version, str) else version
    if known == DEVELOPMENT:
        return CONTAINERLAB[0]
    return next((row for row in CONTAINERLAB if known >= row.since[: len(known)]), CONTAINERLAB[-1])


def readers(keys: frozenset[str]) -> str:
    """Which containerlab reads a topology with these of the keys that moved: ``0.81 or newer``, ``0.78.2 to 0.80``."""
    able = [row for row in CONTAINERLAB if keys <= row.cluster_keys]
    if not able:
        return "no containerlab"
    oldest = dotted(able[-1].since)
    return f"{oldest} or newer" if able[0] is CONTAINERLAB[0] else f"{oldest} to {dotted(able[0].since)}"


class Kind(NamedTuple):
    """A kind library, as containerlab carries it."""

    kubernetes: tuple[Version, Version]
    images: tuple[str, ...]
    """Versions of ``kindest/node`` that are known to go with it, newest first; the first is taken where nobody says."""
    source: str


KIND = {
    "0.32": Kind(((1, 24), (1, 37)), ("1.37.0", "1.36.4", "1.35.8", "1.34.11"),
                 "kubeadm's v1beta4 from 1.36 on (containerlab issue 3349); images: kind 0.33's release notes"),
    "0.31": Kind(((1, 24), (1, 36)), ("1.35.1",),
                 "v1beta3, which kubeadm refuses from 1.37 on (containerlab issue 3349); image: Calico 3.32's CI"),
}  # fmt: skip
KIND_COMMAND = "0.33.0"
"""The command that `scripts/install --tests` brings; its own default is the first image above."""
STANDIN_KUBERNETES = "1.34.3"
"""The control plane that ``labctl setup`` brings."""
CGROUP_V1_NEWEST: Version = (1, 34)
"""From 1.35 on a kubelet does not start on control groups version 1 (Kubernetes 1.35 release notes)."""


def kind(containerlab_version: str | Version) -> tuple[str, Kind]:
    """The kind library of a containerlab: its version and its row."""
    library = containerlab(containerlab_version).kind
    return library, KIND[library]


class Calico(NamedTuple):
    """How Calico is from a version on (tags of projectcalico/calico compared)."""

    since: Version
    kubernetes: tuple[Version, Version] | None
    """Those that Tigera tests it with (requirements page of each version); None: older than kind's."""
    standin: tuple[str, ...]
    """The versions that the stand-in cluster can be."""
    images: tuple[str, ...] = ("node", "cni", "kube-controllers")
    """What its manifest runs (manifests/calico.yaml)."""
    registry: str = "quay.io"
    all_cluster_ips: bool = True
    """Advertises every cluster IP of a Local service, not only ``spec.clusterIP``."""
    ready_endpoints: bool = False
    """Only endpoints that are ready count."""
    route_metric: int | None = None
    """Metric of BGP routes in the kernel."""
    felix_tunnels: bool = False
    """Felix programs the routes of IPIP pools (``programClusterRoutes``), not BIRD, which can no more from 3.35 on. It
    refuses pools that overlap and peers whose address is none, and reflectors pass external addresses on."""


_BEFORE_331 = Calico((3, 30), ((1, 31), (1, 35)), ("3.30.0",), all_cluster_ips=False)
_BEFORE_330 = _BEFORE_331._replace(registry="docker.io")
CALICO: Sequence[Calico] = (
    Calico((3, 33), ((1, 35), (1, 37)), ("3.33.0",), ("node", "calico"),
           ready_endpoints=True, route_metric=1024, felix_tunnels=True),
    Calico((3, 32, 2), ((1, 34), (1, 36)), ("3.32.2",), ready_endpoints=True, route_metric=1024),
    Calico((3, 32), ((1, 34), (1, 36)), ("3.32.1",), route_metric=1024),
    Calico((3, 31, 7), ((1, 32), (1, 35)), ("3.31.7",), ready_endpoints=True),
    Calico((3, 31), ((1, 32), (1, 35)), ("3.31.4",)),
    _BEFORE_331,
    _BEFORE_330._replace(since=(3, 29), kubernetes=((1, 29), (1, 32)), standin=("3.29.0",)),
    _BEFORE_330._replace(since=(3, 28), kubernetes=((1, 27), (1, 30)), standin=("3.28.0",)),
    _BEFORE_330._replace(since=(3, 27), kubernetes=((1, 27), (1, 29)), standin=("3.27.0",)),
    _BEFORE_330._replace(since=(3, 26), kubernetes=((1, 24), (1, 27)), standin=("3.26.0",)),
    _BEFORE_330._replace(since=(3, 20), kubernetes=None,
            standin=("3.25.0", "3.24.0", "3.23.0", "3.22.0", "3.21.0", "3.20.0")),
)  # fmt: skip
CALICO_ON_KIND = (min(row.since for row in CALICO if row.kubernetes), CALICO[0].since)
STANDIN_CALICO = tuple(version for row in reversed(CALICO) for version in reversed(row.standin))
WHITE_PAPER_CALICO = "3.20.0"


def calico(version: str) -> Calico:
    """The row of a Calico; a text that is no version is as the newest, an older one than any as the oldest."""
    known = numbers(version)[:3]
    full = (*known, 0, 0)[:3] if known else CALICO[0].since
    return next((row for row in CALICO if full >= row.since), CALICO[-1])


class Nxos(NamedTuple):
    """What a 9000v gets of its host from an NX-OS version on: MiB of memory and virtual processors.

    ``least_…``: below them it does not boot or does not stay up.
    """

    since: Version
    memory: int
    cpus: int
    least_memory: int
    least_cpus: int
    source: str


NXOS: Sequence[Nxos] = (
    Nxos((10, 5, 3), 8192, 4, 4608, 2, "Cisco's guide to the 9000v of 10.5: 4.5 GB at least, 8 GB recommended"),
    Nxos((10, 2), 10240, 4, 10240, 4, "caveats of netlab's documentation; vrnetlab's notes on processors"),
    Nxos((10, 1), 8192, 4, 8192, 4, "caveats of netlab's documentation"),
    Nxos((0,), 6144, 4, 6144, 4, "caveats of netlab's documentation, for 9.3"),
)
NXOS_LITE = Nxos((10, 5, 3), 6144, 4, 6144, 2, "vrnetlab's notes; that older lite images need less, nobody has said")
NXOS_DEFAULT = "10.5(4)"
NXOS_KNOWN: tuple[Version, Version] = ((9, 2), (10, 6))
FABRIC_PEERING_SINCE: Version = (10, 4)
"""vPC fabric peering on a 9000v: captured working from there on, reported not to work on 9.2 and 9.3."""
PASSTHROUGH_FIXED = datetime(2026, 6, 29, tzinfo=UTC)
"""Before that day vrnetlab's management passthrough sent wrong TCP checksums (its pull request 492): SSH stalls."""


def nxos(version: str, tag: str = "") -> Nxos:
    """What a 9000v gets of its host, by NX-OS version; ``tag``: of its image, where a lite one says so
    (``10.5.4.M.lite``)."""
    if "lite" in tag.lower() and numbers(version)[:3] >= NXOS_LITE.since:
        return NXOS_LITE
    return next(row for row in NXOS if (numbers(version) or (0,))[: len(row.since)] >= row.since)
