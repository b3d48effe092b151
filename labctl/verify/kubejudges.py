"""The judges of what the Kubernetes API says: nodes, components, Calico's resources, pods, Services. Pure.

Resources are judged as they are stored; what a field means is Calico's API reference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from labctl.kube.api import Json
from labctl.verify.clusterinputs import (
    BgpConfigurationInput,
    CalicoConfigInput,
    ComponentInput,
    PeerInput,
    PodCidrInput,
    PoolInput,
    ServiceInput,
    WorkloadInput,
)
from labctl.verify.verdict import Judgement

NODE_PORTS = range(30000, 32768)
"""kube-apiserver's default ``--service-node-port-range``."""


def named(items: Iterable[Json], name: str, namespace: str | None = None) -> Json | None:
    """The object of that name."""
    return next(
        (
            item
            for item in items
            if item["metadata"]["name"] == name and namespace in (None, item["metadata"].get("namespace"))
        ),
        None,
    )


def labelled(pods: Iterable[Json], namespace: str, selector: str) -> list[Json]:
    """Pods of a namespace with a label ``key=value`` that are not being deleted."""
    key, _, value = selector.partition("=")
    return [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == namespace
        and (pod["metadata"].get("labels") or {}).get(key) == value
        and "deletionTimestamp" not in pod["metadata"]
    ]


def pod_ready(pod: Json) -> bool:
    """Running, and every container ready."""
    status = pod.get("status") or {}
    conditions = {row["type"]: row["status"] for row in status.get("conditions") or []}
    return status.get("phase") == "Running" and conditions.get("Ready") == "True"


def differing(what: str, expected: Mapping[str, Any], seen: Mapping[str, Any]) -> Judgement:
    """PASS when every expected field is seen; else FAIL with each that differs."""
    wrong = [f"{key} is {_word(seen.get(key))}, expected {_word(value)}" for key, value in expected.items()
             if seen.get(key) != value]  # fmt: skip
    if wrong:
        return Judgement("FAIL", f"{what}: {'; '.join(wrong)}", dict(expected), dict(seen))
    told = ", ".join(f"{key} {_word(value)}" for key, value in expected.items())
    return Judgement("PASS", f"{what}: {told}", dict(expected), dict(seen))


def _word(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) or "none" if isinstance(value, (list, tuple)) else str(value)


def node(name: str, version: str, nodes: Sequence[Json]) -> Judgement:
    """A Node is Ready and its kubelet has the version."""
    found = named(nodes, name)
    expected = {"Ready": "True", "version": f"v{version}"}
    if found is None:
        return Judgement("FAIL", f"there is no Node {name}", expected, [item["metadata"]["name"] for item in nodes])
    status = found.get("status") or {}
    ready: Json = next((row for row in status.get("conditions") or [] if row["type"] == "Ready"), {})
    seen = {"Ready": ready.get("status"), "version": (status.get("nodeInfo") or {}).get("kubeletVersion")}
    judgement = differing(f"node {name}", expected, seen)
    if seen["Ready"] != "True" and ready.get("message"):
        return Judgement("FAIL", f"{judgement.sentence} ({ready['message']})", expected, seen)
    return judgement


def component(row: ComponentInput, nodes: Sequence[str], pods: Sequence[Json]) -> Judgement:
    """Its pods are ready where they are to run, of the expected image tag."""
    found = labelled(pods, row.namespace, row.selector)
    ready = sorted({str(pod["spec"].get("nodeName")) for pod in found if pod_ready(pod)})
    images = sorted({str(box["image"]) for pod in found for box in pod["spec"]["containers"]})
    expected = {"on": "each" if row.spread else "one", "nodes": list(nodes), **({"tag": row.tag} if row.tag else {})}
    seen = {"ready_on": ready, "images": images}
    missing = [name for name in nodes if name not in ready]
    if row.spread and missing:
        return Judgement("FAIL", f"{row.name} is not ready on {', '.join(missing)}", expected, seen)
    if not set(ready) & set(nodes):
        where = ", ".join(ready) or "nowhere"
        return Judgement("FAIL", f"{row.name} is ready {where}, not on {' or '.join(nodes)}", expected, seen)
    tags = {_tag(image) for image in images}
    if row.tag and tags != {row.tag}:
        return Judgement("FAIL", f"{row.name} runs {', '.join(images)}, expected {row.tag}", expected, seen)
    version = f" ({row.tag})" if row.tag else ""
    return Judgement("PASS", f"{row.name}{version} is ready on {', '.join(ready)}", expected, seen)


def _tag(image: str) -> str:
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]


