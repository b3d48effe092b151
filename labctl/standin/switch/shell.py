"""One session on the switch: modes, prompts, configuration lines, show commands, NX-OS's words for what it refuses."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock

from labctl.standin.switch.choice import AMBIGUOUS as NO_CHOICE
from labctl.standin.switch.choice import Fit, best, best_prefix
from labctl.standin.switch.commands import MODES, PROMPTS
from labctl.standin.switch.config import RunningConfig, identity
from labctl.standin.switch.filters import FILTERS
from labctl.standin.switch.grammar import Match, compile_pattern, following, match
from labctl.standin.switch.platform import Platform, UnknownShow

INVALID = "% Invalid command at '^' marker."
INCOMPLETE = "% Incomplete command at '^' marker."
AMBIGUOUS = "% Ambiguous command at '^' marker."
COPY_DONE = (
    "[########################################] 100%\n"
    "Copy complete, now saving to disk (please wait)...\n"
    "Copy complete."
)

EXEC = (
    "configure terminal", "show <line>", "terminal length <int>", "terminal width <int>", "terminal dont-ask",
    "terminal no dont-ask", "no terminal dont-ask", "terminal session-timeout <int>",
    "copy running-config startup-config", "end", "exit",
    "terminal monitor", "terminal no monitor", "ping <line>", "clear bgp <line>", "clear ip bgp <line>",
)  # fmt: skip
IN_EVERY_MODE = ("show ", "terminal ", "no terminal ", "copy ", "end", "exit", "ping ", "clear ")


class Device:
    """What all sessions of one switch share: the configuration, the platform, and the lock around both."""

    def __init__(self, config: RunningConfig, platform: Platform) -> None:
        self.config = config
        self.platform = platform
        self.lock = RLock()
        self.log: list[str] = []
        self._dirty = False

    def touched(self) -> None:
        """The configuration changed and is not applied yet."""
        self._dirty = True
        self.config.last_change = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())

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


class Shell:
    """A session. `execute` takes one line and gives what the switch prints."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._modes: list[Place] = []
        self.over = False

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
        text = line.strip()
        if not text or text.startswith("!"):
            return ""
        command = text.partition("|")[0]
        words = tuple(command.split())
        if not words:
            return _caret(self.prompt, line.index("|"), INVALID)
        with self._device.lock:
            if self._modes and not self._is_exec(words):
                return self._configure(line, words)
            return self._exec(line, words)

    def _is_exec(self, words: tuple[str, ...]) -> bool:
        text = " ".join(words) + " "
        if words[0].lower() in {"end", "exit"} and len(words) == 1:
            return True
        return any(text.startswith(known) for known in IN_EVERY_MODE if known.endswith(" ")) or (
            "show".startswith(words[0]) and len(words[0]) >= 2 and len(words) > 1
        )

    # --- exec -------------------------------------------------------------------------------------------------

    def _exec(self, line: str, words: tuple[str, ...]) -> str:  # noqa: PLR0911 - one a verb
        found, trouble = None, 0
        for pattern in EXEC:
            tokens = compile_pattern(pattern)
            result = match(tokens, words)
            if isinstance(result, Match):
                found = result.words
                break
            trouble = max(trouble, result.index)
        if found is None:
            return self._refuse(line, words, trouble)
        if found[0] == "show":
            return self._show(line, found[1:])
        if found[:2] == ("configure", "terminal"):
            if not self._modes:
                self._modes.append(Place("config"))
            return ""
        if found[0] in {"end", "exit"}:
            return self._leave(found[0])
        if found[0] == "copy":
            self._device.settle()
            self._device.config.startup = self._device.config.tree().text()
            return COPY_DONE
        if found[0] in {"ping", "clear"}:
            self._device.settle()
            return self._ask_platform(line, found, as_json=False)
        return ""

    def _leave(self, word: str) -> str:
        if not self._modes:
            self.over = word == "exit"
            return ""
        if word == "end":
            self._modes.clear()
        else:
            self._modes.pop()
        if not self._modes:
            self._device.settle()
        return ""

    # --- configuration ----------------------------------------------------------------------------------------

    def _configure(self, line: str, words: tuple[str, ...]) -> str:
        """Fit the line to the open mode, else to the ones around it: a line of a parent mode leaves this one.

        A line that fits nowhere is refused in the words of the mode in which it came furthest.
        """
        furthest = _Answer("", reach=-1)
        for depth in range(len(self._modes) - 1, -1, -1):
            answer = self._try(line, words, self._modes[depth])
            if answer.taken:
                del self._modes[depth + 1 :]
                if answer.opens:
                    self._modes.append(answer.opens)
                return answer.text
            furthest = answer if answer.reach > furthest.reach else furthest
        return furthest.text

    def _try(self, line: str, words: tuple[str, ...], place: Place) -> _Answer:
        commands = MODES[place.mode]
        positive = best(commands, words)
        if isinstance(positive, Fit):
            return self._take(line, words, place, positive)
        if words[0] == "no" and len(words) > 1:
            negative = best_prefix(commands, words[1:])
            if negative is not None:
                return self._remove(place, negative)
            index = best(commands, words[1:])
            if isinstance(index, int):
                return _Answer(self._refuse(line, words, index + 1), reach=index + 1)
        if positive == NO_CHOICE:
            return _Answer(_mark(self.prompt, line, words, 0, AMBIGUOUS))
        assert isinstance(positive, int)  # noqa: S101 - a fit and an ambiguity were looked at
        return _Answer(self._refuse(line, words, positive), reach=positive)

    def _take(self, line: str, words: tuple[str, ...], place: Place, fit: Fit) -> _Answer:
        config, command = self._device.config, fit.command
        if command.feature and command.feature not in config.features():
            return _Answer(_mark(self.prompt, line, words, 0, INVALID), reach=len(words))
        text = fit.match.line
        clash = _clash(config, place, text)
        if clash:
            return _Answer(clash, reach=len(words))
        try:
            config.put(place.path, text, command)
        except KeyError:
            return _Answer("ERROR: the section was removed by another session")
        self._device.touched()
        if not command.enters:
            return _Answer("", taken=True)
        return _Answer("", taken=True, opens=Place(command.enters, (*place.path, identity(text, command.key))))

    def _remove(self, place: Place, fit: Fit) -> _Answer:
        config = self._device.config
        try:
            config.remove(place.path, fit.match.line, fit.command)
        except KeyError:
            return _Answer("ERROR: the section was removed by another session")
        if fit.match.words[0] == "feature":
            _drop_feature(config, " ".join(fit.match.words[1:]))
        self._device.touched()
        return _Answer("", taken=True)

    # --- show -------------------------------------------------------------------------------------------------

    def _show(self, line: str, words: tuple[str, ...]) -> str:
        self._device.settle()
        own = self._own_show(words)
        as_json = False
        filters: list[tuple[Callable[[str, str], str], str]] = []
        for part in re.finditer(r"\|\s*(?P<verb>[^\s|]+)(?P<argument>[^|]*)", line):
            verb, argument = part["verb"], part["argument"].strip()
            if verb == "json":
                as_json = True
            elif verb not in FILTERS:
                return _caret(self.prompt, part.start("verb"), INVALID)
            elif not _is_pattern(argument):
                return _caret(self.prompt, part.start("argument") + 1, INVALID)
            else:
                filters.append((FILTERS[verb], argument))
        text = own if own is not None else self._ask_platform(line, words, as_json=as_json)
        for do, argument in filters:
            text = do(text, argument)
        return text

    def _own_show(self, words: tuple[str, ...]) -> str | None:
        """Show commands about the configuration itself."""
        config = self._device.config
        if match_words(words, "running-config"):
            sections = " ".join(words[1:])
            text = config.tree().text()
            if sections.startswith("section "):
                text = FILTERS["section"](text, sections.removeprefix("section ")) + "\n"
            elif sections.startswith("interface "):
                from labctl.nxos.normal import interface_name

                name = interface_name("".join(words[2:])) or sections.removeprefix("interface ")
                found = config.tree().find("interface", name)
                text = _section_text(found) if found else ""
            elif sections:
                return None
            return (
                f"\n!Command: show running-config\n!Running configuration last done at: {config.last_change}\n"
                f"!Time: {time.strftime('%a %b %d %H:%M:%S %Y', time.gmtime())}\n\n{text.rstrip()}\n"
            )
        if words == ("startup-config",):
            return config.startup.rstrip() if config.startup is not None else "No startup configuration"
        if words == ("labctl", "ignored"):
            rows = config.ignored()
            width = max((len(line) for line, _ in rows), default=0)
            return "\n".join(f"{line.ljust(width)}  {reason}" for line, reason in rows) or "no line is without effect"
        if words == ("labctl", "log"):
            return "\n".join(self._device.log) or "nothing was logged"
        return None

    def _ask_platform(self, line: str, words: tuple[str, ...], *, as_json: bool) -> str:
        try:
            return self._device.platform.show(words, as_json=as_json)
        except UnknownShow as unknown:
            typed = tuple(line.partition("|")[0].split())
            offset = 1 if typed and "show".startswith(typed[0]) else 0
            return self._refuse(line, typed, unknown.word + offset)

    def _refuse(self, line: str, words: tuple[str, ...], index: int) -> str:
        if index >= len(words):
            return _mark(self.prompt, line, words, len(words), INCOMPLETE)
        return _mark(self.prompt, line, words, index, INVALID)

    # --- help -------------------------------------------------------------------------------------------------

    def help(self, line: str) -> str:
        """What may follow, for ``?``."""
        words = tuple(line.split())
        if line and not line.endswith(" ") and words:
            words = words[:-1]
        if self._modes:
            tokens = [token for command in MODES[self._modes[-1].mode] for token in following(command.tokens, words)]
        else:
            tokens = [token for pattern in EXEC for token in following(compile_pattern(pattern), words)]
        shown = sorted({token.shown() for token in tokens})
        return "\n".join(f"  {text}" for text in shown) or "  <CR>"


