"""``show interface brief``, ``show interface status``, ``show ip interface brief``, ``show vlan brief``."""

from __future__ import annotations

from typing import Any

from labctl.standin.switch.dataplane.model import Interface
from labctl.standin.switch.dataplane.names import kernel_name
from labctl.standin.switch.shows.form import short, table
from labctl.standin.switch.shows.machine import Source, is_up, link_states

LINE = "-" * 80


def state(interface: Interface, link: dict[str, Any] | None) -> tuple[str, str]:
    """(``up`` or ``down``, reason)."""
    if not interface.up:
        return "down", "Administratively down"
    if is_up(link):
        return "up", "none"
    return "down", "Link not connected"


def brief(source: Source) -> list[dict[str, Any]]:
    """One row an interface, read now."""
    links = link_states(source)
    model = source.model
    known = {interface.name: interface for interface in model.interfaces}
    rows: list[dict[str, Any]] = []
    if source.identity.management:
        up = is_up(links.get(source.identity.management_interface))
        address = source.identity.management.split("/")[0]
        rows.append({"interface": "mgmt0", "state": "up" if up else "down", "ip_addr": address, "speed": "1000", "mtu": "1500"})
    for name in source.identity.interfaces:
        interface = known.get(name, Interface(name))
        rows.append(_port(interface, *state(interface, links.get(kernel_name(name)))))
    for interface in model.kind("port-channel", "loopback", "Vlan"):
        rows.append(_port(interface, *_logical(source, interface, links)))
    return rows


def _logical(source: Source, interface: Interface, links: dict[str, dict[str, Any]]) -> tuple[str, str]:
    if interface.peer_link and source.model.vpc and source.model.vpc.virtual:
        from labctl.standin.switch.shows.bundles import segment_peers

        return ("up", "none") if segment_peers(source) else ("down", "No operational members")
    return state(interface, links.get(kernel_name(interface.name)))


def _port(interface: Interface, up: str, reason: str) -> dict[str, Any]:
    name = interface.name
    if name.startswith("Vlan"):
        return {"interface": name, "svi_admin_state": up, "svi_reason_desc": "--" if up == "up" else reason}
    if name.startswith("loopback"):
        return {"interface": name, "state": up, "desc": interface.description or "--"}
    vlan = "--" if interface.routed else str(interface.native_vlan or 1)
    row = {
        "interface": name, "vlan": vlan, "type": "eth", "portmode": "routed" if interface.routed else interface.mode, "state": up,
        "state_rsn_desc": reason, "speed": "10G(D)", "mtu": str(interface.mtu),
    }  # fmt: skip
    if name.startswith("port-channel"):
        row["proto"] = "lacp"
    elif interface.channel:
        row["portchan"] = str(interface.channel)
    return row


def brief_text(rows: list[dict[str, Any]]) -> str:
    lines: list[str] = []
    management = [row for row in rows if row["interface"] == "mgmt0"]
    if management:
        lines += [LINE, "Port   VRF          Status IP Address                              Speed    MTU", LINE]
        lines += [f"mgmt0  {'--':<12} {row['state']:<6} {row['ip_addr']:<39} {row['speed']:<8} {row['mtu']}" for row in management]
        lines.append("")
    lines += [LINE, "Ethernet      VLAN    Type Mode   Status  Reason                   Speed     Port", f"Interface{' ' * 67}Ch #", LINE]
    for row in rows:
        if row["interface"].startswith("Ethernet"):
            lines.append(
                f"{short(row['interface']):<13} {row['vlan']:<7} {row['type']:<4} {row['portmode']:<6} {row['state']:<7} "
                f"{row['state_rsn_desc']:<24} {row['speed']:<9} {row.get('portchan', '--')}"
            )
    channels = [row for row in rows if row["interface"].startswith("port-channel")]
    if channels:
        lines += ["", LINE, "Port-channel VLAN    Type Mode   Status  Reason                    Speed   Protocol", "Interface", LINE]
        lines += [
            f"{short(row['interface']):<12} {row['vlan']:<7} {row['type']:<4} {row['portmode']:<6} {row['state']:<7} "
            f"{row['state_rsn_desc']:<25} {row['speed']:<9} {row['proto']}"
            for row in channels
        ]
    loopbacks = [row for row in rows if row["interface"].startswith("loopback")]
    if loopbacks:
        lines += ["", LINE, "Interface     Status     Description", LINE]
        lines += [f"{short(row['interface']):<13} {row['state']:<10} {row['desc']}" for row in loopbacks]
    vlans = [row for row in rows if row["interface"].startswith("Vlan")]
    if vlans:
        lines += ["", LINE[1:], "Interface Secondary VLAN(Type)                    Status Reason", LINE[1:]]
        lines += [f"{row['interface']:<9} {'--':<39} {row['svi_admin_state']:<6} {row['svi_reason_desc']}" for row in vlans]
    return "\n".join(lines)


