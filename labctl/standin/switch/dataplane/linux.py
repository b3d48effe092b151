"""Desired state of the kernel: objects by name, each with what makes it and what removes it.

The order of the objects is the order of making; removal goes the other way. An object whose making changed is
removed and made again.
"""

from __future__ import annotations

from dataclasses import dataclass

from labctl.guest.api import Op
from labctl.standin.switch.dataplane.model import Interface, SwitchModel
from labctl.standin.switch.dataplane.names import (
    BRIDGE,
    FIRST_TABLE,
    FROM_PEER_MARK,
    PEER_TUNNEL,
    VPC_SYSTEM_MAC,
    kernel_name,
)


@dataclass(frozen=True, slots=True)
class KernelObject:
    """A thing in the kernel."""

    name: str
    make: tuple[Op, ...]
    remove: tuple[Op, ...]


def ip(text: str) -> Op:
    return Op("ip", text)


def bridge(text: str) -> Op:
    return Op("bridge", text)


def tc(text: str) -> Op:
    return Op("tc", text)


def sysctl(text: str) -> Op:
    return Op("sysctl", text)


def desired(model: SwitchModel, router_mac: str) -> list[KernelObject]:
    """Everything that the configuration asks of the kernel. ``router_mac``: the switch's own MAC."""
    objects: list[KernelObject] = [_forwarding()]
    objects += [_vrf(vrf.name, index) for index, vrf in enumerate(model.vrfs)]
    if model.vlans:
        objects.append(_bridge(router_mac))
    for interface in model.kind("loopback"):
        objects += _loopback(interface)
    for interface in model.kind("Ethernet"):
        if interface.channel is None:
            objects += _ethernet(interface)
    objects += _channels(model)
    for interface in model.kind("Vlan"):
        objects += _svi(model, interface, router_mac)
    objects += _vxlans(model, router_mac)
    objects += _pair(model)
    objects += _statics(model)
    return objects


def _forwarding() -> KernelObject:
    make = (
        sysctl("net/ipv4/ip_forward=1"),
        sysctl("net/ipv6/conf/all/forwarding=1"),
        sysctl("net/ipv4/conf/all/rp_filter=0"),
        sysctl("net/ipv4/conf/default/rp_filter=0"),
        sysctl("net/ipv4/fib_multipath_hash_policy=1"),
        sysctl("net/ipv6/fib_multipath_hash_policy=1"),
        sysctl("net/ipv4/conf/all/ignore_routes_with_linkdown=1"),
        sysctl("net/ipv6/conf/all/ignore_routes_with_linkdown=1"),
    )
    return KernelObject("forwarding", make, ())


def _vrf(name: str, index: int) -> KernelObject:
    make = (ip(f"link add {name} type vrf table {FIRST_TABLE + index}"), ip(f"link set {name} up"))
    return KernelObject(f"vrf {name}", make, (ip(f"link del {name}"),))


def _bridge(mac: str) -> KernelObject:
    make = (
        ip(
            f"link add {BRIDGE} address {mac} type bridge vlan_filtering 1 vlan_default_pvid 0 "
            "forward_delay 0 mcast_snooping 0"
        ),
        ip(f"link set {BRIDGE} mtu 9216 addrgenmode none up"),
    )
    return KernelObject("bridge", make, (ip(f"link del {BRIDGE}"),))


def _addresses(interface: Interface, device: str) -> list[Op]:
    ops = [ip(f"addr add {address.value} dev {device}") for address in interface.addresses]
    return ops + [ip(f"addr add {address.value} dev {device} nodad") for address in interface.addresses6]


def _loopback(interface: Interface) -> list[KernelObject]:
    device = interface.name
    master = f" master {interface.vrf}" if interface.vrf else ""
    state = "up" if interface.up else "down"
    make = [ip(f"link add {device} type dummy"), ip(f"link set {device} addrgenmode none{master} {state}")]
    make += _addresses(interface, device)
    return [KernelObject(f"interface {interface.name}", tuple(make), (ip(f"link del {device}"),))]