@dataclass(frozen=True, slots=True)
class _Answer:
    """``reach``: how many words of a refused line fitted."""

    text: str
    taken: bool = False
    opens: Place | None = None
    reach: int = 0


def _clash(config: RunningConfig, place: Place, line: str) -> str | None:
    """What NX-OS refuses although the line is well formed."""
    words = line.split()
    if words[1:2] == ["prefix-list"]:
        name = " ".join(words[:3])
        body = " ".join(words[5:])
        for known in config.root.children:
            other = config.root.children[known].line
            if other.startswith(f"{name} seq ") and " ".join(other.split()[5:]) == body and known != identity(line, 5):
                return f"% Duplicate prefix-list entry: {body}"
    if place.mode == "if" and words[0] == "channel-group" and place.path:
        channel = f"interface port-channel{words[1]}"
        if channel not in config.root.children:
            from labctl.standin.switch.commands import CONFIG

            opener = next(command for command in CONFIG if command.enters == "if")
            config.put((), channel, opener)
    return None


def _drop_feature(config: RunningConfig, feature: str) -> None:
    """``no feature bgp`` takes the feature's configuration with it."""
    owned = {"bgp": "router bgp", "ospf": "router ospf", "vpc": "vpc domain", "nv overlay": "interface nve1"}
    prefix = owned.get(feature)
    if prefix:
        for name in [name for name in config.root.children if name.startswith(prefix)]:
            del config.root.children[name]


def _mark(prompt: str, line: str, words: tuple[str, ...], index: int, message: str) -> str:
    """The caret under the word that is wrong, as NX-OS prints it below the echoed line."""
    position = 0
    text = line.rstrip()
    starts = [found.start() for found in re.finditer(r"\S+", text)]
    position = starts[index] if index < len(starts) else len(text) + 1
    if index >= len(words):
        position = len(text)
    return _caret(prompt, position, message)


def _caret(prompt: str, position: int, message: str) -> str:
    return f"{' ' * (len(prompt) + position)}^\n{message}"


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def match_words(words: tuple[str, ...], *names: str) -> bool:
    """Whether the first words are (beginnings of) these."""
    return len(words) >= len(names) and all(
        name.startswith(word) and len(word) >= 3 for word, name in zip(words, names, strict=False)
    )


def _section_text(section: object) -> str:
    from labctl.nxos.tree import ConfigTree, Section

    assert isinstance(section, Section)  # noqa: S101
    return ConfigTree((section,)).text()
