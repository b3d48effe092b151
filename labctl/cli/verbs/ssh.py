"""``labctl ssh``: the login of a switch, or its serial console."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

import click

from labctl.cli.labs import Lab, OnLab, complete_switches, lab_argument
from labctl.cli.options import refuse
from labctl.cli.output import say
from labctl.errors import HostError

if TYPE_CHECKING:
    from labctl.guest.api import ByteStream


@click.command(cls=OnLab, context_settings={"ignore_unknown_options": True})
@lab_argument
@click.argument("switch", shell_complete=complete_switches)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD...]")
@click.option("--console", is_flag=True, help="The serial console, before SSH answers. `~.` after Enter leaves it.")
def command(lab: Lab, switch: str, argv: tuple[str, ...], console: bool) -> None:
    """Log in to SWITCH of LAB with the host's ssh, or run CMD on it; the exit code is ssh's.

    Any other client logs in with the file that `labctl inventory LAB --format ssh` prints.

    vrnetlab holds the console itself until it has configured the switch: until then nothing comes there, and
    `labctl logs LAB SWITCH` shows what it reads. Without a terminal, what comes is printed until Ctrl-C.

    \b
    labctl ssh whitepaper leaf2101
    labctl ssh whitepaper leaf2101 -- show vpc
    labctl ssh whitepaper leaf2101 --console
    """
    refuse(console and argv, "a console is typed at: CMD goes without --console")
    if console:
        _console(lab, switch)
        return
    shell = shlex.join(["labctl", "exec", lab.name, switch, *(["--", *argv] if argv else [])])
    message = f"{switch} is a node, not a switch: it has a shell, but no SSH"
    node = switch in lab.nodes() and switch not in lab.nodes("switch")
    refuse(node, message, code="no-such-switch", next_command=shell)
    become_ssh(lab, switch, argv)


def become_ssh(lab: Lab, switch: str, argv: tuple[str, ...]) -> NoReturn:
    """Replace this process by ssh. Raises `HostError` where there is none."""
    endpoint = lab.endpoints().ssh(switch)
    program = shutil.which("ssh")
    if program is None:
        hint = f"any SSH client can log in: {endpoint.username}@{endpoint.host} port {endpoint.port}"
        message, install = "there is no ssh client on this host", "apt-get install openssh-client"
        raise HostError(message, code="no-ssh", hint=hint, next_command=install)
    os.execv(program, ["ssh", "-F", str(endpoint.config_file), switch, *argv])  # noqa: S606 - becoming ssh is the point


def _console(lab: Lab, switch: str) -> None:
    from labctl.cli.terminal import raw_terminal, terminal_size

    stream = lab.endpoints().console(switch)
    with_tty = terminal_size() is not None
    say(f"console of {switch}; {'Enter ~. leaves it' if with_tty else 'Ctrl-C ends it'}")
    try:
        with raw_terminal(enabled=with_tty):
            if with_tty:
                threading.Thread(target=_type, args=(stream,), daemon=True).start()
            while data := stream.recv(4096):
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
    except KeyboardInterrupt:
        pass  # the way to end it without a terminal
    finally:
        stream.close()
    say(f"console of {switch} closed")


def _type(stream: ByteStream) -> None:
    """Keys to the console until the escape is typed or there are no more."""
    escape, over = Escape(), False
    while not over and (data := os.read(sys.stdin.fileno(), 256)):
        text, over = escape.pass_on(data)
        if text:
            stream.sendall(text)
    stream.close()


class Escape:
    """ssh's escape: a tilde at the beginning of a line is held back; with a dot it ends, twice it is one tilde."""

    def __init__(self) -> None:
        self._last = b"\n"
        """The last byte that was passed on, and a tilde that is held back."""

    def pass_on(self, data: bytes) -> tuple[bytes, bool]:
        """What goes to the console, and whether the user wants to leave."""
        text = self._last + data
        over = re.search(rb"(?<=[\r\n])~\.", text)
        text = text[: over.start()] if over else text
        held = b"~" if re.search(rb"[\r\n]~\Z", text) else b""
        text = text.removesuffix(held)
        self._last = text[-1:] + held
        return re.sub(rb"(?<=[\r\n])~~", b"~", text)[1:], over is not None
