"""The packets that the white paper prints for its two use cases, as layers, to stand beside captured ones.

Values are those of the paper, repaired where its print is damaged. A lab's own values differ where the lab says so:
other pods, other MAC addresses, ports chosen by the sender.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labctl.report.layers import Layer

NODE1, NODE2, LEAF = "fe:f8:86:b8:5f:7e", "32:73:87:0b:5f:3f", "6c:31:0e:b3:7c:47"


@dataclass(frozen=True, slots=True)
class Printed:
    """One capture of the paper."""

    title: str
    layers: tuple[Layer, ...]


def _ip(name: str, kind: str, source: str, target: str, carries: str) -> Layer:
    return Layer(kind, name, (("from", source), ("to", target), ("carries", carries)))


PING_AT_NODE = Printed(
    "ping pod to pod, at node1's bond0",
    (
        Layer("ethernet", "Ethernet", (("from", NODE1), ("to", NODE2))),
        _ip("outer IPv4", "outer", "192.168.1.10", "192.168.1.11", "IPIP (4)"),
        _ip("inner IPv4", "ip", "10.233.102.136", "10.233.75.7", "ICMP"),
        Layer("transport", "ICMP", (("type", "8 echo request"),)),
    ),
)
PING_AT_LEAF = Printed(
    "ping pod to pod, at the leaf's port-channel",
    (
        Layer("ethernet", "Ethernet", (("from", NODE2), ("to", NODE1))),
        Layer("tag", "802.1Q", (("VLAN", "0"), ("PRI", "0"), ("DEI", "0"))),
        _ip("outer IPv4", "outer", "192.168.1.11", "192.168.1.10", "IPIP (4)"),
        _ip("inner IPv4", "ip", "10.233.75.7", "10.233.102.136", "ICMP"),
        Layer("transport", "ICMP", (("type", "0 echo reply"),)),
    ),
)
CURL_AT_LEAF = Printed(
    "curl of a ClusterIP, at the leaf's port-channel",
    (
        Layer("ethernet", "Ethernet", (("from", f"{LEAF} (Cisco)"), ("to", NODE1))),
        Layer("tag", "802.1Q", (("VLAN", "3001"),)),
        _ip("IPv4", "ip", "192.168.1.13", "10.233.102.141", "TCP"),
        Layer("transport", "TCP", (("from", "22996"), ("to", "80"), ("length", "76"))),
        Layer("http", "HTTP", (("request", "GET / HTTP/1.1"), ("host", "10.233.0.100"))),
    ),
)


def printed_like(found: Sequence[Layer]) -> Printed | None:
    """The paper's capture of the same kind of packet; None where the paper shows none.

    The paper captured IPv4 alone: the echo request at a node, the reply with a tag at the leaf, the HTTP request with a
    tag at the leaf.
    """
    names = {layer.name for layer in found}
    if "VXLAN" in names:
        return None
    if {"outer IPv4", "inner IPv4", "ICMP"} <= names:
        return PING_AT_LEAF if "802.1Q" in names else PING_AT_NODE
    if {"IPv4", "TCP"} <= names and any(("to", "80") in layer.fields for layer in found if layer.name == "TCP"):
        return CURL_AT_LEAF
    return None
