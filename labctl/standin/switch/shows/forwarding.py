"""What was learnt: ``show ip arp``, ``show ipv6 neighbor``, ``show mac address-table``, ``show nve …``.

The kernel's neighbour and forwarding tables, and the VTEPs that EVPN has told of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from labctl.standin.switch.dataplane.names import in_vrf, nxos_name, vrf_device
from labctl.standin.switch.shows.form import (
    Answer,
    Row,
    clock,
    frr_age,
    frr_seconds,
    kernel_short,
    lines,
    listing,
    mac,
    table,
)
from labctl.standin.switch.shows.machine import Look, is_up

ARP = """\
Flags: * - Adjacencies learnt on non-active FHRP router
       + - Adjacencies synced via CFSoE
       # - Adjacencies Throttled for Glean
       CP - Added via L2RIB, Control plane Adjacencies
       PS - Added via L2RIB, Peer Sync
       RO - Re-Originated Peer Sync Entry
       D - Static Adjacencies attached to down interface

{title} for {where}
Total number of entries: {count}
Address         Age       MAC Address     Interface       Flags"""


def adjacencies(family: int) -> Callable[[Look], Answer]:
    """Neighbours of VRFs, without those of VTEPs (L3VNI)."""
    title, context = ("IP ARP Table", "context") if family == 4 else ("IPv6 Adjacency Table", "VRF")

    def answer(look: Look) -> Answer:
        found = {vrf: _adjacencies(look, family, vrf) for vrf in look.vrfs}
        rows = [row for rows in found.values() for row in rows]
        shown = []
        for row in rows:
            address = row["ip-addr-out"]
            shown.append(row | {"address": f"{address:<15} " if len(address) <= 15 else f"{address}\n{'':16}"})
        where = f"{context} {look.vrf}" if look.vrf != "all" else "all contexts"
        head = ARP.format(title=title, where=where, count=len(rows))
        bodies = [
            {"vrf-name-out": vrf, "cnt-total": str(len(rows)), **table("adj", rows)} for vrf, rows in found.items()
        ]
        return Answer(lines(head, "{address}{time-stamp:<9} {mac:<15} {intf-out}", shown), table("vrf", bodies))

    return answer


def _adjacencies(look: Look, family: int, vrf: str) -> list[Row]:
    where = ("vrf", vrf_device(vrf)) if vrf != "default" else ()
    rows = look.iproute("ip", "-j", f"-{family}", "-s", "neigh", "show", *where)
    if vrf == "default":  # the kernel then tells of every VRF
        enslaved = {name for name, link in look.links.items() if link.get("master") in look.vrf_devices}
        rows = [row for row in rows if row["dev"] not in enslaved]
    layer3 = {f"Vlan{vlan}" for vlan, vni in look.model.vlans.items() if vni and look.model.nve_members.get(vni)}
    return adjacency_rows(rows, layer3)


def adjacency_rows(rows: Sequence[Mapping[str, Any]], hidden: set[str]) -> list[Row]:
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


MACS = """\
Legend:
        * - primary entry, G - Gateway MAC, (R) - Routed MAC, O - Overlay MAC
        age - seconds since last seen,+ - primary entry using vPC Peer-Link,
        (T) - True, (F) - False, C - ControlPlane MAC, ~ - vsan
   VLAN     MAC Address      Type      age     Secure NTFY Ports
---------+-----------------+--------+---------+------+----+------------------"""


def macs(look: Look) -> Answer:
    """The bridge's table, of all VLANs or of one: a row a VLAN and MAC. What EVPN brought is behind nve1."""
    wanted = look.words[3] if len(look.words) > 3 else None
    rows = look.iproute("bridge", "-j", "fdb", "show", "br", "br0") if look.model.vlans else []
    vteps = {(row["mac"], row["ifname"]): row["dst"] for row in rows if "dst" in row}
    found = dict[tuple[str, str], Row]()
    for row in filter(_is_shown, rows):
        if wanted in (None, str(row["vlan"])):
            entry = _mac_row(row, vteps, look.model.anycast_mac)
            found[entry["disp_vlan"], entry["disp_mac_addr"]] = entry
    unique = [found[key] for key in sorted(found)]
    shown = [row | {"kind": "static" if row["disp_is_static"] == "enabled" else "dynamic"} for row in unique]
    line = "{disp_type} {disp_vlan:>6}     {disp_mac_addr:<16} {kind:<8} {disp_age:<10} F      F    {disp_port}"
    return Answer(lines(MACS, line, shown), table("mac_address", unique))


def _mac_row(row: Mapping[str, Any], vteps: Mapping[tuple[str, str], str], anycast: str | None) -> Row:
    name, address = str(row["ifname"]), str(row["mac"])
    remote = name.startswith("vxlan")
    gateway = row.get("state") == "permanent" or address == anycast
    port = f"nve1({vteps.get((address, name), '')})" if remote else "sup-eth1(R)" if gateway else kernel_short(name)
    return {
        "disp_mac_addr": mac(address),
        "disp_vlan": str(row["vlan"]),
        "disp_port": port,
        "disp_type": "G" if gateway else "C" if remote else "*",
        "disp_is_static": "enabled" if gateway else "disabled",
        "disp_age": "-" if gateway else "NA",
        "disp_is_secure": "disabled",
        "disp_is_ntfy": "disabled",
    }


def _is_shown(row: Mapping[str, Any]) -> bool:
    """An entry of a VLAN, of no group, and not one that only says which MAC a port of the bridge has itself."""
    if "vlan" not in row or "self" in row.get("flags", []) or str(row["mac"]).startswith(("01:", "33:33")):
        return False
    return row.get("state") != "permanent" or row["ifname"] == "br0"


