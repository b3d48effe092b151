"""``show interface`` (also ``brief`` and ``status``), ``show ip interface brief``, ``show vlan brief``.

State, MTU, addresses and VLANs are the kernel's; the configuration names the interfaces, their mode and description.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from types import MappingProxyType
from typing import Any

from labctl.standin.switch.dataplane.names import BRIDGE, kernel_name
from labctl.standin.switch.dataplane.settings import Interface
from labctl.standin.switch.shows.bundles import Partner, members, segment_peers
from labctl.standin.switch.shows.form import Row, kernel_short, mac, short, table
from labctl.standin.switch.shows.machine import Source, addresses, bridge_vlans, is_up, link_states
from labctl.standin.switch.shows.system import vrf_names

LINE = "-" * 80


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the kernel says of all interfaces at one moment; ``ports``: those in a bundle, which alone have a speed."""

    links: Mapping[str, Mapping[str, Any]]
    vlans: Mapping[str, Sequence[tuple[int, bool]]]
    ports: Mapping[str, Partner]


def _kernel(source: Source) -> Kernel:
    return Kernel(link_states(source), bridge_vlans(source), members(source))


def state(link: Mapping[str, Any] | None) -> tuple[str, str]:
    """(``up`` or ``down``, reason) of a link; None: it is not there."""
    if link is None:
        return "down", "No such device in the kernel"
    if "UP" not in link["flags"]:
        return "down", "Administratively down"
    return ("up", "none") if is_up(dict(link)) else ("down", "Link not connected")


def brief(source: Source) -> list[Row]:
    """One row an interface, read now."""
    kernel = _kernel(source)
    rows = _management(source, kernel)
    rows += [
        _port(interface, kernel, *state(kernel.links.get(kernel_name(interface.name))))
        for interface in _ethernets(source)
    ]
    for interface in source.model.kind("port-channel", "loopback", "Vlan"):
        rows.append(_port(interface, kernel, *_logical(source, interface, kernel)))
    return rows + _nve(source, kernel)


def _nve(source: Source, kernel: Kernel) -> list[Row]:
    if not source.model.nve_members:
        return []
    tunnels = [kernel.links[name] for vni in source.model.nve_members if (name := f"vxlan{vni}") in kernel.links]
    up = any(is_up(dict(link)) for link in tunnels)
    mtu = str(tunnels[0]["mtu"]) if tunnels else "--"
    reason = "none" if up else "No tunnel is up"
    return [{"interface": "nve1", "state": "up" if up else "down", "state_rsn_desc": reason, "mtu": mtu}]


def _management(source: Source, kernel: Kernel) -> list[Row]:
    device = source.identity.management_interface
    link = kernel.links.get(device)
    if link is None or not source.identity.management:
        return []
    own = [str(address.ip) for address in addresses(source).get(device, []) if address.version == 4]
    return [
        {
            "interface": "mgmt0",
            "state": state(link)[0],
            "ip_addr": own[0] if own else "--",
            "speed": "--",
            "mtu": str(link["mtu"]),
        }
    ]


def _ethernets(source: Source) -> list[Interface]:
    """Every port of the box, in order, with its configuration if it has one."""
    known = {interface.name: interface for interface in source.model.kind("Ethernet")}
    names = dict.fromkeys([*source.identity.interfaces, *known])
    return sorted((known.get(name, Interface(name)) for name in names), key=lambda port: port.number)


def _logical(source: Source, interface: Interface, kernel: Kernel) -> tuple[str, str]:
    device = kernel_name(interface.name)
    if interface.peer_link and device not in kernel.links and source.model.vpc and source.model.vpc.virtual:
        return ("up", "none") if segment_peers(source) else ("down", "No operational members")
    return state(kernel.links.get(device))


def _untagged(interface: Interface, kernel: Kernel) -> str:
    """The native VLAN of a port, or of the bundle that it is in."""
    if interface.routed:
        return "--"
    device = f"po{interface.channel}" if interface.channel else kernel_name(interface.name)
    return next((str(vlan) for vlan, untagged in kernel.vlans.get(device, []) if untagged), "1")


def _port(interface: Interface, kernel: Kernel, up: str, reason: str) -> Row:
    name = interface.name
    if name.startswith("Vlan"):
        return {"interface": name, "svi_admin_state": up, "svi_reason_desc": "--" if up == "up" else reason}
    if name.startswith("loopback"):
        return {"interface": name, "state": up, "desc": interface.description or "--"}
    link = kernel.links.get(kernel_name(name))
    port = kernel.ports.get(name)
    speed = port.speed if port else None
    row = {
        "interface": name,
        "vlan": _untagged(interface, kernel),
        "type": "eth",
        "portmode": "routed" if interface.routed else interface.mode,
        "state": up,
        "state_rsn_desc": reason,
        "speed": "--" if speed is None else f"{speed // 1000}G(D)" if speed % 1000 == 0 else f"{speed}(D)",
        "mtu": str(link["mtu"]) if link else str(interface.mtu),
    }
    if name.startswith("port-channel"):
        row["proto"] = "lacp" if link else "none"
    elif interface.channel:
        row["portchan"] = str(interface.channel)
    return row


