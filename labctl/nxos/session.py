"""A logged-in session on an NX-OS switch, over SSH."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl.errors import InconclusiveError
from labctl.nxos.platform import PROMPT, QUESTION, SETUP, refusal
from labctl.waiting import Deadline

if TYPE_CHECKING:
    import paramiko

CONNECT_LIMIT = 10.0


class SwitchUnreachable(InconclusiveError):
    """The switch does not answer (any more)."""

    code = "switch-unreachable"


class SwitchRefused(InconclusiveError):
    """The switch answered a show command with an error."""

    code = "show-refused"


@dataclass(frozen=True, slots=True)
class Refused:
    """A configuration line that the switch did not take: its number in the file, the line, the switch's words."""

    number: int
    line: str
    words: str


class NxosSession:
    """One shell on one switch. Not for several threads at once: `lock` is there for that."""

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
        timeout: float = CONNECT_LIMIT,
    ) -> None:
        self.name = name or f"{host}:{port}"
        self.lock = threading.RLock()
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
        except (_ssh_errors(), OSError, EOFError) as error:
            self._client.close()
            raise SwitchUnreachable(f"{self.name}: {error or type(error).__name__}") from None
        self._channel.settimeout(timeout)
        self._await_prompt(Deadline(timeout))
        for line in SETUP:
            self.ask(line, timeout=timeout)

    def close(self) -> None:
        self._client.close()

    # --- text in, text out ------------------------------------------------------------------------------------

    def ask(self, line: str, *, timeout: float = 30.0) -> str:
        """Send a line, give what came before the next prompt, without the echo."""
        with self.lock:
            self._send(line + "\n")
            return _without_echo(self._await_prompt(Deadline(timeout)), line)

    def show(self, command: str, *, timeout: float = 30.0) -> str:
        """A show command's text. Raises `SwitchRefused` when the switch does not take it."""
        text = self.ask(command, timeout=timeout)
        words = refusal(text)
        if words:
            raise SwitchRefused(f"{self.name}: {command}: {words}")
        return text

    def show_json(self, command: str, *, timeout: float = 30.0) -> dict[str, Any]:
        """A show command as ``| json``; an empty table is an empty dict."""
        text = self.show(f"{command} | json", timeout=timeout).strip()
        if not text:
            return {}
        try:
            data = json.loads(text[text.index("{") : text.rindex("}") + 1])
        except ValueError:
            raise SwitchRefused(f"{self.name}: {command} | json: no JSON: {text[:200]}") from None
        return data if isinstance(data, dict) else {}

    def configure(self, lines: Sequence[tuple[int, str]], *, timeout: float = 120.0, window: int = 40) -> list[Refused]:
        """Send configuration lines from ``configure terminal`` on, each answered; returns those that were refused.

        Up to ``window`` lines are under way at once; every answer is told by its prompt, so each refusal is known
        by its line.
        """
        refused: list[Refused] = []
        with self.lock:
            deadline = Deadline(timeout)
            self.ask("configure terminal", timeout=timeout)
            for start in range(0, len(lines), window):
                part = lines[start : start + window]
                self._send("".join(f"{line}\n" for _, line in part))
                for number, line in part:
                    words = refusal(self._await_prompt(deadline))
                    if words:
                        refused.append(Refused(number, line, words))
            self.ask("end", timeout=timeout)
        return refused

    # --- the channel ------------------------------------------------------------------------------------------

    def _send(self, text: str) -> None:
        try:
            self._channel.sendall(text.encode())
        except (OSError, EOFError) as error:
            raise SwitchUnreachable(f"{self.name}: the session ended: {error}") from None

    def _await_prompt(self, deadline: Deadline) -> str:
        """Everything up to the next prompt (which is consumed)."""
        while True:
            found = _first_prompt(self._buffer)
            if found is not None:
                text, self._buffer = self._buffer[: found[0]], self._buffer[found[1] :]
                return text
            question = QUESTION.search(self._buffer)
            if question:
                self._send("y\n")
                self._buffer = self._buffer[: question.start()]
            self._receive(deadline)

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


def _first_prompt(text: str) -> tuple[int, int] | None:
    """(start, end) of the first prompt: one that ends the text, or one that the echo of a next line follows."""
    import re

    match = re.search(r"(?:^|\n)[\w.\-]{1,63}(?:\((?:config|maint)[\w\-.]*\))?# ?", text)
    if match is None:
        return None
    start = match.start() + (1 if text[match.start() : match.start() + 1] == "\n" else 0)
    return (start, match.end()) if PROMPT.search(text[: match.end()]) else None


def _without_echo(text: str, line: str) -> str:
    """The echoed command is the first line."""
    first, newline, rest = text.partition("\n")
    return rest if newline and first.strip() == line.strip() else text


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


def _ssh_errors() -> type[Exception]:
    import paramiko

    return paramiko.SSHException
