"""The calico-node function of one node: address detection, BIRD, tunnel device, iptables, readiness.

What Calico spreads over its start-up, confd, Felix and the IPAM tool, here one loop that compares what should be
with what it has made last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network

from labctl.guest.api import AgentError, Isolation
from labctl.guest.client import Agent
from labctl.kube.api import Api, Json
from labctl.kube.resources import NODES
from labctl.peers import Calico
from labctl.standin.cluster.calico import advertise, bird, felix, sessions
from labctl.standin.cluster.calico.autodetect import detect, methods
from labctl.standin.cluster.calico.birdctl import BirdControl
from labctl.standin.cluster.calico.blocks import Network, borrowed
from labctl.standin.cluster.calico.cluster import ClusterState
from labctl.standin.cluster.calico.cni import CalicoNetwork
from labctl.standin.cluster.calico.ipam import Ipam
from labctl.standin.cluster.firewall import Firewall
from labctl.standin.cluster.function import Log, Loop
from labctl.standin.cluster.podnet import FunctionContext

WATCHED = {"nodes", "services", "slices", "pools", "configurations", "peers", "affinities", "blocks"}
SOCKETS = "/run/calico"
"""Where Calico's image keeps BIRD's control socket (``/var/run/calico/bird.ctl``); in BIRD's mount namespace alone."""
READY_EVERY = 0.5
UNREADY_LOOKS = 20
"""After so many in a row, which are some ten seconds, the log says which sessions are missing."""
WATCH_EVERY = 5.0
KILL = 9


@dataclass(frozen=True, slots=True)
class CalicoParts:
    """What the function works with, shared by all nodes but the network and the firewall."""

    api: Api
    cluster: ClusterState
    ipam: Ipam
    network: CalicoNetwork
    firewall: Firewall
    features: Calico


