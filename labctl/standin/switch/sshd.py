"""The switch's SSH server: one shell per channel, password or the lab's key, nothing else."""

from __future__ import annotations

import hmac
import socket
import threading

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from labctl.errors import LabctlError
from labctl.standin.switch.shell import Device, Shell

IDLE = 0.2
"""Seconds without a keystroke after which what was configured is applied."""
LOGIN_LIMIT = 60.0


class Account(paramiko.ServerInterface):
    """Who may log in, and what a session may ask for."""

    def __init__(self, username: str, password: str, key: str) -> None:
        self._username = username
        self._password = password
        self._key = key
        self.wants_terminal = False
        self.command: str | None = None
        self.started = threading.Event()

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

    def check_channel_pty_request(self, *_arguments: object) -> bool:
        self.wants_terminal = True
        return True

    def check_channel_window_change_request(self, *_arguments: object) -> bool:
        return True

    def check_channel_env_request(self, *_arguments: object) -> bool:
        return False

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:  # noqa: ARG002
        self.started.set()
        return True

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:  # noqa: ARG002
        self.command = command.decode(errors="replace")
        self.started.set()
        return True


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
        transport = paramiko.Transport(connection)
        transport.local_version = "SSH-2.0-OpenSSH_labctl_standin"
        transport.add_server_key(self._host_key)
        try:
            account = Account(*self._credentials)
            transport.start_server(server=account)
            while transport.is_active():
                channel = transport.accept(LOGIN_LIMIT)
                if channel is None:
                    if not transport.is_authenticated():
                        return
                    continue
                threading.Thread(target=self._channel, args=(channel, account), daemon=True).start()
                account = self._next(transport, account)
        except (paramiko.SSHException, EOFError, OSError):
            return
        finally:
            if not transport.is_authenticated():
                transport.close()

    def _next(self, transport: paramiko.Transport, account: Account) -> Account:
        """Each channel of a connection has requests of its own: wait until this one's have come."""
        account.started.wait(LOGIN_LIMIT)
        following = Account(*self._credentials)
        transport.server_object = following
        return following

    def _channel(self, channel: paramiko.Channel, account: Account) -> None:
        if not account.started.wait(LOGIN_LIMIT):
            channel.close()
            return
        try:
            if account.command is not None:
                self._execute(channel, account.command)
            else:
                Terminal(self._device, channel, echo=account.wants_terminal).run()
        except (OSError, EOFError, paramiko.SSHException):
            return  # the client went away
        finally:
            channel.close()

    def _execute(self, channel: paramiko.Channel, command: str) -> None:
        """``ssh switch 'show version'``: commands apart by `` ; ``, as on NX-OS."""
        shell = Shell(self._device)
        refused = False
        for line in command.replace("\n", " ; ").split(" ; "):
            text = answer(shell, line)
            refused |= "% Invalid" in text or "% Incomplete" in text or "% Ambiguous" in text
            if text:
                channel.sendall((text.rstrip("\n") + "\n").encode())
        with self._device.lock:
            self._device.settle()
        channel.send_exit_status(int(refused))


def answer(shell: Shell, line: str) -> str:
    """Execute a line; the platform's trouble becomes NX-OS's kind of error, never a dead session."""
    try:
        return shell.execute(line)
    except LabctlError as error:
        return f"ERROR: {error.message}"


class Terminal:
    """A shell on a channel: echo and a little editing, as a terminal expects."""

    def __init__(self, device: Device, channel: paramiko.Channel, *, echo: bool) -> None:
        self._device = device
        self._channel = channel
        self._echo = echo
        self._shell = Shell(device)
        self._line = ""
        self._history: list[str] = []
        self._back = 0
        self._escape = ""

    def run(self) -> None:
        """Until ``exit``, Ctrl-D on an empty line, or the end of the channel."""
        self._channel.settimeout(IDLE)
        self._send(self._shell.prompt)
        while not self._shell.over:
            try:
                data = self._channel.recv(65536)
            except TimeoutError:
                with self._device.lock:
                    self._device.settle()
                continue
            if not data:
                break
            output = "".join(self._key(character) for character in data.decode(errors="replace"))
            self._send(output)
        with self._device.lock:
            self._device.settle()
        self._channel.send_exit_status(0)

    def _send(self, text: str) -> None:
        if text:
            self._channel.sendall(text.replace("\r\n", "\n").replace("\n", "\r\n").encode())

    def _key(self, character: str) -> str:  # noqa: PLR0911 - one a key
        if self._shell.over:
            return ""
        if self._escape or character == "\x1b":
            return self._arrow(character)
        if character in "\r\n":
            return self._enter(character)
        if character in "\x7f\x08":
            gone, self._line = self._line[-1:], self._line[:-1]
            return "\b \b" if gone and self._echo else ""
        if character == "\x03":
            self._line = ""
            return f"^C\n{self._shell.prompt}"
        if character == "\x15":
            count, self._line = len(self._line), ""
            return "\b \b" * count
        if character == "\x04":
            self._shell.over = not self._line
            return ""
        if character == "?":
            shown = self._shell.help(self._line)
            return f"?\n{shown}\n{self._shell.prompt}{self._line}"
        if character.isprintable():
            self._line += character
            return character if self._echo else ""
        return ""

    def _enter(self, character: str) -> str:
        if character == "\n" and self._line == "" and self._back == -1:
            self._back = 0
            return ""  # the second half of CR LF
        line, self._line = self._line, ""
        self._back = -1 if character == "\r" else 0
        if line.strip():
            self._history.append(line)
        text = answer(self._shell, line)
        body = f"{text.rstrip(chr(10))}\n" if text else ""
        ending = "" if self._shell.over else self._shell.prompt
        return ("\n" if self._echo else "") + body + ending

    def _arrow(self, character: str) -> str:
        """Up and down walk the history; other escape sequences are passed over."""
        self._escape += character
        if len(self._escape) < 3 and self._escape in {"\x1b", "\x1b["}:
            return ""
        sequence, self._escape = self._escape, ""
        if sequence not in {"\x1b[A", "\x1b[B"} or not self._history:
            return ""
        self._back = max(0, self._back)
        self._back = min(len(self._history), self._back + 1) if sequence == "\x1b[A" else max(0, self._back - 1)
        count = len(self._line)
        self._line = self._history[-self._back] if self._back else ""
        return "\b \b" * count + self._line
