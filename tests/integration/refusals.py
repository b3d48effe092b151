"""Objects that a stand-in cluster refuses, each for one reason of `labctl.design.limits` alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


SINCE_333 = "(programClusterRoutes)"
"""Ends the reason of a limit of a field that Calico's kinds have from 3.33 on; before, the API does not know it."""


def refused_objects(*, since_333: bool = True) -> Iterator[dict[str, Any]]:
    """All of them; without those of fields that older kinds lack where the lab is older."""
    peer: dict[str, Any] = {"peerIP": "192.0.2.1", "asNumber": 65000}
    secret = {"secretKeyRef": {"name": "bgp", "key": "password"}}
    pool = {"cidr": "10.77.0.0/16", "ipipMode": "Never", "vxlanMode": "Never"}
    service: dict[str, Any] = {"ports": [{"port": 80}]}
    v1 = "crd.projectcalico.org/v1"
    kinds: dict[tuple[str, str], list[dict[str, Any]]] = {
        (v1, "BGPPeer"): [
            peer | more
            for more in (
                {"filters": ["f"]}, {"password": secret}, {"reachableBy": "192.0.2.9"}, {"ttlSecurity": 2},
                {"localASNumber": 65001}, {"maxRestartTime": "10s"}, {"keepaliveTime": "10s"},
                {"sourceAddress": "None"}, {"reversePeering": "Auto"}, {"peerIP": "192.0.2.1:1179"},
                {"peerIP": "[2001:db8::1]:1179"},
            )
        ],
        (v1, "BGPConfiguration"): [
            {"communities": [{"name": "c", "value": "65000:1"}]}, {"prefixAdvertisements": [{"cidr": "10.0.0.0/8"}]},
            {"listenPort": 1179}, {"nodeMeshPassword": secret}, {"nodeMeshMaxRestartTime": "10s"},
            {"bindMode": "NodeIP"}, {"ignoredInterfaces": ["eth9"]}, {"serviceLoadBalancerAggregation": "Disabled"},
            {"asNumber": 65001}, *([{"programClusterRoutes": "Enabled"}] if since_333 else []),
        ],
        (v1, "IPPool"): [
            pool | {"vxlanMode": "Always"}, pool | {"ipipMode": "CrossSubnet"}, pool | {"namespaceSelector": "all()"},
            pool | {"assignmentMode": "Manual"},
        ],
        (v1, "IPAMConfig"): [{"strictAffinity": True, "autoAllocateBlocks": True}],
        (v1, "BGPFilter"): [{}],
        (v1, "FelixConfiguration"): [{}],
        ("networking.k8s.io/v1", "NetworkPolicy"): [{"podSelector": {}}],
        ("v1", "Service"): [
            service | {"sessionAffinity": "ClientIP"},
            service | {"type": "LoadBalancer", "loadBalancerSourceRanges": ["192.0.2.0/24"]},
        ],
    }  # fmt: skip
    for (version, kind), specs in kinds.items():
        for number, spec in enumerate(specs):
            alone = kind == "BGPConfiguration" and "asNumber" not in spec
            name = "default" if alone else f"refused-{number}"
            yield {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
