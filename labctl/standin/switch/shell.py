"""One session on the switch: modes, prompts, configuration lines, show commands and what is behind their bars; NX-OS's
words for what it refuses."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import dropwhile, filterfalse, pairwise
from threading import RLock
from typing import TYPE_CHECKING

from labctl.nxos.tree import ConfigTree, Section
from labctl.standin.switch.commands import MODES, PROMPTS, Command
from labctl.standin.switch.config import RunningConfig, Typed, identity, refused
from labctl.standin.switch.grammar import NO_INTERFACE, Fit, Following, Why, Wrong, choose, following, mark

if TYPE_CHECKING:
    from labctl.standin.switch.dataplane.platform import FrrPlatform

COPY_DONE = (
    "[########################################] 100%\n"
    "Copy complete, now saving to disk (please wait)...\n"
    "Copy complete."
)


# --- behind a bar of a show command (NX-OS Fundamentals guide, "Filtering show Command Output") ----------------------


@dataclass(frozen=True, slots=True)
class Filter:
    """One row: a pattern, and what it makes of a text with the words that were typed behind the name."""

    pattern: str
    do: Callable[[str, Sequence[str]], str]
    key: int = 0


def _searched(words: Sequence[str], flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    text = " ".join(words)
    return re.compile(text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text, flags)


def _include(text: str, words: Sequence[str]) -> str:
    return "\n".join(filter(_searched(words).search, text.splitlines()))


def _exclude(text: str, words: Sequence[str]) -> str:
    return "\n".join(filterfalse(_searched(words).search, text.splitlines()))


def _ignore_case(text: str, words: Sequence[str]) -> str:
    return "\n".join(filter(_searched(words[1:], re.IGNORECASE).search, text.splitlines()))


def _begin(text: str, words: Sequence[str]) -> str:
    pattern = _searched(words)
    return "\n".join(dropwhile(lambda line: not pattern.search(line), text.splitlines()))


def _section(text: str, words: Sequence[str]) -> str:
    """Lines that match, each with what is indented below it."""
    pattern = _searched(words)
    kept, depth = [], None
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if depth is None or indent <= depth:
            depth = indent if pattern.search(line) else None
        if depth is not None:
            kept.append(line)
    return "\n".join(kept)


def _lines(words: Sequence[str]) -> int:
    return int(words[-1]) if words else 10


def _pretty(text: str, _words: Sequence[str]) -> str:
    try:
        return json.dumps(json.loads(text), indent=4)
    except ValueError:
        return text


FILTERS = (
    Filter("json [native]", lambda text, _words: text),
    Filter("json-pretty [native]", _pretty),
    Filter("include <line>", _include),
    Filter("exclude <line>", _exclude),
    Filter("begin <line>", _begin),
    Filter("section <line>", _section),
    Filter("count", lambda text, _words: str(len(text.splitlines()))),
    Filter("no-more", lambda text, _words: text),
    Filter("grep <line>", _include),
    Filter("grep ignore-case <line>", _ignore_case),
    Filter("grep invert-match <line>", lambda text, words: _exclude(text, words[1:])),
    Filter("egrep <line>", _include),
    Filter("head [lines] [<int>]", lambda text, words: "\n".join(text.splitlines()[: _lines(words)])),
    Filter("last [<int>]", lambda text, words: "\n".join(text.splitlines()[-_lines(words) :])),
)
_LATER_BAR = re.compile(r"(?<=\s)\|(?=\s)")


def cut(line: str) -> list[str]:
    """The line at its bars. Behind the first, a bar between blanks ends a pattern; ``include up|down`` and what stands
    in quotes are whole."""
    quoted = re.sub(r"\"[^\"]*\"|'[^']*'", lambda found: "_" * len(found[0]), line)
    first = quoted.find("|")
    if first < 0:
        return [line]
    bars = [first, *(found.start() for found in _LATER_BAR.finditer(quoted, first + 1)), len(line)]
    return [line[:first], *(line[start + 1 : end] for start, end in pairwise(bars))]


def _filter(part: str) -> Fit[Filter] | Wrong:
    found = choose(FILTERS, part.split())
    if isinstance(found, Fit):
        try:
            _searched(found.words[1:])
        except re.error:
            return Wrong(1, Why.INVALID)
    return found


# --- what is typed besides configuration -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verb:
    """One row: what a session does with the words in full, and says; None: the machine is asked."""

    pattern: str
    do: Callable[[Shell, tuple[str, ...]], str] | None
    key: int = 0

    @property
    def shows(self) -> bool:
        return self.pattern.startswith("show ")


def now() -> str:
    return time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())


def _leave(shell: Shell, words: tuple[str, ...]) -> str:
    if shell.modes:
        shell.modes = shell.modes[:-1] if words == ("exit",) else []
    else:
        shell.over = words == ("exit",)
    if not shell.modes:
        shell.device.settle()
    return ""


def _configure(shell: Shell, _words: tuple[str, ...]) -> str:
    shell.modes = [Place("config")]
    return ""


def _copy(shell: Shell, _words: tuple[str, ...]) -> str:
    shell.device.settle()
    shell.device.config.save()
    return COPY_DONE


def _clear(shell: Shell, words: tuple[str, ...]) -> str:
    """Something is begun anew: nothing of the configuration changes."""
    shell.device.settle()
    said = shell.device.platform.clear(words[1:])
    return shell.refuse(said) if said else ""


def _terminal(shell: Shell, words: tuple[str, ...]) -> str:
    if words[1] == "length":
        shell.length = int(words[2])
    elif words[1] == "width":
        shell.width = int(words[2])
    return ""


def _show_terminal(shell: Shell, _words: tuple[str, ...]) -> str:
    length = "the terminal's" if shell.length is None else str(shell.length)
    return f"Length: {length} lines, Width: {shell.width} columns"


PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bgp": (("feature bgp", "router bgp"), ()),
    "ospf": (("feature ospf", "router ospf"), ("ip router ospf", "ip ospf")),
    "vpc": (("feature vpc", "vpc domain"), ("vpc",)),
    "vlan": (("vlan",), ()),
    "vrf": (("vrf context",), ("vrf member",)),
    "rpm": (("ip prefix-list", "ipv6 prefix-list", "route-map"), ()),
    "nv overlay": (("nv overlay", "feature nv overlay", "vlan", "evpn", "interface nve"), ("vn-segment",)),
    "interface-vlan": (("feature interface-vlan", "interface Vlan"), ()),
}
"""``show running-config PART``: lines of the top level, and of interfaces, by how they begin."""


def _running(shell: Shell, words: tuple[str, ...]) -> str:
    """``show running-config`` and its parts."""
    tree = shell.device.config.tree()
    match words[2:]:
        case ():
            text = tree.text()
        case ("interface", *names):
            text = ConfigTree(tuple(s for s in tree.all("interface") if not names or s.words[1] in names)).text()
        case ("section", *pattern):
            text = _section(tree.text(), pattern)
        case part:
            text = _part(tree, *PARTS[" ".join(part)])
    return _headed(shell, " ".join(words), "", text)


def _part(tree: ConfigTree, top: tuple[str, ...], inside: tuple[str, ...]) -> str:
    kept = []
    for item in tree.sections:
        children = tuple(child for child in item.children if child.line.startswith(inside)) if inside else ()
        if item.line.startswith(top):
            kept.append(item)
        elif item.line.startswith("interface ") and children:
            kept.append(Section(item.line, children))
    return ConfigTree(tuple(kept)).text()


def _startup(shell: Shell, words: tuple[str, ...]) -> str:
    config = shell.device.config
    if config.startup is None:
        return "No startup configuration"
    return _headed(shell, " ".join(words), f"!Startup config saved at: {config.saved}\n", config.startup)


def _headed(shell: Shell, command: str, saved: str, text: str) -> str:
    config = shell.device.config
    return (
        f"\n!Command: {command}\n!Running configuration last done at: {config.last_change}\n{saved}!Time: {now()}\n\n"
        f"version {config.version} Bios:version\n{text.rstrip()}\n"
    )


def _ignored(shell: Shell, _words: tuple[str, ...]) -> str:
    rows = shell.device.config.ignored()
    width = max((len(line) for line, _ in rows), default=0)
    return "\n".join(f"{line.ljust(width)}  {reason}" for line, reason in rows) or "no line is without effect"


def _log(shell: Shell, _words: tuple[str, ...]) -> str:
    return "\n".join(shell.device.log) or "nothing was logged"


VERBS: tuple[Verb, ...] = (
    Verb("configure [terminal]", _configure),
    Verb("end", _leave),
    Verb("exit", _leave),
    Verb("copy running-config startup-config", _copy),
    *(
        Verb(f"clear {family} bgp {rest}", _clear)
        for family, kind in (("ip", "<ip4>"), ("ipv6", "<ip6>"))
        for rest in (f"vrf <name> {kind}", "vrf <name> *", f"{kind} [vrf <name>]", "* [vrf <name>]")
    ),
    Verb("terminal length <lines>", _terminal),
    Verb("terminal width <columns>", _terminal),
    Verb("terminal session-timeout <int>", _terminal),
    Verb("terminal [no] (dont-ask|monitor)", _terminal),
    Verb("no terminal (dont-ask|monitor)", _terminal),
    Verb("show terminal", _show_terminal),
    Verb("show running-config", _running),
    Verb("show running-config interface [<interface>]", _running),
    Verb("show running-config section <line>", _running),
    *(Verb(f"show running-config {part}", _running) for part in PARTS),
    Verb("show startup-config", _startup),
    Verb("show labctl ignored", _ignored),
    Verb("show labctl log", _log),
)


# --- a session -------------------------------------------------------------------------------------------------------


class Device:
    """What all sessions of one switch share: the configuration, the platform, and the lock around both."""

    def __init__(self, config: RunningConfig, platform: FrrPlatform) -> None:
        self.config = config
        self.platform = platform
        self.verbs = (*VERBS, *(Verb(f"show {pattern}", None) for pattern in platform.patterns))
        self.lock = RLock()
        self.log: list[str] = []
        self._dirty = False

    def touched(self) -> None:
        """The configuration changed and is not applied yet."""
        self._dirty = True
        self.config.last_change = now()

    def settle(self) -> None:
        """Apply what was configured since the last time, as one change."""
        with self.lock:
            if self._dirty:
                self._dirty = False
                for line in self.platform.apply(self.config.tree()):
                    self.log.append(f"{time.strftime('%H:%M:%S', time.gmtime())} {line}")


@dataclass(frozen=True, slots=True)
class Place:
    """An open mode: its name and the identities of the sections that lead to it."""

    mode: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Meant:
    """A line of configuration: a command of the mode at ``depth``, or its removal."""

    fit: Fit[Command]
    depth: int
    removes: bool = False


class Shell:
    """A session. `execute` takes one line and gives what the switch prints."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.modes: list[Place] = []
        self.over = False
        self.refused = False
        """Whether the last line was."""
        self.whole = False
        """Whether the last answer wants no pages (``| no-more``)."""
        self.length: int | None = None
        """Lines of a page; 0: all at once; None: as long as the terminal is."""
        self.width = 80

    @property
    def prompt(self) -> str:
        mode = f"({PROMPTS[self.modes[-1].mode]})" if self.modes else ""
        return f"{self.device.config.hostname}{mode}# "

    def execute(self, line: str) -> str:
        """Do one line. The answer has no prompt and no trailing newline; empty when the line was taken in silence."""
        self.refused = self.whole = False
        if not line.strip() or line.strip().startswith("!"):
            return ""
        with self.device.lock:
            return self._execute(line)

    def _execute(self, line: str) -> str:
        command, *behind = cut(line)
        meant = self._meaning(command.split()) if behind and command.strip() else None
        if isinstance(meant, Fit) and meant.row.shows:
            return self._show(meant, line, behind)
        meant = self._meaning(line.split())
        if isinstance(meant, Wrong):
            return self.refuse(mark(self.prompt, line, meant.index, meant.why.value))
        if isinstance(meant, Meant):
            return self._configure(line, meant)
        if meant.row.shows:
            return self._show(meant, line, [])
        return meant.row.do(self, meant.words) if meant.row.do else ""

    def refuse(self, message: str) -> str:
        self.refused = True
        return message

    # --- what a line means ------------------------------------------------------------------------------------

    def _meaning(self, words: Sequence[str]) -> Meant | Fit[Verb] | Wrong:
        """Fit the line to the open mode, else to the ones around it: a line of a parent mode leaves this one.

        A line that fits nowhere is refused in the words of the mode in which it came furthest.
        """
        if not self.modes:
            return choose(self.device.verbs, words)
        furthest = Wrong(-1, Why.INVALID)
        for depth in range(len(self.modes) - 1, -1, -1):
            meant = self._in_mode(words, depth)
            if not isinstance(meant, Wrong) or meant.why is Why.AMBIGUOUS:
                return meant
            furthest = meant if meant.index > furthest.index else furthest
        return furthest

    def _in_mode(self, words: Sequence[str], depth: int) -> Meant | Fit[Verb] | Wrong:
        commands = self._commands(self.modes[depth])
        verbs = self.device.verbs if depth == len(self.modes) - 1 else ()
        found: Fit[Command | Verb] | Wrong = choose([*commands, *verbs], words)
        if isinstance(found, Fit):
            if isinstance(found.row, Verb):
                return Fit(found.row, found.words)
            return Meant(Fit(found.row, found.words), depth)
        if words[0].lower() == "no" and len(words) > 1:
            negative = choose(commands, words[1:], named=True)
            if isinstance(negative, Fit):
                return Meant(negative, depth, removes=True)
            if negative.index + 1 >= found.index:
                return Wrong(negative.index + 1, negative.why)
        return found

    def _commands(self, place: Place) -> list[Command]:
        """Of a mode, those whose feature is on: the others are not there, as on NX-OS."""
        features = self.device.config.features()
        return [row for row in MODES[place.mode] if row.feature is None or row.feature in features]

    # --- show and configuration -------------------------------------------------------------------------------

    def _show(self, meant: Fit[Verb], line: str, behind: Sequence[str]) -> str:
        filters: list[Fit[Filter]] = []
        for index, part in enumerate(behind):
            found = _filter(part)
            if isinstance(found, Wrong):
                before = line[: len(line) - len("|".join(behind[index:]))]
                return self.refuse(mark(self.prompt + before, part, found.index, found.why.value))
            filters.append(found)
        self.device.settle()
        if meant.row.do:
            text = meant.row.do(self, meant.words)
        else:
            as_json = any(found.words[0].startswith("json") for found in filters)
            text = self.device.platform.show(meant.words[1:], as_json=as_json)
        for found in filters:
            self.whole |= found.row.pattern == "no-more"
            text = found.row.do(text, found.words[1:])
        return text

    def _configure(self, line: str, meant: Meant) -> str:
        config, place = self.device.config, self.modes[meant.depth]
        command, text = meant.fit.row, meant.fit.line
        try:
            if meant.removes:
                config.remove(place.path, text, command)
            else:
                if command.enters == "if-ethernet" and config.ports and meant.fit.words[1] not in config.ports:
                    return self.refuse(mark(self.prompt, line, 1, NO_INTERFACE))
                message = refused(place.mode, Typed(config, place.path, text))
                if message:
                    return self.refuse(message)
                config.put(place.path, text, command)
        except KeyError:
            return self.refuse("ERROR: the section was removed by another session")
        del self.modes[meant.depth + 1 :]
        if command.enters and not meant.removes:
            self.modes.append(Place(command.enters, (*place.path, identity(text, command.key))))
        self.device.touched()
        return ""

    # --- help -------------------------------------------------------------------------------------------------

    def following(self, line: str) -> tuple[Following, str]:
        """What may follow, and the word that was begun: for ``?`` and TAB."""
        *before, part = cut(line)
        begun = "" if not part or part[-1].isspace() else part.split()[-1]
        words = part.split()[: -1 if begun else None]
        if before:
            return following(FILTERS, words), begun
        with self.device.lock:
            commands = self._commands(self.modes[-1]) if self.modes else []
            rows: list[Command | Verb] = [*self.device.verbs, *commands]
            found = following(rows, words)
            if commands and words[:1] == ["no"]:
                negative = following(commands, words[1:])
                found = Following((*found.tokens, *negative.tokens), found.end or negative.end)
        return found, begun

    def help(self, line: str) -> str:
        """The answer to ``?``: the words that complete the one that was begun, else what may follow."""
        found, begun = self.following(line)
        shown = {token.shown() for token in found.tokens if not begun or token.literal.startswith(begun.lower())}
        if begun:
            return "  ".join(sorted(shown)) or mark(self.prompt, "", 0, Why.INVALID.value)
        lines = [f"  {text}" for text in sorted(shown)] + (["  <CR>"] if found.end else [])
        return "\n".join(lines) or Why.INVALID.value

    def complete(self, line: str) -> tuple[str, ...]:
        """For TAB: the words that the begun one may become."""
        found, begun = self.following(line)
        return tuple(
            sorted({token.literal for token in found.tokens if begun and token.literal.startswith(begun.lower())})
        )
