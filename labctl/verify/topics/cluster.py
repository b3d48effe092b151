"""``cluster``: Kubernetes and Calico as they are configured and as they run, and each node's routing table.

What is there is asked until it is right; what must not be there is looked for over a window afterwards. Resources are
judged as they are stored; what a field means is Calico's API reference. A value that depends on the mode (white paper:
routed, or IPIP with the mesh) has a key for each.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from itertools import chain
from typing import Any, Literal

from labctl.kube.api import Json
from labctl.kube.resources import (
    BGP_CONFIGURATIONS,
    BGP_PEERS,
    CONFIG_MAPS,
    IP_POOLS,
    NODES,
    PODS,
    SERVICES,
)
from labctl.verify.checks import Check
from labctl.verify.expectation import inside, named, pod_ready, pods_with
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import listing
from labctl.verify.topics import bird, nodes
from labctl.verify.topics.bird import BirdInput
from labctl.verify.topics.nodes import (
    HostRoutesInput,
    KubeNodeInput,
)
from labctl.verify.values import Model
from labctl.verify.verdict import CheckResult, Judgement, differing, fails, passes


class PodCidrInput(Model):
    """Each node gets a network of ``length`` out of ``range`` from Kubernetes (Calico does not allocate from it)."""

    range: str
    length: int


class ComponentInput(Model):
    """Pods with a label, one ready on each of ``nodes`` (on one of them, with ``spread`` False).

    ``tag``: that their image is to have.
    """

    name: str
    namespace: str
    selector: str
    nodes: tuple[str, ...]
    spread: bool = True
    tag: str | None = None


class CalicoConfigInput(Model):
    """The ConfigMap of Calico's manifest; ``ipam``: keys of its CNI configuration's IPAM section."""

    name: str
    namespace: str
    backend: str
    datastore: str
    ipam: dict[str, str]


class ByMode(Model):
    """A text for each mode."""

    routed: str
    ipip: str

    def of(self, mode: str) -> str:
        return self.ipip if mode == "ipip" else self.routed


class OnInMode(Model):
    """Whether it is on, for each mode."""

    routed: bool
    ipip: bool

    def of(self, mode: str) -> bool:
        return self.ipip if mode == "ipip" else self.routed


class PoolInput(Model):
    name: str
    cidr: str
    block_size: int
    ipip_mode: ByMode
    vxlan_mode: str
    nat_outgoing: bool
    node_selector: str


class BgpConfigurationInput(Model):
    """BGPConfiguration ``default``."""

    asn: int
    mesh: OnInMode
    service_cluster_ips: tuple[str, ...]
    service_external_ips: tuple[str, ...]


class PeerInput(Model):
    """A BGPPeer; ``nodes`` None: global, else those that its selector is to choose."""

    name: str
    address: str
    asn: int
    nodes: tuple[str, ...] | None = None


class WorkloadInput(Model):
    """Pods with a label, running and ready."""

    namespace: str
    selector: str
    pods: int


class ServiceInput(Model):
    """A Service, ``namespace/name``. What is None is not asked."""

    service: str
    type: Literal["ClusterIP", "NodePort", "LoadBalancer"]
    port: int
    node_port: int | None = None
    traffic: Literal["Local", "Cluster"] | None = None
    family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = None
    families: tuple[Literal["IPv4", "IPv6"], ...]


class ClusterInput(Model):
    """``window``: seconds over which what must not be is looked for."""

    kubernetes: str
    window: float
    nodes: tuple[KubeNodeInput, ...]
    components: tuple[ComponentInput, ...]
    config: CalicoConfigInput
    pools: tuple[PoolInput, ...]
    bgp: BgpConfigurationInput
    peers: tuple[PeerInput, ...]
    bird: BirdInput
    routes: HostRoutesInput
    service_ranges: tuple[str, ...]
    pod_cidrs: tuple[PodCidrInput, ...] = ()
    workloads: tuple[WorkloadInput, ...] = ()
    services: tuple[ServiceInput, ...] = ()

    def node(self, name: str) -> KubeNodeInput:
        """By the lab's name; KeyError when there is none."""
        for row in self.nodes:
            if row.node == name:
                return row
        raise KeyError(name)


def run(lab: LabUnderTest) -> list[CheckResult]:
    found = lab.poll(checks(lab), lab.deadline("converged"))
    return found + lab.hold(negatives(lab), lab.section(ClusterInput).window, found)