def _ethernet(interface: Interface) -> list[KernelObject]:
    """A routed port, or a switched one that is in no channel."""
    device = kernel_name(interface.name)
    state = "up" if interface.up else "down"
    if interface.routed:
        master = f" master {interface.vrf}" if interface.vrf else " nomaster"
        make = [ip(f"link set {device} mtu {interface.mtu}{master} {state}"), *_addresses(interface, device)]
        remove = [ip(f"addr flush dev {device}"), ip(f"link set {device} nomaster")]
        return [KernelObject(f"interface {interface.name}", tuple(make), tuple(remove))]
    make = [ip(f"link set {device} mtu {interface.mtu} master {BRIDGE} {state}"), *_port_vlans(interface, device)]
    return [KernelObject(f"interface {interface.name}", tuple(make), (ip(f"link set {device} nomaster"),))]


def _port_vlans(interface: Interface, device: str) -> list[Op]:
    native = interface.native_vlan
    ops = [bridge(f"vlan add dev {device} vid {native} pvid untagged")] if native else []
    if interface.mode == "trunk":
        ops += [bridge(f"vlan add dev {device} vid {vlan}") for vlan in interface.allowed_vlans or () if vlan != native]
    return ops


def _channels(model: SwitchModel) -> list[KernelObject]:
    """Port-channels: a vPC leg speaks LACP with the pair's common system, so that a host sees one partner."""
    objects = []
    members = [port for port in model.kind("Ethernet") if port.channel is not None]
    for channel in model.kind("port-channel"):
        ports = [port for port in members if port.channel == channel.number]
        if channel.peer_link and not ports:
            continue  # a virtual peer-link has no members: it is the fabric
        objects.append(_channel(model, channel, ports))
    return objects


def _channel(model: SwitchModel, channel: Interface, ports: list[Interface]) -> KernelObject:
    device = kernel_name(channel.name)
    system = ""
    if channel.vpc is not None and model.vpc is not None:
        mac = VPC_SYSTEM_MAC.format(model.vpc.domain)
        system = f" ad_actor_system {mac} ad_actor_sys_prio 32667 ad_user_port_key {channel.number}"
    make = [
        ip(
            f"link add {device} type bond mode 802.3ad miimon 100 lacp_rate fast xmit_hash_policy layer3+4"
            f"{system} min_links 1"
        ),
        ip(f"link set {device} addrgenmode none mtu {channel.mtu}"),
    ]
    for port in ports:
        leg = kernel_name(port.name)
        make += [ip(f"link set {leg} down"), ip(f"link set {leg} addrgenmode none master {device}")]
        if not port.up:
            make.append(ip(f"link set {leg} down"))
    if not channel.peer_link:
        make.append(ip(f"link set {device} master {BRIDGE}"))
        make += _port_vlans(channel, device)
    make.append(ip(f"link set {device} {'up' if channel.up else 'down'}"))
    return KernelObject(f"interface {channel.name}", tuple(make), (ip(f"link del {device}"),))


def _svi(model: SwitchModel, interface: Interface, router_mac: str) -> list[KernelObject]:
    vlan = interface.number
    if vlan not in model.vlans:
        return []
    device = interface.name
    lower = _svi_lower(model, vlan)
    mac = model.anycast_mac if interface.anycast and model.anycast_mac else router_mac
    make = [] if lower != BRIDGE else [bridge(f"vlan add dev {BRIDGE} vid {vlan} self")]
    make.append(ip(f"link add link {lower} name {device} address {mac} type vlan id {vlan}"))
    master = f" master {interface.vrf}" if interface.vrf else ""
    mode = "eui64" if interface.anycast else "none"
    make.append(ip(f"link set {device} addrgenmode {mode} mtu {interface.mtu}{master}"))
    if mac != router_mac:
        make.append(bridge(f"fdb replace {mac} dev {BRIDGE} vlan {vlan} self permanent"))
    make += [
        sysctl(f"net/ipv6/conf/{device}/accept_dad=0"),
        sysctl(f"net/ipv4/conf/{device}/arp_accept=1"),
        ip(f"link set {device} {'up' if interface.up else 'down'}"),
        *_addresses(interface, device),
    ]
    return [KernelObject(f"interface {device}", tuple(make), (ip(f"link del {device}"),))]


