"""What NX-OS refuses although the line is well formed, as rows: where it is typed, how it begins, what is looked at.

Words are NX-OS's own where a capture of them is public (named at the rule); the others keep its ``ERROR:`` form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_interface

from labctl.standin.switch.config import Entry, RunningConfig


@dataclass(frozen=True, slots=True)
class Typed:
    """A line that is about to be taken, where it would stand."""

    config: RunningConfig
    path: tuple[str, ...]
    line: str

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.line.split())

    @property
    def section(self) -> Entry:
        return self.config.at(self.path)

    @property
    def interface(self) -> str:
        return self.path[-1].removeprefix("interface ")

    def others(self) -> Iterator[tuple[str, Entry]]:
        """The other interfaces."""
        for name, entry in self.config.root.children.items():
            if name.startswith("interface ") and name != self.path[-1]:
                yield name.removeprefix("interface "), entry


@dataclass(frozen=True, slots=True)
class Rule:
    """``mode``: how the mode's name begins."""

    mode: str
    begins: str
    check: Callable[[Typed], str | None]


def refused(mode: str, typed: Typed) -> str | None:
    """The first rule's words; None when no rule minds."""
    for rule in RULES:
        if mode.startswith(rule.mode) and f"{typed.line} ".startswith(f"{rule.begins} "):
            words = rule.check(typed)
            if words:
                return words
    return None


def _sequence(typed: Typed) -> str | None:
    """A sequence number has one entry, and an entry one number (ansible's cisco.nxos knows the words)."""
    name, body = " ".join(typed.words[:3]), " ".join(typed.words[5:])
    for entry in typed.config.root.children.values():
        if entry.line.startswith(f"{name} seq ") and entry.line != typed.line:
            if entry.line.split()[4] == typed.words[4]:
                return f"% Duplicate sequence number {typed.words[4]}"
            if " ".join(entry.line.split()[5:]) == body:
                return f"% Duplicate prefix-list entry: {body}"
    return None


def _one_as(typed: Typed) -> str | None:
    """Captured on 10.x: ``bgp instance is already running; Tag is 100``."""
    running = next((name.split()[2] for name in typed.config.root.children if name.startswith("router bgp ")), None)
    return f"bgp instance is already running; Tag is {running}" if running not in (None, typed.words[2]) else None


def _overlap(typed: Typed) -> str | None:
    """Subnets of a VRF do not overlap (``… overlaps with address configured on …``: cisco.nxos's l3 modules)."""
    family, address = typed.words[0], typed.words[2]
    if "/" not in address:
        return None
    network = ip_interface(address).network
    vrf = _vrf(typed.section)
    for name, entry in typed.others():
        if _vrf(entry) != vrf:
            continue
        for child in entry.children.values():
            words = child.line.split()
            if (
                words[:2] == [family, "address"]
                and "/" in words[2]
                and ip_interface(words[2]).network.overlaps(network)
            ):
                return f"ERROR: {address} overlaps with address configured on {name}"
    return None


def _vrf(interface: Entry) -> str | None:
    found = interface.children.get("vrf member")
    return found.line.split()[2] if found else None


def _setting(interface: Entry | None, name: str) -> str | None:
    found = interface.children.get(name) if interface else None
    return found.line if found else None


def _member_mtu(typed: Typed) -> str | None:
    """A member's MTU is its port-channel's (seen on 9000v 10.4: set it there, or before bundling)."""
    group = _setting(typed.section, "channel-group")
    if group is None or _setting(typed.section, "mtu") == typed.line:
        return None
    bundle = typed.config.root.children.get(f"interface port-channel{group.split()[1]}")
    if _setting(bundle, "mtu") == typed.line:
        return None
    return f"ERROR: {typed.interface}: port is a member of port-channel{group.split()[1]}, MTU cannot be changed"


def _one_group(typed: Typed) -> str | None:
    """A port is in one bundle, and a bundle speaks LACP on all its ports or on none."""
    own = _setting(typed.section, "channel-group")
    number = typed.words[1]
    if own and own.split()[1] != number:
        return f"command failed: port is already a member of port-channel{own.split()[1]}"
    static = typed.words[-1] == "on"
    for name, entry in typed.others():
        line = _setting(entry, "channel-group")
        if line and line.split()[1] == number and (line.split()[-1] == "on") != static:
            return f"command failed: port not compatible [port mode], {name} is in mode {line.split()[-1]}"
    return None


def _one_vpc(typed: Typed) -> str | None:
    """A vPC number, and the peer-link, belong to one port-channel."""
    for name, entry in typed.others():
        if typed.line in (_setting(entry, "vpc"), _setting(entry, "vpc peer-link")):
            return f"ERROR: {typed.line} is already configured on {name}"
    return None


def _one_segment(typed: Typed) -> str | None:
    """A VNI has one VLAN."""
    for name, entry in typed.config.root.children.items():
        if name.startswith("vlan ") and name != typed.path[-1] and _setting(entry, "vn-segment") == typed.line:
            return f"ERROR: VNI {typed.words[1]} is already mapped to {name}"
    return None


RULES: tuple[Rule, ...] = (
    Rule("config", "ip prefix-list", _sequence),
    Rule("config", "ipv6 prefix-list", _sequence),
    Rule("config", "router bgp", _one_as),
    Rule("vlan", "vn-segment", _one_segment),
    Rule("if-", "ip address", _overlap),
    Rule("if-", "ipv6 address", _overlap),
    Rule("if-ethernet", "mtu", _member_mtu),
    Rule("if-ethernet", "channel-group", _one_group),
    Rule("if-bundle", "vpc", _one_vpc),
)
