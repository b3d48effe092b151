"""What a cluster is made from: ``kind/cluster.yaml``, and ``calico/`` with Calico's resources, complete for each mode.

A real cluster gets our patch of Calico's manifest. A stand-in cluster gets manifests of ours in its place. Its CRDs are
of the group ``crd.projectcalico.org/v1``, as a manifest install of Calico ≤ 3.32 serves it; schemas are ours, from the
fields that Calico's API documents (projectcalico/calico, api/pkg/apis/projectcalico/v3). What its nodes do not do
(`labctl.design.limits`) its API is told to refuse: by one ValidatingAdmissionPolicy a kind (Kubernetes documentation,
"Validating Admission Policy"), whoever writes such an object gets the reason from kubectl.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from labctl import peers
from labctl.design.design import Cluster, Design
from labctl.design.limits import CALICO as GROUP
from labctl.design.limits import LIMITS, Limit
from labctl.render.templating import render
from labctl.render.yamltext import documents, dump

API = "projectcalico.org/v3"
MODES = ("routed", "ipip")
STANDIN_TIMERS = {
    "LABCTL_BIRD_CONNECT_DELAY": "1",
    "LABCTL_BIRD_CONNECT_RETRY": "1",
    "LABCTL_BIRD_ERROR_WAIT": "1,3",
}
"""Calico has no resource for these BIRD timers; its own error wait of 5 s costs 4 s of boot. Unset: Calico's values."""


def files(design: Design, cluster: Cluster) -> dict[str, str]:
    """Path inside the folder → text."""
    standin = design.target.cluster == "standin"
    standins = ("crds", "limits", "calico", "kube-proxy")
    bases = [f"standin/{name}.yaml" for name in standins] if standin else ["calico.yaml"]
    result = {
        "kind/cluster.yaml": kind_cluster(cluster),
        "calico/kustomization.yaml": dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": bases,
                "patches": [{"path": "patch.yaml"}],
            }
        ),
        "calico/patch.yaml": documents(_patch(design, cluster)),
        "calico/ippools.yaml": documents(ip_pools(cluster, cluster.mode)),
        "calico/bgpconfiguration.yaml": dump(bgp_configuration(cluster, cluster.mode)),
        "calico/bgppeers.yaml": documents(bgp_peers(design, cluster)),
    }
    for mode in MODES:
        result[f"calico/modes/{mode}/ippools.yaml"] = documents(ip_pools(cluster, mode))
        result[f"calico/modes/{mode}/bgpconfiguration.yaml"] = dump(bgp_configuration(cluster, mode))
    if standin:
        for base in ("calico", "kube-proxy"):
            result[f"calico/standin/{base}.yaml"] = render(
                f"calico/standin/{base}.yaml.j2", calico=cluster.calico, kubernetes=cluster.kubernetes
            )
        result["calico/standin/crds.yaml"] = documents(crds(peers.calico(cluster.calico)))
        result["calico/standin/limits.yaml"] = documents(policies())
    return result


def _patch(design: Design, cluster: Cluster) -> list[dict[str, Any]]:
    """Pin Calico to bond0 in both families, make it create no pools of its own, say the MTU (auto ignores bonds).

    Sources: projectcalico/calico, manifests/calico.yaml: there ``FELIX_IPINIPMTU`` comes from the ConfigMap's
    ``veth_mtu``, and an entry cannot have a value and a source; and its ``cni_network_config`` gives pods IPv4 alone.
    """
    standin = design.target.cluster == "standin"
    dual = any(node.address6 for node in cluster.nodes)
    values = {
        "IP": "autodetect",
        "IP_AUTODETECTION_METHOD": "interface=^bond0$",
        "IP6": "autodetect" if dual else "none",
        "IP6_AUTODETECTION_METHOD": "interface=^bond0$",
        "FELIX_IPV6SUPPORT": "true" if dual else "false",
        "NO_DEFAULT_POOLS": "true",
        **({"FELIX_IPINIPMTU": str(cluster.mtu - 20), **STANDIN_TIMERS} if standin else {}),
    }
    environment = [{"name": name, "value": value} for name, value in values.items()]
    container = {"name": "calico-node", "env": environment}
    daemon_set = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "calico-node", "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "calico-config", "namespace": "kube-system"},
        "data": {
            "veth_mtu": str(cluster.mtu - 20),
            **({} if standin else {"cni_network_config": _cni_network_config(cluster)}),
        },
    }
    return [daemon_set, config]


