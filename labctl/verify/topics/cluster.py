"""``cluster``: Kubernetes and Calico as they are configured and as they run, and each node's routing table.

What is there is asked until it is right; what must not be there is looked for over a window afterwards. Resources are
judged as they are stored; what a field means is Calico's API reference. A value that depends on the mode (white paper:
routed, or IPIP with the mesh) has a key for each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from itertools import chain
from typing import Any, Generic, Literal, TypeVar

from labctl.kube.api import Json
from labctl.kube.resources import BGP_CONFIGURATIONS, BGP_PEERS, CONFIG_MAPS, IP_POOLS, NODES, PODS, SERVICES
from labctl.verify.checks import Check
from labctl.verify.expectation import inside, named, pod_ready, pods_with
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.observer import Command, listing
from labctl.verify.topics import bird, nodes
from labctl.verify.topics.bird import BirdInput
from labctl.verify.topics.nodes import HostRoutesInput, KubeNodeInput
from labctl.verify.values import Model
from labctl.verify.verdict import CheckResult, Judgement, differing, fails, judged, ruled

_Value = TypeVar("_Value")


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


class ByMode(Model, Generic[_Value]):
    """A value for each mode."""

    routed: _Value
    ipip: _Value

    def of(self, mode: str) -> _Value:
        return self.ipip if mode == "ipip" else self.routed


class PoolInput(Model):
    name: str
    cidr: str
    block_size: int
    ipip_mode: ByMode[str]
    vxlan_mode: str
    nat_outgoing: bool
    node_selector: str


class BgpConfigurationInput(Model):
    """BGPConfiguration ``default``."""

    asn: int
    mesh: ByMode[bool]
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


def run(lab: LabUnderTest) -> list[CheckResult]:
    found = lab.poll(checks(lab), lab.deadline("converged"))
    return found + lab.hold(negatives(lab), lab.section(ClusterInput).window, found)


def checks(lab: LabUnderTest) -> Iterator[Check]:
    """What must be there."""
    inputs = lab.section(ClusterInput)
    pools, encapsulates = [pool.cidr for pool in inputs.pools], _encapsulates(lab, inputs)
    yield from _objects(lab, inputs)
    for row in inputs.nodes:
        kube = lab.kube_name(row.node)
        yield from nodes.checks(row, kube, inputs.routes, pools, encapsulates=encapsulates)
        yield from bird.checks(inputs.bird, row.node, kube, _peers(lab, inputs, row.node))


def negatives(lab: LabUnderTest) -> Iterator[Check]:
    """What must never be there."""
    inputs = lab.section(ClusterInput)
    for row in inputs.nodes:
        yield from nodes.negatives(row.node, inputs.routes, encapsulates=_encapsulates(lab, inputs))


def _encapsulates(lab: LabUnderTest, inputs: ClusterInput) -> bool:
    return any(row.ipip_mode.of(lab.folder.lab.mode) != "Never" for row in inputs.pools)


def _objects(lab: LabUnderTest, inputs: ClusterInput) -> Iterator[Check]:
    mode = lab.folder.lab.mode

    def check(name: str, title: str, listed: Command, judge: Callable[..., Judgement], *of: Any) -> Check:
        return Check(f"cluster.{name}", title, (listed,), partial(judge, *of))

    for row in inputs.nodes:
        name = lab.kube_name(row.node)
        yield check(f"node.{row.node}", f"node {name} is Ready", listing(NODES), judge_node, name, inputs.kubernetes)
        if inputs.pod_cidrs:
            of = name, inputs.pod_cidrs
            yield check(f"pod-cidrs.{row.node}", f"podCIDRs of {name}", listing(NODES), judge_pod_cidrs, *of)
    for part in inputs.components:
        on = [lab.kube_name(node) for node in part.nodes]
        yield check(f"component.{part.name}", f"{part.name} runs", listing(PODS), judge_component, part, on)
    config = inputs.config
    maps = listing(CONFIG_MAPS, config.namespace)
    yield check("calico-config", f"ConfigMap {config.name}", maps, judge_calico_config, config)
    for pool in inputs.pools:
        yield check(f"pool.{pool.name}", f"IPPool {pool.name}", listing(IP_POOLS), judge_pool, pool, mode)
    title = "BGPConfiguration default"
    yield check("bgp-configuration", title, listing(BGP_CONFIGURATIONS), judge_bgp_configuration, inputs.bgp, mode)
    for peer in inputs.peers:
        chosen = None if peer.nodes is None else [lab.kube_name(node) for node in peer.nodes]
        yield check(f"peer.{peer.name}", f"BGPPeer {peer.name}", listing(BGP_PEERS), judge_peer, peer, chosen)
    for work in inputs.workloads:
        label = work.selector.partition("=")[2]
        yield check(f"workload.{label}", f"pods {work.selector} run", listing(PODS), judge_workload, work)
    for service in inputs.services:
        name, ranges = service.service, inputs.service_ranges
        yield check(f"service.{name}", f"Service {name}", listing(SERVICES), judge_service, service, ranges)


def _peers(lab: LabUnderTest, inputs: ClusterInput, node: str) -> dict[str, str]:
    """Peer address → type: the leafs, and every other node when the mesh is on."""
    found = {peer.address: "global" for peer in inputs.peers if peer.nodes is None}
    found |= {peer.address: "node specific" for peer in inputs.peers if node in (peer.nodes or ())}
    if inputs.bgp.mesh.of(lab.folder.lab.mode):
        others = [row for row in inputs.nodes if row.node != node]
        found |= {address.partition("/")[0]: "node-to-node mesh" for row in others for address in row.addresses}
    return found


NODE_PORTS = range(30000, 32768)
"""kube-apiserver's default ``--service-node-port-range``."""


