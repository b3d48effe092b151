"""``show interface`` (also ``brief`` and ``status``), ``show ip interface brief``, ``show vlan brief``.

State, MTU, addresses and VLANs are the kernel's; the configuration names the interfaces, their mode and description.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

from labctl.nxos.normal import short_name
from labctl.nxos.tree import Section
from labctl.standin.switch.dataplane.names import BRIDGE, kernel_name
from labctl.standin.switch.dataplane.settings import Interface
from labctl.standin.switch.platform import MANAGEMENT
from labctl.standin.switch.shows.bundles import Member, ports_in_bundles
from labctl.standin.switch.shows.form import Answer, Row, kernel_short, lines, listing, mac, table
from labctl.standin.switch.shows.machine import Link, Look, is_up

LINE = "-" * 80


def state(link: Link | None) -> tuple[str, str]:
    """(``up`` or ``down``, reason) of a link; None: it is not there."""
    if link is None:
        return "down", "No such device in the kernel"
    if "UP" not in link["flags"]:
        return "down", "Administratively down"
    return ("up", "none") if is_up(link) else ("down", "Link not connected")


def _state(look: Look, interface: Interface) -> tuple[str, str]:
    """A virtual peer-link is no link, but for what EVPN says of the peer."""
    link = look.link(interface.name)
    if interface.peer_link and link is None and look.model.vpc and look.model.vpc.virtual:
        return ("up", "none") if look.segment_peers else ("down", "No operational members")
    return state(link)


def _ethernets(look: Look) -> list[Interface]:
    """Every port of the box, in order, with its configuration if it has one."""
    known = {interface.name: interface for interface in look.model.kind("Ethernet")}
    names = dict.fromkeys([*look.identity.interfaces, *known])
    ports = (known.get(name) or Interface(Section(f"interface {name}")) for name in names)
    return sorted(ports, key=attrgetter("number"))


def _ports(look: Look) -> list[Interface]:
    return [*_ethernets(look), *look.model.kind("port-channel")]


def _mode(interface: Interface) -> str:
    return "routed" if interface.routed else interface.mode


def _untagged(look: Look, interface: Interface) -> str:
    """The native VLAN of a port, or of the bundle that it is in."""
    if interface.routed:
        return "--"
    device = f"po{interface.channel}" if interface.channel else kernel_name(interface.name)
    return next((str(vlan) for vlan, untagged in look.vlans.get(device, []) if untagged), "1")


MGMT = (
    f"{LINE}\nPort   VRF          Status IP Address                              Speed    MTU\n{LINE}",
    "{interface}  --           {state:<6} {ip_addr:<39} {speed:<8} {mtu}",
)
PORT = "Ethernet      VLAN    Type Mode   Status  Reason                   Speed     Port"
ETHERNET = (
    f"{LINE}\n{PORT}\nInterface{' ' * 67}Ch #\n{LINE}",
    "{port:<13} {vlan:<7} {type:<4} {portmode:<6} {state:<7} {state_rsn_desc:<24} {speed:<9} {portchan}",
)
CHANNEL = (
    f"{LINE}\nPort-channel VLAN    Type Mode   Status  Reason                    Speed   Protocol\nInterface\n{LINE}",
    "{port:<12} {vlan:<7} {type:<4} {portmode:<6} {state:<7} {state_rsn_desc:<25} {speed:<9} {proto}",
)
LOOPBACK = (f"{LINE}\nInterface     Status     Description\n{LINE}", "{port:<13} {state:<10} {desc}")
NVE = (
    f"{LINE}\nPort           Status Reason                    MTU\n{LINE}",
    "{interface:<14} {state:<6} {state_rsn_desc:<25} {mtu}",
)
SVI = (
    f"{LINE[1:]}\nInterface Secondary VLAN(Type)                    Status Reason\n{LINE[1:]}",
    f"{{interface:<9}} {'--':<39} {{svi_admin_state:<6}} {{svi_reason_desc}}",
)


def brief(look: Look) -> Answer:
    """A section for each kind of interface that there is, and one for the ports in any case."""
    members = ports_in_bundles(look)
    sections = [
        (MGMT, _management(look)),
        (ETHERNET, [_brief(look, interface, members) for interface in _ethernets(look)]),
        (CHANNEL, [_brief(look, interface, members) for interface in look.model.kind("port-channel")]),
        (LOOPBACK, [_loopback(look, interface) for interface in look.model.kind("loopback")]),
        (NVE, _nve(look)),
        (SVI, [_svi(look, interface) for interface in look.model.kind("Vlan")]),
    ]
    parts = [
        lines(*layout, [{"portchan": "--", **row, "port": short_name(row["interface"])} for row in rows])
        for layout, rows in sections
        if rows or layout is ETHERNET
    ]
    return Answer("\n\n".join(parts), table("interface", [row for _, rows in sections for row in rows]))


def _management(look: Look) -> list[Row]:
    link = look.links.get(MANAGEMENT)
    if link is None or not look.identity.management:
        return []
    address = next(iter(look.ipv4(MANAGEMENT)), "--")
    row = {"interface": "mgmt0", "state": state(link)[0], "ip_addr": address, "speed": "--", "mtu": str(link["mtu"])}
    return [row]


def _brief(look: Look, interface: Interface, members: Mapping[str, Member]) -> Row:
    """Of a port or a port-channel."""
    up, reason = _state(look, interface)
    link, member = look.link(interface.name), members.get(interface.name)
    speed = member.speed if member else None
    row = {
        "interface": interface.name,
        "vlan": _untagged(look, interface),
        "type": "eth",
        "portmode": _mode(interface),
        "state": up,
        "state_rsn_desc": reason,
        "speed": "--" if speed is None else f"{speed // 1000}G(D)" if speed % 1000 == 0 else f"{speed}(D)",
        "mtu": str(link["mtu"] if link else interface.mtu),
    }
    if interface.name.startswith("port-channel"):
        row["proto"] = "lacp" if link else "none"
    elif interface.channel:
        row["portchan"] = str(interface.channel)
    return row


def _loopback(look: Look, interface: Interface) -> Row:
    return {"interface": interface.name, "state": _state(look, interface)[0], "desc": interface.description or "--"}


def _nve(look: Look) -> list[Row]:
    if not look.model.nve_members:
        return []
    tunnels = [look.links[name] for vni in look.model.nve_members if (name := f"vxlan{vni}") in look.links]
    up, reason = ("up", "none") if any(map(is_up, tunnels)) else ("down", "No tunnel is up")
    mtu = str(tunnels[0]["mtu"]) if tunnels else "--"
    return [{"interface": "nve1", "state": up, "state_rsn_desc": reason, "mtu": mtu}]


def _svi(look: Look, interface: Interface) -> Row:
    up, reason = _state(look, interface)
    return {"interface": interface.name, "svi_admin_state": up, "svi_reason_desc": "--" if up == "up" else reason}


def details(look: Look) -> Answer:
    """``show interface`` of Ethernet ports and port-channels: what the kernel has of each now, with the keys of NX-OS's
    JSON (a Nexus 9000's, quoted in allenrobel/nxapi-netbox, lib/nxapi/nxapi_interface.py).
    """
    rows = []
    for interface in _ports(look):
        link = look.link(interface.name)
        up, reason = _state(look, interface)
        row = {"interface": interface.name, "state": up}
        row |= {} if up == "up" else {"state_rsn_desc": reason}
        row["admin_state"] = "up" if up == "up" or (link is not None and "UP" in link["flags"]) else "down"
        row |= {"eth_hw_addr": mac(link["address"])} if link else {}
        row |= {"desc": interface.description} if interface.description else {}
        row |= {"eth_mtu": str(link["mtu"])} if link else {}
        rows.append(row | {"eth_mode": _mode(interface)})
    return Answer("\n\n".join(map(_paragraph, rows)), table("interface", rows))


PARAGRAPH = {
    "state_rsn_desc": " ({})",
    "admin_state": "\nadmin state is {}",
    "eth_hw_addr": "\n  Hardware: Ethernet, address: {}",
    "desc": "\n  Description: {}",
    "eth_mtu": "\n  MTU {} bytes",
    "eth_mode": "\n  Port mode is {}",
}


def _paragraph(row: Row) -> str:
    rest = "".join(text.format(row[key]) for key, text in PARAGRAPH.items() if key in row)
    return f"{row['interface']} is {row['state']}{rest}"


STATUS = (
    f"{LINE}\nPort          Name               Status    Vlan      Duplex  Speed   Type\n{LINE}",
    "{interface:<13} {name:<18.18} {state:<9} {vlan:<9} {duplex:<7} {speed:<7} {type}",
)
"""Columns start at 0, 14, 33, 43, 53, 61 and 69."""


def status(look: Look) -> Answer:
    """Ethernet ports and port-channels, in NX-OS's words."""
    rows, members = [], ports_in_bundles(look)
    for interface in _ports(look):
        _, reason = _state(look, interface)
        member = members.get(interface.name)
        trunk = not interface.routed and interface.mode == "trunk"
        rows.append(
            {
                "interface": short_name(interface.name),
                "name": interface.description or "--",
                "state": {"none": "connected", "Administratively down": "disabled"}.get(reason, "notconnec"),
                "vlan": "routed" if interface.routed else "trunk" if trunk else _untagged(look, interface),
                "duplex": member.duplex if member else "auto",
                "speed": str(member.speed) if member and member.speed is not None else "auto",
                "type": "--",
            }
        )
    return listing("interface", rows, *STATUS)


def ip_brief(look: Look) -> Answer:
    """``show ip interface brief [vrf]``: of all VRFs, the default one first."""
    rows = [_ip_row(look, it, kernel_name(it.name)) for it in look.model.interfaces if it.name != "mgmt0"]
    if look.identity.management:
        own = Interface(Section("interface mgmt0", (Section("vrf member management"),)))
        rows.append(_ip_row(look, own, MANAGEMENT))
    parts, found = [], []
    # an interface may be in a VRF that no line made
    for number, vrf in enumerate(dict.fromkeys([*look.vrf_names, *(row["vrf-name-out"] for row in rows if row)]), 1):
        mine = [row for row in rows if row and row["vrf-name-out"] == vrf and look.vrf in (vrf, "all")]
        head = f'IP Interface Status for VRF "{vrf}"({number})\nInterface            IP Address      Interface Status'
        line = "{intf-name:<20} {prefix:<15} protocol-{proto-state}/link-{link-state}/admin-{admin-state}"
        parts += [lines(head, line, mine)] if mine else []
        found += mine
    return Answer("\n\n".join(parts), table("intf", found))


def _ip_row(look: Look, interface: Interface, device: str) -> Row | None:
    """None of an interface that has nothing to do with IPv4."""
    address = next(iter(look.ipv4(device)), "forward-enabled" if interface.ip_forward else None)
    if address is None:
        return None
    link = look.links.get(device)
    up, _ = state(link)
    return {
        "vrf-name-out": interface.vrf or "default",
        "intf-name": short_name(interface.name),
        "prefix": address,
        "proto-state": up,
        "link-state": up,
        "admin-state": "up" if link is not None and "UP" in link["flags"] else "down",
    }


def vlans(look: Look) -> Answer:
    """The VLANs with the ports that carry each in the kernel's bridge, a bundle's members with it."""
    rows = []
    for vlan in sorted({1, *look.model.vlans}):
        name = look.model.vlan_names.get(vlan, "default" if vlan == 1 else f"VLAN{vlan:04d}")
        rows.append(
            {
                "vlanshowbr-vlanid": str(vlan),
                "vlanshowbr-vlanid-utf": str(vlan),
                "vlanshowbr-vlanname": name,
                "vlanshowbr-vlanstate": "active",
                "vlanshowbr-shutstate": "noshutdown",
                "vlanshowplist-ifidx": ",".join(map(kernel_short, sorted(_carriers(look, vlan), key=_bundles_first))),
            }
        )
    head = f"VLAN Name                             Status    Ports\n---- {'-' * 32} --------- {'-' * 31}"
    return Answer("\n".join([head, *map(_vlan_text, rows)]), table("vlanbriefxbrief", rows))


def _carriers(look: Look, vlan: int) -> list[str]:
    """By kernel name. VXLAN devices are no ports of a switch."""
    ports = [port for port, held in look.vlans.items() if any(vlan == number for number, _ in held)]
    ports = [port for port in ports if port != BRIDGE and not port.startswith("vxlan")]
    return ports + [name for name, link in look.links.items() if link.get("master") in ports]


def _bundles_first(port: str) -> tuple[bool, int]:
    return not port.startswith("po"), int("".join(filter(str.isdigit, port)) or "0")


def _vlan_text(row: Row) -> str:
    """Four ports a line."""
    ports = row["vlanshowplist-ifidx"].split(",")
    head = f"{row['vlanshowbr-vlanid']:<4} {row['vlanshowbr-vlanname']:<32} active    "
    parts = [", ".join(ports[start : start + 4]) for start in range(0, len(ports), 4)]
    return (head + f"\n{'':48}".join(parts)).rstrip()
