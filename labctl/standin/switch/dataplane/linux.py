"""Desired state of the kernel: objects by name, each with what makes it and what removes it.

The order of the objects is the order of making; removal goes the other way. An object whose making changed is
removed and made again, and so is what rests on it (``needs``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial

from labctl.guest.api import Op
from labctl.standin.switch.dataplane.names import (
    BRIDGE,
    FIRST_TABLE,
    FROM_PEER_MARK,
    PEER_TUNNEL,
    REDIRECT_PRIORITY,
    VPC_SYSTEM_MAC,
    kernel_name,
    vrf_device,
)
from labctl.standin.switch.dataplane.settings import Interface, SwitchModel, VpcModel


@dataclass(frozen=True, slots=True)
class KernelObject:
    """A thing in the kernel. ``needs``: names of the objects that it rests on and goes down with."""

    name: str
    make: tuple[Op, ...]
    remove: tuple[Op, ...]
    needs: tuple[str, ...] = ()


ip, bridge, tc, sysctl = (partial(Op, kind) for kind in ("ip", "bridge", "tc", "sysctl"))


def desired(model: SwitchModel, router_mac: str) -> list[KernelObject]:
    """Everything that the configuration asks of the kernel. ``router_mac``: the switch's own MAC."""
    objects = [KernelObject("forwarding", tuple(map(sysctl, FORWARDING)), ())]
    objects += [_vrf(vrf.name, index) for index, vrf in enumerate(model.vrfs)]
    if model.vlans:
        objects.append(_bridge(router_mac))
    objects += map(_loopback, model.kind("loopback"))
    objects += [_ethernet(model, port) for port in model.kind("Ethernet") if port.channel is None]
    objects += _channels(model)
    for interface in model.kind("Vlan"):
        objects += _svi(model, interface, router_mac)
    made = {item.name for item in objects}
    objects += [_redirects(it) for it in model.interfaces if _routes(it) and f"interface {it.name}" in made]
    objects += _vxlans(model, router_mac)
    objects += _pair(model)
    objects += _statics(model)
    return objects


FORWARDING = (
    "net/ipv4/ip_forward=1",
    "net/ipv6/conf/all/forwarding=1",
    "net/ipv4/conf/all/rp_filter=0",
    "net/ipv4/conf/default/rp_filter=0",
    "net/ipv4/conf/all/send_redirects=0",
    "net/ipv4/fib_multipath_hash_policy=1",
    "net/ipv6/fib_multipath_hash_policy=1",
    "net/ipv4/conf/all/ignore_routes_with_linkdown=1",
    "net/ipv6/conf/all/ignore_routes_with_linkdown=1",
)


def _routes(interface: Interface) -> bool:
    return interface.name.startswith("Vlan") or (interface.routed and interface.name.startswith("Ethernet"))


def _redirects(interface: Interface) -> KernelObject:
    """ICMP redirects of an interface: on unless the configuration says otherwise, as on NX-OS.

    Linux sends IPv4 redirects where either ``all`` or the interface has it (ip-sysctl.rst), so ``all`` is off. It has
    no such knob for IPv6: there they are dropped on their way out (type 137 is never forwarded: RFC 4861, 8.1).
    """
    device = kernel_name(interface.name)
    make = [sysctl(f"net/ipv4/conf/{device}/send_redirects={int(interface.redirects)}")]
    remove: tuple[Op, ...] = ()
    if not interface.redirects6:
        make.append(tc(f"qdisc replace dev {device} clsact"))
        what = f"dev {device} egress protocol ipv6 prio {REDIRECT_PRIORITY}"
        make.append(tc(f"filter replace {what} handle 1 flower ip_proto icmpv6 type 137 action drop"))
        remove = (tc(f"filter del dev {device} egress prio {REDIRECT_PRIORITY}"),)
    return KernelObject(f"redirects {interface.name}", tuple(make), remove, (f"interface {interface.name}",))


def _vrf(name: str, index: int) -> KernelObject:
    device = vrf_device(name)
    make = (ip(f"link add {device} type vrf table {FIRST_TABLE + index}"), ip(f"link set {device} up"))
    return KernelObject(f"vrf {name}", make, (ip(f"link del {device}"),))


