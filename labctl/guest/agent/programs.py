"""Programs of the machine: run to the end, started to stay, or run with live streams."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import selectors
import signal
import socket
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labctl.guest.agent import kernel

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OVERLAY = "/run/labctl/overlay"
"""Where a program that has a root of its own mounts it; each sees its own mounts there alone."""


def spawn(
    argv: Sequence[str],
    *,
    ns: str | None = None,
    env: Mapping[str, str] | None = None,
    join: int | None = None,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, with a small, known environment.

    ``ns``: in that network namespace. ``join``: inside all namespaces and the root of that process.
    """
    command = list(argv)
    if join is not None:
        namespaces = ("--mount", "--uts", "--net", "--pid", "--root", "--wd=/")
        command = ["/usr/bin/nsenter", f"--target={join}", *namespaces, "--", *argv]
    environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "xterm", **(env or {})}
    return kernel.in_network(ns, lambda: subprocess.Popen(command, env=environment, start_new_session=True, **options))


def run(argv: Sequence[str], timeout: float, *, stdin: bytes = b"", **where: Any) -> tuple[int, bytes, bytes]:
    """Run to the end: (code, stdout, stderr). Raises TimeoutError after killing it."""
    pipe = subprocess.PIPE
    with spawn(argv, stdin=pipe, stdout=pipe, stderr=pipe, **where) as child:
        try:
            out, err = child.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            raise TimeoutError(f"{argv[0]}: not done after {timeout:.0f} s") from None
    return child.returncode, out, err


class Programs:
    """All programs started here to stay; one object an agent."""

    def __init__(self) -> None:
        self._started: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, argv: Sequence[str], *, isolation: Mapping[str, Any], log: str | None = None, **where: Any) -> int:
        """Start a program that stays; returns its pid in the machine."""
        prepare, command = isolate(argv, isolation)
        if log:
            os.makedirs(os.path.dirname(log), exist_ok=True)
        with open(log or os.devnull, "ab") as output:
            child = spawn(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=prepare, **where)
        pid = _first_inside(child) if isolation.get("pids") else child.pid
        self._started[pid] = child
        return pid

    def wait(self, pid: int, timeout: float | None = None) -> int | None:
        """Exit code of a started program; None when it still runs. Raises KeyError for a pid that is not ours."""
        try:
            return self._started[pid].wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to the program's process group; one that has ended is fine."""
        outer = self._started[pid].pid if pid in self._started else pid
        with contextlib.suppress(ProcessLookupError):
            if outer == pid:
                os.killpg(pid, number)
            else:
                # the shell of a PID namespace ignores what its first process does not handle: signal that one
                os.kill(outer if number == signal.SIGKILL else pid, number)


def isolate(argv: Sequence[str], isolation: Mapping[str, Any]) -> tuple[Callable[[], None] | None, list[str]]:
    """What the child does before its exec, and what it executes."""
    hostname, binds, root = (isolation.get(name) for name in ("hostname", "binds", "root"))
    command = list(argv)
    if isolation.get("pids"):
        command = ["/usr/bin/unshare", "--fork", "--pid", "--mount-proc", "--kill-child", "--", *command]
    if root:
        os.makedirs(OVERLAY, exist_ok=True)
    if not (hostname or binds or root):
        return None, command

    def prepare() -> None:
        kernel.unshare((kernel.CLONE_NEWUTS if hostname else 0) | (kernel.CLONE_NEWNS if binds or root else 0))
        if hostname:
            socket.sethostname(hostname)
        if binds or root:
            kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        prefix = _overlay_root() if root else ""
        for source, target in binds or ():
            kernel.mount(source, prefix + target, "", kernel.MS_BIND | kernel.MS_REC)
        if root:
            os.chroot(prefix)
            os.chdir("/")

    return prepare, command


def _overlay_root() -> str:
    """Mount a private writable view of / and what programs need in it; returns where."""
    upper, work, merged = (f"{OVERLAY}/{name}" for name in ("upper", "work", "merged"))
    kernel.mount("tmpfs", OVERLAY, "tmpfs")
    for path in (upper, work, merged):
        os.mkdir(path)
    kernel.mount("overlay", merged, "overlay", 0, f"lowerdir=/,upperdir={upper},workdir={work}")
    for path in ("/proc", "/dev", "/sys"):
        kernel.mount(path, merged + path, "", kernel.MS_BIND | kernel.MS_REC)
    for path in ("/run", "/tmp"):
        kernel.mount("tmpfs", merged + path, "tmpfs")
    return merged


def _first_inside(child: subprocess.Popen[bytes]) -> int:
    """The first process of the PID namespace that ``unshare --fork`` made: its only child.

    A program that is over before it was seen is known by the pid of ``unshare``, which ends with the program's code.
    """
    path = f"/proc/{child.pid}/task/{child.pid}/children"
    while child.poll() is None:
        with open(path, encoding="ascii") as handle:
            children = handle.read().split()
        if children:
            return int(children[0])
        threading.Event().wait(0.002)
    return child.pid


class Interactive:
    """A program with live streams; a client that goes away ends it."""

    def __init__(self, argv: Sequence[str], *, tty: Any = None, **where: Any) -> None:
        """``tty``: rows and columns of its terminal; None: it has none."""
        self._terminal = bool(tty)
        if tty:
            master, slave = pty.openpty()
            self._input: Any = os.fdopen(master, "r+b", buffering=0)
            self.resize(tty)

            def take_terminal() -> None:
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

            try:
                self.child = spawn(argv, stdin=slave, stdout=slave, stderr=slave, preexec_fn=take_terminal, **where)
            finally:
                os.close(slave)
            self._outputs: dict[Any, int] = {self._input: 1}
        else:
            pipe = subprocess.PIPE
            self.child = spawn(argv, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, **where)
            self._input = self.child.stdin
            self._outputs = {self.child.stdout: 1, self.child.stderr: 2}

    def pump(self, write: Callable[[int, bytes], None]) -> int:
        """Give all output to ``write(1 stdout | 2 stderr, bytes)``; returns the exit code."""
        with selectors.DefaultSelector() as selector:
            for output, channel in self._outputs.items():
                selector.register(output, selectors.EVENT_READ, channel)
            while selector.get_map():
                for key, _ in selector.select():
                    try:
                        data = os.read(key.fd, 16000)
                    except OSError:  # a terminal whose program has ended answers EIO
                        data = b""
                    if data:
                        write(key.data, data)
                    else:
                        selector.unregister(key.fileobj)
        return self.child.wait()

    def write(self, data: bytes) -> None:
        """To its standard input; a program that has closed it is fine."""
        with contextlib.suppress(OSError, ValueError):
            view = memoryview(data)
            while view:
                view = view[self._input.write(view) :]

    def close_stdin(self) -> None:
        """End of input: closes the pipe, or types Ctrl-D on a terminal."""
        if self._terminal:
            self.write(b"\x04")
        else:
            self._input.close()

    def resize(self, size: Any) -> None:
        if self._terminal:
            fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, number)

    def end(self) -> None:
        """Kill it if it runs; free its terminal."""
        if self.child.poll() is None:
            self.signal(signal.SIGKILL)
        self._input.close()
