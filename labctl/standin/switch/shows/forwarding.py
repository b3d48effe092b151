"""What was learnt: ``show ip arp``, ``show ipv6 neighbor``, ``show mac address-table``, ``show nve …``.

The kernel's neighbour and forwarding tables, and the VTEPs that EVPN has told of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from labctl.standin.switch.dataplane.names import in_vrf, nxos_name, vrf_device
from labctl.standin.switch.shows.form import clock, frr_age, kernel_short, mac, table
from labctl.standin.switch.shows.machine import Source, addresses, frr, iproute, is_up, link_states, vrf_devices

ARP_FLAGS = """\
Flags: * - Adjacencies learnt on non-active FHRP router
       + - Adjacencies synced via CFSoE
       # - Adjacencies Throttled for Glean
       CP - Added via L2RIB, Control plane Adjacencies
       PS - Added via L2RIB, Peer Sync
       RO - Re-Originated Peer Sync Entry
       D - Static Adjacencies attached to down interface
"""
MAC_LEGEND = """\
Legend:
        * - primary entry, G - Gateway MAC, (R) - Routed MAC, O - Overlay MAC
        age - seconds since last seen,+ - primary entry using vPC Peer-Link,
        (T) - True, (F) - False, C - ControlPlane MAC, ~ - vsan
   VLAN     MAC Address      Type      age     Secure NTFY Ports
---------+-----------------+--------+---------+------+----+------------------"""


def adjacencies(source: Source, family: int, vrf: str) -> list[dict[str, Any]]:
    """Neighbours of a VRF, without those of VTEPs (L3VNI)."""
    where = ("vrf", vrf_device(vrf)) if vrf != "default" else ()
    rows = iproute(source, "ip", "-j", f"-{family}", "-s", "neigh", "show", *where)
    if vrf == "default":  # the kernel then tells of every VRF
        links = link_states(source)
        enslaved = {name for name, link in links.items() if link.get("master") in vrf_devices(links)}
        rows = [row for row in rows if row["dev"] not in enslaved]
    layer3 = {f"Vlan{vlan}" for vlan, vni in source.model.vlans.items() if vni and source.model.nve_members.get(vni)}
    return adjacency_rows(rows, layer3)


def adjacency_rows(rows: Sequence[Mapping[str, Any]], hidden: set[str]) -> list[dict[str, Any]]:
    """Pure: iproute2's rows with statistics. The age is the time since the kernel last heard of the neighbour."""
    return [
        {
            "ip-addr-out": row["dst"],
            "time-stamp": clock(row["confirmed"]) if "confirmed" in row else "-",
            "mac": mac(row["lladdr"]) if row.get("lladdr") else "INCOMPLETE",
            "intf-out": nxos_name(row["dev"]),
        }
        for row in sorted(rows, key=lambda row: ip_address(row["dst"]))
        if row["dev"] not in hidden and "NOARP" not in row.get("state", []) and not str(row["dst"]).startswith("fe80")
    ]


def arp_text(where: str, rows: Sequence[Mapping[str, Any]], family: int) -> str:
    """``where``: ``context vrf-001``, ``all contexts``."""
    title = "IP ARP Table" if family == 4 else "IPv6 Adjacency Table"
    lines = [
        ARP_FLAGS,
        f"{title} for {where}",
        f"Total number of entries: {len(rows)}",
    ]
    lines.append("Address         Age       MAC Address     Interface       Flags")
    for row in rows:
        address = f"{row['ip-addr-out']:<15} " if len(row["ip-addr-out"]) <= 15 else f"{row['ip-addr-out']}\n{'':16}"
        lines.append(f"{address}{row['time-stamp']:<9} {row['mac']:<15} {row['intf-out']}")
    return "\n".join(lines)


def arp_row(vrf: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"vrf-name-out": vrf, "cnt-total": str(len(rows)), **table("adj", rows)}


def macs(source: Source) -> list[dict[str, Any]]:
    """The bridge's table; what EVPN brought is behind nve1."""
    rows = iproute(source, "bridge", "-j", "fdb", "show", "br", "br0") if source.model.vlans else []
    return mac_rows(rows, source.model.anycast_mac)


