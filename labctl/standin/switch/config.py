"""The running configuration: what was typed and taken, with NX-OS's ways of replacing, removing and listing it.

What NX-OS refuses although the line is well formed stands below, as rows: where it is typed, how it begins, what is
looked at. Words are NX-OS's own where a capture of them is public (named at the rule); the others keep ``ERROR: …``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_interface
from itertools import groupby

from labctl.nxos.normal import vlan_list
from labctl.nxos.tree import ConfigTree, Section
from labctl.peers import NXOS_DEFAULT
from labctl.standin.switch.commands import CONFIG, ORDER, VPC_DOMAIN, Command

TRUNK = "switchport trunk allowed vlan"
ALL_VLANS = "1-3967"
BUNDLE = next(row for row in CONFIG if row.enters == "if-bundle")
"""What a ``channel-group`` brings along."""
L3_LINES = re.compile(r"(ip|ipv6) (address|router|ospf|forward)\b.*|fabric forwarding mode .*")
"""What ``vrf member`` wipes from an interface, as NX-OS does (and says)."""


@dataclass
class Entry:
    """A line of the running configuration and what stands below it."""

    line: str
    command: Command | None = None
    children: dict[str, Entry] = field(default_factory=dict)


def identity(line: str, key: int) -> str:
    """What makes two lines the same setting: their first ``key`` words without a leading ``no``; 0 = the line."""
    return " ".join(line.removeprefix("no ").split()[: key or None])


class RunningConfig:
    """Mutable; the command line holds its lock."""

    def __init__(self, hostname: str, version: str = NXOS_DEFAULT, ports: Collection[str] = ()) -> None:
        """``ports``: the Ethernet ports of the box; empty: not known."""
        self.version = version
        self.ports = frozenset(ports)
        self.root = Entry("")
        self.root.children["hostname"] = Entry(f"hostname {hostname}")
        self.startup: str | None = None
        self.saved = "never"
        self.last_change = "never"

    @property
    def hostname(self) -> str:
        entry = self.root.children.get("hostname")
        return entry.line.split()[1] if entry else "switch"

    def features(self) -> set[str]:
        """Enabled features and the global ``nv overlay evpn``."""
        names = {line.removeprefix("feature ") for line in self.root.children if line.startswith("feature ")}
        return names | ({"nv overlay evpn"} if "nv overlay evpn" in self.root.children else set())

    def save(self) -> None:
        """``copy running-config startup-config``."""
        self.startup = self.tree().text()
        self.saved = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())

    def put(self, path: Iterable[str], line: str, command: Command) -> None:
        """Take a line at a place (identities of the sections above it), and what it brings along."""
        parent = self.at(path)
        line = _spelled(parent, line)
        name = identity(line, command.key)
        if name.startswith("vrf member") and parent.children.get("vrf member", Entry("")).line != line:
            for other in [other for other in parent.children if L3_LINES.fullmatch(other)]:
                del parent.children[other]
        found = parent.children.setdefault(name, Entry(line))
        found.line, found.command = line, command
        if name == "channel-group":
            bundle = f"interface port-channel{line.split()[1]}"
            self.root.children.setdefault(bundle, Entry(bundle, BUNDLE))

    def remove(self, path: Iterable[str], line: str, command: Command) -> None:
        """Take a line away, and what goes with it."""
        parent = self.at(path)
        if command.enters == "vlan":
            self._remove_vlans(set(vlan_list(line.split()[1])))
        else:
            parent.children.pop(identity(line, command.key), None)
        if line.startswith("feature ") or line == "nv overlay evpn":
            _clean(self.root, line.removeprefix("feature "))

    def _remove_vlans(self, gone: set[int]) -> None:
        """``no vlan 5`` also shortens ``vlan 1,5,7``: lists are one way to write, not a thing."""
        for name in [name for name in self.root.children if name.startswith("vlan ")]:
            before = vlan_list(name.split()[1])
            left = [vlan for vlan in before if vlan not in gone]
            if len(left) < len(before):
                entry = self.root.children.pop(name)
                if left:
                    line = f"vlan {ranges(left)}"
                    self.root.children[line] = Entry(line, entry.command, entry.children)

    def at(self, path: Iterable[str]) -> Entry:
        """The entry at a place. Raises KeyError when it is gone (removed by another session)."""
        entry = self.root
        for name in path:
            entry = entry.children[name]
        return entry

    def tree(self) -> ConfigTree:
        """An immutable copy, in the order of ``show running-config``."""
        sections = [self._section(entry) for entry in self.root.children.values()]
        return ConfigTree(tuple(sorted(_merge_vlans(sections), key=_rank)))

    def _section(self, entry: Entry) -> Section:
        children = list(entry.children.values())
        if entry.command is not None and entry.command.enters == "vpc-domain":
            children.sort(key=lambda child: VPC_DOMAIN.index(child.command) if child.command in VPC_DOMAIN else 0)
        return Section(entry.line, tuple(self._section(child) for child in children))

    def ignored(self) -> list[tuple[str, str]]:
        """(line, reason) of every stored line that has no effect."""
        return list(_ignored(self.root, ""))


def _ignored(entry: Entry, above: str) -> Iterator[tuple[str, str]]:
    for child in entry.children.values():
        where = f"{above}{child.line}"
        if child.command and child.command.ignored:
            yield where, child.command.ignored
        yield from _ignored(child, f"{where} / ")


def _clean(entry: Entry, feature: str) -> None:
    """``no feature bgp`` takes the feature's lines along, wherever they stand."""
    for name, child in list(entry.children.items()):
        if child.command and child.command.feature == feature:
            del entry.children[name]
        else:
            _clean(child, feature)


