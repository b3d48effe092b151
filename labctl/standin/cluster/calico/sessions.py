"""From Calico's resources to the BGP sessions of one node, pure (confd/pkg/backends/calico/bgp_processor.go)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_interface

from labctl.kube.api import Json
from labctl.standin.cluster.calico.bird import Peer
from labctl.standin.cluster.calico.selectors import matches

DEFAULT_ASN = 64512
IPV4 = "projectcalico.org/IPv4Address"
IPV6 = "projectcalico.org/IPv6Address"
TUNNEL = "projectcalico.org/IPv4IPIPTunnelAddr"
ASN = "projectcalico.org/ASNumber"


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node as Calico knows it: by the annotations of its Node object. Addresses without prefix length."""

    name: str
    labels: Mapping[str, str]
    address: str | None
    address6: str | None
    tunnel: str | None
    asn: int | None

    @staticmethod
    def of(item: Json) -> NodeView:
        meta = item["metadata"]
        annotations = meta.get("annotations") or {}

        def plain(key: str) -> str | None:
            return str(ip_interface(annotations[key]).ip) if key in annotations else None

        asn = annotations.get(ASN)
        return NodeView(
            meta["name"],
            meta.get("labels") or {},
            plain(IPV4),
            plain(IPV6),
            annotations.get(TUNNEL),
            int(asn) if asn else None,
        )


def default_configuration(configurations: Sequence[Json]) -> Json | None:
    """The BGPConfiguration named default."""
    return next((item for item in configurations if item["metadata"]["name"] == "default"), None)


def asn_of(node: NodeView, configuration: Json | None) -> int:
    """The node's own AS number, else the cluster's, else 64512."""
    return node.asn or int(((configuration or {}).get("spec") or {}).get("asNumber") or DEFAULT_ASN)


def mesh_enabled(configuration: Json | None) -> bool:
    """True unless it is switched off; also when there is no configuration at all."""
    value = ((configuration or {}).get("spec") or {}).get("nodeToNodeMeshEnabled")
    return True if value is None else bool(value)


def peers(me: NodeView, nodes: Sequence[NodeView], configuration: Json | None, resources: Sequence[Json]) -> list[Peer]:
    """All sessions, sorted by name. Global peers win over node-specific ones with the same address."""
    found = _mesh(me, nodes, configuration) if mesh_enabled(configuration) else {}
    for item in sorted(resources, key=lambda row: _specific(row["spec"]), reverse=True):
        if _applies(item["spec"], me):
            found |= _of_resource(item["spec"], me, nodes, configuration)
    return sorted(found.values(), key=lambda peer: peer.name)


def _mesh(me: NodeView, nodes: Sequence[NodeView], configuration: Json | None) -> dict[str, Peer]:
    """A session with every other node of the same AS, in each family that both have, by address."""
    asn = asn_of(me, configuration)
    return {
        theirs: Peer("Mesh", theirs, asn, passive=theirs > mine)
        for other in nodes
        if other.name != me.name and asn_of(other, configuration) == asn
        for mine, theirs in ((me.address, other.address), (me.address6, other.address6))
        if mine and theirs
    }


def _of_resource(spec: Json, me: NodeView, nodes: Sequence[NodeView], configuration: Json | None) -> dict[str, Peer]:
    """The sessions of one BGPPeer that is for this node, in the families that the node has, by address."""
    asn = asn_of(me, configuration)
    keep, keep_outside = spec.get("nextHopMode") == "Keep", bool(spec.get("keepOriginalNextHop"))
    return {
        address: Peer(
            "Node" if _specific(spec) else "Global",
            address,
            number,
            next_hop_keep=keep or (keep_outside and number != asn),
            allow_local_as=spec.get("numAllowedLocalASNumbers"),
        )
        for address, number in _remote(spec, nodes, me, configuration)
        if (me.address6 if ":" in address else me.address)
    }


def _specific(spec: Json) -> bool:
    return bool(spec.get("node") or spec.get("nodeSelector"))


def _applies(spec: Json, me: NodeView) -> bool:
    if spec.get("node"):
        return bool(spec["node"] == me.name)
    return matches(spec["nodeSelector"], me.labels) if spec.get("nodeSelector") else True


def _remote(spec: Json, nodes: Sequence[NodeView], me: NodeView, configuration: Json | None) -> list[tuple[str, int]]:
    if spec.get("peerIP"):
        return [(spec["peerIP"].strip("[]"), int(spec["asNumber"]))]
    if not spec.get("peerSelector"):
        return []
    return [
        (address, asn_of(node, configuration))
        for node in nodes
        if node.name != me.name and matches(spec["peerSelector"], node.labels)
        for address in (node.address, node.address6)
        if address
    ]
