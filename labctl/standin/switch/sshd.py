"""The switch's SSH server: one shell per channel, password or the lab's key, nothing else."""

from __future__ import annotations

import hmac
import socket
import threading
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

from labctl.pace import paced
from labctl.standin.switch.shell import Device, Shell
from labctl.standin.switch.terminal import Screen, Terminal, answer

LOGIN_LIMIT = 60.0


@dataclass
class Wish:
    """What a channel asked for: a shell (no command) or a command, and at what screen."""

    screen: Screen = field(default_factory=Screen)
    command: str | None = None
    granted: bool = False
    answered: threading.Event = field(default_factory=threading.Event)


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
        self.wish(channel).screen.height = height
        return True

    def check_channel_window_change_request(self, channel: paramiko.Channel, *wanted: Any) -> bool:
        _width, height, *_ = wanted
        self.wish(channel).screen.height = height
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
                    self._execute(channel, wish.command, wish.screen)
                elif wish.granted:
                    Terminal(self._device, wish.screen).run(channel)
        finally:
            account.forget(channel)
            with suppress(OSError, EOFError, paramiko.SSHException):
                channel.close()

    def _execute(self, channel: paramiko.Channel, command: str, screen: Screen) -> None:
        """``ssh switch 'show version'``: commands apart by `` ; ``, as on NX-OS. Exit status 1 when one was refused."""
        shell = Shell(self._device)
        refused = False
        ending = "\n" if screen.height is None else "\r\n"
        for line in command.replace("\n", " ; ").split(" ; "):
            text = answer(shell, line)
            refused |= shell.refused
            if text:
                channel.sendall(f"{text.rstrip(chr(10))}\n".replace("\n", ending).encode())
        self._device.settle()
        channel.send_exit_status(int(refused))
