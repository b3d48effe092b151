"""One session on the switch: modes, prompts, configuration lines, show commands, NX-OS's words for what it refuses."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from threading import RLock

from labctl.nxos.tree import ConfigTree, Section
from labctl.standin.switch.choice import NO_INTERFACE, Fit, Following, Why, Wrong, caret, choose, following, mark
from labctl.standin.switch.commands import CONFIG, MODES, PROMPTS, Command
from labctl.standin.switch.config import RunningConfig, Typed, identity, refused
from labctl.standin.switch.filters import BadPipe, Pipe, after, cut, pipes, section
from labctl.standin.switch.platform import Platform, UnknownShow

COPY_DONE = (
    "[########################################] 100%\n"
    "Copy complete, now saving to disk (please wait)...\n"
    "Copy complete."
)


# --- what is typed besides configuration: a table of verbs, and what the configuration itself shows ------------------


class Do(Enum):
    """What a session does for a verb."""

    CONFIGURE = auto()
    LEAVE = auto()
    TERMINAL = auto()
    COPY = auto()
    CLEAR = auto()
    """Something is begun anew: nothing of the configuration changes."""
    OWN_SHOW = auto()
    """Told from the configuration and the session."""
    SHOW = auto()
    """Asked of the machine."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One row."""

    pattern: str
    do: Do
    key: int = 0


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

VERBS: tuple[Verb, ...] = (
    Verb("configure [terminal]", Do.CONFIGURE),
    Verb("end", Do.LEAVE),
    Verb("exit", Do.LEAVE),
    Verb("copy running-config startup-config", Do.COPY),
    *(
        Verb(f"clear {family} bgp {rest}", Do.CLEAR)
        for family, kind in (("ip", "<ip4>"), ("ipv6", "<ip6>"))
        for rest in (f"vrf <name> {kind}", "vrf <name> *", f"{kind} [vrf <name>]", "* [vrf <name>]")
    ),
    Verb("terminal length <lines>", Do.TERMINAL),
    Verb("terminal width <columns>", Do.TERMINAL),
    Verb("terminal session-timeout <int>", Do.TERMINAL),
    Verb("terminal (dont-ask|monitor)", Do.TERMINAL),
    Verb("terminal no (dont-ask|monitor)", Do.TERMINAL),
    Verb("no terminal (dont-ask|monitor)", Do.TERMINAL),
    Verb("show terminal", Do.OWN_SHOW),
    Verb("show running-config", Do.OWN_SHOW),
    Verb("show running-config interface [<interface>]", Do.OWN_SHOW),
    Verb("show running-config section <line>", Do.OWN_SHOW),
    *(Verb(f"show running-config {part}", Do.OWN_SHOW) for part in PARTS),
    Verb("show startup-config", Do.OWN_SHOW),
    Verb("show labctl (ignored|log)", Do.OWN_SHOW),
)


def verbs(shows: Iterable[str]) -> tuple[Verb, ...]:
    """The table with the machine's own show commands (patterns without ``show``)."""
    return (*VERBS, *(Verb(f"show {pattern}", Do.SHOW) for pattern in shows))


def now() -> str:
    return time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())


def own_show(config: RunningConfig, log: Sequence[str], words: tuple[str, ...]) -> str:
    """``words``: in full, behind ``show``."""
    match words:
        case ("running-config", *part):
            text = _part(config.tree(), tuple(part))
            return _headed(f"running-config {' '.join(part)}".rstrip(), config, text)
        case ("startup-config",):
            if config.startup is None:
                return "No startup configuration"
            return _headed("startup-config", config, config.startup)
        case ("labctl", "ignored"):
            rows = config.ignored()
            width = max((len(line) for line, _ in rows), default=0)
            return "\n".join(f"{line.ljust(width)}  {reason}" for line, reason in rows) or "no line is without effect"
        case _:
            return "\n".join(log) or "nothing was logged"


def _headed(what: str, config: RunningConfig, text: str) -> str:
    saved = f"!Startup config saved at: {config.saved}\n" if what == "startup-config" else ""
    return (
        f"\n!Command: show {what}\n!Running configuration last done at: {config.last_change}\n{saved}!Time: {now()}\n\n"
        f"version {config.version} Bios:version\n{text.rstrip()}\n"
    )


def _part(tree: ConfigTree, words: tuple[str, ...]) -> str:
    match words:
        case ():
            return tree.text()
        case ("interface",):
            return ConfigTree(tuple(tree.all("interface"))).text()
        case ("interface", name):
            return ConfigTree(tuple(s for s in tree.all("interface") if s.words[1] == name)).text()
        case ("section", *pattern):
            return section(tree.text(), pattern)
        case _:
            return _of(tree, *PARTS[" ".join(words)])


