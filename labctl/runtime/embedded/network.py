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
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from labctl.errors import HostError, Place, Problem, SpecError
from labctl.folder import Folder
from labctl.guest.api import Op
from labctl.runtime.ports import kernel_name

DEFAULT_SUBNET = "172.20.20.0/24"
PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST_PORT, LAST_PORT = 20000, 32768
SUBNET6 = "fd1a:bc71::/64"
"""A ULA of labctl's own: nodes need an IPv6 default route, or connect() to an IPv6 ClusterIP finds no route."""


@dataclass(frozen=True, slots=True)
class Management:
    """Gateway and the address of each topology node, with the prefix length of its subnet."""

    subnet: IPv4Network
    subnet6: IPv6Network
    gateway: IPv4Address
    gateway6: IPv6Address
    addresses: dict[str, IPv4Address]

    def interface(self, node: str) -> str:
        """``172.20.20.11/24``."""
        return f"{self.addresses[node]}/{self.subnet.prefixlen}"

    def interface6(self, node: str) -> str:
        """The same host number in the IPv6 subnet."""
        host = int(self.addresses[node]) - int(self.subnet.network_address)
        return f"{self.subnet6[host]}/{self.subnet6.prefixlen}"


def plan_management(subnet: str | None, nodes: Sequence[tuple[str, str | None]]) -> Management:
    """Choose addresses. ``nodes``: (topology name, fixed address or None), in the topology's order.

    Raises `SpecError` for a subnet or a fixed address that cannot be (the folder may have been edited).
    """
    try:
        network, network6 = IPv4Network(subnet or DEFAULT_SUBNET), IPv6Network(SUBNET6)
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
        addresses = {name: fixed.get(name) or next(free) for name, _ in nodes}
    except StopIteration:
        raise _cannot(f"mgmt: {network} has not enough addresses for {len(nodes)} nodes") from None
    return Management(network, network6, gateway, network6[1], addresses)


def _cannot(message: str) -> SpecError:
    return SpecError([Problem("bad-management", message, Place("topology.clab.yml"))])


@dataclass(frozen=True, slots=True)
class Plan:
    """What a folder asks for, in the runtime's words."""

    folder: Folder
    management: Management
    namespaces: Mapping[str, str]
    """Lab name → namespace (the topology's name)."""


def plan(folder: Folder) -> Plan:
    """Addresses of eth0 for every node of the topology (the cluster itself is none)."""
    nodes = [(node.topology, folder.topology.addresses.get(node.topology)) for node in folder.lab.nodes.values()]
    management = plan_management(folder.topology.mgmt_ipv4_subnet, nodes)
    return Plan(folder, management, {name: node.topology for name, node in folder.lab.nodes.items()})


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


def namespaces(nodes: Iterable[str]) -> list[Op]:
    """One network namespace for each node."""
    return [Op("ip", f"netns add {node}") for node in nodes]


def quiet() -> list[Op]:
    """Per-namespace defaults that must be set before any address: no duplicate address detection, no RA."""
    return [
        Op("sysctl", "net/ipv6/conf/all/accept_dad=0"),
        Op("sysctl", "net/ipv6/conf/default/accept_dad=0"),
        Op("sysctl", "net/ipv6/conf/all/accept_ra=0"),
        Op("sysctl", "net/ipv6/conf/default/accept_ra=0"),
        Op("sysctl", "net/ipv4/ip_forward=0"),
    ]


def kube_node() -> list[Op]:
    """What kubeadm's preflight asks of a node, and kind gives it: it forwards in both families."""
    return [Op("sysctl", "net/ipv4/ip_forward=1"), Op("sysctl", "net/ipv6/conf/all/forwarding=1")]


def links(links: Sequence[Link], management: Management) -> list[Op]:
    """Management bridge with a leg to every node, and all links; runs in the machine's own namespace."""
    gateway = f"{management.gateway}/{management.subnet.prefixlen}"
    gateway6 = f"{management.gateway6}/{management.subnet6.prefixlen}"
    ops = [
        Op("ip", f"link add {BRIDGE} type bridge forward_delay 0 mcast_snooping 0"),
        Op("ip", f"link set {BRIDGE} addrgenmode none up"),
        Op("ip", f"addr add {gateway} dev {BRIDGE}"),
        Op("ip", f"addr add {gateway6} dev {BRIDGE} nodad"),
    ]
    for index, node in enumerate(management.addresses):
        ops.append(Op("ip", f"link add m{index} type veth peer name eth0 netns {node}"))
        ops.append(Op("ip", f"link set m{index} addrgenmode none master {BRIDGE} up"))
    for (node_a, interface_a), (node_b, interface_b) in links:
        one = f"{kernel_name(interface_a)} netns {node_a} mtu {LINK_MTU}"
        other = f"{kernel_name(interface_b)} netns {node_b} mtu {LINK_MTU}"
        ops.append(Op("ip", f"link add {one} type veth peer name {other}"))
    return ops


def host_interfaces(node: str, interfaces: Iterable[str], management: Management) -> list[Op]:
    """Inside a node's or host's namespace: lo and all links up, eth0 addressed, the default routes through it."""
    ops = [Op("ip", "link set lo up"), Op("ip", "link set eth0 up")]
    ops.extend(Op("ip", f"link set {kernel_name(name)} up") for name in interfaces)
    ops += [
        Op("ip", f"addr add {management.interface(node)} dev eth0"),
        Op("ip", f"addr add {management.interface6(node)} dev eth0 nodad"),
        Op("ip", f"route add default via {management.gateway} dev eth0"),
        Op("ip", f"route add default via {management.gateway6} dev eth0 metric 1024"),
    ]
    return ops