def mac_rows(rows: Sequence[Mapping[str, Any]], anycast: str | None) -> list[dict[str, Any]]:
    """Pure: ``bridge -j fdb``. One row a VLAN and MAC."""
    vteps = {(row["mac"], row["ifname"]): row["dst"] for row in rows if "dst" in row}
    result = []
    for row in filter(_is_shown, rows):
        name, address = str(row["ifname"]), str(row["mac"])
        remote = name.startswith("vxlan")
        gateway = row.get("state") == "permanent"
        gateway |= address.replace(":", "") == (anycast or "").replace(".", "").lower()
        port = f"nve1({vteps.get((address, name), '')})" if remote else "sup-eth1(R)" if gateway else kernel_short(name)
        result.append(
            {
                "disp_mac_addr": mac(address),
                "disp_vlan": str(row["vlan"]),
                "disp_port": port,
                "disp_type": "G" if gateway else "C" if remote else "*",
                "disp_is_static": "enabled" if gateway else "disabled",
                "disp_age": "-" if gateway else "NA",
                "disp_is_secure": "disabled",
                "disp_is_ntfy": "disabled",
            }
        )
    unique = {(row["disp_vlan"], row["disp_mac_addr"]): row for row in result}
    return [unique[key] for key in sorted(unique)]


def _is_shown(row: Mapping[str, Any]) -> bool:
    """An entry of a VLAN, of no group, and not one that only says which MAC a port of the bridge has itself."""
    if "vlan" not in row or "self" in row.get("flags", []) or str(row["mac"]).startswith(("01:", "33:33")):
        return False
    return row.get("state") != "permanent" or row["ifname"] == "br0"