PEERS = """\
Interface Peer-IP                                 State LearnType Uptime   Router-Mac
--------- --------------------------------------  ----- --------- -------- -----------------"""
PEER = "{if-name:<9} {peer-ip:<38}  {peer-state:<5} {learn-type:<9} {uptime:<8} {router-mac:<17}"


def peers(look: Look) -> Answer:
    """Remote VTEPs that EVPN has told of, with their router MACs."""
    vnis = look.frr("zebra", "show evpn vni json")
    rmacs = look.frr("zebra", "show evpn rmac vni all json")
    tables = [look.frr("zebra", f"show ip route {in_vrf(vrf.name)}bgp json") for vrf in look.model.vrfs if vrf.vni]
    rows = peer_rows(vnis, rmacs, oldest(tables))
    return listing("nve_peers", rows, PEERS, PEER) if rows else Answer()


def oldest(tables: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """VTEP → age of the oldest route through it: FRR keeps no uptime of a VTEP itself."""
    ages: dict[str, str] = {}
    for body in tables:
        for row in (row for rows in body.values() for row in rows):
            for hop in row.get("nexthops") or []:
                if hop.get("onLink") and "ip" in hop:
                    ages[hop["ip"]] = max(ages.get(hop["ip"], ""), row.get("uptime", ""), key=frr_seconds)
    return ages


def peer_rows(vnis: Mapping[str, Any], rmacs: Mapping[str, Any], ages: Mapping[str, str]) -> list[Row]:
    """Pure."""
    found: dict[str, str] = dict.fromkeys(_remote_vteps(vnis), "n/a")
    for body in rmacs.values():
        for row in body.values() if isinstance(body, dict) else []:
            if isinstance(row, dict) and "vtepIp" in row:
                found[row["vtepIp"]] = mac(row["routerMac"])
    return [
        {
            "if-name": "nve1",
            "peer-ip": address,
            "peer-state": "Up",
            "learn-type": "CP",
            "uptime": frr_age(ages[address]) if address in ages else "n/a",
            "router-mac": found[address],
        }
        for address in sorted((address for address in found if ":" not in address), key=ip_address)
    ]


def _remote_vteps(vnis: Mapping[str, Any]) -> Iterator[str]:
    """Of layer 2 FRR lists the VTEPs, of layer 3 it only counts them."""
    for row in vnis.values():
        remote = row.get("remoteVteps") if isinstance(row, dict) else None
        for address in remote if isinstance(remote, list) else []:
            yield address if isinstance(address, str) else address["ip"]


VNIS = """\
Codes: CP - Control Plane        DP - Data Plane
       UC - Unconfigured         SA - Suppress ARP
       S-ND - Suppress ND
       SU - Suppress Unknown Unicast
       Xconn - Crossconnect
       MS-IR - Multisite Ingress Replication
       HYB - Hybrid IRB mode

Interface VNI      Multicast-group   State Mode Type [BD/VRF]      Flags
--------- -------- ----------------- ----- ---- ------------------ -----"""


def vnis(look: Look) -> Answer:
    """Configured members, up when their VXLAN device is and EVPN knows them."""
    known = look.frr("zebra", "show evpn vni json")
    vlans = {vni: vlan for vlan, vni in look.model.vlans.items() if vni}
    vrfs = {vrf.vni: vrf.name for vrf in look.model.vrfs if vrf.vni}
    rows = []
    for vni, layer3 in sorted(look.model.nve_members.items()):
        up = is_up(look.links.get(f"vxlan{vni}")) and str(vni) in known
        svi = look.links.get(f"Vlan{vlans.get(vni)}")
        rows.append(
            {
                "if-name": "nve1",
                "vni": str(vni),
                "mcast": "n/a" if layer3 else "UnicastBGP",
                "vni-state": "Up" if up else "Down",
                "mode": "CP",
                "type": f"L3 [{vrfs.get(vni, '')}]" if layer3 else f"L2 [{vlans.get(vni, '')}]",
                "flags": "",
                "vlan-bd": str(vlans.get(vni, "")),
                "svi-state": "n/a" if svi is None else "UP" if is_up(svi) else "DOWN",
            }
        )
    return listing("nve_vni", rows, VNIS, "{if-name:<9} {vni:<8} {mcast:<17} {vni-state:<5} {mode:<4} {type}")


INTERFACE = """\
Interface: {if-name}, State: {if-state}, encapsulation: {encap-type}
 VPC Capability: {vpc-capability}
 Local Router MAC: {local-rmac}
 Host Learning Mode: {host-reach-mode}
 Source-Interface: {source-if} (primary: {primary-ip}, secondary: {secondary-ip})"""
UNSET = "0.0.0.0"  # noqa: S104 - as NX-OS prints an address that is not there


def interface(look: Look) -> Answer:
    """The NVE interface: up when a VXLAN device is, its addresses from the kernel's loopback."""
    model = look.model
    tunnels = [look.links[name] for vni in model.nve_members if (name := f"vxlan{vni}") in look.links]
    primary, secondary = [*look.ipv4(model.nve_source or ""), UNSET, UNSET][:2]
    row = {
        "if-name": "nve1",
        "if-state": "Up" if any(map(is_up, tunnels)) else "Down",
        "encap-type": "VXLAN",
        "vpc-capability": "EVPN multihoming, no shared VTEP address" if model.vpc else "not configured",
        "local-rmac": mac(tunnels[0]["address"]) if tunnels else "n/a",
        "host-reach-mode": "Control-Plane",
        "source-if": model.nve_source or "",
        "primary-ip": primary,
        "secondary-ip": secondary,
    }
    return Answer(INTERFACE.format_map(row), table("nve_if", [row]))
