"""A switch brought back to an earlier running configuration, line by line.

Both sides are ``show running-config`` of the same switch, so that what it hides and how it spells does not matter.
``configure replace`` and ``rollback`` are not used: they want files on the switch, and are not complete on a 9000v.

Of the lines that bring it back (its *remediation*) what is extra goes first, last things first (a feature after what
hangs on it); what is missing comes after, in the order in which NX-OS prints it. Typing may take more lines away than
it names (``vrf member`` wipes addresses), so the configuration is read back and the lines are asked for again.

They are written by hand, since a trial of hier-config 3.7 was no shorter: its ``difference`` leaves out lines that
begin with ``no``, and the sections that stay, VLANs one by one and hidden defaults are ours in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from labctl.errors import Place, Problem, RejectedError
from labctl.nxos.normal import canonical_line, head, spread
from labctl.nxos.push import save
from labctl.nxos.redact import Redactor
from labctl.nxos.session import NxosSession, SwitchUnreachable
from labctl.nxos.tree import Difference, Section, changed, normalise, parse
from labctl.parallel import raise_all, tried
from labctl.restore.client import LabClient, Login
from labctl.restore.part import Entry, Part

RUNNING = "show running-config"
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


def read(switches: Sequence[str], login: Login, timeout: float, open_ones: Mapping[str, NxosSession]) -> dict[str, str]:
    """Running configurations, over sessions that are open where they still are. Raises as `raise_all`."""

    def one(switch: str) -> str:
        with suppress(SwitchUnreachable):  # a scenario may have restarted the switch: a new login tells
            if switch in open_ones:
                return open_ones[switch].show(RUNNING, timeout=timeout)
        with closing(login(switch)) as session:
            return session.show(RUNNING, timeout=timeout)

    good, wrong = tried(switches, one)
    raise_all(wrong)
    return good


@dataclass(eq=False)
class SwitchPart(Part[Difference]):
    """``first``: its running configuration then; ``folder``: where the file is that was pushed to it."""

    name: str
    first: str
    login: Login
    folder: Path
    timeout: float
    refused: dict[Spot, str] = field(default_factory=dict)

    kind = "switch"

    @cached_property
    def _session(self) -> NxosSession:
        return self.login(self.name)

    def close(self) -> None:
        if "_session" in self.__dict__:
            self._session.close()

    def differences(self) -> list[Difference]:
        return changed(parse(self.first), parse(self._session.show(RUNNING, timeout=self.timeout)))

    def apply(self, left: Sequence[Difference]) -> None:
        lines = commands(left)
        refused = self._session.configure([(at, row.line) for at, row in enumerate(lines)], timeout=self.timeout)
        self.refused |= {lines[row.number].serves: f"{row.line}: {row.message}" for row in refused}

    def settle(self) -> None:
        """Also the startup configuration. Raises `RejectedError`."""
        unsaved = save(self._session)
        if unsaved is not None:
            raise RejectedError([Problem("not-saved", f"{self.name} did not save its configuration: {unsaved}")])

    def entries(self, found: Sequence[Difference]) -> list[Entry]:
        return [
            Entry(
                "add" if row.kind == "missing" else "remove",
                told(row) + (f" (and {row.lines - 1} below)" if row.lines > 1 else ""),
                row.lines,
            )
            for row in found
        ]

    def error(self, left: Sequence[Difference]) -> RejectedError:
        """With its place in the folder's file where a line of that is meant."""
        file = f"nxos/{self.name}.cfg"
        text = (self.folder / file).read_text()
        problems = []
        for row in left:
            number = _line_of(text, row) if row.kind == "missing" else 0
            place = Place(file, number, 0, text.splitlines()[number - 1]) if number else None
            why = self.refused.get((row.path, row.line))
            what = "brought back" if row.kind == "missing" else "taken away"
            message = f"{self.name}: {told(row)} was not {what}" + (f" ({why})" if why else "")
            problems.append(Problem("line-refused" if why else "line-not-turned-back", message, place))
        return RejectedError(problems)


def parts(first: Mapping[str, str], client: LabClient, timeout: float) -> list[SwitchPart]:
    """Of running configurations then, by switch. ``timeout``: seconds for one answer."""
    return [SwitchPart(name, text, client.login, client.folder.path, timeout) for name, text in first.items()]


def told(row: Difference) -> str:
    """A difference as a person reads it, without secrets: ``router bgp 65102 / neighbor 10.0.0.1``."""
    return " / ".join(Redactor().secrets(line) for line in (*row.path, row.line))


def _line_of(text: str, row: Difference) -> int:
    """Number of the line in a file that says the same; 0: none does."""
    sections, number = normalise(parse(text).sections, ()), 0
    path: tuple[str, ...] = ()
    for line in (*row.path, row.line):
        fact = next(iter(spread(head(canonical_line(line))[0], path)))
        found = next((section for section in sections if section.line == fact), None)
        if found is None:
            return 0
        sections, path, number = found.children, (*path, fact), found.number
    return number


# --- what is typed ----------------------------------------------------------------------------------------------------


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