def checks(lab: LabUnderTest) -> list[Check]:
    """What must be there."""
    inputs = lab.section(ClusterInput)
    pools, encapsulates = [pool.cidr for pool in inputs.pools], _encapsulates(lab, inputs)
    found = _objects(lab, inputs)
    for row in inputs.nodes:
        kube = lab.kube_name(row.node)
        found += nodes.checks(row, kube, inputs.routes, pools, encapsulates=encapsulates)
        found += bird.checks(inputs.bird, row.node, kube, _peers(lab, inputs, row.node))
    return found


def negatives(lab: LabUnderTest) -> list[Check]:
    """What must never be there."""
    inputs = lab.section(ClusterInput)
    encapsulates = _encapsulates(lab, inputs)
    return [
        check for row in inputs.nodes for check in nodes.negatives(row.node, inputs.routes, encapsulates=encapsulates)
    ]


def _encapsulates(lab: LabUnderTest, inputs: ClusterInput) -> bool:
    return any(row.ipip_mode.of(lab.folder.lab.mode) != "Never" for row in inputs.pools)


def _objects(lab: LabUnderTest, inputs: ClusterInput) -> list[Check]:
    """Of the API alone."""
    mode = lab.folder.lab.mode
    found = []
    for row in inputs.nodes:
        name = lab.kube_name(row.node)
        judge = partial(judge_node, name, inputs.kubernetes)
        found.append(Check(f"cluster.node.{row.node}", f"node {name} is Ready", (listing(NODES),), judge))
        if inputs.pod_cidrs:
            judge = partial(judge_pod_cidrs, name, inputs.pod_cidrs)
            found.append(Check(f"cluster.pod-cidrs.{row.node}", f"podCIDRs of {name}", (listing(NODES),), judge))
    for part in inputs.components:
        judge = partial(judge_component, part, [lab.kube_name(node) for node in part.nodes])
        found.append(Check(f"cluster.component.{part.name}", f"{part.name} runs", (listing(PODS),), judge))
    config = inputs.config
    command = listing(CONFIG_MAPS, config.namespace)
    judge = partial(judge_calico_config, config)
    found.append(Check("cluster.calico-config", f"ConfigMap {config.name}", (command,), judge))
    for pool in inputs.pools:
        judge = partial(judge_pool, pool, mode)
        found.append(Check(f"cluster.pool.{pool.name}", f"IPPool {pool.name}", (listing(IP_POOLS),), judge))
    judge = partial(judge_bgp_configuration, inputs.bgp, mode)
    command = listing(BGP_CONFIGURATIONS)
    found.append(Check("cluster.bgp-configuration", "BGPConfiguration default", (command,), judge))
    for peer in inputs.peers:
        chosen = None if peer.nodes is None else [lab.kube_name(node) for node in peer.nodes]
        judge = partial(judge_peer, peer, chosen)
        found.append(Check(f"cluster.peer.{peer.name}", f"BGPPeer {peer.name}", (listing(BGP_PEERS),), judge))
    for work in inputs.workloads:
        name = work.selector.partition("=")[2]
        judge = partial(judge_workload, work)
        found.append(Check(f"cluster.workload.{name}", f"pods {work.selector} run", (listing(PODS),), judge))
    for service in inputs.services:
        judge = partial(judge_service, service, inputs.service_ranges)
        title = f"Service {service.service}"
        found.append(Check(f"cluster.service.{service.service}", title, (listing(SERVICES),), judge))
    return found


def _peers(lab: LabUnderTest, inputs: ClusterInput, node: str) -> dict[str, str]:
    """Peer address → type: the leafs, and every other node when the mesh is on."""
    found = dict(bird.peers_of(node, ((peer.address, peer.nodes) for peer in inputs.peers)))
    if inputs.bgp.mesh.of(lab.folder.lab.mode):
        others = [row for row in inputs.nodes if row.node != node]
        found |= {address.partition("/")[0]: "node-to-node mesh" for row in others for address in row.addresses}
    return found


NODE_PORTS = range(30000, 32768)
"""kube-apiserver's default ``--service-node-port-range``."""


def judge_node(name: str, version: str, nodes: Sequence[Json]) -> Judgement:
    """A Node is Ready and its kubelet has the version."""
    found = named(nodes, name)
    expected = {"Ready": "True", "version": f"v{version}"}
    if found is None:
        return fails(f"there is no Node {name}", expected, [item["metadata"]["name"] for item in nodes])
    status = found.get("status") or {}
    ready: Json = next((row for row in status.get("conditions") or [] if row["type"] == "Ready"), {})
    seen = {"Ready": ready.get("status"), "version": (status.get("nodeInfo") or {}).get("kubeletVersion")}
    judgement = differing(f"node {name}", expected, seen)
    if seen["Ready"] != "True" and ready.get("message"):
        return fails(f"{judgement.sentence} ({ready['message']})", expected, seen)
    return judgement


