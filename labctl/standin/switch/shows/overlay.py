"""``show nve peers``, ``show nve vni``, ``show nve interface nve1 detail``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labctl.standin.switch.shows.form import mac, table
from labctl.standin.switch.shows.machine import Source, frr, is_up, link_states

CODES = """\
Codes: CP - Control Plane        DP - Data Plane
       UC - Unconfigured         SA - Suppress ARP
       S-ND - Suppress ND
       SU - Suppress Unknown Unicast
       Xconn - Crossconnect
       MS-IR - Multisite Ingress Replication
       HYB - Hybrid IRB mode
"""


def peers(source: Source) -> list[dict[str, Any]]:
    """Remote VTEPs that EVPN has told of, with their router MACs."""
    vnis = frr(source, "zebra", "show evpn vni json")
    rmacs = frr(source, "zebra", "show evpn rmac vni all json")
    return peer_rows(vnis, rmacs)


def peer_rows(vnis: Mapping[str, Any], rmacs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pure."""
    found: dict[str, str] = {}
    for row in vnis.values():
        remote = row.get("remoteVteps") if isinstance(row, dict) else None
        for address in remote if isinstance(remote, list) else []:
            found.setdefault(address if isinstance(address, str) else address["ip"], "n/a")
    for body in rmacs.values():
        for row in body.values() if isinstance(body, dict) else []:
            if isinstance(row, dict) and "vtepIp" in row:
                found[row["vtepIp"]] = row["routerMac"]
    return [
        {
            "if-name": "nve1", "peer-ip": address, "peer-state": "Up", "learn-type": "CP", "uptime": "n/a",
            "router-mac": mac(found[address]) if found[address] != "n/a" else "n/a",
        }
        for address in sorted(found)
        if ":" not in address
    ]  # fmt: skip


def peers_text(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    lines = [
        "Interface Peer-IP                                 State LearnType Uptime   Router-Mac",
        "--------- --------------------------------------  ----- --------- -------- -----------------",
    ]
    lines += [
        f"{row['if-name']:<9} {row['peer-ip']:<38}  {row['peer-state']:<5} {row['learn-type']:<9} {row['uptime']:<8} {row['router-mac']}"
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
                "if-name": "nve1", "vni": str(vni), "mcast": "n/a" if layer3 else "UnicastBGP",
                "vni-state": "Up" if up else "Down", "mode": "CP", "type": where, "flags": "",
            }
        )  # fmt: skip
    return rows


def vni_text(rows: list[dict[str, Any]]) -> str:
    lines = [
        CODES,
        "Interface VNI      Multicast-group   State Mode Type [BD/VRF]      Flags",
        "--------- -------- ----------------- ----- ---- ------------------ -----",
    ]
    lines += [
        f"{r['if-name']:<9} {r['vni']:<8} {r['mcast']:<17} {r['vni-state']:<5} {r['mode']:<4} {r['type']:<18} {r['flags']}".rstrip()
        for r in rows
    ]
    return "\n".join(lines)


def interface(source: Source) -> dict[str, Any]:
    """The NVE interface."""
    model = source.model
    loopback = model.interface(model.nve_source) if model.nve_source else None
    primary = [address.value.split("/")[0] for address in (loopback.addresses if loopback else ()) if not address.secondary]
    secondary = [address.value.split("/")[0] for address in (loopback.addresses if loopback else ()) if address.secondary]
    return {
        "if-name": "nve1", "if-state": "Up" if model.nve_up and primary else "Down", "encap-type": "VXLAN",
        "vpc-capability": "VPC-VIP-Only [notified]" if model.vpc else "not configured", "local-rmac": mac(source.mac),
        "host-reach-mode": "Control-Plane", "source-if": model.nve_source or "", "primary-ip": (primary or ["0.0.0.0"])[0],  # noqa: S104
        "secondary-ip": (secondary or ["0.0.0.0"])[0],  # noqa: S104
    }  # fmt: skip


def interface_text(row: dict[str, Any]) -> str:
    return (
        f"Interface: {row['if-name']}, State: {row['if-state']}, encapsulation: {row['encap-type']}\n"
        f" VPC Capability: {row['vpc-capability']}\n"
        f" Local Router MAC: {row['local-rmac']}\n"
        f" Host Learning Mode: {row['host-reach-mode']}\n"
        f" Source-Interface: {row['source-if']} (primary: {row['primary-ip']}, secondary: {row['secondary-ip']})"
    )


def peers_json(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return table("nve_peers", rows)


def vni_json(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return table("nve_vni", rows)


def interface_json(row: dict[str, Any]) -> dict[str, Any]:
    return table("nve_if", [row])