class CalicoNode:
    """`labctl.standin.cluster.podnet.SystemFunction`."""

    def __init__(self, context: FunctionContext, parts: CalicoParts, log: Log) -> None:
        self._context = context
        self._parts = parts
        self._log = log
        node = context.node
        self._folder = f"/run/labctl/calico/{node.namespace}"
        self._control = BirdControl(context.agent, f"{self._folder}/bird.ctl")
        self._loop = Loop(f"calico-node {node.name}", self._act, log)
        self._pid: int | None = None
        self._failure: str | None = None
        self._ready = False
        self._unready = 0
        self._text = ""
        self._tunnel: str | None = None
        self._tunnelled: dict[str, str] | None = None
        """The routes through it that are Felix's; None: those that an earlier calico-node left are not read yet."""
        self._addresses: dict[int, str] = {}

    def start(self) -> None:
        self._log("starting")
        self._loop.start()

    def stop(self) -> None:
        """End BIRD. Routes stay in the kernel, as on a real node (``persist``)."""
        self._parts.cluster.forget(self._loop.wake)
        self._loop.stop()
        if self._pid is not None:
            self._context.agent.signal(self._pid, KILL)
            self._context.agent.wait(self._pid, 5.0)
            self._pid = None
        self._log("ended")

    def ready(self) -> bool:
        return self._ready

    def failure(self) -> str | None:
        return self._failure

    def logs(self) -> bytes:
        """Its own lines, then BIRD's."""
        try:
            return self._log.data() + self._agent.read_file(f"{self._folder}/bird.log")
        except AgentError:
            return self._log.data()

    def process(self) -> int | None:
        """BIRD: a command in the container finds its control socket where Calico's image has it."""
        return self._pid

    @property
    def _agent(self) -> Agent:
        return self._context.agent

    @property
    def _space(self) -> str:
        return self._context.node.namespace

    def _act(self) -> float | None:
        if self._failure:
            return None
        if not self._addresses:
            self._detect()
            self._parts.cluster.watch(WATCHED, self._loop.wake)
        waiting = self._parts.cluster.unsynced(WATCHED)
        if waiting:
            return 0.05
        me = self._me()
        if me is None:
            return 0.1
        self._tunnel_address(me)
        me = self._me() or me
        self._route(me)
        if self._parts.features.felix_tunnels:
            self._tunnel_routes(me)
        self._felix()
        return self._look()

    def _detect(self) -> None:
        """Addresses by the manifest's method, onto the Node object."""
        node = self._context.node
        done = self._agent.run(("ip", "-j", "addr"), ns=node.namespace)
        text = done.stdout.decode(errors="replace")
        found = {
            version: str(detect(text, method, version))
            for version, method in methods(self._context.environment).items()
        }
        annotations = {sessions.IPV4 if version == 4 else sessions.IPV6: text for version, text in found.items()}
        self._parts.api.patch(NODES.path(name=node.name), {"metadata": {"annotations": annotations}}, "merge")
        self._log(f"using {', '.join(found.values())}")
        self._addresses = found

    def _me(self) -> sessions.NodeView | None:
        """This node in the local copy, once that has the addresses."""
        for item in self._parts.cluster.items("nodes"):
            if item["metadata"]["name"] == self._context.node.name:
                view = sessions.NodeView.of(item)
                return (
                    view
                    if (4 not in self._addresses or view.address) and (6 not in self._addresses or view.address6)
                    else None
                )
        return None

    def _tunnel_address(self, me: sessions.NodeView) -> None:
        """Allocate the tunnel's address when a pool encapsulates, give it back when none does."""
        wanted = any(pool["spec"].get("ipipMode", "Never") != "Never" for pool in self._parts.cluster.items("pools"))
        handle = f"ipip-tunnel-addr-{me.name}"
        path = NODES.path(name=me.name)
        if wanted and not me.tunnel:
            attributes = {"node": me.name, "type": "ipipTunnelAddress"}
            address = self._parts.ipam.assign(me.name, 4, handle, attributes, "Tunnel")
            if address:
                self._parts.api.patch(path, {"metadata": {"annotations": {sessions.TUNNEL: str(address)}}}, "merge")
        if not wanted and me.tunnel:
            self._parts.api.patch(path, {"metadata": {"annotations": {sessions.TUNNEL: None}}}, "merge")
            self._parts.ipam.release(handle)

    def _view(self, me: sessions.NodeView) -> bird.RouterView:
        cluster = self._parts.cluster
        configuration = sessions.default_configuration(cluster.items("configurations"))
        nodes = [sessions.NodeView.of(item) for item in cluster.items("nodes")]
        found = sessions.peers(me, nodes, configuration, cluster.items("peers"))
        blocks = [
            ip_network(item["spec"]["cidr"])
            for item in cluster.items("affinities")
            if item["spec"]["node"] == me.name and item["spec"]["state"] in ("confirmed", "")
        ]
        lent = [ip_network(address) for block in cluster.items("blocks") for address in borrowed(block, me.name)]
        advertised = advertise.prefixes(
            me.name, me.labels, configuration, cluster.items("services"), cluster.items("slices"), self._parts.features
        )
        pools = sorted(cluster.items("pools"), key=lambda item: str(item["metadata"]["name"]))
        mesh = [peer.address for peer in found if peer.kind == "Mesh" and peer.version == 4]
        return bird.RouterView(
            f"{self._folder}/bird.log",
            me.address or self._context.node.management,
            sessions.asn_of(me, configuration),
            me.address,
            me.address6,
            _in_order(blocks),
            _in_order(lent),
            tuple(advertised),
            tuple(advertise.all_ranges(configuration)),
            tuple(self._pool(item) for item in pools),
            tuple(found),
            tuple(mesh),
            self._parts.features.route_metric,
            bird.Timers.of(self._context.environment),
            self._parts.features.felix_tunnels,
        )

    @staticmethod
    def _pool(item: Json) -> bird.PoolView:
        spec = item["spec"]
        return bird.PoolView(
            ip_network(spec["cidr"]), spec.get("ipipMode", "Never") != "Never", not spec.get("disableBGPExport")
        )

    def _route(self, me: sessions.NodeView) -> None:
        """Write bird.conf, start BIRD or make it read the file again."""
        if (
            any(pool["spec"].get("ipipMode", "Never") != "Never" for pool in self._parts.cluster.items("pools"))
            and not me.tunnel
        ):
            self._loop.wake.set()  # the annotation has been written and will come by the watch
        self._tunnel_device(me)
        text = bird.config(self._view(me))
        if text == self._text and self._pid is not None:
            return
        self._agent.write_file(f"{self._folder}/bird.conf", text.encode())
        if self._pid is None:
            argv = ("bird", "-f", "-c", f"{self._folder}/bird.conf", "-s", f"{self._folder}/bird.ctl")
            self._agent.write_file(f"{SOCKETS}/labctl", b"each calico-node has a folder of its own mounted here\n")
            self._pid = self._agent.start(
                argv, ns=self._context.node.namespace, log=f"{self._folder}/bird.out",
                isolation=Isolation(binds=((self._folder, SOCKETS),)),
            )  # fmt: skip
            self._log("BIRD started")
            self._parts.network.enable()
        else:
            self._control.configure()
            self._log("BIRD reconfigured")
        self._text = text

    def _tunnel_device(self, me: sessions.NodeView) -> None:
        if me.tunnel == self._tunnel:
            return
        if me.tunnel:
            mtu = int(self._context.environment.get("FELIX_IPINIPMTU") or 0) or 1480
            ops = felix.tunnel(IPv4Address(me.tunnel), mtu)
            failures = self._agent.batch(self._context.node.namespace, ops)
            serious = [failure for failure in failures if failure.index > 0]
            if serious:
                raise AgentError(f"{serious[0].text}: {serious[0].message}")
        else:
            self._agent.batch(self._context.node.namespace, felix.no_tunnel())
        self._tunnel = me.tunnel

    def _tunnel_routes(self, me: sessions.NodeView) -> None:
        if not self._tunnel:
            if self._tunnelled is not None:
                self._tunnelled = {}  # the kernel took them away with the device
            return
        if self._tunnelled is None:
            there = self._agent.run(("ip", "-j", "-4", "route", "show", "proto", str(felix.PROTOCOL)), ns=self._space)
            self._tunnelled = {row["dst"]: row.get("gateway", "") for row in json.loads(there.stdout or b"[]")}
        nodes = (sessions.NodeView.of(item) for item in self._parts.cluster.items("nodes"))
        addresses = {node.name: node.address for node in nodes if node.address}
        wanted = felix.tunnel_routes(me.name, addresses, self._parts.cluster)
        if wanted != self._tunnelled:
            failures = self._agent.batch(self._space, felix.route_changes(self._tunnelled, wanted))
            if failures:
                raise AgentError(f"{failures[0].text}: {failures[0].message}")
            self._tunnelled = wanted

    def _felix(self) -> None:
        configuration = sessions.default_configuration(self._parts.cluster.items("configurations"))
        pools = sorted(self._parts.cluster.items("pools"), key=lambda item: str(item["metadata"]["name"]))
        self._parts.firewall.put("felix", felix.chains(pools, advertise.all_ranges(configuration)))

    def _look(self) -> float:
        """Readiness as calico-node's probe has it: at the start every session, later at least one."""
        if self._pid is None:
            return READY_EVERY
        code = self._agent.wait(self._pid, 0.0)
        if code is not None:
            tail = self._agent.read_file(f"{self._folder}/bird.out").decode(errors="replace").strip().splitlines()[-3:]
            self._failure = f"BIRD ended with code {code}: {' | '.join(tail)}"
            self._log(self._failure)
            self._set_ready(ready=False)
            return WATCH_EVERY
        states = self._control.sessions()
        up = [name for name, state in states.items() if state == "Established"]
        self._set_ready(ready=len(up) == len(states) if not self._ready else bool(up) or not states)
        self._unready = 0 if self._ready else self._unready + 1
        if self._unready == UNREADY_LOOKS:
            down = ", ".join(f"{name} ({state})" for name, state in states.items() if name not in up)
            self._log(f"BIRD is not ready: BGP not established with {down}")
        return WATCH_EVERY if self._ready else READY_EVERY

    def _set_ready(self, *, ready: bool) -> None:
        if ready != self._ready or self._failure:
            self._ready = ready
            self._context.changed()


def _in_order(networks: Iterable[Network]) -> tuple[Network, ...]:
    """The same text for the same networks, in whatever order the API gave them."""
    return tuple(sorted(networks, key=lambda network: (network.version, network)))
