"""What a show command reads of the running machine: FRR's JSON by vty, iproute2's JSON, the kernel's bonding files."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any, Protocol

from labctl.bonding import Bond, parse_bond
from labctl.guest.api import AgentError
from labctl.standin.switch.dataplane.settings import SwitchModel
from labctl.standin.switch.platform import SwitchIdentity


class Source(Protocol):
    """`labctl.standin.switch.dataplane.platform.FrrPlatform`."""

    identity: SwitchIdentity
    model: SwitchModel
    mac: str
    daemons: Any

    def run(self, *argv: str) -> str: ...


def frr(source: Source, daemon: str, command: str) -> Any:
    """FRR's answer as JSON; an empty dict when the daemon does not run or has nothing to tell (``% No …``).

    Raises `AgentError` when the answer begins as JSON and is none.
    """
    text = source.daemons.show(daemon, command)[0].strip()
    if not text.startswith(("{", "[")):
        return {}
    try:
        return json.loads(text)
    except ValueError as error:
        raise AgentError(f"{daemon}: {command!r} gave no JSON: {error}") from None


def iproute(source: Source, *argv: str) -> list[dict[str, Any]]:
    """iproute2's answer as JSON."""
    text = source.run(*argv).strip()
    rows: list[dict[str, Any]] = json.loads(text) if text else []
    return [row for row in rows if row]


def bonds(source: Source, names: list[str]) -> dict[str, Bond]:
    """The kernel's word on several bonds, in one process."""
    return {name: parse_bond(body) for name, body in bond_texts(source, names).items()}


def bond_texts(source: Source, names: list[str]) -> dict[str, str]:
    """The same as the kernel's text."""
    if not names:
        return {}
    text = source.run("tail", "-v", "-n", "+1", *(f"/proc/net/bonding/{name}" for name in names))
    result = {}
    for piece in text.split("==> /proc/net/bonding/")[1:]:
        name, _, body = piece.partition(" <==\n")
        result[name] = body
    return result


def link_states(source: Source) -> dict[str, dict[str, Any]]:
    """Every link by kernel name."""
    return {row["ifname"]: row for row in iproute(source, "ip", "-j", "-d", "link", "show")}


def addresses(source: Source) -> dict[str, list[IPv4Interface | IPv6Interface]]:
    """Addresses by kernel name, in the kernel's order, without IPv6 link-local ones."""
    found: dict[str, list[IPv4Interface | IPv6Interface]] = {}
    for row in iproute(source, "ip", "-j", "addr", "show"):
        own = [
            ip_interface(f"{info['local']}/{info['prefixlen']}") for info in row.get("addr_info", []) if "local" in info
        ]
        found[row["ifname"]] = [address for address in own if not address.is_link_local]
    return found


def bridge_vlans(source: Source) -> dict[str, list[tuple[int, bool]]]:
    """(VLAN, whether untagged) that each port carries in the kernel's bridge; the bridge itself is ``br0``."""
    return vlan_rows(iproute(source, "bridge", "-j", "vlan", "show")) if source.model.vlans else {}


def vlan_rows(rows: list[dict[str, Any]]) -> dict[str, list[tuple[int, bool]]]:
    """Pure: ``bridge -j vlan show``; a range has a ``vlanEnd``."""
    return {
        row["ifname"]: [
            (vlan, "PVID" in entry.get("flags", []))
            for entry in row["vlans"]
            for vlan in range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1)
        ]
        for row in rows
    }


def vrf_devices(links: dict[str, dict[str, Any]]) -> set[str]:
    """Names of the VRFs that exist."""
    return {name for name, row in links.items() if row.get("linkinfo", {}).get("info_kind") == "vrf"}


def is_up(link: dict[str, Any] | None) -> bool:
    """Administratively and operationally up."""
    return link is not None and "UP" in link["flags"] and link.get("operstate") in ("UP", "UNKNOWN")
