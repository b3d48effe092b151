"""The command table: every configuration line that the stand-in takes, as data. A row more is a command more.

``key``: how many leading words name the setting (a later line with the same ones replaces the earlier); 0 = all of
them. ``enters``: the mode that the line opens. ``feature``: what must be enabled, else NX-OS does not know the line.
``ignored``: why the line can have no effect on a stand-in; all other lines take effect. ``[no]``: the running
configuration shows it either way; all other lines go away by ``no``.

Which line belongs to which feature and kind of interface: Cisco Nexus 9000 NX-OS configuration guides 10.x (Interfaces,
Layer 2 Switching, Unicast Routing, VXLAN).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One row."""

    pattern: str
    key: int = 0
    enters: str | None = None
    feature: str | None = None
    ignored: str | None = None


C = Command

NO_CFS = "the pair's state is synchronised by EVPN and a mirror of ARP and ND, not by CFS"
NO_STP = "the bridge runs no spanning tree: loops are kept out by the EVPN split horizon"
NO_RESTORE = "nothing is programmed late here that a delay would have to cover"
NO_VIRTUAL_RMAC = "the pair has no shared VTEP address: EVPN multihoming answers with both leafs' own"
NO_LLDP = "no LLDP agent runs"
ACTIVE = "a bundle always speaks LACP actively, and asks for a LACPDU a second"
NO_ROLE = "EVPN elects the designated forwarder; the pair's LACP system has a priority of its own"
NO_INDIVIDUAL = "a port without a partner stays out of the bundle"
OWN_MANAGEMENT = "mgmt0 has the address that the lab gave it"

CONFIG = (
    C("hostname <name>", 1),
    C("cfs (ipv4|eth) distribute", 2, ignored=NO_CFS),
    C("nv overlay evpn"),
    C("feature (ospf|bgp|interface-vlan|vn-segment-vlan-based|lacp|vpc)"),
    C("feature lldp", ignored=NO_LLDP),
    C("feature fabric forwarding"),
    C("feature nv overlay"),
    C("[no] ip domain-lookup", 2, ignored="the switch looks up no names"),
    C("fabric forwarding anycast-gateway-mac <mac>", 3, feature="fabric forwarding"),
    C("vlan <vlans>", enters="vlan"),
    C("ip prefix-list <name> seq <seq> (permit|deny) <net4> [eq <len4>] [ge <len4>] [le <len4>]", 5),
    C("ipv6 prefix-list <name> seq <seq> (permit|deny) <net6> [eq <len6>] [ge <len6>] [le <len6>]", 5),
    C("route-map <name> (permit|deny) <seq>", enters="route-map"),
    C("vrf context <name>", enters="vrf"),
    C("vpc domain <domain>", enters="vpc-domain", feature="vpc"),
    C("interface <ethernet>", enters="if-ethernet"),
    C("interface <bundle>", enters="if-bundle"),
    C("interface <svi>", enters="if-svi", feature="interface-vlan"),
    C("interface <loopback>", enters="if-loopback"),
    C("interface <nve>", enters="if-nve", feature="nv overlay"),
    C("interface <mgmt>", enters="if-mgmt"),
    C("router ospf <name>", enters="router-ospf", feature="ospf"),
    C("router bgp <asn>", enters="router", feature="bgp"),
    C("evpn", enters="evpn", feature="nv overlay"),
    C("ip route <net4> <ip4> [tag <int>] [<distance>]", 4),
    C("ipv6 route <net6> <ip6> [tag <int>] [<distance>]", 4),
    C("[no] logging console", 2, ignored="nothing is logged to a console"),
    C("boot nxos <word>", 2, ignored="there is no image to boot"),
)

VLAN = (
    C("name <word>", 1),
    C("vn-segment <vni>", 1, feature="vn-segment-vlan-based"),
    C("state active", 1),
    C("state suspend", 1, ignored="a VLAN that is there is active"),
)

ROUTE_MAP = (
    C("match ip address prefix-list <name>", 4),
    C("match ipv6 address prefix-list <name>", 4),
    C("match tag <int>", 2),
    C("set extcommunity rt <rt> [additive]", 3),
    C("set ip next-hop (unchanged|peer-address)", 3),
    C("set tag <int>", 2),
    C("description <line>", 1),
)

VRF = (
    C("vni <vni>", 1, feature="vn-segment-vlan-based"),
    C("rd auto", 1),
    C("description <line>", 1),
    C("ip route <net4> <ip4> [tag <int>] [<distance>]", 4),
    C("ipv6 route <net6> <ip6> [tag <int>] [<distance>]", 4),
    C("address-family ipv4 unicast", enters="vrf-af-ipv4"),
    C("address-family ipv6 unicast", enters="vrf-af-ipv6"),
)

VRF_AF = (
    C("route-target (both|import|export) auto"),
    C("route-target (both|import|export) <rt>"),
    C("route-target (both|import|export) auto evpn", feature="nv overlay evpn"),
    C("route-target (both|import|export) <rt> evpn", feature="nv overlay evpn"),
    C("export map <name>", 2),
)

