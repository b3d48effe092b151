"""Boxes and wires of a topology as kernel changes: one namespace a node, one veth pair a link.

Kernel names of switch ports are containerlab's (``Ethernet1/7`` is ``eth7``), so the stand-in switch finds the
same names here and in a container. Links carry 9500 bytes, containerlab's default.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from labctl.guest.api import Op
from labctl.runtime.embedded.management import Management
from labctl.runtime.ports import kernel_name

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


def wires(links: Sequence[Link], management: Management) -> list[Op]:
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
