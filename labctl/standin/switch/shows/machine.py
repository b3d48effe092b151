"""What a show command reads of the running machine: FRR's JSON by vty, iproute2's JSON, the kernel's bonding files."""

from __future__ import annotations

import json
from functools import cached_property
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import TYPE_CHECKING, Any

from labctl.guest.api import AgentError
from labctl.standin.switch.dataplane.horizon import peers_by_port
from labctl.standin.switch.dataplane.names import kernel_name, vrf_device

if TYPE_CHECKING:
    from labctl.standin.switch.dataplane.platform import FrrPlatform

Link = dict[str, Any]
"""A row of ``ip -j -d link show``."""


class Look:
    """One look at a switch for one show command (its words in full); what several parts of an answer need is read once.

    A daemon that does not run has nothing to tell. Raises `AgentError` for what cannot be read.
    """

    def __init__(self, switch: FrrPlatform, words: tuple[str, ...] = ()) -> None:
        self.words = words
        self.switch, self.model, self.identity = switch, switch.model, switch.identity

    def frr(self, daemon: str, command: str) -> Any:
        """FRR's answer as JSON; an empty dict when it has nothing to tell (``% No …``)."""
        text = self.switch.daemons.show(daemon, command).strip()
        if not text.startswith(("{", "[")):
            return {}
        try:
            return json.loads(text)
        except ValueError as error:
            raise AgentError(f"{daemon}: {command!r} gave no JSON: {error}") from None

    def iproute(self, *argv: str) -> list[dict[str, Any]]:
        """iproute2's answer as JSON."""
        text = self.switch.run(*argv).strip()
        return [row for row in json.loads(text) if row] if text else []

    # --- VRFs -------------------------------------------------------------------------------------------------

    @property
    def vrf(self) -> str:
        """The VRF that the command names; ``show vrf`` itself names none."""
        return self.words[self.words.index("vrf") + 1] if "vrf" in self.words[:-1] else "default"

    @property
    def vrfs(self) -> list[str]:
        """The VRFs that the command is about; ``all``: those that exist."""
        return [self.vrf] if self.vrf != "all" else [name for name in self.vrf_names if self.has_vrf(name)]

    @property
    def vrf_names(self) -> list[str]:
        """In the order of their ids, which begin at 1: NX-OS gives 1 and 2 to its own."""
        return list(dict.fromkeys(["default", "management", *(vrf.name for vrf in self.model.vrfs)]))

    def has_vrf(self, name: str) -> bool:
        return name == "default" or vrf_device(name) in self.vrf_devices

    @cached_property
    def vrf_devices(self) -> set[str]:
        return {name for name, row in self.links.items() if row.get("linkinfo", {}).get("info_kind") == "vrf"}

    # --- the kernel -------------------------------------------------------------------------------------------

    @cached_property
    def links(self) -> dict[str, Link]:
        """Every link by kernel name."""
        return {row["ifname"]: row for row in self.iproute("ip", "-j", "-d", "link", "show")}

    def link(self, interface: str) -> Link | None:
        """By NX-OS's name."""
        return self.links.get(kernel_name(interface))

    @cached_property
    def addresses(self) -> dict[str, list[IPv4Interface | IPv6Interface]]:
        """Addresses by kernel name, in the kernel's order, without IPv6 link-local ones."""
        found: dict[str, list[IPv4Interface | IPv6Interface]] = {}
        for row in self.iproute("ip", "-j", "addr", "show"):
            infos = [info for info in row.get("addr_info", []) if "local" in info]
            own = [ip_interface(f"{info['local']}/{info['prefixlen']}") for info in infos]
            found[row["ifname"]] = [address for address in own if not address.is_link_local]
        return found

    def ipv4(self, device: str) -> list[str]:
        """A device's IPv4 addresses, without their lengths."""
        return [str(address.ip) for address in self.addresses.get(device, []) if address.version == 4]

    @cached_property
    def vlans(self) -> dict[str, list[tuple[int, bool]]]:
        """(VLAN, whether untagged) that each port carries in the kernel's bridge; the bridge itself is ``br0``."""
        rows = self.iproute("bridge", "-j", "vlan", "show") if self.model.vlans else []
        return {
            row["ifname"]: [
                (vlan, "PVID" in entry.get("flags", []))
                for entry in row["vlans"]
                for vlan in range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1)
            ]
            for row in rows
        }

    @cached_property
    def bonds(self) -> dict[str, str]:
        """The kernel's text of each bond, by kernel name; read in one process."""
        names = [kernel_name(channel.name) for channel in self.model.kind("port-channel") if self.link(channel.name)]
        if not names:
            return {}
        text = self.switch.run("tail", "-v", "-n", "+1", *(f"/proc/net/bonding/{name}" for name in names))
        pieces = (piece.partition(" <==\n") for piece in text.split("==> /proc/net/bonding/")[1:])
        return {name: body for name, _, body in pieces}

    # --- EVPN -------------------------------------------------------------------------------------------------

    @cached_property
    def segments(self) -> Any:
        return self.frr("zebra", "show evpn es json")

    @property
    def segment_peers(self) -> dict[str, tuple[str, ...]]:
        """Kernel port → VTEPs of the other leaf, as EVPN says; none that it does not list."""
        return {port: vteps for port, vteps in peers_by_port(self.segments).items() if vteps}


def is_up(link: Link | None) -> bool:
    """Administratively and operationally up."""
    return link is not None and "UP" in link["flags"] and link.get("operstate") in ("UP", "UNKNOWN")