VPC_DOMAIN = (  # in the order in which a running configuration has them
    C("peer-switch", ignored=NO_STP),
    C("role priority <priority>", 2, ignored=NO_ROLE),
    C("system-priority <priority>", 1, ignored=NO_ROLE),
    C("peer-keepalive destination <ip4> [source <ip4>] [vrf <name>]", 1),
    C("virtual peer-link destination <ip4> source <ip4> [dscp <dscp>]", 2),
    C("delay restore <timer>", 2, ignored=NO_RESTORE),
    C("delay restore interface-vlan <timer>", 3, ignored=NO_RESTORE),
    C("peer-gateway", ignored="both leafs own the gateway's address and MAC: each routes what arrives"),
    C("auto-recovery [reload-delay <timer>]", 1, ignored=NO_RESTORE),
    C("ip arp synchronize"),
    C("ipv6 nd synchronize"),
    C("layer3 peer-router", ignored="packets to the peer's addresses are routed as any other"),
    C("fast-convergence", ignored=NO_RESTORE),
)

_DESCRIBED = (
    C("description <line>", 1),
    C("[no] shutdown", 1),
)
_LAYER2 = (
    C("[no] switchport", 1),
    C("switchport mode (access|trunk)", 2),
    C("switchport access vlan <vlan>", 3),
    C("switchport trunk native vlan <vlan>", 4),
    C("switchport trunk allowed vlan (all|none)", 4),
    C("switchport trunk allowed vlan <vlans>", 4),
    C("switchport trunk allowed vlan (add|remove) <vlans>", 4),
    C("spanning-tree port type edge [trunk]", 3, ignored=NO_STP),
    C("spanning-tree port type (network|normal)", 3, ignored=NO_STP),
)
_ADDRESSED = (
    C("vrf member <name>", 2),
    C("ip address <if4> [tag <int>]", 2),
    C("ip address <if4> secondary [tag <int>]", 0),
    C("ipv6 address <if6> [tag <int>]", 0),
    C("ip router ospf <name> area <area>", 3, feature="ospf"),
    C("ip ospf network (point-to-point|broadcast)", 3, feature="ospf"),
    C("ip ospf hello-interval <timer>", 3, feature="ospf"),
    C("ip ospf dead-interval <timer>", 3, feature="ospf"),
    C("ip ospf passive-interface", 3, feature="ospf"),
)
_ROUTED = (
    *_ADDRESSED,
    C("ipv6 address use-link-local-only", 3),
    C("ip forward", 2),
    C("[no] ip redirects", 2),
    C("[no] ipv6 redirects", 2),
    C("ipv6 nd suppress-ra", 3, ignored="no router advertisements are sent"),
)
_MTU = (C("mtu <mtu>", 1),)

IF_ETHERNET = (
    *_DESCRIBED, *_MTU, *_LAYER2, *_ROUTED,
    C("channel-group <channel> [force] mode active", 1, feature="lacp"),
    C("channel-group <channel> [force] mode (passive|on)", 1, feature="lacp", ignored=ACTIVE),
    C("lacp rate fast", 2, feature="lacp"),
    C("lacp rate normal", 2, feature="lacp", ignored=ACTIVE),
    C("port-type fabric", 1, ignored="every routed port may carry the virtual peer-link"),
)  # fmt: skip
IF_BUNDLE = (
    *_DESCRIBED, *_MTU, *_LAYER2, *_ROUTED,
    C("[no] lacp suspend-individual", 2, feature="lacp", ignored=NO_INDIVIDUAL),
    C("vpc <channel>", 1, feature="vpc"),
    C("vpc peer-link", 1, feature="vpc"),
)  # fmt: skip
IF_SVI = (
    *_DESCRIBED, *_MTU, *_ROUTED,
    C("fabric forwarding mode anycast-gateway", 3, feature="fabric forwarding"),
)  # fmt: skip
IF_LOOPBACK = (*_DESCRIBED, *_ADDRESSED)
IF_MGMT = (
    *_DESCRIBED,
    C("vrf member <name>", 2, ignored=OWN_MANAGEMENT),
    C("ip address <if4>", 2, ignored=OWN_MANAGEMENT),
)
IF_NVE = (
    *_DESCRIBED,
    C("host-reachability protocol bgp", 1),
    C("source-interface <loopback>", 1),
    C("source-interface hold-down-time <timer>", 2, ignored=NO_RESTORE),
    C("advertise virtual-rmac", 1, ignored=NO_VIRTUAL_RMAC),
    C("global ingress-replication protocol bgp", 2),
    C("member vni <vni>", enters="nve-vni"),
    C("member vni <vni> associate-vrf", 3),
)

NVE_VNI = (C("ingress-replication protocol bgp", 1),)

OSPF = (
    C("router-id <ip4>", 1),
    C("log-adjacency-changes [detail]", 1, ignored="nothing is logged to a console"),
    C("maximum-paths <paths>", 1, ignored="OSPF always uses up to 64 paths"),
)

