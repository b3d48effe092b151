"""The networks of an embedded lab: its management network's addresses, and nodes and links as kernel changes.

Addresses of eth0 are the runtime's choice (as Docker's are), reported by ``observe``: what the topology fixes
(``mgmt-ipv4``) is kept, the others get the first free ones. Kernel names of switch ports are containerlab's
(``Ethernet1/7`` is ``eth7``), so the stand-in switch finds the same names here and in a container. Links carry 9500
bytes, containerlab's default.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path

from labctl.errors import HostError, Place, Problem, SpecError
from labctl.folder import Folder
from labctl.guest.api import Op
from labctl.runtime.ports import kernel_name

DEFAULT_SUBNET = "172.20.20.0/24"
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST_PORT, LAST_PORT = 20000, 32768
SUBNET6 = IPv6Network("fd1a:bc71::/64")
"""A ULA of labctl's own: nodes need an IPv6 default route, or connect() to an IPv6 ClusterIP finds no route."""


@dataclass(frozen=True, slots=True)
class Management:
    """The subnet, whose first address is the gateway, and the address of each topology node."""

    subnet: IPv4Network
    addresses: Mapping[str, IPv4Address]

    @property
    def gateway(self) -> IPv4Address:
        return self.subnet[1]

    def interface(self, address: IPv4Address) -> str:
        """``172.20.20.11/24``."""
        return f"{address}/{self.subnet.prefixlen}"

    def interface6(self, address: IPv4Address) -> str:
        """The same host number in the IPv6 subnet."""
        return f"{SUBNET6[int(address) - int(self.subnet.network_address)]}/{SUBNET6.prefixlen}"


def plan_management(subnet: str | None, nodes: Sequence[tuple[str, str | None]]) -> Management:
    """Choose addresses. ``nodes``: (topology name, fixed address or None), in the topology's order.

    Raises `SpecError` for a subnet or a fixed address that cannot be (the folder may have been edited).
    """
    try:
        network = IPv4Network(subnet or DEFAULT_SUBNET)
        gateway = network[1]
        fixed = {name: IPv4Address(address) for name, address in nodes if address}
    except (ValueError, IndexError) as error:
        raise _cannot(f"mgmt: {error}") from None
    outside = [f"{name} {address}" for name, address in fixed.items() if address not in network or address == gateway]
    if outside:
        raise _cannot(f"mgmt-ipv4: outside {network}, or its gateway: {', '.join(outside)}")
    if len(set(fixed.values())) < len(fixed):
        raise _cannot("mgmt-ipv4: an address is there twice")
    taken = {gateway, *fixed.values()}
    free = (address for address in network.hosts() if address not in taken)
    try:
        return Management(network, {name: fixed.get(name) or next(free) for name, _ in nodes})
    except StopIteration:
        raise _cannot(f"mgmt: {network} has not enough addresses for {len(nodes)} nodes") from None


def _cannot(message: str) -> SpecError:
    return SpecError([Problem("bad-management", message, Place("topology.clab.yml"))])


def management_of(folder: Folder) -> Management:
    """Addresses of eth0 for every node of the topology (the cluster itself is none)."""
    nodes = [(node.topology, folder.topology.addresses.get(node.topology)) for node in folder.lab.nodes.values()]
    return plan_management(folder.topology.mgmt_ipv4_subnet, nodes)


_given: set[int] = set()
"""Ports that this process gave away already: what will listen there may not do so yet."""


def free_port() -> int:
    """A loopback TCP port that is free now, below the range out of which the kernel serves outgoing connections.

    No port is given twice, though nothing may listen at the first yet. Call it in one thread.
    A port of that range (ip_local_port_range, ip(7)) may be taken by a connection before its server listens: it was.
    """
    low = int(PORT_RANGE.read_text().split()[0]) if PORT_RANGE.is_file() else LAST_PORT
    candidates = range(FIRST_PORT, min(low, LAST_PORT)) or range(low, 65536)
    for port in random.SystemRandom().sample(candidates, len(candidates)):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
    raise HostError("there is no free TCP port on loopback", code="no-port")


LINK_MTU = 9500
BRIDGE = "mgmt"

Link = tuple[tuple[str, str], tuple[str, str]]
"""((node, interface), (node, interface)), names as in the topology."""


def ops(*lines: str) -> list[Op]:
    """Changes by ``ip``."""
    return [Op("ip", line) for line in lines]


QUIET = [
    Op("sysctl", text)
    for text in (
        "net/ipv6/conf/all/accept_dad=0", "net/ipv6/conf/default/accept_dad=0", "net/ipv6/conf/all/accept_ra=0",
        "net/ipv6/conf/default/accept_ra=0", "net/ipv4/ip_forward=0",
    )
]  # fmt: skip
"""Per-namespace defaults that must be set before any address: no duplicate address detection, no RA."""
KUBE_NODE = [Op("sysctl", "net/ipv4/ip_forward=1"), Op("sysctl", "net/ipv6/conf/all/forwarding=1")]
"""What kubeadm's preflight asks of a node, and kind gives it: it forwards in both families."""


def links(links: Sequence[Link], management: Management) -> list[Op]:
    """Management bridge with a leg to every node, and all links; runs in the machine's own namespace."""
    made = ops(
        f"link add {BRIDGE} type bridge forward_delay 0 mcast_snooping 0",
        f"link set {BRIDGE} addrgenmode none up",
        f"addr add {management.interface(management.gateway)} dev {BRIDGE}",
        f"addr add {management.interface6(management.gateway)} dev {BRIDGE} nodad",
    )
    for index, node in enumerate(management.addresses):
        made += ops(
            f"link add m{index} type veth peer name eth0 netns {node}",
            f"link set m{index} addrgenmode none master {BRIDGE} up",
        )
    for ends in links:
        one, other = (f"{kernel_name(interface)} netns {node} mtu {LINK_MTU}" for node, interface in ends)
        made += ops(f"link add {one} type veth peer name {other}")
    return made


def host_interfaces(node: str, interfaces: Iterable[str], management: Management) -> list[Op]:
    """Inside a node's or host's namespace: lo and all links up, eth0 addressed, the default routes through it."""
    address = management.addresses[node]
    return ops(
        *(f"link set {name} up" for name in ("lo", "eth0", *map(kernel_name, interfaces))),
        f"addr add {management.interface(address)} dev eth0",
        f"addr add {management.interface6(address)} dev eth0 nodad",
        f"route add default via {management.gateway} dev eth0",
        f"route add default via {SUBNET6[1]} dev eth0 metric 1024",
    )
