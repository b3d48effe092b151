"""The stand-in's platform: applies a configuration tree to FRR and Linux, answers show commands from them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from hashlib import sha256
from ipaddress import ip_interface

from labctl.guest.api import AgentError, Op
from labctl.guest.client import Agent
from labctl.nxos.tree import ConfigTree
from labctl.standin.switch.dataplane import frr, linux
from labctl.standin.switch.dataplane.daemons import FrrDaemons
from labctl.standin.switch.dataplane.horizon import SplitHorizon
from labctl.standin.switch.dataplane.model import SwitchModel, read
from labctl.standin.switch.dataplane.names import in_vrf, kernel_name
from labctl.standin.switch.platform import SwitchIdentity


def router_mac(name: str) -> str:
    """A MAC of the switch's own, locally administered, the same at every start."""
    digest = sha256(name.encode()).digest()
    return "02:" + ":".join(f"{byte:02x}" for byte in digest[:5])


class FrrPlatform:
    """`labctl.standin.switch.platform.Platform` on FRR 10 and Linux."""

    def __init__(self, agent: Agent, identity: SwitchIdentity) -> None:
        self.agent = agent
        self.identity = identity
        self.mac = router_mac(identity.name)
        self.daemons = FrrDaemons(agent, identity.name, identity.namespace)
        self.model: SwitchModel = read(ConfigTree())
        self.log: list[str] = []
        self._objects: list[linux.KernelObject] = []
        self._tree = ConfigTree()
        self._lock = threading.RLock()
        self._horizon = SplitHorizon(agent, identity.namespace, self._segments, self.log.append)

    @property
    def patterns(self) -> Sequence[str]:
        from labctl.standin.switch.shows.table import TABLE

        return [pattern for pattern, _ in TABLE]

    def start(self) -> None:
        identity = self.identity
        ops = [
            Op("sysctl", "net/ipv6/conf/all/accept_dad=0"),
            Op("sysctl", "net/ipv6/conf/default/accept_dad=0"),
            Op("sysctl", "net/ipv6/conf/default/accept_ra=0"),
            Op("ip", "link set lo up"),
        ]
        if identity.management:
            gateway = identity.gateway or next(iter(ip_interface(identity.management).network.hosts()))
            device = identity.management_interface
            # a listener that is bound to no VRF hears what comes in over any (Linux: networking/vrf.rst)
            ops += [Op("sysctl", "net/ipv4/tcp_l3mdev_accept=1")] if identity.serves else []
            ops += [
                Op("ip", "link add management type vrf table 999"),
                Op("ip", "link set management up"),
                Op("ip", f"link set {device} master management up"),
                Op("ip", f"addr replace {identity.management} dev {device}"),
                Op("ip", f"route replace default via {gateway} vrf management"),
            ]
        self._do(ops)

    def apply(self, tree: ConfigTree) -> list[str]:
        with self._lock:
            self._tree = tree
            model = read(tree)
            objects = linux.desired(model, self.mac)
            anew = linux.changed(self._objects, objects)
            routes = linux.new_routes(self._objects, objects)
            log = self._do(linux.difference(self._objects, objects))
            self._objects, self.model = objects, model
            try:
                log += self.daemons.apply(frr.texts(model))
            except AgentError as error:
                log.append(f"FRR: {error.message}")
            # last: bgpd would look through all of them again for each entry of their filter that comes
            log += self._do(routes)
            legs = {leg.name: kernel_name(leg.name) for leg in linux.vpc_channels(model)}
            fresh = frozenset(port for name, port in legs.items() if f"interface {name}" in anew)
            uplinks = [kernel_name(i.name) for i in model.kind("Ethernet") if i.routed and i.ospf and i.vrf is None]
            self._horizon.configure(frozenset(legs.values()), uplinks, fresh)
            self.log += log
            return log

    def replugged(self, devices: Collection[str]) -> list[str]:
        """Wires came anew under names that were there before: what was made on the old ones is made again."""
        with self._lock:
            self._objects = [linux.stale(item) if linux.touches(item, devices) else item for item in self._objects]
            return self.apply(self._tree)

    def show(self, words: tuple[str, ...], *, as_json: bool) -> str:
        from labctl.standin.switch.shows.table import show

        with self._lock:
            return show(self, words, as_json=as_json)

    def clear(self, words: tuple[str, ...]) -> str:
        """``ip bgp …``: sessions of one VRF and family are reset by bgpd."""
        vrf = words[words.index("vrf") + 1] if "vrf" in words else "default"
        family = "ipv4" if words[0] == "ip" else "ipv6"
        neighbor = next(word for index, word in enumerate(words[2:], 2) if "vrf" not in words[index - 1 : index + 1])
        with self._lock:
            # of one neighbor FRR resets the session, of all of them those with the family
            what = neighbor if neighbor != "*" else f"{family} unicast *"
            said = self.daemons.show("bgpd", f"clear bgp {in_vrf(vrf)}{what}")[0].strip()
        return f"ERROR: {said.removeprefix('% ')}" if said else ""

    def stop(self) -> None:
        self._horizon.stop()
        self.daemons.stop()

    def run(self, *argv: str) -> str:
        """A read-only command in the switch's namespace, for a show command."""
        done = self.agent.run(argv, ns=self.identity.namespace)
        if done.code != 0:
            raise AgentError(f"{argv[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")

    def _segments(self) -> str:
        return self.daemons.show("zebra", "show evpn es json")[0] if "zebra" in self.daemons.running else ""

    def _do(self, ops: list[Op]) -> list[str]:
        if not ops:
            return []
        return [f"{failure.text}: {failure.message}" for failure in self.agent.batch(self.identity.namespace, ops)]
