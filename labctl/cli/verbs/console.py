"""``labctl console``."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import click

from labctl.cli.labs import OnLab, complete_switches, lab_argument, open_lab
from labctl.cli.output import say

if TYPE_CHECKING:
    from labctl.guest.api import ByteStream


@click.command(cls=OnLab)
@lab_argument
@click.argument("switch", shell_complete=complete_switches)
def command(lab: str, switch: str) -> None:
    """The serial console of SWITCH of LAB, before SSH answers. `~.` after Enter leaves it.

    vrnetlab holds the console itself until it has configured the switch: until then nothing comes here, and
    `labctl logs LAB SWITCH` shows what it reads. Without a terminal, what comes is printed until Ctrl-C.

    \b
    labctl console whitepaper leaf2101
    """
    from labctl.cli.terminal import raw_terminal, terminal_size

    stream = open_lab(lab).endpoints().console(switch)
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
    escape = Escape()
    while data := os.read(sys.stdin.fileno(), 256):
        text, over = escape.pass_on(data)
        if text:
            stream.sendall(text)
        if over:
            break
    stream.close()


class Escape:
    """ssh's escape: a tilde at the beginning of a line is held back; with a dot it ends, twice it is one tilde."""

    def __init__(self) -> None:
        self._line_begins = True
        self._held = False

    def pass_on(self, data: bytes) -> tuple[bytes, bool]:
        """What goes to the console, and whether the user wants to leave."""
        out = bytearray()
        for byte in data:
            if self._held:
                self._held = False
                if byte == ord("."):
                    return bytes(out), True
                if byte != ord("~"):
                    out.append(ord("~"))
            elif self._line_begins and byte == ord("~"):
                self._held = True
                continue
            out.append(byte)
            self._line_begins = byte in b"\r\n"
        return bytes(out), False
