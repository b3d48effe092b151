"""The other system functions: kube-proxy on every node, calico-kube-controllers on one."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from labctl.kube.api import Api
from labctl.kube.resources import BLOCK_AFFINITIES, IPAM_BLOCKS, NODES, PODS
from labctl.standin.cluster import proxy
from labctl.standin.cluster.calico import blocks
from labctl.standin.cluster.calico.cluster import ClusterState
from labctl.standin.cluster.calico.ipam import Ipam
from labctl.standin.cluster.firewall import Firewall
from labctl.standin.cluster.function import Log, Loop
from labctl.standin.cluster.podnet import FunctionContext

PROXIED = {"services", "slices"}
COLLECT_EVERY = 30.0


class KubeProxy:
    """Keeps a node's service chains."""

    def __init__(
        self,
        context: FunctionContext,
        cluster: ClusterState,
        firewall: Firewall,
        cluster_cidrs: Sequence[str],
        log: Log,
    ) -> None:
        self._context = context
        self._cluster = cluster
        self._firewall = firewall
        self._cidrs = tuple(cluster_cidrs)
        self._log = log
        self._loop = Loop(f"kube-proxy {context.node.name}", self._act, log)
        self._ready = False

    def start(self) -> None:
        self._cluster.watch(PROXIED, self._loop.wake)
        self._loop.start()

    def stop(self) -> None:
        """The chains stay, as kube-proxy's do."""
        self._cluster.forget(self._loop.wake)
        self._loop.stop()

    def ready(self) -> bool:
        return self._ready

    def failure(self) -> str | None:
        return None

    def logs(self) -> bytes:
        return self._log.data()

    def process(self) -> int | None:
        return None

    def _act(self) -> float | None:
        if self._cluster.unsynced(PROXIED):
            return 0.05
        ports = proxy.service_ports(self._cluster.items("services"), self._cluster.items("slices"))
        self._firewall.put("kube-proxy", proxy.chains(ports, self._context.node.name, self._cidrs))
        if not self._ready:
            self._ready = True
            self._log(f"chains of {len(ports)} service ports are in place")
            self._context.changed()
        return None


class KubeControllers:
    """calico-kube-controllers' node controller: addresses of pods that are gone, blocks of nodes that are gone.

    An allocation is given back when its pod was missing in two rounds: a pod object appears after its addresses do.
    """

    def __init__(self, context: FunctionContext, api: Api, ipam: Ipam, log: Log) -> None:
        self._context = context
        self._api = api
        self._ipam = ipam
        self._log = log
        self._suspects: set[str] = set()
        self._ready = False
        self._loop = Loop("calico-kube-controllers", self._act, log)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._loop.stop()

    def ready(self) -> bool:
        return self._ready

    def failure(self) -> str | None:
        return None

    def logs(self) -> bytes:
        return self._log.data()

    def process(self) -> int | None:
        return None

    def _act(self) -> float | None:
        pods = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in self._api.list(PODS)}
        nodes = {item["metadata"]["name"] for item in self._api.list(NODES)}
        missing = set()
        for block in self._api.list(IPAM_BLOCKS):
            for handle, attributes in blocks.handles(block).items():
                of_pod = "pod" in attributes and (attributes.get("namespace"), attributes["pod"]) not in pods
                if of_pod or attributes.get("node") not in nodes:
                    missing.add(handle)
        for handle in missing & self._suspects:
            self._ipam.release(handle)
            self._log(f"released {handle}")
        self._suspects = missing - self._suspects
        for item in self._api.list(BLOCK_AFFINITIES):
            if item["spec"]["node"] not in nodes and self._block_removed(item["spec"]["cidr"]):
                self._api.delete(BLOCK_AFFINITIES.path(name=item["metadata"]["name"]))
                self._log(f"removed the affinity {item['metadata']['name']} of a node that is gone")
        if not self._ready:
            self._ready = True
            self._context.changed()
        return COLLECT_EVERY

    def _block_removed(self, cidr: str) -> bool:
        """A block without addresses goes with its node (a new node of that name claims it again); else not yet."""
        path = IPAM_BLOCKS.path(name=blocks.object_name(ip_network(cidr)))
        block = self._api.find(path)
        if block is not None and blocks.handles(block):
            return False
        if block is not None:
            self._api.delete(path)
        return True
