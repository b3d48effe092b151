"""How NX-OS writes what was typed, and what it leaves out: so that two configurations are comparable, line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv6Interface

_INTERFACE = re.compile(r"([a-z-]+)\s*(\d+(?:/\d+)*)", re.IGNORECASE)
_SHORT = {"Ethernet": "Eth", "port-channel": "Po", "loopback": "Lo", "Vlan": "Vlan", "nve": "nve", "mgmt": "mgmt"}

_VLAN_LIST = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*")
_SECRET_LINE = re.compile(r"^(password|ip ospf message-digest-key|ip ospf authentication-key|username)\b")
_MAC = re.compile(r"[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2}")
_TRUNK = re.compile(r"switchport trunk allowed vlan (?:add )?(\S+)")
_NEIGHBOR = re.compile(r"(neighbor \S+) (remote-as \S+)")
_WORDS = {"int": "interface", "desc": "description", "shut": "shutdown", "feat": "feature", "addr": "address"}
"""What people abbreviate the first word of a line to; NX-OS prints it in full."""


def _written_out(match: re.Match[str]) -> str:
    return f"{match[1]} {interface_name(match[2]) or match[2]}"


def _dotted(match: re.Match[str]) -> str:
    number = int(match[1])
    return "area " + ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


_OPTIONS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # what NX-OS prints of a line's options may be less than what was typed: the default value of one is not shown
    (re.compile(r"\barea (\d+)$"), _dotted),
    (re.compile(r"^(update-source|source-interface) (\S+)$"), _written_out),
    (re.compile(r"^(channel-group \d+) force\b"), r"\1"),
    (re.compile(r"^(peer-keepalive destination .*?) vrf management\b"), r"\1"),
    (re.compile(r"^(peer-keepalive destination .*?) udp-port 3200\b"), r"\1"),
    (re.compile(r"^(peer-keepalive destination .*?) interval 1000 timeout 5\b"), r"\1"),
    (re.compile(r"^(virtual peer-link .*?) dscp 56$"), r"\1"),
    (re.compile(r"^auto-recovery reload-delay 240$"), "auto-recovery"),
    (re.compile(r"^(maximum-prefix \d+) 75\b"), r"\1"),
    (re.compile(r"^(address-family (?:ipv4|ipv6))$"), r"\1 unicast"),
)


def interface_name(text: str) -> str | None:
    """``Eth1/1``, ``e1/1``, ``po11`` … written out, as NX-OS takes any beginning; None: it is no interface name."""
    match = _INTERFACE.fullmatch(text)
    near = [name for name in _SHORT if match and name.lower().startswith(match[1].lower())]
    if not match or len(near) != 1 or (near[0] == "Ethernet") != ("/" in match[2]):
        return None
    return f"{near[0]}{match[2]}"


def short_name(name: str) -> str:
    """``Ethernet1/1`` as show commands abbreviate it: ``Eth1/1``."""
    match = re.fullmatch(r"([A-Za-z-]+)(\d.*)", name)
    return f"{_SHORT.get(match.group(1), match.group(1))}{match.group(2)}" if match else name


@lru_cache(8192)  # the switches of a fabric say most lines alike
def canonical_line(line: str) -> str:
    """One spelling: words written out, addresses compressed, what is the default of a line's option left out.

    Free text (descriptions) stays as it is; of a secret only that there is one stays.
    """
    words = line.split()
    typed = 1 if words[:1] == ["no"] else 0
    words[typed : typed + 1] = [_WORDS.get(word.lower(), word) for word in words[typed : typed + 1]]
    if words[:1] == ["interface"] and len(words) >= 2:
        return f"interface {interface_name(' '.join(words[1:])) or ' '.join(words[1:])}"
    if _SECRET_LINE.match(" ".join(words)):
        return f"{words[0]} <secret>"
    if words[:1] in (["description"], ["name"], ["banner"]):
        return " ".join(words)
    text = " ".join(_word(word) for word in words)
    for pattern, written in _OPTIONS:
        text = pattern.sub(written, text)
    return text


def _word(word: str) -> str:
    """``2020.0000.00AA`` and ``0::/0`` as NX-OS prints them."""
    if _MAC.fullmatch(word):
        return word.lower()
    if word.count(":") >= 2:
        try:
            address = IPv6Interface(word)
        except ValueError:
            return word
        return str(address) if "/" in word else str(address.ip)
    return word


def spread(line: str, path: tuple[str, ...]) -> Iterator[str]:
    """Lines that NX-OS merges or splits, as one line per fact."""
    words = line.split()
    vlans = _TRUNK.fullmatch(line)
    if not path and words[:1] == ["vlan"] and len(words) == 2 and _VLAN_LIST.fullmatch(words[1]):
        for vlan in vlan_list(words[1]):
            yield f"vlan {vlan}"
    elif vlans and _VLAN_LIST.fullmatch(vlans[1]):
        for vlan in vlan_list(vlans[1]):
            yield f"switchport trunk allowed vlan {vlan}"
    elif words[:2] == ["route-target", "both"]:
        rest = " ".join(words[2:])
        yield f"route-target import {rest}"
        yield f"route-target export {rest}"
    elif line in ("send-community both", "send-community standard"):
        yield "send-community"
        if words[1] == "both":
            yield "send-community extended"
    else:
        yield line


def head(line: str) -> tuple[str, str | None]:
    """(section, line below it) of a line that opens a section and says something about it; else (line, None).

    ``neighbor 10.0.0.1 remote-as 65000`` is shown in one line or in two, by release.
    """
    found = _NEIGHBOR.fullmatch(line)
    return (found[1], found[2]) if found else (line, None)


def vlan_list(text: str) -> list[int]:
    """``1,10-12`` as numbers. Raises ValueError for anything else."""
    if not _VLAN_LIST.fullmatch(text):
        raise ValueError(f"{text!r} is no list of VLANs")
    vlans: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        vlans.extend(range(int(first), int(last or first) + 1))
    return vlans


DEFAULTS: tuple[tuple[str, str], ...] = (
    # (pattern of the section's line, line), shown or not by release and image: captures of 9.3(4) and 10.4 to 10.6
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
"""What may be left out although it holds: no difference, unless the switch shows what contradicts it."""
_DEFAULTS = tuple((re.compile(path), line) for path, line in DEFAULTS)

VALUES = ("mtu", "switchport mode", "switchport access vlan", "switchport trunk native vlan", "lacp rate", "rd",
          "role priority", "delay restore")  # fmt: skip
"""Settings that have one value: another one in the same section contradicts a default that is not shown."""


def may_be_hidden(line: str, path: tuple[str, ...]) -> bool:
    """Whether NX-OS may leave the line out of a running configuration although it holds."""
    return bool(path) and any(line == known and pattern.fullmatch(path[-1]) for pattern, known in _DEFAULTS)


def contradicted(line: str, shown: Iterable[str]) -> bool:
    """Whether the lines that are shown in a section say the opposite of a line that is not."""
    opposite = line.removeprefix("no ") if line.startswith("no ") else f"no {line}"
    setting = next((value for value in VALUES if line.startswith(f"{value} ")), None)
    return any(other == opposite or (setting is not None and other.startswith(f"{setting} ")) for other in shown)


_STAYS = re.compile(r"interface (Ethernet|mgmt)\S+|line (console|vty)|vrf context management|vlan 1")


def stays(line: str) -> bool:
    """Whether a switch always has the section: what stands below it can go, it cannot."""
    return bool(_STAYS.fullmatch(line))