def judge_component(row: ComponentInput, nodes: Sequence[str], pods: Sequence[Json]) -> Judgement:
    """Its pods are ready where they are to run, of the expected image tag."""
    found = pods_with(pods, row.namespace, row.selector)
    ready = _nodes_of(filter(pod_ready, found))
    images = sorted({str(node["image"]) for pod in found for node in pod["spec"]["containers"]})
    expected = {"on": "each" if row.spread else "one", "nodes": list(nodes)} | ({"tag": row.tag} if row.tag else {})
    seen = {"ready_on": ready, "images": images}
    missing = [name for name in nodes if name not in ready]
    where = ", ".join(ready) or "nowhere"
    if row.spread and missing:
        return fails(f"{row.name} is not ready on {', '.join(missing)}", expected, seen)
    if len(missing) == len(nodes):
        return fails(f"{row.name} is ready {where}, not on {' or '.join(nodes)}", expected, seen)
    if row.tag and set(map(_tag, images)) != {row.tag}:
        return fails(f"{row.name} runs {', '.join(images)}, expected {row.tag}", expected, seen)
    version = f" ({row.tag})" if row.tag else ""
    return passes(f"{row.name}{version} is ready on {where}", expected, seen)


def _nodes_of(pods: Iterable[Json]) -> list[str]:
    return sorted({str(pod["spec"].get("nodeName")) for pod in pods})


def _tag(image: str) -> str:
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2]


def judge_calico_config(row: CalicoConfigInput, config_maps: Sequence[Json]) -> Judgement:
    """Backend, datastore and IPAM of the ConfigMap (white paper: Figure 5)."""
    found = named(config_maps, row.name, row.namespace)
    what = f"ConfigMap {row.namespace}/{row.name}"
    expected = {"calico_backend": row.backend, "datastore_type": row.datastore, **row.ipam}
    if found is None:
        return fails(f"there is no {what}", expected, None)
    data = found.get("data") or {}
    # install-cni fills in __CNI_MTU__, which stands where a number belongs: it is no JSON before that
    text = str(data.get("cni_network_config") or "").replace("__CNI_MTU__", "0")
    try:
        plugins = json.loads(text)["plugins"]
        plugin = next(item for item in plugins if item["type"] == "calico")
    except (ValueError, KeyError, TypeError, StopIteration):
        return fails(f"{what}: cni_network_config has no plugin calico", expected, text[:200])
    ipam = plugin.get("ipam") or {}
    seen = {"calico_backend": data.get("calico_backend"), "datastore_type": plugin.get("datastore_type")}
    return differing(what, expected, seen | {key: ipam.get(key) for key in row.ipam})


def judge_pool(row: PoolInput, mode: str, pools: Sequence[Json]) -> Judgement:
    """An IPPool as the mode has it (white paper: Figure 6)."""
    expected = {
        "cidr": row.cidr, "blockSize": row.block_size, "ipipMode": row.ipip_mode.of(mode),
        "vxlanMode": row.vxlan_mode, "natOutgoing": row.nat_outgoing, "nodeSelector": row.node_selector,
    }  # fmt: skip
    found = named(pools, row.name)
    if found is None:
        return fails(f"there is no IPPool {row.name}", expected, [p["metadata"]["name"] for p in pools])
    spec = found["spec"]
    unset = {"ipipMode": "Never", "vxlanMode": "Never", "natOutgoing": False, "nodeSelector": "all()"}
    return differing(f"IPPool {row.name}", expected, {key: spec.get(key, unset.get(key)) for key in expected})


def judge_bgp_configuration(row: BgpConfigurationInput, mode: str, configurations: Sequence[Json]) -> Judgement:
    """BGPConfiguration ``default`` (white paper: Figure 8)."""
    expected = {
        "asNumber": row.asn, "nodeToNodeMeshEnabled": row.mesh.of(mode),
        "serviceClusterIPs": list(row.service_cluster_ips), "serviceExternalIPs": list(row.service_external_ips),
    }  # fmt: skip
    found = named(configurations, "default")
    if found is None:
        return fails("there is no BGPConfiguration default", expected, None)
    spec = found["spec"]
    seen = {
        "asNumber": spec.get("asNumber", 64512), "nodeToNodeMeshEnabled": spec.get("nodeToNodeMeshEnabled", True),
        "serviceClusterIPs": _ranges(spec, "serviceClusterIPs"),
        "serviceExternalIPs": _ranges(spec, "serviceExternalIPs"),
    }  # fmt: skip
    return differing("BGPConfiguration default", expected, seen)


def _ranges(spec: Mapping[str, Any], key: str) -> list[str]:
    return [str(item.get("cidr")) for item in spec.get(key) or []]


