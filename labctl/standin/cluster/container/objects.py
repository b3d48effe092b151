"""What ``kubeadm init`` leaves in the API: the control plane's Node with its role, and what nodes need to join."""

from __future__ import annotations

import base64
import json

from labctl.kube.api import Access, Api, Json
from labctl.kube.resources import NODES
from labctl.standin.cluster.container.record import KUBERNETES, NodeRecord
from labctl.standin.cluster.kubelet.node import control_plane_node

JOINERS = "system:bootstrappers:kubeadm:default-node-token"
"""The group of kubeadm's bootstrap tokens."""
JOIN = "labctl-node-join"
SYSTEM = "/api/v1/namespaces/kube-system"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system"


def admin(record: NodeRecord) -> Api:
    """As the administrator, from this node's own files."""
    pki = KUBERNETES / "pki"
    return Api(
        Access(record.server, str(pki / "ca.crt"), str(pki / "admin.crt"), str(pki / "admin.key")), connections=1
    )


def make_objects(record: NodeRecord) -> None:
    """Make what is not there yet."""
    api = admin(record)
    for path, body in ((NODES.path(), control_plane_node(record.name)), *_join(record)):
        if api.find(f"{path}/{body['metadata']['name']}") is None:
            api.create(path, body)


def _join(record: NodeRecord) -> list[tuple[str, Json]]:
    """The CA for nodes that join (they issue their own certificates), and the right to read it with a bootstrap token.

    Real kubeadm lets a node ask for a signature; a stand-in needs three certificates, one of a service account.
    """
    pki = KUBERNETES / "pki"
    data = {
        "ca.key": (pki / "ca.key").read_bytes(),
        "ca.crt": (pki / "ca.crt").read_bytes(),
        "cluster.json": json.dumps({"pods": record.pods}).encode(),
    }
    meta = {"name": JOIN, "namespace": "kube-system"}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
    }
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": meta,
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [JOIN], "verbs": ["get"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": JOIN},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": JOINERS}],
    }
    return [(f"{SYSTEM}/secrets", secret), (f"{ROLES}/roles", role), (f"{ROLES}/rolebindings", binding)]