BGP_NEIGHBOR = (
    C("remote-as <asn>", 1),
    C("inherit peer <name>", 2),
    C("description <line>", 1),
    C("update-source <interface>", 1),
    C("ebgp-multihop <hops>", 1),
    C("timers <timer> <timer>", 1),
    C("shutdown", 1),
)
BGP_NEIGHBOR_AF = (
    C("send-community", 0),
    C("send-community extended", 0),
    C("send-community both", 0),
    C("route-reflector-client", 1),
    C("as-override", 1),
    C("disable-peer-as-check", 1),
    C("next-hop-self", 1),
    C("route-map <name> (in|out)", 0),
    C("prefix-list <name> (in|out)", 0),
    C("maximum-prefix <int> [warning-only]", 1),
    C("default-originate", 1),
    C("soft-reconfiguration inbound [always]", 1),
    C("allowas-in [<int>]", 1),
)
BGP_AF = (
    C("advertise-pip", 1, ignored=NO_VIRTUAL_RMAC, feature="nv overlay evpn"),
    C("maximum-paths <paths>", 1),
    C("maximum-paths ibgp <paths>", 2),
    C("retain route-target all", 3),
    C("network <net4> [route-map <name>]", 2),
    C("network <net6> [route-map <name>]", 2),
    C("advertise l2vpn evpn", 3, feature="nv overlay evpn"),
    C("redistribute direct route-map <name>", 2),
    C("redistribute static route-map <name>", 2),
)
_BGP = (
    C("router-id <ip4>", 1),
    C("log-neighbor-changes", 1, ignored="nothing is logged to a console"),
    C("bestpath as-path multipath-relax", 3),
    C("timers bgp <timer> <timer>", 2),
)
BGP = (
    *_BGP,
    C("address-family l2vpn evpn", enters="router-af", feature="nv overlay evpn"),
    C("address-family (ipv4|ipv6) unicast", enters="router-af"),
    C("template peer <name>", enters="router-neighbor"),
    C("neighbor <ip> [remote-as <asn>]", 2, enters="router-neighbor"),
    C("vrf <name>", enters="router-vrf"),
)
BGP_VRF = (
    *_BGP,
    C("address-family (ipv4|ipv6) unicast", enters="router-vrf-af"),
    C("neighbor <ip> [remote-as <asn>]", 2, enters="router-vrf-neighbor"),
)
_NEIGHBOR_FAMILIES = C("address-family (ipv4|ipv6) unicast", enters="router-vrf-neighbor-af")
_FABRIC_FAMILIES = (
    C("address-family l2vpn evpn", enters="router-neighbor-af", feature="nv overlay evpn"),
    C("address-family (ipv4|ipv6) unicast", enters="router-neighbor-af"),
)

EVPN = (C("vni <vni> l2", enters="evpn-evi"),)
EVPN_EVI = (
    C("rd auto", 1),
    C("route-target (both|import|export) auto"),
    C("route-target (both|import|export) <rt>"),
)

MODES: dict[str, tuple[Command, ...]] = {
    "config": CONFIG,
    "vlan": VLAN,
    "route-map": ROUTE_MAP,
    "vrf": VRF,
    "vrf-af-ipv4": VRF_AF,
    "vrf-af-ipv6": VRF_AF,
    "vpc-domain": VPC_DOMAIN,
    "if-ethernet": IF_ETHERNET,
    "if-bundle": IF_BUNDLE,
    "if-svi": IF_SVI,
    "if-loopback": IF_LOOPBACK,
    "if-mgmt": IF_MGMT,
    "if-nve": IF_NVE,
    "nve-vni": NVE_VNI,
    "router-ospf": OSPF,
    "router": BGP,
    "router-af": BGP_AF,
    "router-neighbor": (*BGP_NEIGHBOR, *_FABRIC_FAMILIES),
    "router-neighbor-af": BGP_NEIGHBOR_AF,
    "router-vrf": BGP_VRF,
    "router-vrf-af": BGP_AF,
    "router-vrf-neighbor": (*BGP_NEIGHBOR, _NEIGHBOR_FAMILIES),
    "router-vrf-neighbor-af": BGP_NEIGHBOR_AF,
    "evpn": EVPN,
    "evpn-evi": EVPN_EVI,
}

_PROMPTS = {
    "config": "config",
    **dict.fromkeys(("if-ethernet", "if-bundle", "if-svi", "if-loopback", "if-mgmt"), "config-if"),
    "nve-vni": "config-if-nve-vni",
    "router-ospf": "config-router",
}
PROMPTS: dict[str, str] = {mode: _PROMPTS.get(mode, f"config-{mode}") for mode in MODES}

ORDER: tuple[str, ...] = (
    "hostname", "cfs", "nv overlay evpn", "feature", "no ip domain-lookup", "ip domain-lookup",
    "fabric forwarding anycast-gateway-mac", "ip route", "ipv6 route", "vlan", "ip prefix-list", "ipv6 prefix-list",
    "route-map", "vrf context", "vpc domain", "interface Vlan", "interface port-channel", "interface nve",
    "interface Ethernet", "interface mgmt", "interface loopback", "line", "boot", "router ospf", "router bgp", "evpn",
)  # fmt: skip
"""Order of ``show running-config`` (captured on a 9000v 9.3(4)); what is not named comes before ``line``."""
