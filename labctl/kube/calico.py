"""Calico's resources in the form that a cluster serves them. Pure. (Reference: calico.md 3.1.)

They are written as ``projectcalico.org/v3``, Calico's own API: its API server serves that group, or CRDs of Calico 3.32
and newer. A cluster with the storage CRDs alone serves ``crd.projectcalico.org/v1``: the same kinds and specs, but
nobody there lower-cases names, masks networks or fills in what is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from labctl.kube.api import Json

V3 = "projectcalico.org/v3"
V1 = "crd.projectcalico.org/v1"
SERVERS_OWN = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
"""Metadata that an API server writes: ``calicoctl get -o yaml`` prints it, nothing may apply it."""


def is_calico(item: Json) -> bool:
    """Whether it is written in Calico's own API."""
    return bool(item["apiVersion"] == V3)


def user_form(item: Json) -> Json:
    """What is applied where ``projectcalico.org/v3`` is served: without what only a server may say."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in SERVERS_OWN}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def storage_form(item: Json) -> Json:
    """What is applied where ``crd.projectcalico.org/v1`` is served: with what clientv3 would fill in."""
    body = user_form(item)
    metadata = {**body["metadata"], "name": body["metadata"]["name"].lower()}
    metadata.pop("namespace", None)  # all kinds that labctl writes are of the whole cluster
    spec = body.get("spec") or {}
    if body["kind"] == "IPPool" and "cidr" in spec:
        body = {**body, "spec": _pool(spec)}
    return {**body, "apiVersion": V1, "metadata": metadata}


def _pool(spec: Mapping[str, Any]) -> Json:
    """The kind whose defaults clientv3 fills in (libcalico-go/lib/clientv3); elsewhere Calico reads a gap itself."""
    network = ip_network(spec["cidr"], strict=False)
    defaults = {
        "allowedUses": ["Workload", "Tunnel"],
        "blockSize": 26 if network.version == 4 else 122,
        "ipipMode": "Never",
        "nodeSelector": "all()",
        "vxlanMode": "Never",
    }
    return {**defaults, **spec, "cidr": str(network)}