def judge_object(
    what: str, found: Json | None, items: Sequence[Json], expected: Json, read: Callable[[Json], Json]
) -> Judgement:
    """An object is there, and what is read of it is as expected."""
    if found is None:
        known = ", ".join(str(item["metadata"]["name"]) for item in items) or "none"
        return fails(f"there is no {what} (there are: {known})", expected, None)
    return differing(what, expected, read(found))


def judge_node(name: str, version: str, nodes: Sequence[Json]) -> Judgement:
    """A Node is Ready and its kubelet has the version."""
    reasons = []

    def read(node: Json) -> Json:
        status = node.get("status") or {}
        ready: Json = next((row for row in status.get("conditions") or [] if row["type"] == "Ready"), {})
        reasons.append(ready.get("message") if ready.get("status") != "True" else None)
        return {"Ready": ready.get("status"), "version": (status.get("nodeInfo") or {}).get("kubeletVersion")}

    expected = {"Ready": "True", "version": f"v{version}"}
    judgement = judge_object(f"node {name}", named(nodes, name), nodes, expected, read)
    return replace(judgement, sentence=f"{judgement.sentence} ({reasons[0]})") if any(reasons) else judgement


def judge_component(row: ComponentInput, nodes: Sequence[str], pods: Sequence[Json]) -> Judgement:
    """Its pods are ready where they are to run, of the expected image tag."""
    found = pods_with(pods, row.namespace, row.selector)
    ready = sorted({str(pod["spec"].get("nodeName")) for pod in found if pod_ready(pod)})
    images = sorted({str(node["image"]) for pod in found for node in pod["spec"]["containers"]})
    expected = {"on": "each" if row.spread else "one", "nodes": list(nodes)} | ({"tag": row.tag} if row.tag else {})
    seen = {"ready_on": ready, "images": images}
    missing = [name for name in nodes if name not in ready]
    where = ", ".join(ready) or "nowhere"
    tags = {image.partition("@")[0].rpartition("/")[2].partition(":")[2] for image in images}
    rules = (
        (row.spread and missing, f" is not ready on {', '.join(missing)}"),
        (len(missing) == len(nodes), f" is ready {where}, not on {' or '.join(nodes)}"),
        (row.tag and tags != {row.tag}, f" runs {', '.join(images)}, expected {row.tag}"),
    )
    version = f" ({row.tag})" if row.tag else ""
    return ruled(row.name, rules, f"{version} is ready on {where}", expected, seen)


def judge_calico_config(row: CalicoConfigInput, config_maps: Sequence[Json]) -> Judgement:
    """Backend, datastore and IPAM of the ConfigMap (white paper: Figure 5)."""

    def read(found: Json) -> Json:
        data = found.get("data") or {}
        # install-cni fills in __CNI_MTU__, which stands where a number belongs: it is no JSON before that
        text = str(data.get("cni_network_config") or "").replace("__CNI_MTU__", "0")
        try:
            plugin = next(item for item in json.loads(text)["plugins"] if item["type"] == "calico")
        except (ValueError, KeyError, TypeError, StopIteration):
            plugin = {"datastore_type": "in no plugin calico of cni_network_config"}
        ipam = plugin.get("ipam") or {}
        seen = {"calico_backend": data.get("calico_backend"), "datastore_type": plugin.get("datastore_type")}
        return seen | {key: ipam.get(key) for key in row.ipam}

    expected = {"calico_backend": row.backend, "datastore_type": row.datastore, **row.ipam}
    found = named(config_maps, row.name, row.namespace)
    return judge_object(f"ConfigMap {row.namespace}/{row.name}", found, config_maps, expected, read)


def judge_pool(row: PoolInput, mode: str, pools: Sequence[Json]) -> Judgement:
    """An IPPool as the mode has it (white paper: Figure 6)."""
    expected = {
        "cidr": row.cidr, "blockSize": row.block_size, "ipipMode": row.ipip_mode.of(mode),
        "vxlanMode": row.vxlan_mode, "natOutgoing": row.nat_outgoing, "nodeSelector": row.node_selector,
    }  # fmt: skip
    unset = {"ipipMode": "Never", "vxlanMode": "Never", "natOutgoing": False, "nodeSelector": "all()"}

    def read(found: Json) -> Json:
        return {key: found["spec"].get(key, unset.get(key)) for key in expected}

    return judge_object(f"IPPool {row.name}", named(pools, row.name), pools, expected, read)


