"""A logged-in session on an NX-OS switch, over SSH."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl.errors import InconclusiveError
from labctl.nxos.platform import LOG_LINE, PROMPT, QUESTION, SETUP, UNSAFE, refusal, without_log
from labctl.pace import limit
from labctl.waiting import Deadline

if TYPE_CHECKING:
    import paramiko

log = logging.getLogger(__name__)
WINDOW = 40
"""Lines that may be under way at once, where the switch is known to answer one prompt a line whatever happens."""


class SwitchUnreachable(InconclusiveError):
    """The switch does not answer (any more)."""

    code = "switch-unreachable"


class LoginRefused(SwitchUnreachable):
    """The switch answers and does not take the user name and password (yet: a 9000v makes its users late)."""

    code = "login-refused"


class SwitchRefused(InconclusiveError):
    """The switch answered a show command with an error."""

    code = "show-refused"


@dataclass(frozen=True, slots=True)
class Refused:
    """A configuration line that the switch did not take: its number in the file, the line, the switch's words."""

    number: int
    line: str
    message: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line and what came of it, as it came: raw answer with its echo, the prompt behind it, seconds."""

    line: str
    answer: str
    prompt: str
    seconds: float


Tap = Callable[[Exchange], None]


class NxosSession:
    """One shell on one switch. Not for several threads at once: `lock` is there for that.

    ``tap`` is told every exchange. ``window`` lines of a configuration are sent before the first answer is awaited:
    1 for a real switch, whose log may print prompts of its own in between.
    """

    def __init__(
        self,
        host: str,
        port: int,
        username: str,
        password: str,
        *,
        name: str = "",
        known_hosts: Path | None = None,
        first_keys: Path | None = None,
        timeout: float | None = None,
        window: int = WINDOW,
        tap: Tap | None = None,
    ) -> None:
        import paramiko

        timeout = limit("login") if timeout is None else timeout
        self.name = name or f"{host}:{port}"
        self.lock = threading.RLock()
        self._window = window
        self._tap = tap
        self._hosts: set[str] = set()
        """Names that prompts may begin with; what else ends in ``#`` is text."""
        self._prompt = ""
        """The newest prompt."""
        self._client = _client(known_hosts, first_keys)
        self._buffer = ""
        try:
            self._client.connect(
                host,
                port,
                username,
                password,
                timeout=timeout,
                banner_timeout=timeout,
                auth_timeout=timeout,
                look_for_keys=False,
                allow_agent=False,
            )
            self._channel = self._client.invoke_shell(width=511, height=1000)
        except (paramiko.SSHException, OSError, EOFError) as error:
            self._client.close()
            if isinstance(error, paramiko.AuthenticationException):
                raise LoginRefused(f"{self.name}: {error}") from None
            raise SwitchUnreachable(f"{self.name}: {_reason(error, timeout)}") from None
        self._channel.settimeout(timeout)
        try:
            self._first(Deadline(timeout))
            for line in SETUP:
                self.ask(line, timeout=timeout)
        except SwitchUnreachable:
            self._client.close()
            raise

    def close(self) -> None:
        self._client.close()

    # --- text in, text out ------------------------------------------------------------------------------------

    def ask(self, line: str, *, timeout: float | None = None) -> str:
        """Send a line, give what came before the next prompt, without the echo."""
        with self.lock:
            self._send(line + "\n")
            return _without_echo(self._answer(line, Deadline(limit("prompt") if timeout is None else timeout)), line)

    def show(self, command: str, *, timeout: float | None = None) -> str:
        """A show command's text. Raises `SwitchRefused` when the switch does not take it."""
        text = self.ask(command, timeout=timeout)
        message = refusal(text)
        if message:
            raise SwitchRefused(f"{self.name}: {command}: {message}")
        return text

    def show_json(self, command: str, *, timeout: float | None = None) -> dict[str, Any]:
        """A show command as ``| json``; an empty table is an empty dict."""
        text = without_log(self.show(f"{command} | json", timeout=timeout)).strip()
        if not text:
            return {}
        try:
            data = json.loads(text[text.index("{") : text.rindex("}") + 1])
        except ValueError:
            raise SwitchRefused(f"{self.name}: {command} | json: no JSON: {text[:200]}") from None
        return data if isinstance(data, dict) else {}

    def configure(self, lines: Sequence[tuple[int, str]], *, timeout: float | None = None) -> list[Refused]:
        """Send configuration lines from ``configure terminal`` on, each answered; returns those that were refused.

        Every answer is told by its prompt, so each refusal is known by its line.
        """
        refused: list[Refused] = []
        with self.lock:
            deadline = Deadline(limit("lines") if timeout is None else timeout)
            self.ask("configure terminal", timeout=deadline.seconds)
            for start in range(0, len(lines), self._window):
                part = lines[start : start + self._window]
                self._send("".join(f"{line}\n" for _, line in part))
                for number, line in part:
                    if line.startswith("hostname "):
                        self._hosts.add(line.split()[1])
                    message = refusal(self._answer(line, deadline))
                    if message:
                        refused.append(Refused(number, line, message))
            self.ask("end", timeout=deadline.seconds)
        return refused

    # --- the channel ------------------------------------------------------------------------------------------

    def _send(self, text: str) -> None:
        try:
            self._channel.sendall(text.encode())
        except (OSError, EOFError) as error:
            raise SwitchUnreachable(f"{self.name}: the session ended: {error}") from None

    def _first(self, deadline: Deadline) -> None:
        """The prompt after the login, with whatever banner before it: the text that stands still at the end."""
        while (found := PROMPT.search(self._buffer)) is None:
            self._receive(deadline)
        self._hosts.add(found["host"])
        self._told("", self._buffer[: found.start("host")], self._buffer[found.start("host") :], deadline.elapsed)
        self._buffer = ""

    def _answer(self, line: str, deadline: Deadline) -> str:
        """What came for a line, with its echo. A prompt that only a message of the log was before is not the line's."""
        began = time.monotonic()
        text = self._await_prompt(deadline)
        while LOG_LINE.search(text) and not without_log(text).strip():
            text += self._await_prompt(deadline)
        self._told(line, text, self._prompt, time.monotonic() - began)
        return text

    def _told(self, line: str, answer: str, prompt: str, seconds: float) -> None:
        self._prompt = prompt
        log.debug("%s: %s (%.2f s)", self.name, line, seconds)
        if self._tap is not None:
            self._tap(Exchange(line, answer, prompt, seconds))

    def _await_prompt(self, deadline: Deadline) -> str:
        """Everything up to the next prompt (which is consumed), with the questions that were answered."""
        asked = ""
        while True:
            found = _first_prompt(self._buffer, self._hosts)
            if found is not None:
                text = asked + self._buffer[: found[0]]
                self._prompt, self._buffer = self._buffer[found[0] : found[1]], self._buffer[found[1] :]
                return text
            question = QUESTION.search(self._buffer)
            if question:
                asked += self._reply(self._buffer)
                self._buffer = ""
            self._receive(deadline)

    def _reply(self, text: str) -> str:
        """Answer a question with yes, or with no when that would restart or wipe the switch: then it is a refusal."""
        echo, newline, asked = text.partition("\n")
        unsafe = UNSAFE.search(asked if newline else echo)
        self._send("n\n" if unsafe else "y\n")
        return f"{text}\nERROR: labctl said no to: {unsafe.group(0).strip()}\n" if unsafe else f"{text}\n"

    def _receive(self, deadline: Deadline) -> None:
        if deadline.passed:
            raise SwitchUnreachable(
                f"{self.name}: no prompt within {deadline.seconds:.0f} s; last: {self._buffer[-80:]!r}"
            )
        self._channel.settimeout(max(0.05, deadline.remaining))
        try:
            data = self._channel.recv(262144)
        except TimeoutError:
            return
        except OSError as error:
            raise SwitchUnreachable(f"{self.name}: {error}") from None
        if not data:
            raise SwitchUnreachable(f"{self.name}: the switch closed the session")
        self._buffer += data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "")