def macs_text(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [MAC_LEGEND]
    lines += [
        f"{row['disp_type']} {row['disp_vlan']:>6}     {row['disp_mac_addr']:<16} "
        f"{'static' if row['disp_is_static'] == 'enabled' else 'dynamic':<8} {row['disp_age']:<10} "
        f"F      F    {row['disp_port']}"
        for row in rows
    ]
    return "\n".join(lines)


CODES = """\
Codes: CP - Control Plane        DP - Data Plane
       UC - Unconfigured         SA - Suppress ARP
       S-ND - Suppress ND
       SU - Suppress Unknown Unicast
       Xconn - Crossconnect
       MS-IR - Multisite Ingress Replication
       HYB - Hybrid IRB mode
"""

UNSET = "0.0.0.0"  # noqa: S104 - as NX-OS prints an address that is not there


def peers(source: Source) -> list[dict[str, Any]]:
    """Remote VTEPs that EVPN has told of, with their router MACs."""
    vnis = frr(source, "zebra", "show evpn vni json")
    rmacs = frr(source, "zebra", "show evpn rmac vni all json")
    tables = [frr(source, "zebra", f"show ip route {in_vrf(vrf.name)}bgp json") for vrf in source.model.vrfs if vrf.vni]
    return peer_rows(vnis, rmacs, oldest(tables))


def oldest(tables: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """VTEP → age of the oldest route through it: FRR keeps no uptime of a VTEP itself."""
    ages: dict[str, str] = {}
    for body in tables:
        for row in (row for rows in body.values() for row in rows):
            for hop in row.get("nexthops") or []:
                if hop.get("onLink") and "ip" in hop:
                    ages[hop["ip"]] = max(ages.get(hop["ip"], ""), row.get("uptime", ""), key=_seconds)
    return ages


def _seconds(age: str) -> int:
    """FRR's three forms: ``00:00:28``, ``01d02h03m``, ``02w3d04h``."""
    scales = {"w": 604800, "d": 86400, "h": 3600, "m": 60}
    if ":" in age:
        hours, minutes, seconds = (int(part) for part in age.split(":"))
        return hours * 3600 + minutes * 60 + seconds
    return sum(int(number) * scales[unit] for number, unit in re.findall(r"(\d+)([wdhm])", age))


def peer_rows(vnis: Mapping[str, Any], rmacs: Mapping[str, Any], ages: Mapping[str, str]) -> list[dict[str, Any]]:
    """Pure."""
    found: dict[str, str] = dict.fromkeys(_remote_vteps(vnis), "n/a")
    for body in rmacs.values():
        for row in body.values() if isinstance(body, dict) else []:
            if isinstance(row, dict) and "vtepIp" in row:
                found[row["vtepIp"]] = row["routerMac"]
    return [
        {
            "if-name": "nve1",
            "peer-ip": address,
            "peer-state": "Up",
            "learn-type": "CP",
            "uptime": frr_age(ages[address]) if address in ages else "n/a",
            "router-mac": mac(found[address]) if found[address] != "n/a" else "n/a",
        }
        for address in sorted((address for address in found if ":" not in address), key=ip_address)
    ]


def _remote_vteps(vnis: Mapping[str, Any]) -> Iterator[str]:
    """Of layer 2 FRR lists the VTEPs, of layer 3 it only counts them."""
    for row in vnis.values():
        remote = row.get("remoteVteps") if isinstance(row, dict) else None
        for address in remote if isinstance(remote, list) else []:
            yield address if isinstance(address, str) else address["ip"]


def peers_text(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    lines = [
        "Interface Peer-IP                                 State LearnType Uptime   Router-Mac",
        "--------- --------------------------------------  ----- --------- -------- -----------------",
    ]
    lines += [
        f"{row['if-name']:<9} {row['peer-ip']:<38}  {row['peer-state']:<5} {row['learn-type']:<9} "
        f"{row['uptime']:<8} {row['router-mac']:<17}"
        for row in rows
    ]
    return "\n".join(lines)


def vni_rows(source: Source) -> list[dict[str, Any]]:
    """Configured members, up when their VXLAN device is and EVPN knows them."""
    known = frr(source, "zebra", "show evpn vni json")
    links = link_states(source)
    vlans = {vni: vlan for vlan, vni in source.model.vlans.items() if vni}
    vrfs = {vrf.vni: vrf.name for vrf in source.model.vrfs if vrf.vni}
    rows = []
    for vni, layer3 in sorted(source.model.nve_members.items()):
        up = is_up(links.get(f"vxlan{vni}")) and str(vni) in known
        where = f"L3 [{vrfs.get(vni, '')}]" if layer3 else f"L2 [{vlans.get(vni, '')}]"
        rows.append(
            {
                "if-name": "nve1",
                "vni": str(vni),
                "mcast": "n/a" if layer3 else "UnicastBGP",
                "vni-state": "Up" if up else "Down",
                "mode": "CP",
                "type": where,
                "flags": "",
                "vlan-bd": str(vlans.get(vni, "")),
                "svi-state": _svi(links, vlans.get(vni)),
            }
        )
    return rows


def _svi(links: Mapping[str, Mapping[str, Any]], vlan: int | None) -> str:
    link = links.get(f"Vlan{vlan}")
    return "n/a" if link is None else "UP" if is_up(dict(link)) else "DOWN"


def vni_text(rows: list[dict[str, Any]]) -> str:
    lines = [
        CODES,
        "Interface VNI      Multicast-group   State Mode Type [BD/VRF]      Flags",
        "--------- -------- ----------------- ----- ---- ------------------ -----",
    ]
    lines += [
        f"{row['if-name']:<9} {row['vni']:<8} {row['mcast']:<17} {row['vni-state']:<5} {row['mode']:<4} {row['type']}"
        for row in rows
    ]
    return "\n".join(lines)


def interface(source: Source) -> dict[str, Any]:
    """The NVE interface: up when a VXLAN device is, its addresses from the kernel's loopback."""
    model = source.model
    links = link_states(source)
    tunnels = [links[name] for vni in model.nve_members if (name := f"vxlan{vni}") in links]
    own = [str(address.ip) for address in addresses(source).get(model.nve_source or "", []) if address.version == 4]
    return {
        "if-name": "nve1",
        "if-state": "Up" if any(is_up(link) for link in tunnels) else "Down",
        "encap-type": "VXLAN",
        "vpc-capability": "EVPN multihoming, no shared VTEP address" if model.vpc else "not configured",
        "local-rmac": mac(tunnels[0]["address"]) if tunnels else "n/a",
        "host-reach-mode": "Control-Plane",
        "source-if": model.nve_source or "",
        "primary-ip": own[0] if own else UNSET,
        "secondary-ip": own[1] if len(own) > 1 else UNSET,
    }


def interface_text(row: dict[str, Any]) -> str:
    return (
        f"Interface: {row['if-name']}, State: {row['if-state']}, encapsulation: {row['encap-type']}\n"
        f" VPC Capability: {row['vpc-capability']}\n"
        f" Local Router MAC: {row['local-rmac']}\n"
        f" Host Learning Mode: {row['host-reach-mode']}\n"
        f" Source-Interface: {row['source-if']} (primary: {row['primary-ip']}, secondary: {row['secondary-ip']})"
    )


def interface_json(row: dict[str, Any]) -> dict[str, Any]:
    return table("nve_if", [row])