def _cni_network_config(cluster: Cluster) -> str:
    """The manifest's, with addresses of each family that has a pool (white paper: Figure 5); install-cni fills in."""
    versions = {pool.cidr.version for pool in cluster.pools}
    ipam = {"type": "calico-ipam", **{f"assign_ipv{n}": str(n in versions).lower() for n in (4, 6)}}
    plugin = {
        "type": "calico",
        "log_level": "info",
        "log_file_path": "/var/log/calico/cni/cni.log",
        "datastore_type": "kubernetes",
        "nodename": "__KUBERNETES_NODE_NAME__",
        "mtu": "__CNI_MTU__",
        "ipam": ipam,
        "policy": {"type": "k8s"},
        "kubernetes": {"kubeconfig": "__KUBECONFIG_FILEPATH__"},
    }
    portmap = {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}}
    text = json.dumps({"name": "k8s-pod-network", "cniVersion": "0.3.1", "plugins": [plugin, portmap]}, indent=2)
    return text.replace('"__CNI_MTU__"', "__CNI_MTU__") + "\n"


def ip_pools(cluster: Cluster, mode: str) -> list[dict[str, Any]]:
    """Every field is written: through ``crd.projectcalico.org/v1`` nobody fills in defaults."""
    return [
        {
            "apiVersion": API,
            "kind": "IPPool",
            "metadata": {"name": pool.name},
            "spec": {
                "allowedUses": ["Workload", "Tunnel"],
                "blockSize": pool.block_size,
                "cidr": str(pool.cidr),
                "ipipMode": "Always" if mode == "ipip" and pool.cidr.version == 4 else "Never",
                "natOutgoing": pool.cidr.version == 4,
                "nodeSelector": "all()",
                "vxlanMode": "Never",
            },
        }
        for pool in cluster.pools
    ]


def bgp_configuration(cluster: Cluster, mode: str) -> dict[str, Any]:
    """The mesh is on in ``ipip``: where BIRD has the tunnel's routes (before 3.33) the outer packet goes to the BGP
    next hop, without a mesh a leaf. Felix asks no BGP."""
    spec: dict[str, Any] = {
        "asNumber": cluster.asn,
        "logSeverityScreen": "Info",
        "nodeToNodeMeshEnabled": mode == "ipip",
        "serviceClusterIPs": [{"cidr": str(network)} for network in cluster.services],
    }
    if cluster.external_ips:
        spec["serviceExternalIPs"] = [{"cidr": str(network)} for network in cluster.external_ips]
    return {"apiVersion": API, "kind": "BGPConfiguration", "metadata": {"name": "default"}, "spec": spec}


def bgp_peers(design: Design, cluster: Cluster) -> list[dict[str, Any]]:
    """One per leaf and family; nodes of a pair with loopbacks of its own are selected by name."""
    result = []
    for peer in cluster.peers:
        spec: dict[str, Any] = {"asNumber": design.fabric.asn, "peerIP": str(peer.address)}
        if peer.nodes is not None:
            names = ", ".join(f"'{name}'" for name in peer.nodes)
            spec["nodeSelector"] = f"kubernetes.io/hostname in {{ {names} }}"
        result.append({"apiVersion": API, "kind": "BGPPeer", "metadata": {"name": peer.name}, "spec": spec})
    return result


def kind_cluster(cluster: Cluster) -> str:
    """kind's file. Node names are set through kubeadm: kind names its containers itself.

    Patches carry no apiVersion: kind fills in the one of its Kubernetes.
    """
    dual = any(pool.cidr.version == 6 for pool in cluster.pools)
    body: dict[str, Any] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {
            "disableDefaultCNI": True,
            "ipFamily": "dual" if dual else "ipv4",
            "podSubnet": ",".join(str(pool.cidr) for pool in _first_of_each(cluster)),
            "serviceSubnet": ",".join(str(network) for network in cluster.services),
            "kubeProxyMode": "iptables",
        },
        "nodes": [_node(node.name, node.role) for node in cluster.nodes],
    }
    return dump(body)


def _first_of_each(cluster: Cluster) -> list[Any]:
    seen: set[int] = set()
    result = []
    for pool in cluster.pools:
        if pool.cidr.version not in seen:
            seen.add(pool.cidr.version)
            result.append(pool)
    return result


def _node(name: str, role: str) -> dict[str, Any]:
    kind = "InitConfiguration" if role == "control-plane" else "JoinConfiguration"
    patch = f"kind: {kind}\nnodeRegistration:\n  name: {name}\n"
    return {"role": role, "kubeadmConfigPatches": [patch]}


ADMISSION = "admissionregistration.k8s.io/v1"


def policies() -> list[dict[str, Any]]:
    """The policies and what binds them, in the order of `LIMITS`."""
    return [item for (group, plural), limits in LIMITS.items() for item in _policy(group, plural, limits)]


def _policy(group: str, plural: str, limits: tuple[Limit, ...]) -> list[dict[str, Any]]:
    name = f"stand-in-{plural}"
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [plural]}
    policy = {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [
                {"expression": limit.holds, "message": f"labctl's stand-in nodes {limit.reason}"} for limit in limits
            ],
        },
    }
    binding = {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    return [policy, binding]


S, I, B = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}  # noqa: E741
OPEN: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _object(required: tuple[str, ...] = (), **fields: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "object", "properties": fields}
    return body | ({"required": list(required)} if required else {})