def _svi_lower(model: SwitchModel, vlan: int) -> str:
    """The underlay's VLAN over a physical peer-link lies on that port-channel alone, not on the bridge."""
    if model.vlans.get(vlan) is None:
        for channel in model.kind("port-channel"):
            if channel.peer_link and any(port.channel == channel.number for port in model.kind("Ethernet")):
                return kernel_name(channel.name)
    return BRIDGE


def _vxlans(model: SwitchModel, router_mac: str) -> list[KernelObject]:
    vtep = model.vtep()
    if vtep is None or not model.nve_up:
        return []
    objects = []
    for vlan, vni in model.vlans.items():
        if vni is None or vni not in model.nve_members:
            continue
        device = f"vxlan{vni}"
        make = (
            ip(f"link add {device} address {router_mac} type vxlan id {vni} local {vtep} dstport 4789 nolearning"),
            ip(f"link set {device} addrgenmode none mtu 9166 master {BRIDGE}"),
            bridge(f"link set dev {device} learning off"),
            bridge(f"vlan add dev {device} vid {vlan} pvid untagged"),
            ip(f"link set {device} up"),
        )
        objects.append(KernelObject(f"vni {vni}", make, (ip(f"link del {device}"),)))
    return objects


def vpc_channels(model: SwitchModel) -> list[Interface]:
    """Port-channels that are legs of a vPC."""
    return [channel for channel in model.kind("port-channel") if channel.vpc is not None] if model.vpc else []


def layer2_vxlan(model: SwitchModel, channel: Interface) -> str | None:
    """The VXLAN device of the VLAN that a leg carries untagged."""
    vni = model.vlans.get(channel.native_vlan or 0)
    return f"vxlan{vni}" if vni is not None and vni in model.nve_members else None


def _pair(model: SwitchModel) -> list[KernelObject]:
    """What FRR's EVPN multihoming leaves to the data plane: a dead leg's way over the peer, both leafs' ARP and ND."""
    legs = vpc_channels(model)
    if not legs or model.vpc is None:
        return []
    objects = []
    for leg in legs:
        device, tunnel = kernel_name(leg.name), layer2_vxlan(model, leg)
        if tunnel:
            make = (bridge(f"link set dev {device} backup_port {tunnel}"),)
            objects.append(KernelObject(f"backup {leg.name}", make, (bridge(f"link set dev {device} nobackup_port"),)))
    objects += _synchronise(model, legs)
    objects += _marks(model, legs)
    return objects


def _peer_path(model: SwitchModel) -> tuple[str, tuple[Op, ...], tuple[Op, ...]] | None:
    """(device towards the peer, what makes it, what removes it): a tunnel for a virtual peer-link, else its channel."""
    assert model.vpc is not None  # noqa: S101 - there are legs
    if model.vpc.virtual:
        remote, local = model.vpc.virtual
        make = (
            ip(f"link add {PEER_TUNNEL} type gretap local {local} remote {remote} ttl 64"),
            ip(f"link set {PEER_TUNNEL} addrgenmode none up"),
        )
        return PEER_TUNNEL, make, (ip(f"link del {PEER_TUNNEL}"),)
    for channel in model.kind("port-channel"):
        if channel.peer_link and any(port.channel == channel.number for port in model.kind("Ethernet")):
            return kernel_name(channel.name), (), ()
    return None