def judge_bgp_configuration(row: BgpConfigurationInput, mode: str, configurations: Sequence[Json]) -> Judgement:
    """BGPConfiguration ``default`` (white paper: Figure 8)."""
    expected = {
        "asNumber": row.asn, "nodeToNodeMeshEnabled": row.mesh.of(mode),
        "serviceClusterIPs": list(row.service_cluster_ips), "serviceExternalIPs": list(row.service_external_ips),
    }  # fmt: skip

    def read(found: Json) -> Json:
        spec = {"asNumber": 64512, "nodeToNodeMeshEnabled": True, **found["spec"]}
        ranges = {key: spec.get(key) or [] for key in ("serviceClusterIPs", "serviceExternalIPs")}
        spec |= {key: [str(item.get("cidr")) for item in rows] for key, rows in ranges.items()}
        return {key: spec[key] for key in expected}

    found = named(configurations, "default")
    return judge_object("BGPConfiguration default", found, configurations, expected, read)


def judge_peer(row: PeerInput, nodes: Sequence[str] | None, peers: Sequence[Json]) -> Judgement:
    """A BGPPeer; ``nodes``: Kubernetes names that its selector is to name, None for a global one (Figure 9)."""
    expected = {"peerIP": row.address, "asNumber": row.asn, "nodes": list(nodes) if nodes is not None else "all"}

    def read(found: Json) -> Json:
        spec = found["spec"]
        selector = str(spec.get("nodeSelector") or "all()")
        there = [name for name in nodes or () if f"'{name}'" in selector]
        chosen: Any = there if there and selector.count("'") == 2 * len(nodes or ()) else selector
        if spec.get("node") or selector == "all()":
            chosen = [spec["node"]] if spec.get("node") else "all"
        return {"peerIP": spec.get("peerIP"), "asNumber": spec.get("asNumber"), "nodes": chosen}

    return judge_object(f"BGPPeer {row.name}", named(peers, row.name), peers, expected, read)


def judge_pod_cidrs(name: str, ranges: Sequence[PodCidrInput], nodes: Sequence[Json]) -> Judgement:
    """A Node has a network of each pod range, which no other Node has (white paper: Figure 7)."""
    expected = [f"a /{row.length} of {row.range}" for row in ranges]
    cidrs = {item["metadata"]["name"]: [str(text) for text in item["spec"].get("podCIDRs") or []] for item in nodes}
    if name not in cidrs:
        return fails(f"there is no Node {name}", expected, None)
    own = cidrs.pop(name)
    others = set(chain(*cidrs.values()))
    wrong = [fault for row in ranges for fault in _range_faults(row, own, others)]
    if not wrong and len(own) != len(ranges):
        wrong = [f"has {len(own)} networks, expected {len(ranges)}"]
    told = f"node {name}: podCIDRs {', '.join(own) or 'none'}"
    return judged(told, wrong, "each of its range", expected, own)


def _range_faults(row: PodCidrInput, own: Sequence[str], others: Collection[str]) -> Iterator[str]:
    fitting = [text for text in own if inside(text, row.range) and ip_network(text).prefixlen == row.length]
    if len(fitting) != 1:
        yield f"has {len(fitting)} networks /{row.length} of {row.range}"
    yield from (f"shares {text} with another node" for text in fitting if text in others)


def judge_workload(row: WorkloadInput, pods: Sequence[Json]) -> Judgement:
    """As many pods with the label are running and ready as there are to be (white paper: Figure 11)."""
    found = pods_with(pods, row.namespace, row.selector)
    ready = [pod for pod in found if pod_ready(pod)]
    seen = {pod["metadata"]["name"]: (pod.get("status") or {}).get("phase") for pod in found}
    told = f"{len(ready)} of {row.pods} pods {row.selector} are running and ready"
    return Judgement("PASS" if len(ready) == row.pods == len(found) else "FAIL", told, row.pods, seen)


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
    strange = [ip for ip in ips if not any(inside(ip, text) for text in ranges)]
    found_so = differing(what, expected, seen)
    fields = found_so.sentence.removeprefix(f"{what}: ")
    rules = (
        (strange, f"{', '.join(strange)} is in no service range"),
        (len(ips) != len(row.families), f"it has {len(ips)} cluster IPs"),
        (row.type == "NodePort" and spec["nodePort"] not in NODE_PORTS, f"node port {spec['nodePort']}"),
        (found_so.verdict == "FAIL", fields),
    )
    return ruled(f"{what}: ", rules, f"{fields}, clusterIPs {', '.join(ips)}", expected, seen)


SCENARIO = Scenario("cluster", "Kubernetes and Calico, nodes' routes", run, late=True)
