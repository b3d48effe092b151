"""``show ip arp``, ``show ipv6 neighbor``, ``show mac address-table``: the kernel's neighbour and forwarding tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from labctl.standin.switch.dataplane.names import nxos_name, vrf_device
from labctl.standin.switch.shows.form import clock, kernel_short, mac, table
from labctl.standin.switch.shows.machine import Source, iproute, link_states, vrf_devices

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
