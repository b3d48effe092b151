"""A session at a terminal: prompt, line editing, help, and pages; what a person sees, and what tools send keys to."""

from __future__ import annotations

import paramiko

from labctl.errors import LabctlError
from labctl.standin.switch.editor import Event, LineEditor
from labctl.standin.switch.shell import Device, Shell

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
                if not self.shell.configuring or self._waiting:
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
