"""What kind tells a node: ``/kind/kubeadm.conf``, several YAML documents of kubeadm's API (v1beta3 or v1beta4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from labctl.errors import LabError


class BadKubeadmConfig(LabError):
    """The file lacks something that a node must know."""

    code = "bad-kubeadm-config"


@dataclass(frozen=True, slots=True)
class KubeadmConfig:
    """The parts that a stand-in node uses."""

    name: str
    """``nodeRegistration.name``: what Kubernetes calls the node."""
    addresses: tuple[str, ...]
    """``node-ip``: of eth0, IPv4 first where there is one."""
    cluster: str
    endpoint: str
    """``host:port`` of the API server."""
    token: str
    pods: tuple[str, ...]
    services: tuple[str, ...]
    names: tuple[str, ...]
    """``apiServer.certSANs``."""


def read_config(path: Path, verb: str, hostname: str) -> KubeadmConfig:
    """Of ``kubeadm init`` or ``join``: every node's file has the documents for both. Raises `BadKubeadmConfig`."""
    documents = _documents(path)
    cluster = documents.get("ClusterConfiguration", {})
    of_verb = documents.get("JoinConfiguration" if verb == "join" else "InitConfiguration", {})
    own = of_verb.get("nodeRegistration") or {}
    networking = cluster.get("networking") or {}
    endpoint, token = _joined_by(documents) if verb == "join" else _begun_with(documents)
    address = str(_arguments(own.get("kubeletExtraArgs")).get("node-ip", ""))
    needed = (("an API server endpoint", endpoint), ("a bootstrap token", token), ("node-ip", address))
    missing = [what for what, value in needed if not value]
    if missing:
        raise BadKubeadmConfig(f"{path} lacks {', '.join(missing)}")
    return KubeadmConfig(
        str(own.get("name") or hostname), _parts(address), str(cluster.get("clusterName") or "kubernetes"), endpoint,
        token, _parts(networking.get("podSubnet")), _parts(networking.get("serviceSubnet")),
        tuple((cluster.get("apiServer") or {}).get("certSANs") or ()),
    )  # fmt: skip


def _documents(path: Path) -> dict[str, dict[str, Any]]:
    """By their kind."""
    try:
        return {str(body["kind"]): body for body in yaml.safe_load_all(path.read_text()) if isinstance(body, dict)}
    except (OSError, yaml.YAMLError, KeyError) as error:
        raise BadKubeadmConfig(f"{path}: {error}") from None


def _joined_by(documents: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """API server and token of a node that joins; an empty text for what is not there."""
    discovery = (documents.get("JoinConfiguration", {}).get("discovery") or {}).get("bootstrapToken") or {}
    return str(discovery.get("apiServerEndpoint") or ""), str(discovery.get("token") or "")


def _begun_with(documents: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """API server and token of the node that begins the cluster; an empty text for what is not there."""
    tokens = documents.get("InitConfiguration", {}).get("bootstrapTokens") or [{}]
    endpoint = documents.get("ClusterConfiguration", {}).get("controlPlaneEndpoint")
    return str(endpoint or ""), str(tokens[0].get("token") or "")


def _arguments(given: Any) -> Mapping[str, Any]:
    """Extra arguments: a mapping in v1beta3, a list of names and values in v1beta4."""
    if isinstance(given, list):
        return {row["name"]: row["value"] for row in given}
    return given or {}


def _parts(text: Any) -> tuple[str, ...]:
    parts = [part.strip() for part in str(text or "").split(",") if part.strip()]
    return tuple(sorted(parts, key=lambda part: ":" in part))
