"""The CRDs of a stand-in cluster: group ``crd.projectcalico.org/v1``, as a manifest install of Calico ≤ 3.32 serves it.

Schemas are ours, from the fields that Calico's API documents (projectcalico/calico, api/pkg/apis/projectcalico/v3).
"""

from __future__ import annotations

import copy
from typing import Any

from labctl.design.limits import CALICO as GROUP
from labctl.peers import Calico

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


def crds(calico: Calico) -> list[dict[str, Any]]:
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
