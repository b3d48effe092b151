"""What a lab is, in a form that two looks can be compared by: configurations, API objects, routes.

Counters, ages, sequence numbers, and the names that controllers draw for pods are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.integration.harness import Labctl

KINDS = (
    "nodes", "namespaces", "services", "deployments.apps", "daemonsets.apps", "endpointslices.discovery.k8s.io",
    "ippools.crd.projectcalico.org", "bgpconfigurations.crd.projectcalico.org", "bgppeers.crd.projectcalico.org",
    "blockaffinities.crd.projectcalico.org", "ipamblocks.crd.projectcalico.org", "pods",
)  # fmt: skip
ROUTES = "ip -4 route show table all; ip -6 route show table all"
VOLATILE = {
    "resourceVersion", "uid", "generation", "managedFields", "creationTimestamp", "observedGeneration",
    "sequenceNumber",
    "sequenceNumberForAllocation", "lastTransitionTime", "lastHeartbeatTime", "lastUpdateTime", "lastProbeTime",
    "startTime", "startedAt", "finishedAt", "containerID",
}  # fmt: skip
Snapshot = Mapping[str, Any]


def snapshot(labctl: Labctl, lab: str) -> Snapshot:
    """Of every node."""
    nodes = json.loads((labctl.lab_state(lab) / "folder" / "lab.json").read_text())["nodes"]
    switches = [name for name, node in nodes.items() if node["kind"] == "switch"]
    others = [name for name, node in nodes.items() if node["kind"] != "switch"]
    found: dict[str, Any] = {}
    for name in switches:
        text = labctl("ssh", lab, name, "--", "show running-config").expect(0).out
        found[f"running {name}"] = [line.rstrip() for line in text.splitlines() if not line.startswith("!")]
        for family in ("ip", "ipv6"):
            text = labctl("ssh", lab, name, "--", f"show {family} route vrf all | json").expect(0).out
            found[f"{family} routes {name}"] = routes(json.loads(text) if text.strip() else {})
    for name in others:
        text = labctl("exec", lab, name, "--", "sh", "-ec", ROUTES).expect(0).out
        found[f"ip routes {name}"] = sorted(re.sub(r" expires \S+", "", line) for line in text.splitlines())
    items = labctl("kubectl", lab, "--", "get", ",".join(KINDS), "-A", "-o", "json").expect(0).json()["items"]
    for item in items:
        found.setdefault(item["kind"], []).append(json.dumps(stable(item), sort_keys=True))
    for kind in {item["kind"] for item in items}:
        found[kind].sort()
    return found


def routes(body: Mapping[str, Any]) -> list[str]:
    """VRF, prefix, next hops: what ``show ip route | json`` says, without ages."""
    found = []
    for vrf in _rows(body, "vrf"):
        for family in _rows(vrf, "addrf"):
            for prefix in _rows(family, "prefix"):
                hops = sorted(f"{row.get('ipnexthop', '')} {row.get('ifname', '')}" for row in _rows(prefix, "path"))
                found.append(f"{vrf['vrf-name-out']} {prefix['ipprefix']}: {', '.join(hops)}")
    return sorted(found)


def _rows(body: Mapping[str, Any], name: str) -> list[Any]:
    rows = (body.get(f"TABLE_{name}") or {}).get(f"ROW_{name}") or []
    return rows if isinstance(rows, list) else [rows]


def stable(item: Any) -> Any:
    """An object without what changes by itself."""
    if item["kind"] == "Pod":
        owner = item["metadata"]["ownerReferences"][0]["kind"]
        labels = {key: value for key, value in item["metadata"]["labels"].items() if not key.endswith("-hash")}
        return {"owner": owner, "labels": labels, "node": item["spec"]["nodeName"], "phase": item["status"]["phase"]}
    if item["kind"] == "IPAMBlock":
        spec = item["spec"]
        used = [index for index, allocation in enumerate(spec["allocations"]) if allocation is not None]
        return {"cidr": spec["cidr"], "affinity": spec["affinity"], "used": used}
    return _without(item)


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner) for key, inner in value.items() if key not in VOLATILE}
    return [_without(inner) for inner in value] if isinstance(value, list) else value


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """What is not equal, a line each."""
    found = []
    for name in before.keys() | after.keys():
        old, new = before.get(name, []), after.get(name, [])
        found += [f"{name}: gone: {line}" for line in old if line not in new]
        found += [f"{name}: new: {line}" for line in new if line not in old]
        if sorted(old) == sorted(new) and old != new:
            found.append(f"{name}: in another order")
    return sorted(found)