def judge_peer(row: PeerInput, nodes: Sequence[str] | None, peers: Sequence[Json]) -> Judgement:
    """A BGPPeer; ``nodes``: Kubernetes names that its selector is to name, None for a global one (Figure 9)."""
    expected = {"peerIP": row.address, "asNumber": row.asn, "nodes": list(nodes) if nodes is not None else "all"}
    found = named(peers, row.name)
    if found is None:
        known = ", ".join(item["metadata"]["name"] for item in peers) or "none"
        return fails(f"there is no BGPPeer {row.name} (there are: {known})", expected, None)
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


def judge_pod_cidrs(name: str, ranges: Sequence[PodCidrInput], nodes: Sequence[Json]) -> Judgement:
    """A Node has a network of each pod range, which no other Node has (white paper: Figure 7)."""
    expected = [f"a /{row.length} of {row.range}" for row in ranges]
    cidrs = {item["metadata"]["name"]: [str(text) for text in item["spec"].get("podCIDRs") or []] for item in nodes}
    if name not in cidrs:
        return fails(f"there is no Node {name}", expected, None)
    own = cidrs.pop(name)
    wrong = _unfit(own, ranges, set(chain(*cidrs.values())))
    if not wrong and len(own) != len(ranges):
        wrong = [f"has {len(own)} networks, expected {len(ranges)}"]
    told = f"node {name}: podCIDRs {', '.join(own) or 'none'}"
    return fails(f"{told}: {'; '.join(wrong)}", expected, own) if wrong else passes(told, expected, own)


def _unfit(own: Sequence[str], ranges: Sequence[PodCidrInput], others: Collection[str]) -> list[str]:
    wrong = []
    for row in ranges:
        fitting = [text for text in own if inside(text, row.range) and ip_network(text).prefixlen == row.length]
        if len(fitting) != 1:
            wrong.append(f"has {len(fitting)} networks /{row.length} of {row.range}")
        wrong += [f"shares {text} with another node" for text in fitting if text in others]
    return wrong


def judge_workload(row: WorkloadInput, pods: Sequence[Json]) -> Judgement:
    """As many pods with the label are running and ready as there are to be (white paper: Figure 11)."""
    found = pods_with(pods, row.namespace, row.selector)
    ready = [pod for pod in found if pod_ready(pod)]
    seen = {pod["metadata"]["name"]: (pod.get("status") or {}).get("phase") for pod in found}
    words = f"{len(ready)} of {row.pods} pods {row.selector} are running and ready"
    return Judgement("PASS" if len(ready) == row.pods == len(found) else "FAIL", words, row.pods, seen)


def judge_service(row: ServiceInput, ranges: Sequence[str], services: Sequence[Json]) -> Judgement:
    """Type, port, families and cluster IPs of a Service (white paper: Figures 13 and 14)."""
    namespace, _, name = row.service.partition("/")
    what = f"Service {row.service}"
    wanted = {
        "type": row.type, "port": row.port, "nodePort": row.node_port, "externalTrafficPolicy": row.traffic,
        "ipFamilyPolicy": row.family_policy, "ipFamilies": list(row.families),
    }  # fmt: skip
    expected = {key: value for key, value in wanted.items() if value is not None}
    found = named(services, name, namespace)
    if found is None:
        return fails(f"there is no {what}", expected, None)
    port = (found["spec"].get("ports") or [{}])[0]
    spec = {**found["spec"], **{key: port.get(key) for key in ("port", "nodePort")}}
    ips = [str(ip) for ip in spec.get("clusterIPs") or []]
    seen = {key: spec.get(key) for key in expected} | {"clusterIPs": ips}
    trouble = _trouble_of_addresses(ips, len(row.families), ranges)
    if trouble is None and row.type == "NodePort" and spec["nodePort"] not in NODE_PORTS:
        trouble = f"node port {spec['nodePort']}"
    if trouble:
        return fails(f"{what}: {trouble}", expected, seen)
    judgement = differing(what, expected, seen)
    told = "" if judgement.verdict == "FAIL" else f", clusterIPs {', '.join(ips)}"
    return replace(judgement, sentence=judgement.sentence + told)


def _trouble_of_addresses(ips: Sequence[str], count: int, ranges: Sequence[str]) -> str | None:
    strange = [ip for ip in ips if not any(inside(ip, text) for text in ranges)]
    if strange:
        return f"{', '.join(strange)} is in no service range"
    return None if len(ips) == count else f"it has {len(ips)} cluster IPs"


SCENARIO = Scenario("cluster", "Kubernetes and Calico, nodes' routes", run, late=True)
