"""What the nodes of a stand-in cluster do not do: refused by its API, and in a spec's own manifests, not ignored.

Fields by Calico's API (projectcalico/calico, api/pkg/apis/projectcalico/v3) and Kubernetes' Service.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

CALICO = "crd.projectcalico.org"


class Limit(NamedTuple):
    """What must hold of an object (CEL), the end of a sentence on the nodes when it does not, and that in Python."""

    holds: str
    reason: str
    broken: Callable[[Mapping[str, Any]], bool] = lambda _object: True


def _absent(reason: str, field: str) -> Limit:
    return Limit(f"!has(object.spec.{field})", reason, lambda item: field in item["spec"])


def _only(reason: str, field: str, value: str) -> Limit:
    known = literal_eval(value)
    holds = f"!has(object.spec.{field}) || object.spec.{field} == {value}"
    return Limit(holds, reason, lambda item: item["spec"].get(field, known) != known)


LIMITS: Mapping[tuple[str, str], tuple[Limit, ...]] = {
    (CALICO, "bgppeers"): (
        _absent("apply no BGPFilter", "filters"),
        _absent("know no TCP MD5 passwords", "password"),
        _absent("set no route to a peer (reachableBy)", "reachableBy"),
        _absent("check no TTL (ttlSecurity)", "ttlSecurity"),
        _absent("have one AS number (localASNumber)", "localASNumber"),
        _absent("have BIRD's own restart time (maxRestartTime)", "maxRestartTime"),
        _absent("have BIRD's own keepalive time (keepaliveTime)", "keepaliveTime"),
        _only("always peer from the node's address (sourceAddress)", "sourceAddress", "'UseNodeIP'"),
        _only("make no session for the other side (reversePeering)", "reversePeering", "'Manual'"),
        Limit(
            r"!has(object.spec.peerIP) || !object.spec.peerIP.matches('^[0-9.]+:[0-9]+$|\\]:[0-9]+$')",
            "dial port 179 alone (peerIP)",
            lambda item: bool(re.search(r"^[0-9.]+:[0-9]+$|\]:[0-9]+$", str(item["spec"].get("peerIP", "")))),
        ),
    ),
    (CALICO, "bgpconfigurations"): (
        Limit(
            "object.metadata.name == 'default'",
            "read the BGPConfiguration named default alone",
            lambda item: item["metadata"].get("name") != "default",
        ),
        _absent("set no communities", "communities"),
        _absent("advertise no prefixes with communities (prefixAdvertisements)", "prefixAdvertisements"),
        _only("listen on port 179 alone (listenPort)", "listenPort", "179"),
        _absent("know no TCP MD5 passwords (nodeMeshPassword)", "nodeMeshPassword"),
        _absent("have BIRD's own restart time (nodeMeshMaxRestartTime)", "nodeMeshMaxRestartTime"),
        _only("listen on all addresses (bindMode)", "bindMode", "'None'"),
        _absent("look at every interface (ignoredInterfaces)", "ignoredInterfaces"),
        _only(
            "have their routes of IPIP pools from Felix, of all others from BIRD (programClusterRoutes)",
            "programClusterRoutes",
            "'EnabledNoEncapOnly'",
        ),
        _only("aggregate LoadBalancer addresses", "serviceLoadBalancerAggregation", "'Enabled'"),
    ),
    (CALICO, "ippools"): (
        _only("know no VXLAN pools (vxlanMode)", "vxlanMode", "'Never'"),
        Limit(
            "!has(object.spec.ipipMode) || object.spec.ipipMode != 'CrossSubnet'",
            "encapsulate always or never (ipipMode)",
            lambda item: item["spec"].get("ipipMode") == "CrossSubnet",
        ),
        _absent("choose no pool by namespace (namespaceSelector)", "namespaceSelector"),
        _only("allocate from every pool (assignmentMode)", "assignmentMode", "'Automatic'"),
    ),
    (CALICO, "ipamconfigs"): (
        Limit(
            "!object.spec.strictAffinity && object.spec.autoAllocateBlocks && !has(object.spec.maxBlocksPerHost)",
            "borrow addresses and claim up to 20 blocks, whatever an IPAMConfig says",
            lambda item: bool(
                item["spec"].get("strictAffinity")
                or not item["spec"].get("autoAllocateBlocks", True)
                or "maxBlocksPerHost" in item["spec"]
            ),
        ),
    ),
    (CALICO, "bgpfilters"): (Limit("false", "apply no BGPFilter"),),
    (CALICO, "felixconfigurations"): (Limit("false", "read no FelixConfiguration"),),
    ("networking.k8s.io", "networkpolicies"): (Limit("false", "enforce no NetworkPolicy"),),
    ("", "services"): (
        _only("balance each connection for itself (sessionAffinity)", "sessionAffinity", "'None'"),
        _absent("admit every source (loadBalancerSourceRanges)", "loadBalancerSourceRanges"),
    ),
}


def refusals(item: Mapping[str, Any]) -> Iterable[str]:
    """Why the API of a stand-in cluster refuses an object; nothing for one that it takes."""
    written = str(item["apiVersion"]).rpartition("/")[0]
    group = CALICO if written == "projectcalico.org" else written
    plural = re.sub("y$", "ie", str(item["kind"]).lower()) + "s"
    whole = {"metadata": item["metadata"], "spec": item.get("spec") if isinstance(item.get("spec"), dict) else {}}
    return [limit.reason for limit in LIMITS.get((group, plural), ()) if limit.broken(whole)]