def _one_of(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


_CIDRS = _list(_object(cidr=S))
_SECRET = _object(secretKeyRef=_object(("key",), name=S, key=S, optional=B))
_ROUTES = _one_of("Enabled", "Disabled", "EnabledIPIPOnly", "EnabledNoEncapOnly")
_ENCAPSULATION = _one_of("Never", "Always", "CrossSubnet")

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "IPPool": ("ippools", _object(
        ("cidr",), cidr=S, blockSize=I, ipipMode=_ENCAPSULATION, vxlanMode=_ENCAPSULATION, natOutgoing=B, disabled=B,
        disableBGPExport=B, nodeSelector=S, namespaceSelector=S, allowedUses=_list(S), assignmentMode=S)),
    "BGPConfiguration": ("bgpconfigurations", _object(
        asNumber=I, logSeverityScreen=S, nodeToNodeMeshEnabled=B, serviceClusterIPs=_CIDRS, serviceExternalIPs=_CIDRS,
        serviceLoadBalancerIPs=_CIDRS, serviceLoadBalancerAggregation=_one_of("Enabled", "Disabled"),
        communities=_list(_object(name=S, value=S)), prefixAdvertisements=_list(_object(cidr=S, communities=_list(S))),
        listenPort={"type": "integer", "minimum": 1, "maximum": 65535}, nodeMeshPassword=_SECRET,
        nodeMeshMaxRestartTime=S, bindMode=_one_of("None", "NodeIP"), ignoredInterfaces=_list(S),
        programClusterRoutes=_ROUTES)),
    "BGPPeer": ("bgppeers", _object(
        node=S, nodeSelector=S, peerIP=S, peerSelector=S, asNumber=I, localASNumber=I,
        sourceAddress=_one_of("UseNodeIP", "None"), keepOriginalNextHop=B, nextHopMode=_one_of("Auto", "Self", "Keep"),
        maxRestartTime=S, keepaliveTime=S, numAllowedLocalASNumbers=I, ttlSecurity=I, reachableBy=S, filters=_list(S),
        password=_SECRET, reversePeering=_one_of("Auto", "Manual"))),
    "BGPFilter": ("bgpfilters", _object(
        importV4=_list(OPEN), exportV4=_list(OPEN), importV6=_list(OPEN), exportV6=_list(OPEN))),
    "FelixConfiguration": ("felixconfigurations", OPEN),
    "ClusterInformation": ("clusterinformations", _object(
        calicoVersion=S, clusterGUID=S, clusterType=S, datastoreReady=B, variant=S)),
    "IPAMBlock": ("ipamblocks", _object(
        ("cidr",), cidr=S, affinity=S, affinityClaimTime=S, strictAffinity=B, deleted=B,
        allocations=_list({"type": "integer", "nullable": True}), unallocated=_list(I),
        attributes=_list(_object(handle_id=S, secondary={"type": "object", "additionalProperties": S})),
        sequenceNumber={"type": "integer", "format": "int64"},
        sequenceNumberForAllocation={
            "type": "object", "additionalProperties": {"type": "integer", "format": "int64"}})),
    "BlockAffinity": ("blockaffinities", _object(
        ("cidr", "node", "state"), cidr=S, node=S, state=_one_of("pending", "confirmed", "pendingDeletion"), deleted=S,
        type=S)),
    "IPAMHandle": ("ipamhandles", _object(
        ("handleID",), handleID=S, block={"type": "object", "additionalProperties": I}, deleted=B)),
    "IPAMConfig": ("ipamconfigs", _object(
        ("strictAffinity", "autoAllocateBlocks"), strictAffinity=B, autoAllocateBlocks=B, maxBlocksPerHost=I)),
}  # fmt: skip


PEER_IP = "isIP(self) || self.matches('^[0-9.]+:[0-9]+$') || self.matches('^\\\\[[0-9a-fA-F:.]+\\\\]:[0-9]+$')"


def crds(calico: peers.Calico) -> list[dict[str, Any]]:
    """All of them, as a version has them: from 3.33 on routes of IPIP pools are Felix's by default."""
    kinds = copy.deepcopy(KINDS)
    if calico.felix_tunnels:
        fields = {kind: spec.setdefault("properties", {}) for kind, (_, spec) in kinds.items()}
        fields["BGPConfiguration"]["programClusterRoutes"] = {**_ROUTES, "default": "EnabledNoEncapOnly"}
        fields["FelixConfiguration"]["programClusterRoutes"] = {**_ROUTES, "default": "EnabledIPIPOnly"}
        rule = {"rule": PEER_IP, "message": "must be an address, or address:port"}
        fields["BGPPeer"]["peerIP"] = {**S, "maxLength": 64, "x-kubernetes-validations": [rule]}
    return [_crd(kind, plural, spec) for kind, (plural, spec) in kinds.items()]


def _crd(kind: str, plural: str, spec: dict[str, Any]) -> dict[str, Any]:
    schema = _object(apiVersion=S, kind=S, metadata={"type": "object"}, spec=spec)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "scope": "Cluster",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
