"""A session at a terminal: line editing, prompt, help, and pages; what a person sees, and what tools send keys to.

The keys are those of the Cisco Nexus 9000 NX-OS Fundamentals guide, "Keystroke shortcuts".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto

import paramiko

from labctl.errors import LabctlError
from labctl.standin.switch.shell import Device, Shell

HISTORY = 500


class Event(Enum):
    """What a key asks of the session."""

    ENTER = auto()
    HELP = auto()
    COMPLETE = auto()
    BREAK = auto()
    END = auto()
    """Ctrl-Z: do what was typed, then leave the configuration."""
    CLOSE = auto()
    REDRAW = auto()


class LineEditor:
    """One line with a cursor, and the lines before it. Without ``echo`` it says nothing."""

    def __init__(self, *, echo: bool) -> None:
        self.line = ""
        self.cursor = 0
        self._echo = echo
        self._history: list[str] = []
        self._back = 0
        self._escape = ""
        self._quoted = False
        self._after_return = False

    def press(self, character: str) -> tuple[str, Event | None]:  # noqa: PLR0911 - one a kind of key
        """(what to print, what is asked)."""
        second_half = character == "\n" and self._after_return
        self._after_return = character == "\r"
        if second_half:
            return "", None  # of CR LF
        if self._escape or (character == "\x1b" and not self._quoted):
            return self._shown(self._sequence(character)), None
        if self._quoted:
            self._quoted = False
        elif character == "\x04" and self.line:
            return self._shown(self.delete()), None
        elif character in _EVENTS:
            return "", _EVENTS[character]
        elif character in _KEYS:
            return self._shown(_KEYS[character](self)), None
        elif character == "\x16":
            self._quoted = True
            return "", None
        return (self._shown(self.insert(character)), None) if character.isprintable() else ("", None)

    def take(self) -> str:
        """The line that was entered; the next one begins."""
        line, self.line, self.cursor, self._back = self.line, "", 0, 0
        if line.strip() and self._history[-1:] != [line]:
            self._history = [*self._history, line][-HISTORY:]
        return line

    def redrawn(self) -> str:
        """The line behind a new prompt."""
        return self.line + "\b" * (len(self.line) - self.cursor)

    def insert(self, text: str) -> str:
        tail = self.line[self.cursor :]
        self.line = self.line[: self.cursor] + text + tail
        self.cursor += len(text)
        return text + tail + "\b" * len(tail)

    # --- keys -------------------------------------------------------------------------------------------------

    def _shown(self, text: str) -> str:
        return text if self._echo else ""

    def _sequence(self, character: str) -> str:
        """An escape sequence, as far as it came."""
        self._escape += character
        if re.fullmatch(r"\x1b(\[[0-9;]*|O)?", self._escape):
            return ""
        sequence, self._escape = self._escape, ""
        return _KEYS[sequence](self) if sequence in _KEYS else ""

    def to(self, place: int) -> str:
        """Move the cursor."""
        place = max(0, min(len(self.line), place))
        moved = "\b" * (self.cursor - place) + self.line[self.cursor : place]
        self.cursor = place
        return moved

    def cut(self, start: int, end: int) -> str:
        """Take a part away; the cursor is then at its start."""
        start, end = max(0, start), min(len(self.line), end)
        moved = self.to(start)
        tail, gone = self.line[end:], end - start
        self.line = self.line[:start] + tail
        return moved + tail + " " * gone + "\b" * (len(tail) + gone)

    def walk(self, step: int) -> str:
        """Through the history."""
        back = self._back + step
        if not 0 <= back <= len(self._history):
            return ""
        self._back = back
        gone = self.cut(0, len(self.line))
        return gone + self.insert(self._history[-back] if back else "")

    @property
    def word_start(self) -> int:
        """Where the word before the cursor begins."""
        return self.line[: self.cursor].rstrip().rfind(" ") + 1

    @property
    def word_end(self) -> int:
        """Where the word behind the cursor ends."""
        found = re.compile(r"\s*\S+").match(self.line, self.cursor)
        return found.end() if found else len(self.line)

    def rub_out(self) -> str:
        return self.cut(self.cursor - 1, self.cursor) if self.cursor else ""

    def delete(self) -> str:
        return self.cut(self.cursor, self.cursor + 1)

    def swap(self) -> str:
        """The two characters before the cursor."""
        if self.cursor < 2:
            return ""
        pair = self.line[self.cursor - 2 : self.cursor]
        return self.cut(self.cursor - 2, self.cursor) + self.insert(pair[::-1])


Action = Callable[[LineEditor], str]
_ACTIONS: tuple[tuple[Action, tuple[str, ...]], ...] = (
    (lambda it: it.to(it.cursor - 1), ("\x02", "\x1b[D", "\x1bOD")),
    (lambda it: it.to(it.cursor + 1), ("\x06", "\x1b[C", "\x1bOC")),
    (lambda it: it.to(0), ("\x01", "\x1b[H", "\x1bOH", "\x1b[1~")),
    (lambda it: it.to(len(it.line)), ("\x05", "\x1b[F", "\x1bOF", "\x1b[4~")),
    (lambda it: it.walk(1), ("\x10", "\x1b[A", "\x1bOA")),
    (lambda it: it.walk(-1), ("\x0e", "\x1b[B", "\x1bOB")),
    (lambda it: it.to(it.word_start), ("\x1bb",)),
    (lambda it: it.to(it.word_end), ("\x1bf",)),
    (LineEditor.rub_out, ("\x7f", "\x08")),
    (LineEditor.delete, ("\x1b[3~",)),
    (lambda it: it.cut(it.word_start, it.cursor), ("\x17",)),
    (lambda it: it.cut(it.cursor, it.word_end), ("\x1bd",)),
    (lambda it: it.cut(0, it.cursor), ("\x15", "\x18")),
    (lambda it: it.cut(it.cursor, len(it.line)), ("\x0b",)),
    (LineEditor.swap, ("\x14",)),
)
"""What is done to the line, and the keys or escape sequences that do it."""
_KEYS: dict[str, Action] = {key: action for action, keys in _ACTIONS for key in keys}
_EVENTS = {
    "\r": Event.ENTER,
    "\n": Event.ENTER,
    "?": Event.HELP,
    "\t": Event.COMPLETE,
    "\x03": Event.BREAK,
    "\x1a": Event.END,
    "\x04": Event.CLOSE,
    "\x0c": Event.REDRAW,
    "\x12": Event.REDRAW,
}


IDLE = 0.2
"""Seconds without a keystroke after which what was configured is applied."""
MORE = "--More--"
_GONE = f"\r{' ' * len(MORE)}\r"


def answer(shell: Shell, line: str) -> str:
    """Execute a line; the platform's trouble becomes NX-OS's kind of error, never a dead session."""
    try:
        return shell.execute(line)
    except LabctlError as error:
        shell.refused = True
        return f"ERROR: {error.message}"


class Screen:
    """How large the client's terminal is; None: it has none."""

    def __init__(self) -> None:
        self.height: int | None = None