def brief_json(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return table("interface", rows)


def addresses(source: Source, vrf: str | None) -> list[dict[str, Any]]:
    """``show ip interface brief [vrf]``: None is every VRF."""
    links = link_states(source)
    rows = []
    for interface in source.model.interfaces:
        own = interface.vrf or "default"
        if vrf not in (None, own) or not (interface.addresses or interface.ip_forward):
            continue
        link = "up" if is_up(links.get(kernel_name(interface.name))) else "down"
        address = interface.addresses[0].value.split("/")[0] if interface.addresses else "forward-enabled"
        rows.append(
            {
                "vrf-name-out": own, "intf-name": short(interface.name), "prefix": address, "proto-state": link, "link-state": link,
                "admin-state": "up" if interface.up else "down",
            }
        )  # fmt: skip
    return rows


def addresses_text(rows: list[dict[str, Any]]) -> str:
    lines: list[str] = []
    for vrf in dict.fromkeys(row["vrf-name-out"] for row in rows):
        lines += [f'IP Interface Status for VRF "{vrf}"', "Interface            IP Address      Interface Status"]
        lines += [
            f"{row['intf-name']:<20} {row['prefix']:<15} protocol-{row['proto-state']}/link-{row['link-state']}/admin-{row['admin-state']}"
            for row in rows
            if row["vrf-name-out"] == vrf
        ]
        lines.append("")
    return "\n".join(lines)


def addresses_json(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return table("intf", rows)


def vlans(source: Source) -> list[dict[str, Any]]:
    """VLAN database with the ports that carry each."""
    rows = []
    for vlan in sorted({1, *source.model.vlans}):
        ports = [
            short(interface.name)
            for interface in source.model.kind("port-channel", "Ethernet")
            if not interface.routed and interface.channel is None
            and (vlan in (interface.allowed_vlans or ()) or vlan == (interface.native_vlan or 1))
        ]  # fmt: skip
        rows.append(
            {
                "vlanshowbr-vlanid": str(vlan), "vlanshowbr-vlanid-utf": str(vlan),
                "vlanshowbr-vlanname": "default" if vlan == 1 else f"VLAN{vlan:04d}", "vlanshowbr-vlanstate": "active",
                "vlanshowbr-shutstate": "noshutdown", "vlanshowplist-ifidx": ",".join(ports),
            }
        )  # fmt: skip
    return rows


def vlans_text(rows: list[dict[str, Any]]) -> str:
    lines = ["VLAN Name                             Status    Ports", f"---- {'-' * 32} --------- {'-' * 31}"]
    for row in rows:
        ports = row["vlanshowplist-ifidx"].split(",")
        head = f"{row['vlanshowbr-vlanid']:<4} {row['vlanshowbr-vlanname']:<32} active    "
        for start in range(0, max(len(ports), 1), 4):
            lines.append((head if start == 0 else " " * 48) + ", ".join(ports[start : start + 4]))
    return "\n".join(lines)


def vlans_json(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return table("vlanbriefxbrief", rows)