def calico_config(row: CalicoConfigInput, config_maps: Sequence[Json]) -> Judgement:
    """Backend, datastore and IPAM of the ConfigMap (white paper: Figure 5)."""
    found = named(config_maps, row.name, row.namespace)
    what = f"ConfigMap {row.namespace}/{row.name}"
    expected = {"calico_backend": row.backend, "datastore_type": row.datastore, **row.ipam}
    if found is None:
        return Judgement("FAIL", f"there is no {what}", expected, None)
    data = found.get("data") or {}
    # install-cni fills in __CNI_MTU__, which stands where a number belongs: it is no JSON before that
    text = str(data.get("cni_network_config") or "").replace("__CNI_MTU__", "0")
    try:
        plugins = json.loads(text)["plugins"]
        plugin = next(item for item in plugins if item["type"] == "calico")
    except (ValueError, KeyError, TypeError, StopIteration):
        return Judgement("FAIL", f"{what}: cni_network_config has no plugin calico", expected, text[:200])
    ipam = plugin.get("ipam") or {}
    seen = {"calico_backend": data.get("calico_backend"), "datastore_type": plugin.get("datastore_type")}
    return differing(what, expected, seen | {key: ipam.get(key) for key in row.ipam})


def pool(row: PoolInput, mode: str, pools: Sequence[Json]) -> Judgement:
    """An IPPool as the mode has it (white paper: Figure 6)."""
    expected = {
        "cidr": row.cidr, "blockSize": row.block_size, "ipipMode": row.ipip_mode.of(mode),
        "vxlanMode": row.vxlan_mode, "natOutgoing": row.nat_outgoing, "nodeSelector": row.node_selector,
    }  # fmt: skip
    found = named(pools, row.name)
    if found is None:
        return Judgement("FAIL", f"there is no IPPool {row.name}", expected, [p["metadata"]["name"] for p in pools])
    spec = found["spec"]
    unset = {"ipipMode": "Never", "vxlanMode": "Never", "natOutgoing": False, "nodeSelector": "all()"}
    return differing(f"IPPool {row.name}", expected, {key: spec.get(key, unset.get(key)) for key in expected})


def bgp_configuration(row: BgpConfigurationInput, mode: str, configurations: Sequence[Json]) -> Judgement:
    """BGPConfiguration ``default`` (white paper: Figure 8)."""
    expected = {
        "asNumber": row.asn, "nodeToNodeMeshEnabled": row.mesh.of(mode),
        "serviceClusterIPs": list(row.service_cluster_ips), "serviceExternalIPs": list(row.service_external_ips),
    }  # fmt: skip
    found = named(configurations, "default")
    if found is None:
        return Judgement("FAIL", "there is no BGPConfiguration default", expected, None)
    spec = found["spec"]
    seen = {
        "asNumber": spec.get("asNumber", 64512), "nodeToNodeMeshEnabled": spec.get("nodeToNodeMeshEnabled", True),
        "serviceClusterIPs": _ranges(spec, "serviceClusterIPs"),
        "serviceExternalIPs": _ranges(spec, "serviceExternalIPs"),
    }  # fmt: skip
    return differing("BGPConfiguration default", expected, seen)


def _ranges(spec: Mapping[str, Any], key: str) -> list[str]:
    return [str(item.get("cidr")) for item in spec.get(key) or []]


def peer(row: PeerInput, nodes: Sequence[str] | None, peers: Sequence[Json]) -> Judgement:
    """A BGPPeer; ``nodes``: Kubernetes names that its selector is to name, None for a global one (Figure 9)."""
    expected = {"peerIP": row.address, "asNumber": row.asn, "nodes": list(nodes) if nodes is not None else "all"}
    found = named(peers, row.name)
    if found is None:
        known = ", ".join(item["metadata"]["name"] for item in peers) or "none"
        return Judgement("FAIL", f"there is no BGPPeer {row.name} (there are: {known})", expected, None)
    spec = found["spec"]
    chosen: Any = "all"
    if spec.get("node"):
        chosen = [spec["node"]]
    elif spec.get("nodeSelector") not in (None, "", "all()"):
        selector = str(spec["nodeSelector"])
        named_there = [name for name in nodes or () if f"'{name}'" in selector]
        chosen = named_there if nodes is not None and selector.count("'") == 2 * len(nodes) else selector
    seen = {"peerIP": spec.get("peerIP"), "asNumber": spec.get("asNumber"), "nodes": chosen}
    return differing(f"BGPPeer {row.name}", expected, seen)


def pod_cidrs(name: str, ranges: Sequence[PodCidrInput], nodes: Sequence[Json]) -> Judgement:
    """A Node has a network of each pod range, which no other Node has (white paper: Figure 7)."""
    found = named(nodes, name)
    expected = [f"a /{row.length} of {row.range}" for row in ranges]
    if found is None:
        return Judgement("FAIL", f"there is no Node {name}", expected, None)
    own = [str(text) for text in found["spec"].get("podCIDRs") or []]
    others = {text for item in nodes if item is not found for text in item["spec"].get("podCIDRs") or []}
    wrong = []
    for row in ranges:
        fitting = [text for text in own if _inside(text, row.range) and ip_network(text).prefixlen == row.length]
        if len(fitting) != 1:
            wrong.append(f"has {len(fitting)} networks /{row.length} of {row.range}")
        wrong += [f"shares {text} with another node" for text in fitting if text in others]
    if wrong or len(own) != len(ranges):
        told = "; ".join(wrong) or f"has {len(own)} networks, expected {len(ranges)}"
        return Judgement("FAIL", f"node {name}: podCIDRs {', '.join(own) or 'none'}: {told}", expected, own)
    return Judgement("PASS", f"node {name}: podCIDRs {', '.join(own)}", expected, own)


