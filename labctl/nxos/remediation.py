"""The lines that bring a switch's earlier running configuration back (its *remediation*). Pure.

What is extra goes first, last things first (a feature after what hangs on it); what is missing comes after, in the
order in which NX-OS prints it. Typing may take more lines away than it names (``vrf member`` wipes addresses), so the
caller reads the configuration back and asks again.

Written by hand, since a trial of hier-config 3.7 was no shorter: its ``difference`` leaves out lines that begin with
``no``, a rule holds for one depth of lines alone, and the sections that stay, VLANs one by one, hidden defaults and the
order of what goes are ours in any case (57 lines for these 60, 3 times the time, 36 ms more of imports).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from labctl.nxos.tree import Difference, Section

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


Spot = tuple[tuple[str, ...], str]
"""A line and those that it stands below."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A line to type; ``serves``: the one that goes or comes back (lines that open its section serve it, too)."""

    line: str
    serves: Spot


def commands(differences: Sequence[Difference]) -> list[Typed]:
    """The lines, from ``configure terminal`` on."""
    found: list[Typed] = []
    mode: tuple[str, ...] | None = None
    said: set[Spot] = set()
    for path, line, typed in _in_order(differences):
        if (path, typed) in said:
            continue  # `no shutdown` both takes `shutdown` away and is what was there
        said.add((path, typed))
        if mode != path:
            # from the top: a line like `address-family` would else fit the mode that is still open, too
            found += [Typed(above, (path, line)) for above in path]
        found.append(Typed(typed, (path, line)))
        opens = typed == line and (not path or _begins(line, OPENS))
        mode = (*path, line) if opens else path or None  # None: where the next line would stand is not certain
    return found


def _in_order(differences: Sequence[Difference]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """(path, line, what is typed for it): what goes, then what comes, but for values that a new one replaces."""
    missing = [row for row in differences if row.kind == "missing"]
    replacing = {(row.path, setting) for row in missing if (setting := _replaced(row.line))}
    for row in reversed(differences):
        if row.kind == "extra" and (row.path, _replaced(row.line)) not in replacing:
            yield row.path, row.line, negated(row.line)
    for row in missing:
        for path, line in _with_below(row.path, row.section):
            yield path, line, line


def _with_below(path: tuple[str, ...], section: Section) -> Iterator[Spot]:
    yield path, section.line
    for child in section.children:
        yield from _with_below((*path, section.line), child)


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
