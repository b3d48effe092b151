"""The switch's SSH server: password or the lab's key; one shell per channel, behind keys where it has a terminal.

Line editing, prompt, help, and pages are what a person sees, and what tools send keys to. The keys are those of the
Cisco Nexus 9000 NX-OS Fundamentals guide, "Keystroke shortcuts".
"""

from __future__ import annotations

import hmac
import os.path
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    MSG_CHANNEL_REQUEST,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from labctl.errors import LabctlError
from labctl.pace import paced
from labctl.standin.switch.shell import Device, Shell

LOGIN_LIMIT = 60.0
HISTORY = 500


@dataclass
class Wish:
    """What a channel asked for: a shell (no command) or a command."""

    height: int | None = None
    """Of the client's terminal; None: it has none."""
    command: str | None = None
    granted: bool = False
    answered: threading.Event = field(default_factory=threading.Event)


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

    def press(self, character: str) -> tuple[str, bool]:
        """(what to print, whether the key asks the session for something)."""
        second_half = character == "\n" and self._after_return
        self._after_return = character == "\r"
        if second_half:
            return "", False  # of CR LF
        asks = character in ASKING and not (character == "\x04" and self.line)
        if asks and not self._escape and not self._quoted:
            return "", True
        shown = self._edit(character)
        return shown if self._echo else "", False

    def _edit(self, character: str) -> str:
        if self._escape or (character == "\x1b" and not self._quoted):
            return self._sequence(character)
        quoted, self._quoted = self._quoted, character == "\x16" and not self._quoted
        if character in _KEYS and not quoted:
            return _KEYS[character](self)
        return self.insert(character) if character.isprintable() else ""

    def take(self) -> str:
        """The line that was entered; the next one begins."""
        line, self.line, self.cursor, self._back = self.line, "", 0, 0
        if line.strip() and self._history[-1:] != [line]:
            self._history = [*self._history, line][-HISTORY:]
        return line

    def drop(self) -> None:
        self.line, self.cursor = "", 0

    def redrawn(self) -> str:
        """The line behind a new prompt."""
        return self.line + "\b" * (len(self.line) - self.cursor)

    def insert(self, text: str) -> str:
        tail = self.line[self.cursor :]
        self.line = self.line[: self.cursor] + text + tail
        self.cursor += len(text)
        return text + tail + "\b" * len(tail)

    # --- keys -------------------------------------------------------------------------------------------------

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
    (LineEditor.delete, ("\x04", "\x1b[3~")),
    (lambda it: it.cut(it.word_start, it.cursor), ("\x17",)),
    (lambda it: it.cut(it.cursor, it.word_end), ("\x1bd",)),
    (lambda it: it.cut(0, it.cursor), ("\x15", "\x18")),
    (lambda it: it.cut(it.cursor, len(it.line)), ("\x0b",)),
    (LineEditor.swap, ("\x14",)),
)
"""What is done to the line, and the keys or escape sequences that do it."""
_KEYS: dict[str, Action] = {key: action for action, keys in _ACTIONS for key in keys}
ASKING = "\r\n?\t\x03\x1a\x04\x0c\x12"
"""Keys that ask the session for something; Ctrl-D on an empty line alone."""


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


class Terminal:
    """A shell behind keys. `key` is pure but for the shell; `run` moves the bytes."""

    def __init__(self, device: Device, wish: Wish) -> None:
        self._device = device
        self._wish = wish
        self._echo = wish.height is not None
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
        shown, asks = self._editor.press(character)
        return shown + (self._do(character) if asks else "")

    def _do(self, key: str) -> str:  # noqa: PLR0911 - one a key
        match key:
            case "\r" | "\n":
                return self._enter()
            case "\t":
                return self._complete()
            case "?":
                return f"?\n{self.shell.help(self._editor.line[: self._editor.cursor])}\n{self._again()}"
            case "\x03":
                self._editor.drop()
                return f"^C\n{self.shell.prompt}"
            case "\x1a":
                return self._end()
            case "\x04":
                self.shell.over = True
                return ""
            case _:
                return f"\n{self._again()}"

    def _end(self) -> str:
        """Do what was typed, then leave the configuration."""
        before = self._enter() if self._editor.line.strip() else ("\n" if self._echo else "") + self.shell.prompt
        if not self.shell.modes or self._waiting:
            return before
        answer(self.shell, "end")
        return f"{before}\n{self.shell.prompt}"

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
        shared = os.path.commonprefix(words)  # noqa: RUF071 - words, no paths
        more = shared[len(head.split()[-1]) :] + (" " if len(words) == 1 else "")
        if more:
            shown = editor.insert(more)
            return shown if self._echo else ""
        return f"\n{'  '.join(words)}\n{self._again()}"

    # --- pages ------------------------------------------------------------------------------------------------

    def _length(self) -> int:
        """Lines of a page; 0: no pages."""
        wanted = self.shell.length
        return (self._wish.height or 0) if wanted is None else wanted if self._echo else 0

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