def _of(tree: ConfigTree, top: tuple[str, ...], inside: tuple[str, ...]) -> str:
    kept = []
    for item in tree.sections:
        if item.line.startswith(top):
            kept.append(item)
        elif item.line.startswith("interface "):
            children = tuple(child for child in item.children if child.line.startswith(inside)) if inside else ()
            if children:
                kept.append(Section(item.line, children))
    return ConfigTree(tuple(kept)).text()


# --- a session -------------------------------------------------------------------------------------------------------


class Device:
    """What all sessions of one switch share: the configuration, the platform, and the lock around both."""

    def __init__(self, config: RunningConfig, platform: Platform) -> None:
        self.config = config
        self.platform = platform
        self.verbs = verbs(platform.patterns)
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
    """What a line means: a command of the mode at ``depth`` (None: a verb), or its removal."""

    row: Command | Verb
    words: tuple[str, ...]
    depth: int | None = None
    removes: bool = False

    @property
    def line(self) -> str:
        return " ".join(self.words)


class Shell:
    """A session. `execute` takes one line and gives what the switch prints."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._modes: list[Place] = []
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
        name = self._device.config.hostname
        if not self._modes:
            return f"{name}# "
        return f"{name}({PROMPTS[self._modes[-1].mode]})# "

    @property
    def configuring(self) -> bool:
        return bool(self._modes)

    def execute(self, line: str) -> str:
        """Do one line. The answer has no prompt and no trailing newline; empty when the line was taken in silence."""
        self.refused = self.whole = False
        text = line.strip()
        if not text or text.startswith("!"):
            return ""
        with self._device.lock:
            return self._execute(line)

    def _execute(self, line: str) -> str:
        parts = cut(line)
        if len(parts) > 1 and parts[0][1].strip():
            meant = self._meaning(parts[0][1].split())
            if isinstance(meant, Meant) and isinstance(meant.row, Verb) and meant.row.do in (Do.OWN_SHOW, Do.SHOW):
                behind = pipes(parts[1:])
                if isinstance(behind, BadPipe):
                    return self._refuse(caret(self.prompt, behind.position, behind.why))
                return self._show(line, meant.row, meant.words[1:], behind)
        meant = self._meaning(line.split())
        if isinstance(meant, Wrong):
            return self._refuse(mark(self.prompt, line, meant))
        if isinstance(meant.row, Verb):
            return self._verb(line, meant.row, meant.words)
        return self._configure(line, meant.row, meant)

    def _refuse(self, words: str) -> str:
        self.refused = True
        return words

    # --- what a line means ------------------------------------------------------------------------------------

    def _meaning(self, words: Sequence[str]) -> Meant | Wrong:
        """Fit the line to the open mode, else to the ones around it: a line of a parent mode leaves this one.

        A line that fits nowhere is refused in the words of the mode in which it came furthest.
        """
        furthest = Wrong(-1, Why.INVALID)
        for depth in range(len(self._modes) - 1, -1, -1):
            verbs = self._device.verbs if depth == len(self._modes) - 1 else ()
            meant = self._in_mode(words, depth, verbs)
            if isinstance(meant, Meant) or meant.why is Why.AMBIGUOUS:
                return meant
            furthest = meant if meant.index > furthest.index else furthest
        if not self._modes:
            found = choose(self._device.verbs, words)
            return Meant(found.row, found.words) if isinstance(found, Fit) else found
        return furthest

    def _in_mode(self, words: Sequence[str], depth: int, verbs: Sequence[Verb]) -> Meant | Wrong:
        commands = self._commands(self._modes[depth])
        rows: list[Command | Verb] = [*commands, *verbs]
        found = choose(rows, words)
        if isinstance(found, Fit):
            return Meant(found.row, found.words, None if isinstance(found.row, Verb) else depth)
        if words[0].lower() == "no" and len(words) > 1:
            negative = choose(commands, words[1:], named=True)
            if isinstance(negative, Fit):
                return Meant(negative.row, negative.words, depth, removes=True)
            if negative.index + 1 >= found.index:
                return Wrong(negative.index + 1, negative.why)
        return found

    def _commands(self, place: Place) -> list[Command]:
        """Of a mode, those whose feature is on: the others are not there, as on NX-OS."""
        features = self._device.config.features()
        return [row for row in MODES[place.mode] if row.feature is None or row.feature in features]

    # --- verbs ------------------------------------------------------------------------------------------------

    def _verb(self, line: str, verb: Verb, words: tuple[str, ...]) -> str:
        match verb.do:
            case Do.CONFIGURE:
                self._modes = [Place("config")]
            case Do.LEAVE:
                self._leave(words[0])
            case Do.TERMINAL:
                self._terminal(words)
            case Do.COPY:
                self._device.settle()
                self._device.config.save()
                return COPY_DONE
            case Do.CLEAR:
                self._device.settle()
                said = self._device.platform.clear(words[1:])
                return self._refuse(said) if said else ""
            case Do.OWN_SHOW | Do.SHOW:
                return self._show(line, verb, words[1:], [])
        return ""

    def _leave(self, word: str) -> None:
        if not self._modes:
            self.over = word == "exit"
            return
        self._modes = self._modes[:-1] if word == "exit" else []
        if not self._modes:
            self._device.settle()

    def _terminal(self, words: tuple[str, ...]) -> None:
        if words[1] == "length":
            self.length = int(words[2])
        elif words[1] == "width":
            self.width = int(words[2])

    def _show(self, line: str, verb: Verb, words: tuple[str, ...], behind: Sequence[Pipe]) -> str:
        self._device.settle()
        if words == ("terminal",):
            length = "the terminal's" if self.length is None else str(self.length)
            text = f"Length: {length} lines, Width: {self.width} columns"
        elif verb.do is Do.OWN_SHOW:
            text = own_show(self._device.config, self._device.log, words)
        else:
            try:
                text = self._device.platform.show(words, as_json=any(pipe.row.as_json for pipe in behind))
            except UnknownShow as unknown:
                return self._refuse(mark(self.prompt, line, Wrong(unknown.word + 1, Why.INVALID)))
        for pipe in behind:
            self.whole |= pipe.row.pattern == "no-more"
            text = pipe.apply(text)
        return text

    # --- configuration ----------------------------------------------------------------------------------------

    def _configure(self, line: str, command: Command, meant: Meant) -> str:
        assert meant.depth is not None  # noqa: S101 - a command of a mode
        config, place, text = self._device.config, self._modes[meant.depth], meant.line
        try:
            if meant.removes:
                self._remove(place, text, command)
            else:
                if command.enters == "if-ethernet" and config.ports and text.split()[1] not in config.ports:
                    return self._refuse(mark(self.prompt, line, Wrong(1, Why.INVALID), NO_INTERFACE))
                words = refused(place.mode, Typed(config, place.path, text))
                if words:
                    return self._refuse(words)
                self._take(place, text, command)
        except KeyError:
            return self._refuse("ERROR: the section was removed by another session")
        del self._modes[meant.depth + 1 :]
        if command.enters and not meant.removes:
            self._modes.append(Place(command.enters, (*place.path, identity(text, command.key))))
        self._device.touched()
        return ""

    def _take(self, place: Place, text: str, command: Command) -> None:
        config = self._device.config
        config.put(place.path, text, command)
        if text.startswith("channel-group "):
            bundle = f"interface port-channel{text.split()[1]}"
            if bundle not in config.root.children:
                config.put((), bundle, next(row for row in CONFIG if row.enters == "if-bundle"))

    def _remove(self, place: Place, text: str, command: Command) -> None:
        config = self._device.config
        config.remove(place.path, text, command)
        if text.startswith("feature "):
            config.drop(text.removeprefix("feature "))
        if text == "nv overlay evpn":
            config.drop(text)

    # --- help -------------------------------------------------------------------------------------------------

    def following(self, line: str) -> tuple[Following, str]:
        """What may follow, and the word that was begun: for ``?`` and TAB."""
        parts = cut(line)
        part = parts[-1][1]
        begun = "" if not part or part[-1].isspace() else part.split()[-1]
        words = part.split()[: -1 if begun else None]
        if len(parts) > 1:
            return after(" ".join(words)), begun
        with self._device.lock:
            rows: list[Command | Verb] = [*self._device.verbs]
            if self._modes:
                rows += self._commands(self._modes[-1])
                if words[:1] == ["no"]:
                    negative = following(self._commands(self._modes[-1]), words[1:])
                    positive = following(rows, words)
                    return Following((*positive.tokens, *negative.tokens), positive.end or negative.end), begun
        return following(rows, words), begun

    def help(self, line: str) -> str:
        """The answer to ``?``: the words that complete the one that was begun, else what may follow."""
        found, begun = self.following(line)
        shown = {token.shown() for token in found.tokens if not begun or token.literal.startswith(begun.lower())}
        if begun:
            return "  ".join(sorted(shown)) or f"{' ' * len(self.prompt)}^\n{Why.INVALID.value}"
        lines = [f"  {text}" for text in sorted(shown)] + (["  <CR>"] if found.end else [])
        return "\n".join(lines) or Why.INVALID.value

    def complete(self, line: str) -> tuple[str, ...]:
        """For TAB: the words that the begun one may become."""
        found, begun = self.following(line)
        return tuple(
            sorted({token.literal for token in found.tokens if begun and token.literal.startswith(begun.lower())})
        )
