"""How NX-OS writes what was typed: the rules, as data, that make two configurations comparable."""

from __future__ import annotations

import re
from collections.abc import Iterator

_INTERFACES = (
    (re.compile(r"(?:ethernet|eth|et)\s*(\d+(?:/\d+)+)", re.IGNORECASE), "Ethernet{}"),
    (re.compile(r"(?:port-channel|po)\s*(\d+)", re.IGNORECASE), "port-channel{}"),
    (re.compile(r"(?:vlan)\s*(\d+)", re.IGNORECASE), "Vlan{}"),
    (re.compile(r"(?:loopback|lo)\s*(\d+)", re.IGNORECASE), "loopback{}"),
    (re.compile(r"nve\s*(\d+)", re.IGNORECASE), "nve{}"),
    (re.compile(r"(?:mgmt)\s*(\d+)", re.IGNORECASE), "mgmt{}"),
)
_SHORT = {"Ethernet": "Eth", "port-channel": "Po", "loopback": "Lo", "Vlan": "Vlan", "nve": "nve", "mgmt": "mgmt"}

HIDDEN: tuple[tuple[str, str], ...] = (
    # (pattern of the path's last line, line): NX-OS may or may not show these, both mean the same
    (r"interface .*", "no shutdown"),
    (r"interface port-channel.*", "switchport"),
    (r"interface Ethernet.*", "switchport"),
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
    (r"interface Vlan.*", "no ip redirects"),
    (r"interface Vlan.*", "no ipv6 redirects"),
)
_HIDDEN = tuple((re.compile(path), line) for path, line in HIDDEN)
_VLAN_LIST = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*")
_SECRET_LINE = re.compile(r"^(password|ip ospf message-digest-key|username)\b")


def interface_name(text: str) -> str | None:
    """``Eth1/1``, ``po11`` … written out; None when it is no interface name."""
    for pattern, name in _INTERFACES:
        match = pattern.fullmatch(text)
        if match:
            return name.format(match.group(1))
    return None


def short_name(name: str) -> str:
    """``Ethernet1/1`` as show commands abbreviate it: ``Eth1/1``."""
    match = re.fullmatch(r"([A-Za-z-]+)(\d.*)", name)
    return f"{_SHORT.get(match.group(1), match.group(1))}{match.group(2)}" if match else name


def canonical_line(line: str) -> str:
    """One spelling: interface names written out, ``0::/0`` as ``::/0``, secrets as a mark that one is there."""
    words = line.split()
    if words[:1] == ["interface"] and len(words) >= 2:
        return f"interface {interface_name(' '.join(words[1:])) or ' '.join(words[1:])}"
    if _SECRET_LINE.match(line):
        return f"{words[0]} <secret>"
    return " ".join("::/0" if word == "0::/0" else word for word in words)


def spread(line: str, path: tuple[str, ...]) -> Iterator[str]:
    """Lines that NX-OS merges or splits, as one line per fact."""
    words = line.split()
    if not path and words[:1] == ["vlan"] and len(words) == 2 and _VLAN_LIST.fullmatch(words[1]):
        for vlan in vlan_list(words[1]):
            yield f"vlan {vlan}"
    elif words[:2] == ["route-target", "both"]:
        rest = " ".join(words[2:])
        yield f"route-target import {rest}"
        yield f"route-target export {rest}"
    else:
        yield line


def vlan_list(text: str) -> list[int]:
    """``1,10-12`` as numbers. Raises ValueError for anything else."""
    if not _VLAN_LIST.fullmatch(text):
        raise ValueError(f"{text!r} is no list of VLANs")
    vlans: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        vlans.extend(range(int(first), int(last or first) + 1))
    return vlans


def hidden(line: str, path: tuple[str, ...]) -> bool:
    """Whether NX-OS may leave the line out of a running configuration although it holds."""
    if not path:
        return False
    return any(line == known and pattern.fullmatch(path[-1]) for pattern, known in _HIDDEN)
