"""Entry point inside the guest: serve the channel until it closes; PID 1 then powers the machine off."""

from __future__ import annotations

import os
import sys
import termios
import threading
import time
import tty

from labctl.guest.agent import server, wire


def channel_path(command_line: str) -> str:
    """``labctl.channel=`` of the kernel's or the agent's arguments: ``/dev/…``, or ``fd:N`` for an inherited one."""
    for word in command_line.split():
        name, _, value = word.partition("=")
        if name == "labctl.channel":
            return value
    raise SystemExit("nobody says what labctl.channel is")


def open_channel(path: str) -> int:
    """Open the device, a serial line made byte-clean. Waits for a virtio port that is not there yet."""
    kind, _, number = path.partition("fd:")
    if not kind and number:
        os.set_inheritable(int(number), False)  # noqa: FBT003
        return int(number)
    deadline = time.monotonic() + 20
    while not os.path.exists(path) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    if os.isatty(descriptor):
        tty.setraw(descriptor, termios.TCSANOW)
    return descriptor


def main() -> None:
    """Serve until the channel closes or nobody has been heard for too long."""
    with open("/proc/cmdline", encoding="ascii") as handle:
        command_line = " ".join(sys.argv[1:]) or handle.read()
    descriptor = open_channel(channel_path(command_line))

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    agent = server.Server(lambda: os.read(descriptor, 65536), write, link_acks=True)

    def watch() -> None:
        while time.monotonic() - agent.heard < server.PING_LIMIT:
            threading.Event().wait(5.0)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    agent.send(wire.frame(wire.PING, 0))  # until the line is open, bytes towards us are lost: say that it is
    agent.serve()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