def _bridge(mac: str) -> KernelObject:
    how = "vlan_filtering 1 vlan_default_pvid 0 forward_delay 0 mcast_snooping 0"
    make = ip(f"link add {BRIDGE} address {mac} type bridge {how}")
    up = ip(f"link set {BRIDGE} mtu 9216 addrgenmode none up")
    return KernelObject("bridge", (make, up), (ip(f"link del {BRIDGE}"),))


def _addresses(interface: Interface, device: str) -> list[Op]:
    ops = [ip(f"addr add {address.value} dev {device}") for address in interface.addresses]
    return ops + [ip(f"addr add {address.value} dev {device} nodad") for address in interface.addresses6]


def _loopback(interface: Interface) -> KernelObject:
    device = interface.name
    master = f" master {vrf_device(interface.vrf)}" if interface.vrf else ""
    state = "up" if interface.up else "down"
    make = [ip(f"link add {device} type dummy"), ip(f"link set {device} addrgenmode none{master} {state}")]
    make += _addresses(interface, device)
    return KernelObject(f"interface {interface.name}", tuple(make), (ip(f"link del {device}"),), _in_vrf(interface))


def _in_vrf(interface: Interface) -> tuple[str, ...]:
    return (f"vrf {interface.vrf}",) if interface.vrf else ()


def _ethernet(model: SwitchModel, interface: Interface) -> KernelObject:
    """A routed port, or a switched one that is in no channel."""
    device, name = kernel_name(interface.name), f"interface {interface.name}"
    state, away = "up" if interface.up else "down", ip(f"link set {device} nomaster")
    if interface.routed:
        master = f"master {vrf_device(interface.vrf)}" if interface.vrf else "nomaster"
        make = [ip(f"link set {device} mtu {interface.mtu} {master} {state}"), *_addresses(interface, device)]
        return KernelObject(name, tuple(make), (ip(f"addr flush dev {device}"), away), _in_vrf(interface))
    make = [ip(f"link set {device} mtu {interface.mtu} master {BRIDGE} {state}")]
    return KernelObject(name, (*make, *_port_vlans(model, interface, device)), (away,), ("bridge",))


def _port_vlans(model: SwitchModel, interface: Interface, device: str) -> list[Op]:
    """A trunk carries the VLANs that it allows and that there are; untagged is VLAN 1 unless another one is named."""
    known = set(model.vlans)
    native = interface.native_vlan or (1 if 1 in known else None)
    ops = [bridge(f"vlan add dev {device} vid {native} pvid untagged")] if native else []
    if interface.mode == "trunk":
        allowed = known if interface.allowed_vlans is None else known & set(interface.allowed_vlans)
        ops += [bridge(f"vlan add dev {device} vid {vlan}") for vlan in sorted(allowed - {native})]
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
        objects += [_member(channel, port) for port in ports]
    return objects


def _channel(model: SwitchModel, channel: Interface, ports: list[Interface]) -> KernelObject:
    device = kernel_name(channel.name)
    system = ""
    if channel.vpc is not None and model.vpc is not None:
        mac = VPC_SYSTEM_MAC.format(model.vpc.domain)
        system = f" ad_actor_system {mac} ad_actor_sys_prio 32667 ad_user_port_key {channel.number}"
    how = f"mode 802.3ad miimon 100 lacp_rate fast xmit_hash_policy layer3+4{system} min_links 1"
    make = [ip(f"link add {device} type bond {how}"), ip(f"link set {device} addrgenmode none mtu {channel.mtu}")]
    for port in ports:
        leg = kernel_name(port.name)
        make += [ip(f"link set {leg} down"), ip(f"link set {leg} addrgenmode none master {device}")]
    if not channel.peer_link:
        make.append(ip(f"link set {device} master {BRIDGE}"))
        make += _port_vlans(model, channel, device)
    make.append(ip(f"link set {device} {'up' if channel.up else 'down'}"))
    needs = () if channel.peer_link else ("bridge",)
    return KernelObject(f"interface {channel.name}", tuple(make), (ip(f"link del {device}"),), needs)


def _member(channel: Interface, port: Interface) -> KernelObject:
    """Whether a member is shut: the bundle stays what it is, and with it the ethernet segment that EVPN knows.

    Made anew, it would be gone for a moment, and FRR would take the node's addresses for the peer's alone.
    """
    make = (ip(f"link set {kernel_name(port.name)} {'up' if port.up else 'down'}"),)
    return KernelObject(f"member {port.name}", make, (), (f"interface {channel.name}",))