class Account(paramiko.ServerInterface):
    """Who may log in, and what each channel of the connection wishes."""

    def __init__(self, username: str, password: str, key: str) -> None:
        self._username = username
        self._password = password
        self._key = key
        self._wishes: dict[int, Wish] = {}

    def wish(self, channel: paramiko.Channel) -> Wish:
        return self._wishes.setdefault(channel.get_id(), Wish())

    def forget(self, channel: paramiko.Channel) -> None:
        self._wishes.pop(channel.get_id(), None)

    def check_auth_password(self, username: str, password: str) -> int:
        right = hmac.compare_digest(username.encode(), self._username.encode())
        right &= hmac.compare_digest(password.encode(), self._password.encode())
        return AUTH_SUCCESSFUL if right else AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = self._key.split()[:2] == [key.get_name(), key.get_base64()]
        return AUTH_SUCCESSFUL if known and username == self._username else AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "password,publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_pty_request(self, channel: paramiko.Channel, *wanted: Any) -> bool:
        _terminal, _width, height, *_ = wanted
        self.wish(channel).height = height
        return True

    def check_channel_window_change_request(self, channel: paramiko.Channel, *wanted: Any) -> bool:
        _width, height, *_ = wanted
        self.wish(channel).height = height
        return True

    def check_channel_env_request(self, *_arguments: object) -> bool:
        return False

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        self.wish(channel).granted = True
        return True

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.wish(channel).command = command.decode(errors="replace")
        self.wish(channel).granted = True
        return True


def _request(channel: paramiko.Channel, message: paramiko.Message) -> None:
    """Handle a channel's request, and tell of it only when its answer is on the way: a command that is done sooner
    would close the channel before the client knows that it was granted."""
    channel._handle_request(message)  # type: ignore[attr-defined] # noqa: SLF001 - paramiko has no hook behind it
    account = channel.get_transport().server_object
    if isinstance(account, Account) and account.wish(channel).granted:
        account.wish(channel).answered.set()


class Connection(paramiko.Transport):
    """The server's end of a connection."""

    _channel_handler_table = {  # the one of its parent (which its stubs do not know), but for a row
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined] # noqa: SLF001
        MSG_CHANNEL_REQUEST: _request,
    }


class SshServer:
    """Accepts connections until `stop`."""

    def __init__(
        self, device: Device, address: tuple[str, int], host_key: paramiko.PKey, credentials: tuple[str, str, str]
    ) -> None:
        self._device = device
        self._host_key = host_key
        self._credentials = credentials
        self._listener = socket.create_server(address, backlog=32)
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        """Blocks."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._connection, args=(connection,), daemon=True).start()

    def stop(self) -> None:
        self._listener.close()

    def _connection(self, connection: socket.socket) -> None:
        transport = Connection(connection)
        transport.local_version = "SSH-2.0-OpenSSH_labctl_standin"
        transport.add_server_key(self._host_key)
        account = Account(*self._credentials)
        try:
            transport.start_server(server=account)
            while transport.is_active():
                channel = transport.accept(paced(LOGIN_LIMIT))
                if channel is not None:
                    threading.Thread(target=self._channel, args=(channel, account), daemon=True).start()
                elif not transport.is_authenticated():
                    return
        except (paramiko.SSHException, EOFError, OSError):
            return
        finally:
            if not transport.is_authenticated():
                transport.close()

    def _channel(self, channel: paramiko.Channel, account: Account) -> None:
        wish = account.wish(channel)
        try:
            with suppress(OSError, EOFError, paramiko.SSHException):  # the client went away
                if wish.answered.wait(paced(LOGIN_LIMIT)) and wish.command is not None:
                    self._execute(channel, wish.command, "\n" if wish.height is None else "\r\n")
                elif wish.granted:
                    Terminal(self._device, wish).run(channel)
        finally:
            account.forget(channel)
            with suppress(OSError, EOFError, paramiko.SSHException):
                channel.close()

    def _execute(self, channel: paramiko.Channel, command: str, ending: str) -> None:
        """``ssh switch 'show version'``: commands apart by `` ; ``, as on NX-OS. Exit status 1 when one was refused."""
        shell = Shell(self._device)
        refused = False
        for line in command.replace("\n", " ; ").split(" ; "):
            text = answer(shell, line)
            refused |= shell.refused
            if text:
                channel.sendall(f"{text.rstrip(chr(10))}\n".replace("\n", ending).encode())
        self._device.settle()
        channel.send_exit_status(int(refused))
