"""What NX-OS may leave out of a running configuration although it holds, as data.

A line of these that was pushed and is not shown is no difference, unless the switch shows what contradicts it.
(Reference: nxos.md 2.4, 3.2; captures of 9.3(4) and 10.4 to 10.6.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable

DEFAULTS: tuple[tuple[str, str], ...] = (
    # (pattern of the section's line, line): shown or not, by release and image
    (r"interface .*", "no shutdown"),
    (r"interface (port-channel|Ethernet).*", "switchport"),
    (r"interface (port-channel|Ethernet).*", "no switchport"),
    (r"interface (port-channel|Ethernet).*", "switchport mode access"),
    (r"interface (port-channel|Ethernet).*", "switchport access vlan 1"),
    (r"interface (port-channel|Ethernet).*", "switchport trunk native vlan 1"),
    (r"interface (port-channel|Ethernet|Vlan).*", "mtu 1500"),
    (r"interface Ethernet.*", "lacp rate normal"),
    (r"interface port-channel.*", "lacp suspend-individual"),
    (r"interface Vlan.*", "no ip redirects"),
    (r"interface Vlan.*", "no ipv6 redirects"),
    (r"vrf context .*", "rd auto"),
    (r"vni .* l2", "rd auto"),
    (r"vni .* l2", "route-target import auto"),
    (r"vni .* l2", "route-target export auto"),
    (r"address-family .*", "route-target import auto"),
    (r"address-family .*", "route-target export auto"),
    (r"address-family .*", "route-target import auto evpn"),
    (r"address-family .*", "route-target export auto evpn"),
    (r"address-family .*", "advertise l2vpn evpn"),
    (r"router .*", "log-neighbor-changes"),
    (r"router .*", "log-adjacency-changes"),
    (r"vrf .*", "log-neighbor-changes"),
    (r"neighbor .*", "no shutdown"),
    (r"vpc domain .*", "role priority 32667"),
    (r"vpc domain .*", "delay restore 30"),
)
_DEFAULTS = tuple((re.compile(path), line) for path, line in DEFAULTS)

VALUES = (
    "mtu",
    "switchport mode",
    "switchport access vlan",
    "switchport trunk native vlan",
    "lacp rate",
    "rd",
    "role priority",
    "delay restore",
)
"""Settings that have one value: another one in the same section contradicts a default that is not shown."""


def may_be_hidden(line: str, path: tuple[str, ...]) -> bool:
    """Whether NX-OS may leave the line out of a running configuration although it holds."""
    return bool(path) and any(line == known and pattern.fullmatch(path[-1]) for pattern, known in _DEFAULTS)


def contradicted(line: str, shown: Iterable[str]) -> bool:
    """Whether the lines that are shown in a section say the opposite of a line that is not."""
    opposite = line.removeprefix("no ") if line.startswith("no ") else f"no {line}"
    setting = next((value for value in VALUES if line.startswith(f"{value} ")), None)
    return any(other == opposite or (setting is not None and other.startswith(f"{setting} ")) for other in shown)
