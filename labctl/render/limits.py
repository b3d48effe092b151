"""What the nodes of a stand-in cluster do not do, refused by its API instead of ignored by its nodes.

One ValidatingAdmissionPolicy a kind (Kubernetes documentation, "Validating Admission Policy"): whoever writes such an
object gets the reason from kubectl. Fields by Calico's API (projectcalico/calico, api/pkg/apis/projectcalico/v3) and
Kubernetes' Service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labctl.render.crds import GROUP as CALICO

API = "admissionregistration.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Limit:
    """What must hold of an object (CEL), and the end of a sentence on the nodes when it does not."""

    holds: str
    reason: str


def _absent(reason: str, field: str) -> Limit:
    return Limit(f"!has(object.spec.{field})", reason)


def _only(reason: str, field: str, value: str) -> Limit:
    return Limit(f"!has(object.spec.{field}) || object.spec.{field} == {value}", reason)


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
        ),
    ),
    (CALICO, "bgpconfigurations"): (
        Limit("object.metadata.name == 'default'", "read the BGPConfiguration named default alone"),
        _absent("set no communities", "communities"),
        _absent("advertise no prefixes with communities (prefixAdvertisements)", "prefixAdvertisements"),
        _only("listen on port 179 alone (listenPort)", "listenPort", "179"),
        _absent("know no TCP MD5 passwords (nodeMeshPassword)", "nodeMeshPassword"),
        _absent("have BIRD's own restart time (nodeMeshMaxRestartTime)", "nodeMeshMaxRestartTime"),
        _only("listen on all addresses (bindMode)", "bindMode", "'None'"),
        _absent("look at every interface (ignoredInterfaces)", "ignoredInterfaces"),
        _only("aggregate LoadBalancer addresses", "serviceLoadBalancerAggregation", "'Enabled'"),
    ),
    (CALICO, "ippools"): (
        _only("know no VXLAN pools (vxlanMode)", "vxlanMode", "'Never'"),
        Limit(
            "!has(object.spec.ipipMode) || object.spec.ipipMode != 'CrossSubnet'",
            "encapsulate always or never (ipipMode)",
        ),
        _absent("choose no pool by namespace (namespaceSelector)", "namespaceSelector"),
        _only("allocate from every pool (assignmentMode)", "assignmentMode", "'Automatic'"),
    ),
    (CALICO, "ipamconfigs"): (
        Limit(
            "!object.spec.strictAffinity && object.spec.autoAllocateBlocks && !has(object.spec.maxBlocksPerHost)",
            "borrow addresses and claim up to 20 blocks, whatever an IPAMConfig says",
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


def policies() -> list[dict[str, Any]]:
    """The policies and what binds them, in the order of `LIMITS`."""
    return [item for (group, plural), limits in LIMITS.items() for item in _policy(group, plural, limits)]


def _policy(group: str, plural: str, limits: tuple[Limit, ...]) -> list[dict[str, Any]]:
    name = f"stand-in-{plural}"
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": [plural]}
    policy = {
        "apiVersion": API,
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
        "apiVersion": API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    return [policy, binding]