def details(source: Source) -> list[Row]:
    """``show interface`` of Ethernet ports and port-channels: what the kernel has of each now, with the keys of NX-OS's
    JSON (a Nexus 9000's, quoted in allenrobel/nxapi-netbox, lib/nxapi/nxapi_interface.py).
    """
    kernel = _kernel(source)
    rows = []
    for interface in [*_ethernets(source), *source.model.kind("port-channel")]:
        link = kernel.links.get(kernel_name(interface.name))
        up, reason = _logical(source, interface, kernel)
        row = {"interface": interface.name, "state": up}
        row |= {} if up == "up" else {"state_rsn_desc": reason}
        row["admin_state"] = "up" if up == "up" or (link is not None and "UP" in link["flags"]) else "down"
        row |= {"eth_hw_addr": mac(link["address"])} if link else {}
        row |= {"desc": interface.description} if interface.description else {}
        row |= {"eth_mtu": str(link["mtu"])} if link else {}
        rows.append(row | {"eth_mode": "routed" if interface.routed else interface.mode})
    return rows


def details_text(rows: list[Row]) -> str:
    """A paragraph each."""
    parts = []
    for row in rows:
        reason = f" ({row['state_rsn_desc']})" if "state_rsn_desc" in row else ""
        lines = [f"{row['interface']} is {row['state']}{reason}", f"admin state is {row['admin_state']}"]
        lines += [f"  Hardware: Ethernet, address: {row['eth_hw_addr']}"] if "eth_hw_addr" in row else []
        lines += [f"  Description: {row['desc']}"] if "desc" in row else []
        lines += [f"  MTU {row['eth_mtu']} bytes"] if "eth_mtu" in row else []
        parts.append("\n".join((*lines, f"  Port mode is {row['eth_mode']}")))
    return "\n\n".join(parts)


def status(source: Source) -> list[Row]:
    """Ethernet ports and port-channels, in NX-OS's words."""
    kernel = _kernel(source)
    rows = []
    for interface in [*_ethernets(source), *source.model.kind("port-channel")]:
        up, reason = _logical(source, interface, kernel)
        port = kernel.ports.get(interface.name)
        connected = {"none": "connected", "Administratively down": "disabled"}.get(reason, "notconnec")
        vlan = "routed" if interface.routed else "trunk" if interface.mode == "trunk" else _untagged(interface, kernel)
        rows.append(
            {
                "interface": short(interface.name),
                "name": interface.description or "--",
                "state": "connected" if up == "up" else connected,
                "vlan": vlan,
                "duplex": port.duplex if port else "auto",
                "speed": str(port.speed) if port and port.speed is not None else "auto",
                "type": "--",
            }
        )
    return rows


def status_text(rows: list[Row]) -> str:
    """Columns start at 0, 14, 33, 43, 53, 61 and 69."""
    lines = [LINE, "Port          Name               Status    Vlan      Duplex  Speed   Type", LINE]
    lines += [
        f"{row['interface']:<13} {row['name'][:18]:<18} {row['state']:<9} {row['vlan']:<9} "
        f"{row['duplex']:<7} {row['speed']:<7} {row['type']}"
        for row in rows
    ]
    return "\n".join(lines)


BRIEF: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "mgmt",
        (LINE, "Port   VRF          Status IP Address                              Speed    MTU", LINE),
        "{interface}  --           {state:<6} {ip_addr:<39} {speed:<8} {mtu}",
    ),
    (
        "Ethernet",
        (
            LINE,
            "Ethernet      VLAN    Type Mode   Status  Reason                   Speed     Port",
            f"Interface{' ' * 67}Ch #",
            LINE,
        ),
        "{port:<13} {vlan:<7} {type:<4} {portmode:<6} {state:<7} {state_rsn_desc:<24} {speed:<9} {portchan}",
    ),
    (
        "port-channel",
        (
            LINE,
            "Port-channel VLAN    Type Mode   Status  Reason                    Speed   Protocol",
            "Interface",
            LINE,
        ),
        "{port:<12} {vlan:<7} {type:<4} {portmode:<6} {state:<7} {state_rsn_desc:<25} {speed:<9} {proto}",
    ),
    ("loopback", (LINE, "Interface     Status     Description", LINE), "{port:<13} {state:<10} {desc}"),
    (
        "nve",
        (LINE, "Port           Status Reason                    MTU", LINE),
        "{interface:<14} {state:<6} {state_rsn_desc:<25} {mtu}",
    ),
    (
        "Vlan",
        (LINE[1:], "Interface Secondary VLAN(Type)                    Status Reason", LINE[1:]),
        f"{{interface:<9}} {'--':<39} {{svi_admin_state:<6}} {{svi_reason_desc}}",
    ),
)
"""``show interface brief``: how the names of a section's interfaces begin, its head, and a row of it."""