def _svi(model: SwitchModel, interface: Interface, router_mac: str) -> list[KernelObject]:
    vlan = interface.number
    if vlan not in model.vlans:
        return []
    device = interface.name
    # the underlay's VLAN over a physical peer-link lies on that port-channel alone, not on the bridge
    link = _peer_channel(model) if model.vlans[vlan] is None else None
    lower, below = (kernel_name(link.name), f"interface {link.name}") if link else (BRIDGE, "bridge")
    mac = model.anycast_mac if interface.anycast and model.anycast_mac else router_mac
    make = [] if link else [bridge(f"vlan add dev {BRIDGE} vid {vlan} self")]
    make.append(ip(f"link add link {lower} name {device} address {mac} type vlan id {vlan}"))
    master = f" master {vrf_device(interface.vrf)}" if interface.vrf else ""
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
    remove = (ip(f"link del {device}"),)
    return [KernelObject(f"interface {device}", tuple(make), remove, (below, *_in_vrf(interface)))]


def _peer_channel(model: SwitchModel) -> Interface | None:
    """The channel of a physical peer-link: one that has members."""
    groups = {port.channel for port in model.kind("Ethernet")}
    links = (channel for channel in model.kind("port-channel") if channel.peer_link)
    return next((channel for channel in links if channel.number in groups), None)


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
        objects.append(KernelObject(f"vni {vni}", make, (ip(f"link del {device}"),), ("bridge",)))
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
            remove = (bridge(f"link set dev {device} nobackup_port"),)
            needs = (f"interface {leg.name}", f"vni {tunnel.removeprefix('vxlan')}")
            objects.append(KernelObject(f"backup {leg.name}", make, remove, needs))
    return objects + _synchronise(model, model.vpc, legs) + _marks(model, legs)


def _synchronise(model: SwitchModel, vpc: VpcModel, legs: list[Interface]) -> list[KernelObject]:
    """A node's reply to one leaf's ARP or ND may hash to the other, which has the same MAC: mirror it over.

    The way to the peer is a tunnel for a virtual peer-link, else the peer-link's channel.
    """
    link = _peer_channel(model)
    gateway = next((f"Vlan{leg.native_vlan}" for leg in legs if leg.native_vlan), None)
    asked = vpc.arp_sync or vpc.nd_sync
    if not asked or gateway is None or model.anycast_mac is None or not (vpc.virtual or link):
        return []
    objects = []
    if vpc.virtual:
        remote, local = vpc.virtual
        make = (
            ip(f"link add {PEER_TUNNEL} type gretap local {local} remote {remote} ttl 64"),
            ip(f"link set {PEER_TUNNEL} addrgenmode none up"),
        )
        device, path = PEER_TUNNEL, "tunnel to the peer"
        objects.append(KernelObject(path, make, (ip(f"link del {PEER_TUNNEL}"),)))
    elif link:
        device, path = kernel_name(link.name), f"interface {link.name}"
    into = f"matchall action skbedit ptype host pipe action mirred ingress redirect dev {gateway}"
    objects.append(_replies(vpc, "arp and nd from the peer", device, (path, f"interface {gateway}"), into))
    for leg in legs:
        copied = f"flower dst_mac {model.anycast_mac} {{}} action mirred egress mirror dev {device}"
        needs = (path, f"interface {leg.name}")
        objects.append(_replies(vpc, f"arp and nd to the peer {leg.name}", kernel_name(leg.name), needs, copied))
    return objects


def _replies(vpc: VpcModel, name: str, device: str, needs: tuple[str, ...], does: str) -> KernelObject:
    """A filter of replies to ARP and ND that come in at a device; ``does`` may have a place for what a reply is.

    Filters go by name: matchall cannot be replaced, and one towards an interface that is gone leads nowhere.
    """
    make, remove = [tc(f"qdisc replace dev {device} clsact")], []
    for wanted, priority, protocol, reply in (
        (vpc.arp_sync, 1, "arp", "arp_op reply"),
        (vpc.nd_sync, 2, "ipv6", "ip_proto icmpv6 type 136"),
    ):
        if wanted:
            what = f"dev {device} ingress protocol {protocol} prio {priority} handle 1 {does.format(reply)}"
            make.append(tc(f"filter replace {what}"))
            remove.append(tc(f"filter del dev {device} ingress prio {priority}"))
    return KernelObject(name, tuple(make), tuple(remove), needs)