class Terminal:
    """A shell behind keys. `key` is pure but for the shell; `run` moves the bytes."""

    def __init__(self, device: Device, screen: Screen) -> None:
        self._device = device
        self._screen = screen
        self._echo = screen.height is not None
        self._editor = LineEditor(echo=self._echo)
        self._waiting: list[str] = []
        """Lines that the reader has not asked for yet."""
        self.shell = Shell(device)

    def run(self, channel: paramiko.Channel) -> None:
        """Until ``exit``, Ctrl-D on an empty line, or the end of the channel."""
        channel.settimeout(IDLE)
        _send(channel, self.shell.prompt)
        while not self.shell.over:
            try:
                data = channel.recv(65536)
            except TimeoutError:
                self._device.settle()
                continue
            if not data:
                break
            _send(channel, "".join(map(self.key, data.decode(errors="replace"))))
        self._device.settle()
        channel.send_exit_status(0)

    def key(self, character: str) -> str:
        """What a key brings to the screen."""
        if self.shell.over:
            return ""
        if self._waiting:
            return self._page(character)
        shown, event = self._editor.press(character)
        return shown + (self._do(event) if event else "")

    def _do(self, event: Event) -> str:  # noqa: PLR0911 - one an event
        editor = self._editor
        match event:
            case Event.ENTER:
                return self._enter()
            case Event.END:
                before = self._enter() if editor.line.strip() else ("\n" if self._echo else "") + self.shell.prompt
                if not self.shell.modes or self._waiting:
                    return before
                answer(self.shell, "end")
                return f"{before}\n{self.shell.prompt}"
            case Event.HELP:
                return f"?\n{self.shell.help(editor.line[: editor.cursor])}\n{self._again()}"
            case Event.COMPLETE:
                return self._complete()
            case Event.BREAK:
                editor.line, editor.cursor = "", 0
                return f"^C\n{self.shell.prompt}"
            case Event.REDRAW:
                return f"\n{self._again()}"
            case Event.CLOSE:
                self.shell.over = True
                return ""

    def _again(self) -> str:
        return self.shell.prompt + (self._editor.redrawn() if self._echo else "")

    def _enter(self) -> str:
        text = answer(self.shell, self._editor.take())
        lines = text.rstrip("\n").split("\n") if text else []
        return ("\n" if self._echo else "") + self._pages(lines, 0 if self.shell.whole else self._length() - 1)

    def _complete(self) -> str:
        editor = self._editor
        head = editor.line[: editor.cursor]
        words = self.shell.complete(head)
        if not words:
            return ""
        begun = head.split()[-1]
        length = next((n for n in range(len(words[0]), 0, -1) if all(w.startswith(words[0][:n]) for w in words)), 0)
        more = words[0][len(begun) : length] + (" " if len(words) == 1 else "")
        if more:
            shown = editor.insert(more)
            return shown if self._echo else ""
        return f"\n{'  '.join(words)}\n{self._again()}"

    # --- pages ------------------------------------------------------------------------------------------------

    def _length(self) -> int:
        """Lines of a page; 0: no pages."""
        wanted = self.shell.length
        return (self._screen.height or 0) if wanted is None else wanted if self._echo else 0

    def _pages(self, lines: list[str], count: int) -> str:
        """Print some lines; the rest waits behind ``--More--``."""
        now, self._waiting = (lines, []) if count < 1 or len(lines) <= count else (lines[:count], lines[count:])
        body = "".join(f"{line}\n" for line in now)
        if self._waiting:
            return body + MORE
        return body + ("" if self.shell.over else self.shell.prompt)

    def _page(self, character: str) -> str:
        if character in "qQ\x03":
            self._waiting = []
            return _GONE + self.shell.prompt
        if character in " f":
            return _GONE + self._pages(self._waiting, self._length() - 1)
        return _GONE + self._pages(self._waiting, 1) if character in "\r\n" else ""


def _send(channel: paramiko.Channel, text: str) -> None:
    if text:
        channel.sendall(text.replace("\r\n", "\n").replace("\n", "\r\n").encode())
