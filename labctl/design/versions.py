"""Versions that labctl's parts can run, per target. What cannot run is a spec error at its line."""

from __future__ import annotations

STANDIN_KUBERNETES = "1.34.3"
"""The control plane that ``labctl setup`` brings."""
STANDIN_CALICO = ("3.20.0", "3.21.0", "3.22.0", "3.23.0", "3.24.0", "3.25.0", "3.26.0", "3.27.0", "3.28.0", "3.29.0",
                  "3.30.0", "3.31.4", "3.31.7", "3.32.1")  # fmt: skip
STANDIN_CALICO_DEFAULT = "3.20.0"
"""The white paper's."""
KIND_CALICO_DEFAULT = "3.32.1"
KIND_CALICO_OLDEST = (3, 26)
KIND_KUBERNETES_DEFAULT = "1.35.1"
KIND_KUBERNETES_NEWEST = (1, 36)
"""containerlab up to 0.79 carries kind 0.31, whose kubeadm configuration 1.37 rejects."""
FABRIC_PEERING_SINCE = (10, 4)


def numbers(version: str) -> tuple[int, ...]:
    """``3.20.0`` or ``10.5(4)`` as numbers."""
    return tuple(int(part) for part in "".join(c if c.isdigit() else " " for c in version).split())


def kubernetes(cluster: str, wanted: str | None) -> str:
    """The Kubernetes version of a target."""
    return wanted or (STANDIN_KUBERNETES if cluster == "standin" else KIND_KUBERNETES_DEFAULT)


def calico(cluster: str, wanted: str | None) -> str:
    """The Calico version of a target."""
    return wanted or (STANDIN_CALICO_DEFAULT if cluster == "standin" else KIND_CALICO_DEFAULT)


Reason = tuple[str, str]
"""(why a target cannot run a version, what to write instead)"""


def kubernetes_problem(cluster: str, wanted: str | None) -> Reason | None:
    """Why a target cannot run that Kubernetes."""
    if wanted is None:
        return None
    if cluster == "standin" and wanted != STANDIN_KUBERNETES:
        why = f"the stand-in cluster runs Kubernetes {STANDIN_KUBERNETES}, not {wanted}"
        return why, f"leave the version out, or write {STANDIN_KUBERNETES}"
    if cluster == "kind" and numbers(wanted)[:2] > KIND_KUBERNETES_NEWEST:
        why = f"the kind library of containerlab runs Kubernetes 1.36 at most, not {wanted}"
        return why, f"leave the version out for {KIND_KUBERNETES_DEFAULT}"
    return None


def calico_problem(cluster: str, wanted: str | None) -> Reason | None:
    """Why a target cannot run that Calico."""
    if wanted is None:
        return None
    if cluster == "standin" and wanted not in STANDIN_CALICO:
        return f"the stand-in cluster does not know Calico {wanted}", f"one of {', '.join(STANDIN_CALICO)}"
    if cluster == "kind" and numbers(wanted)[:2] < KIND_CALICO_OLDEST:
        oldest = ".".join(map(str, KIND_CALICO_OLDEST))
        why = f"Calico {wanted} does not run on the Kubernetes of today's kind, which takes {oldest} or newer"
        return why, f"leave the version out for {KIND_CALICO_DEFAULT}, or target: {{cluster: standin}}"
    return None
