"""What to type so that a switch has its earlier running configuration again. Pure.

Both sides are ``show running-config`` of the same switch, so that what it hides and how it spells does not matter. What
is extra goes first, last things first (a feature after what hangs on it); what is missing comes after, in the order in
which NX-OS prints it. Typing may take more lines away than it names (``vrf member`` wipes addresses), so the caller
reads the configuration back and asks again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from labctl.nxos.defaults import contradicted, may_be_hidden
from labctl.nxos.normal import head, spread
from labctl.nxos.tree import ConfigTree, Section

STAYS = tuple(
    re.compile(pattern)
    for pattern in (r"interface (Ethernet|mgmt)\S+", r"line (console|vty)", r"vrf context management", r"vlan 1")
)
"""Sections that a switch always has: what stands below them can go, they cannot."""

SHORT = (
    "channel-group", "description", "name", "mtu", "password", "switchport mode", "switchport access vlan",
    "switchport trunk native vlan", "switchport trunk allowed vlan", "ip ospf authentication-key",
    "ip ospf message-digest-key *", "username *",
)  # fmt: skip
"""Settings that are taken away by these words, without their value (Cisco Nexus 9000 command references); ``*``: one
word of any text. All other lines are taken away by ``no`` and the whole line."""

REPLACED = (
    "hostname", "description", "name", "vrf member", "remote-as", "update-source", "router-id", "switchport mode",
    "switchport access vlan", "switchport trunk native vlan", "switchport trunk allowed vlan", "mtu",
    "role priority", "delay restore", "ip address", "ip ospf cost", "ip ospf network", "bandwidth", "delay", "speed",
    "username * password", "password", "boot nxos", "peer-keepalive destination",
)  # fmt: skip
"""Settings of one value that a new value replaces: taking the other away first would only wipe what hangs on it."""

OPENS = ("address-family", "neighbor", "vrf", "member vni", "vni", "template", "vlan", "interface", "route-map")
"""Lines that open a mode, also where nothing stands below them."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A line to bring back (``missing``) or to take away (``extra``), under the lines of ``path``.

    ``lines``: how many lines go with it (an extra section takes what stands below it along).
    """

    kind: Literal["missing", "extra"]
    path: tuple[str, ...]
    line: str
    lines: int = 1


def differences(first: ConfigTree, now: ConfigTree) -> list[Turn]:
    """What has to be turned back."""
    return list(_walk((), _facts(first.sections, ()), _facts(now.sections, ())))


def _facts(sections: Iterable[Section], path: tuple[str, ...]) -> tuple[Section, ...]:
    """Sections of one name joined, VLANs one by one; every line as the switch spells it."""
    merged: dict[str, Section] = {}
    for section in sections:
        line, below = head(section.line)
        children = section.children if below is None else (Section(below), *section.children)
        # a list of VLANs is a way to write; the list of a trunk is one setting with one value
        for fact in spread(line, path) if line.startswith("vlan ") else (line,):
            known = merged.get(fact)
            merged[fact] = Section(fact, children if known is None else (*known.children, *children))
    return tuple(Section(s.line, _facts(s.children, (*path, s.line))) for s in merged.values())


def _walk(path: tuple[str, ...], first: Sequence[Section], now: Sequence[Section]) -> Iterator[Turn]:
    there = {section.line: section for section in now}
    for section in first:
        found = there.get(section.line)
        if found is not None:
            yield from _walk((*path, section.line), section.children, found.children)
        elif not may_be_hidden(section.line, path) or contradicted(section.line, there):
            yield from _missing(path, section)
    wanted = {section.line for section in first}
    for section in now:
        if section.line in wanted or may_be_hidden(section.line, path):
            continue
        if any(pattern.fullmatch(section.line) for pattern in STAYS):
            yield from _walk((*path, section.line), (), section.children)
        else:
            yield Turn("extra", path, section.line, _size(section))


def _missing(path: tuple[str, ...], section: Section) -> Iterator[Turn]:
    yield Turn("missing", path, section.line)
    for child in section.children:
        yield from _missing((*path, section.line), child)


def _size(section: Section) -> int:
    return 1 + sum(map(_size, section.children))


@dataclass(frozen=True, slots=True)
class Typed:
    """A line to type; ``turn`` is the one that it serves (a line that opens its section serves it, too)."""

    line: str
    turn: Turn


def commands(turns: Sequence[Turn]) -> list[Typed]:
    """The lines, from ``configure terminal`` on."""
    replacing = {(turn.path, setting) for turn in turns if turn.kind == "missing" and (setting := _replaced(turn.line))}
    order = [
        (turn, negated(turn.line))
        for turn in reversed(turns)
        if turn.kind == "extra" and (turn.path, _replaced(turn.line)) not in replacing
    ]
    order += [(turn, turn.line) for turn in turns if turn.kind == "missing"]
    found: list[Typed] = []
    mode: tuple[str, ...] | None = None
    said: set[tuple[tuple[str, ...], str]] = set()
    for turn, line in order:
        if (turn.path, line) in said:
            continue  # `no shutdown` both takes `shutdown` away and is what was there
        said.add((turn.path, line))
        if mode != turn.path:
            # from the top: a line like `address-family` would else fit the mode that is still open, too
            found += [Typed(above, turn) for above in turn.path]
        found.append(Typed(line, turn))
        mode = _mode_after(turn, line)
    return found


def _mode_after(turn: Turn, line: str) -> tuple[str, ...] | None:
    """Where the next line would stand; None where that is not certain."""
    if turn.kind == "missing" and (not turn.path or _begins(line, OPENS)):
        return (*turn.path, line)
    return turn.path or None


def negated(line: str) -> str:
    """What takes a line away."""
    if line.startswith("no "):
        return line.removeprefix("no ")
    return f"no {_begins(line, SHORT) or line}"


def _replaced(line: str) -> str | None:
    """The setting that a new value of it replaces; None for all that may stand there more than once."""
    words = line.split()
    if words[-1] == "secondary" or line.startswith("switchport trunk allowed vlan add "):
        return None
    if words[0] == "route-map" and words[-1] in ("in", "out"):
        return f"route-map {words[-1]}"
    return _begins(line, REPLACED)


def _begins(line: str, known: Iterable[str]) -> str | None:
    """The first of some beginnings that a line has, in the line's own words."""
    words = line.split()
    for beginning in known:
        parts = beginning.split()
        if len(parts) <= len(words) and all(part in ("*", word) for part, word in zip(parts, words, strict=False)):
            return " ".join(words[: len(parts)])
    return None