def _inside(text: str, outer: str) -> bool:
    inner, network = ip_network(text, strict=False), ip_network(outer)
    return inner.version == network.version and inner.subnet_of(network)  # type: ignore[arg-type]


def workload(row: WorkloadInput, pods: Sequence[Json]) -> Judgement:
    """As many pods with the label are running and ready as there are to be (white paper: Figure 11)."""
    found = labelled(pods, row.namespace, row.selector)
    ready = [pod for pod in found if pod_ready(pod)]
    seen = {pod["metadata"]["name"]: (pod.get("status") or {}).get("phase") for pod in found}
    words = f"{len(ready)} of {row.pods} pods {row.selector} are running and ready"
    return Judgement("PASS" if len(ready) == row.pods == len(found) else "FAIL", words, row.pods, seen)


def addresses(name: str, pools: Sequence[str], pods: Sequence[Json], affinities: Sequence[Json]) -> Judgement:
    """Every pod of a node outside the host's network has an address of each pool family, out of a block of its node."""
    mine = [pod for pod in network_pods(pods) if pod["spec"].get("nodeName") == name]
    blocks = [str(item["spec"]["cidr"]) for item in affinities if item["spec"]["node"] == name]
    families = sorted({ip_network(text).version for text in pools})
    expected = {"families": families, "blocks": blocks}
    seen = {pod["metadata"]["name"]: pod_ips(pod) for pod in mine}
    wrong = []
    for pod, ips in seen.items():
        if sorted({ip_address(ip).version for ip in ips}) != families:
            wrong.append(f"{pod} has {', '.join(ips) or 'no address'}, expected one of each of IPv{families}")
        for ip in ips:
            if not any(_inside(ip, text) for text in pools):
                wrong.append(f"{pod} has {ip}, which is in no pool")
            elif not any(_inside(ip, text) for text in blocks):
                wrong.append(f"{pod} has {ip}, which is in no block of {name}")
    if wrong:
        return Judgement("FAIL", f"node {name}: {'; '.join(wrong)}", expected, seen)
    words = f"node {name}: {len(mine)} pods have addresses of its blocks {', '.join(blocks)}"
    return Judgement("PASS", words, expected, seen)


def network_pods(pods: Sequence[Json]) -> list[Json]:
    """Running pods that have a network of their own."""
    return [
        pod
        for pod in pods
        if not pod["spec"].get("hostNetwork")
        and (pod.get("status") or {}).get("phase") == "Running"
        and "deletionTimestamp" not in pod["metadata"]
    ]


def pod_ips(pod: Json) -> list[str]:
    """Its addresses."""
    return [str(row["ip"]) for row in (pod.get("status") or {}).get("podIPs") or []]


def service(row: ServiceInput, ranges: Sequence[str], services: Sequence[Json]) -> Judgement:
    """Type, port, families and cluster IPs of a Service (white paper: Figures 13 and 14)."""
    namespace, _, name = row.service.partition("/")
    wanted = {
        "type": row.type, "port": row.port, "nodePort": row.node_port, "externalTrafficPolicy": row.traffic,
        "ipFamilyPolicy": row.family_policy, "ipFamilies": list(row.families),
    }  # fmt: skip
    expected = {key: value for key, value in wanted.items() if value is not None}
    found = named(services, name, namespace)
    if found is None:
        return Judgement("FAIL", f"there is no Service {row.service}", expected, None)
    spec = found["spec"]
    port = (spec.get("ports") or [{}])[0]
    ips = [str(ip) for ip in spec.get("clusterIPs") or []]
    seen = {**{key: spec.get(key) for key in expected}, "port": port.get("port"), "clusterIPs": ips}
    if row.node_port is not None:
        seen["nodePort"] = port.get("nodePort")
    judgement = differing(f"Service {row.service}", expected, seen)
    strange = [ip for ip in ips if not any(_inside(ip, text) for text in ranges)]
    if strange or len(ips) != len(row.families):
        why = f"{', '.join(strange)} is in no service range" if strange else f"it has {len(ips)} cluster IPs"
        return Judgement("FAIL", f"Service {row.service}: {why}", expected, seen)
    if row.type == "NodePort" and port.get("nodePort") not in NODE_PORTS:
        return Judgement("FAIL", f"Service {row.service}: node port {port.get('nodePort')}", expected, seen)
    return judgement if judgement.verdict == "FAIL" else Judgement(
        "PASS", f"{judgement.sentence}, clusterIPs {', '.join(ips)}", expected, seen
    )  # fmt: skip