def _marks(model: SwitchModel, legs: list[Interface]) -> list[KernelObject]:
    """Mark what comes over VXLAN, by the VTEP it comes from: the mark survives decapsulation. See `horizon`."""
    tunnels = sorted({tunnel for leg in legs if (tunnel := layer2_vxlan(model, leg))})
    unicast = "flower dst_mac 00:00:00:00:00:00/01:00:00:00:00:00 action skbedit mark 0 continue"
    ops = []
    for tunnel in tunnels:
        ops.append(tc(f"qdisc replace dev {tunnel} clsact"))
        ops.append(tc(f"filter replace dev {tunnel} ingress protocol all prio 1 handle 1 {unicast}"))
    needs = tuple(f"vni {tunnel.removeprefix('vxlan')}" for tunnel in tunnels)
    return [KernelObject("unicast keeps no mark", tuple(ops), (), needs)] if ops else []


def peer_mark(uplinks: list[str], vtep: str) -> list[Op]:
    """On each underlay port: mark VXLAN from the pair's other VTEP."""
    vxlan = f"flower ip_proto udp src_ip {vtep} dst_port 4789 action skbedit mark {FROM_PEER_MARK} continue"
    ops = []
    for device in uplinks:
        ops.append(tc(f"qdisc replace dev {device} clsact"))
        ops.append(tc(f"filter replace dev {device} ingress protocol ip prio 1 handle 1 {vxlan}"))
    return ops


def horizon(port: str, *, closed: bool) -> list[Op]:
    """Let or drop marked packets at a leg's egress (split horizon of RFC 8365, 8.3.1)."""
    if closed:
        return [tc(f"filter replace dev {port} egress protocol all prio 1 handle {FROM_PEER_MARK:#x} fw action drop")]
    return [tc(f"filter del dev {port} egress prio 1")]


ROUTE = "route "
"""How the names of static routes begin."""


def _statics(model: SwitchModel) -> list[KernelObject]:
    objects = []
    for vrf in model.vrfs:
        needs = tuple(f"interface {it.name}" for it in model.interfaces if it.vrf == vrf.name)
        for route in vrf.statics:
            text = f"{route.prefix} via {route.via} vrf {vrf_device(vrf.name)} proto static"
            name = f"{ROUTE}{vrf.name} {route.prefix} {route.via}"
            objects.append(KernelObject(name, (ip(f"route replace {text}"),), (ip(f"route del {text}"),), needs))
    return objects


def new_routes(before: list[KernelObject], after: list[KernelObject]) -> list[Op]:
    """The static routes that come: apart, since the filters of BGP are to be there when BGP hears of them."""
    names = changed(before, after)
    return [op for item in after if item.name in names and item.name.startswith(ROUTE) for op in item.make]


def touches(item: KernelObject, devices: Collection[str]) -> bool:
    """Whether making an object has to do with one of the devices."""
    return any(not set(devices).isdisjoint(op.text.replace("/", " ").split()) for op in item.make)


def stale(item: KernelObject) -> KernelObject:
    """The same object as something that is no longer as it was made."""
    return replace(item, make=())


KIND_ORDER = ("ip", "bridge", "sysctl", "tc", "nft", "iptables", "ip6tables")


def changed(before: list[KernelObject], after: list[KernelObject]) -> set[str]:
    """Names of what goes, comes, or is made anew: its making changed, or that of something it rests on."""
    known = {item.name: item for item in before}
    wanted = {item.name: item for item in after}
    names = {name for name in known.keys() | wanted.keys() if known.get(name) != wanted.get(name)}
    for item in after:  # what an object needs stands before it
        if not names.isdisjoint(item.needs):
            names.add(item.name)
    return names


def difference(before: list[KernelObject], after: list[KernelObject]) -> list[Op]:
    """What leads from one state to the other; `new_routes` belong behind it."""
    names = changed(before, after)
    gone = [item for item in reversed(before) if item.name in names]
    make = [op for item in after if item.name in names and not item.name.startswith(ROUTE) for op in item.make]
    if not before:
        # of an empty box every order of kinds is right, and each run of one kind is one process in the machine
        make.sort(key=lambda op: KIND_ORDER.index(op.kind))
    return [op for item in gone for op in item.remove] + make