def brief_text(rows: list[Row]) -> str:
    """A section for each kind of interface that there is, and one for the ports in any case."""
    parts = []
    for kind, head, line in BRIEF:
        mine = [row for row in rows if row["interface"].startswith(kind)]
        lines = [line.format_map({"portchan": "--", **row, "port": short(row["interface"])}) for row in mine]
        if lines or kind == "Ethernet":
            parts.append("\n".join((*head, *lines)))
    return "\n\n".join(parts)


def ip_brief(source: Source, vrf: str | None) -> list[Row]:
    """``show ip interface brief [vrf]``: None is every VRF, the default one first."""
    links, own = link_states(source), addresses(source)
    rows = [_ip_row(interface, links, own) for interface in source.model.interfaces if interface.name != "mgmt0"]
    if source.identity.management:
        device = source.identity.management_interface
        rows.append(_ip_row(Interface("mgmt0", vrf="management"), links, own, device))
    ids = {name: index for index, name in enumerate(vrf_names(source), 1)}
    found = [row | {"vrf-id": str(ids.get(row["vrf-name-out"], 0))} for row in rows if row is not None]
    return sorted((row for row in found if vrf in (None, row["vrf-name-out"])), key=lambda row: int(row["vrf-id"]))


def _ip_row(
    interface: Interface,
    links: Mapping[str, Mapping[str, Any]],
    own: Mapping[str, Sequence[IPv4Interface | IPv6Interface]],
    device: str = "",
) -> Row | None:
    device = device or kernel_name(interface.name)
    first = next((str(address.ip) for address in own.get(device, []) if address.version == 4), None)
    if first is None and not interface.ip_forward:
        return None
    link = links.get(device)
    up, _ = state(link)
    return {
        "vrf-name-out": interface.vrf or "default",
        "intf-name": short(interface.name),
        "prefix": first or "forward-enabled",
        "proto-state": up,
        "link-state": up,
        "admin-state": "up" if link is not None and "UP" in link["flags"] else "down",
    }


def ip_brief_text(rows: list[Row]) -> str:
    lines: list[str] = []
    for vrf, number in dict.fromkeys((row["vrf-name-out"], row["vrf-id"]) for row in rows):
        lines += [
            f'IP Interface Status for VRF "{vrf}"({number})',
            "Interface            IP Address      Interface Status",
        ]
        lines += [
            f"{row['intf-name']:<20} {row['prefix']:<15} "
            f"protocol-{row['proto-state']}/link-{row['link-state']}/admin-{row['admin-state']}"
            for row in rows
            if row["vrf-name-out"] == vrf
        ]
        lines.append("")
    return "\n".join(lines).rstrip("\n")


def ip_brief_json(rows: list[Row]) -> dict[str, Any]:
    return table("intf", [{key: value for key, value in row.items() if key != "vrf-id"} for row in rows])


def vlans(source: Source) -> list[Row]:
    """The VLANs with the ports that carry each in the kernel's bridge."""
    members: dict[str, list[str]] = {}
    for port, link in link_states(source).items():
        members.setdefault(link.get("master", ""), []).append(port)
    return vlan_rows([1, *source.model.vlans], bridge_vlans(source), source.model.vlan_names, members)


def vlan_rows(
    known: Sequence[int],
    carried: Mapping[str, Sequence[tuple[int, bool]]],
    names: Mapping[int, str] = MappingProxyType({}),
    members: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[Row]:
    """Pure: configured VLANs and what each kernel port carries, a bundle's ``members`` with it. VXLAN devices are no
    ports of a switch."""
    rows = []
    for vlan in sorted(set(known)):
        ports = [
            port
            for port, held in carried.items()
            if port != BRIDGE and not port.startswith("vxlan") and any(vlan == number for number, _ in held)
        ]
        ports += [member for port in ports for member in members.get(port, ())]
        rows.append(
            {
                "vlanshowbr-vlanid": str(vlan),
                "vlanshowbr-vlanid-utf": str(vlan),
                "vlanshowbr-vlanname": names.get(vlan, "default" if vlan == 1 else f"VLAN{vlan:04d}"),
                "vlanshowbr-vlanstate": "active",
                "vlanshowbr-shutstate": "noshutdown",
                "vlanshowplist-ifidx": ",".join(map(kernel_short, sorted(ports, key=_bundles_first))),
            }
        )
    return rows


def _bundles_first(port: str) -> tuple[bool, int]:
    return not port.startswith("po"), int("".join(filter(str.isdigit, port)) or "0")


def vlans_text(rows: list[Row]) -> str:
    lines = ["VLAN Name                             Status    Ports", f"---- {'-' * 32} --------- {'-' * 31}"]
    for row in rows:
        ports = row["vlanshowplist-ifidx"].split(",")
        head = f"{row['vlanshowbr-vlanid']:<4} {row['vlanshowbr-vlanname']:<32} active    "
        lines += [
            ((head if start == 0 else " " * 48) + ", ".join(ports[start : start + 4])).rstrip()
            for start in range(0, len(ports), 4)
        ]
    return "\n".join(lines)