def _synchronise(model: SwitchModel, legs: list[Interface]) -> list[KernelObject]:
    """A node's reply to one leaf's ARP or ND may hash to the other, which has the same MAC: mirror it over."""
    assert model.vpc is not None  # noqa: S101 - there are legs
    path = _peer_path(model)
    gateways = {leg.native_vlan: f"Vlan{leg.native_vlan}" for leg in legs if leg.native_vlan}
    if path is None or model.anycast_mac is None or not gateways or not (model.vpc.arp_sync or model.vpc.nd_sync):
        return []
    device, make, remove = path
    gateway = next(iter(gateways.values()))
    into = f"action skbedit ptype host pipe action mirred ingress redirect dev {gateway}"
    ops = [*make, tc(f"qdisc replace dev {device} clsact")]
    if model.vpc.arp_sync:
        ops.append(tc(f"filter replace dev {device} ingress protocol arp prio 1 handle 1 matchall {into}"))
    if model.vpc.nd_sync:
        ops.append(tc(f"filter replace dev {device} ingress protocol ipv6 prio 2 handle 1 matchall {into}"))
    for leg in legs:
        port = kernel_name(leg.name)
        ops.append(tc(f"qdisc replace dev {port} clsact"))
        mirror = f"action mirred egress mirror dev {device}"
        mac = f"dst_mac {model.anycast_mac}"
        if model.vpc.arp_sync:
            ops.append(
                tc(f"filter replace dev {port} ingress protocol arp prio 1 handle 1 flower {mac} arp_op reply {mirror}")
            )
        if model.vpc.nd_sync:
            match = f"{mac} ip_proto icmpv6 type 136"
            ops.append(tc(f"filter replace dev {port} ingress protocol ipv6 prio 2 handle 1 flower {match} {mirror}"))
    return [KernelObject("arp and nd synchronisation", tuple(ops), remove)]


def _marks(model: SwitchModel, legs: list[Interface]) -> list[KernelObject]:
    """Mark what comes over VXLAN, by the VTEP it comes from: the mark survives decapsulation. See `horizon`."""
    tunnels = {tunnel for leg in legs if (tunnel := layer2_vxlan(model, leg))}
    ops = []
    for tunnel in sorted(tunnels):
        unicast = "dst_mac 00:00:00:00:00:00/01:00:00:00:00:00"
        ops.append(tc(f"qdisc replace dev {tunnel} clsact"))
        ops.append(
            tc(
                f"filter replace dev {tunnel} ingress protocol all prio 1 handle 1 flower {unicast} "
                "action skbedit mark 0 continue"
            )
        )
    return [KernelObject("unicast keeps no mark", tuple(ops), ())] if ops else []


def peer_mark(uplinks: list[str], vtep: str) -> list[Op]:
    """On each underlay port: mark VXLAN from the pair's other VTEP."""
    ops = []
    for device in uplinks:
        ops.append(tc(f"qdisc replace dev {device} clsact"))
        ops.append(
            tc(
                f"filter replace dev {device} ingress protocol ip prio 1 handle 1 flower ip_proto udp src_ip {vtep} "
                f"dst_port 4789 action skbedit mark {FROM_PEER_MARK} continue"
            )
        )
    return ops


def horizon(port: str, *, closed: bool) -> list[Op]:
    """Let or drop marked packets at a leg's egress (split horizon of RFC 8365, 8.3.1)."""
    if closed:
        return [tc(f"filter replace dev {port} egress protocol all prio 1 handle {FROM_PEER_MARK:#x} fw action drop")]
    return [tc(f"filter del dev {port} egress prio 1")]


def _statics(model: SwitchModel) -> list[KernelObject]:
    objects = []
    for vrf in model.vrfs:
        for route in vrf.statics:
            text = f"{route.prefix} via {route.via} vrf {vrf.name} proto static"
            objects.append(
                KernelObject(
                    f"route {vrf.name} {route.prefix} {route.via}",
                    (ip(f"route replace {text}"),),
                    (ip(f"route del {text}"),),
                )
            )
    return objects


KIND_ORDER = ("ip", "bridge", "sysctl", "tc", "nft", "iptables", "ip6tables")


def difference(before: list[KernelObject], after: list[KernelObject]) -> list[Op]:
    """What leads from one state to the other."""
    known = {item.name: item for item in before}
    wanted = {item.name: item for item in after}
    gone = [item for item in reversed(before) if wanted.get(item.name) != item]
    new = [item for item in after if known.get(item.name) != item]
    make = [op for item in new for op in item.make]
    if not before:
        # of an empty box every order of kinds is right, and each run of one kind is one process in the machine
        make.sort(key=lambda op: KIND_ORDER.index(op.kind))
    return [op for item in gone for op in item.remove] + make