def _reason(error: Exception, timeout: float) -> str:
    """Why no connection came, for a person. paramiko packs the real reasons (``[Errno None] Unable to connect …``)."""
    for (host, port, *_), reason in getattr(error, "errors", {}).items():
        return f"nobody answers at {host} port {port}: {os.strerror(reason.errno) if reason.errno else reason}"
    if isinstance(error, TimeoutError):
        return f"no login within {timeout:.0f} s"
    if isinstance(error, EOFError):
        return "the switch closed the connection"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _first_prompt(text: str, hosts: set[str]) -> tuple[int, int] | None:
    """(start, end) of the first prompt of one of the hosts that begins a line."""
    names = "|".join(re.escape(host) for host in hosts)
    match = re.search(rf"^(?:{names})(?:\((?:config|maint)[\w\-.]*\))?[#>] ?", text, re.MULTILINE)
    return (match.start(), match.end()) if match and hosts else None


def _without_echo(text: str, line: str) -> str:
    """The echoed command is the first line, but for messages of the log that came before it."""
    echo = re.search(rf"^{re.escape(line.strip())}[ \t]*\n", text, re.MULTILINE)
    if echo is None or without_log(text[: echo.start()]).strip():
        return text
    return text[: echo.start()] + text[echo.end() :]


def _client(known_hosts: Path | None, first_keys: Path | None) -> paramiko.SSHClient:
    """``known_hosts``: only these keys. ``first_keys``: the first login's key is kept there, another is refused."""
    import paramiko

    client = paramiko.SSHClient()
    if first_keys is not None:
        first_keys.touch(mode=0o600)
        client.load_host_keys(str(first_keys))
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # noqa: S507 - as ssh's accept-new: see above
    elif known_hosts is not None:
        client.load_host_keys(str(known_hosts))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
    else:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # noqa: S507 - a lab's switch that was just made
    return client