def _spelled(parent: Entry, line: str) -> str:
    """A line that speaks of the one before it, as the running configuration has it."""
    words = line.split()
    if words[:4] != ["switchport", "trunk", "allowed", "vlan"] or words[4] not in {"add", "remove", "all"}:
        return line
    if words[4] == "all":
        return f"{TRUNK} {ALL_VLANS}"
    before = parent.children.get(TRUNK)
    said = before.line.split()[4] if before else ALL_VLANS
    held = set() if said == "none" else set(vlan_list(said))
    change = set(vlan_list(words[5]))
    left = sorted(held | change if words[4] == "add" else held - change)
    return f"{TRUNK} {ranges(left) if left else 'none'}"


def _merge_vlans(sections: list[Section]) -> list[Section]:
    """``vlan 1,2001,3001`` first, then those VLANs that have settings."""
    lists = [s for s in sections if s.line.startswith("vlan ")]
    if not lists:
        return sections
    numbers = sorted({n for s in lists for n in vlan_list(s.words[1])} | {1})
    merged = Section(f"vlan {ranges(numbers)}")
    single = [s for s in lists if s.children]
    return [s for s in sections if not s.line.startswith("vlan ")] + [
        merged,
        *sorted(single, key=lambda s: vlan_list(s.words[1])),
    ]


def ranges(numbers: list[int]) -> str:
    """``1,10-12``."""
    parts = []
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        parts.append(str(members[0]) if len(members) == 1 else f"{members[0]}-{members[-1]}")
    return ",".join(parts)


def _rank(section: Section) -> tuple[int, tuple[object, ...]]:
    line = section.line
    places = ((len(prefix), place) for place, prefix in enumerate(ORDER) if line.startswith(prefix))
    _, place = max(places, default=(0, ORDER.index("line")))
    return place, _natural(line) if line.startswith(("interface", "vlan")) else (0,)


def _natural(line: str) -> tuple[object, ...]:
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", line) if part)


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
    """What the first rule that minds says; None when none does."""
    for rule in RULES:
        if mode.startswith(rule.mode) and f"{typed.line} ".startswith(f"{rule.begins} "):
            message = rule.check(typed)
            if message:
                return message
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
    network, vrf = ip_interface(address).network, _setting(typed.section, "vrf member")
    for name, entry in typed.others():
        lines = [child.line.split() for child in entry.children.values()]
        held = (words[2] for words in lines if words[:2] == [family, "address"] and "/" in words[2])
        same = _setting(entry, "vrf member") == vrf
        if same and any(ip_interface(other).network.overlaps(network) for other in held):
            return f"ERROR: {address} overlaps with address configured on {name}"
    return None


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
