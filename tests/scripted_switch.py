"""A switch that is a script: an SSH server on loopback that echoes each line and sends what its script says next.

`Script` holds the words of a real NX-OS for single lines; `Replay` answers from one of ``labctl save --test-case``.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import paramiko

KEY = paramiko.ECDSAKey.generate()
Brain = Callable[[str], str]
"""Takes a line, gives all that is sent behind its echo, with the next prompt (or with a question instead)."""


@dataclass
class Script:
    """NX-OS as far as a push needs it. ``answers``: line → what it says; a line that is not there is taken silently."""

    host: str = "leaf1"
    answers: Mapping[str, str] = field(default_factory=dict)
    typed: list[str] = field(default_factory=list)
    banner: str = ""
    asking: bool = False

    @property
    def prompt(self) -> str:
        return f"{self.host}(config)# " if self.configuring else f"{self.host}# "

    configuring: bool = False

    @property
    def greeting(self) -> str:
        return self.banner + self.prompt

    def __call__(self, line: str) -> str:
        self.typed.append(line)
        if line == "configure terminal":
            self.configuring = True
        if line == "end":
            self.configuring = False
        if line.startswith("hostname "):
            self.host = line.split()[1]
        text = self.answers.get(line, "")
        self.asking = text.endswith(" ")
        return text if self.asking else f"{text}{self.prompt}"


class Replay:
    """One switch of ``transcript.json``: each command's answers in their order, the last one again and again."""

    def __init__(self, switch: Mapping[str, Any]) -> None:
        self.typed: list[str] = []
        self.greeting: str = switch["greeting"] + switch["prompt"]
        self._rows: dict[str, list[tuple[str, str]]] = {}
        for row in switch["exchanges"]:
            self._rows.setdefault(row["command"], []).append((row["answer"], row["prompt"]))

    def __call__(self, line: str) -> str:
        self.typed.append(line)
        rows = self._rows.get(line)
        if not rows:
            raise AssertionError(f"the transcript has no {line!r}")
        answer, prompt = rows.pop(0) if len(rows) > 1 else rows[0]
        return answer.removeprefix(f"{line}\n") + prompt


class _Account(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        right = (username, password) == ("admin", "admin")
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_pty_request(self, *_arguments: object) -> bool:
        return True

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        return True


class ScriptedSwitch:
    """The server; every connection is the same switch."""

    def __init__(self, brain: Any) -> None:
        self.brain = brain
        self.trouble: list[BaseException] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(KEY)
        with suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Account())
            channel = transport.accept(10)
            if channel is not None:
                self._shell(channel)
        transport.close()

    def _shell(self, channel: paramiko.Channel) -> None:
        channel.sendall(self.brain.greeting.replace("\n", "\r\n").encode())
        waiting = ""
        while data := channel.recv(65536):
            waiting += data.decode().replace("\r\n", "\n").replace("\r", "\n")
            while "\n" in waiting:
                line, _, waiting = waiting.partition("\n")
                try:
                    said = self.brain(line)
                except AssertionError as error:
                    self.trouble.append(error)
                    return
                channel.sendall(f"{line}\n{said}".replace("\n", "\r\n").encode())

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # closed alone, it would go on accepting under a number used again
        self._server.join()
        self._listener.close()


@contextmanager
def switch(brain: Any) -> Iterator[ScriptedSwitch]:
    """A server for the time of a test; a line that its script does not know fails the test."""
    server = ScriptedSwitch(brain)
    try:
        yield server
    finally:
        server.stop()
    if server.trouble:
        raise server.trouble[0]


def script(answers: Mapping[str, str] | None = None, *, running: Sequence[str] = (), **options: Any) -> Script:
    """A `Script` that can be pushed to: it saves, and shows ``running`` as its configuration."""
    given = {
        "copy running-config startup-config": "[####    ]  45%\r[########] 100%\nCopy complete, now saving to disk "
        "(please wait)...\nCopy complete.\n",
        "show running-config": "\n!Command: show running-config\n\nversion 10.5(4) Bios:version\n"
        + "\n".join(running)
        + "\n",
    }
    return Script(answers={**given, **(answers or {})}, **options)
