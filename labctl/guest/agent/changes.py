"""What is changed in the machine: its kernel in bulk, its files, its FRR daemons."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence

from labctl.guest.agent.kernel import in_network

COMMANDS = {
    "ip": ("ip", "-force", "-batch", "-"),
    "bridge": ("bridge", "-force", "-batch", "-"),
    "tc": ("tc", "-force", "-batch", "-"),
    "iptables": ("iptables-legacy-restore", "--noflush", "-w"),
    "ip6tables": ("ip6tables-legacy-restore", "--noflush", "-w"),
    "nft": ("nft", "-f", "-"),
}
WHOLE_TEXT = ("iptables", "ip6tables", "nft")
"""Kinds whose one operation is a whole text, not a line."""

_FAILED = re.compile(r"Command failed -:(\d+)")

Operation = tuple[str, str]
Failure = tuple[int, str, str]


def groups(operations: Sequence[Operation]) -> list[tuple[str, list[int]]]:
    """Runs of operations that one process can do: (kind, indexes)."""
    found: list[tuple[str, list[int]]] = []
    for index, (kind, _) in enumerate(operations):
        if found and found[-1][0] == kind and kind not in WHOLE_TEXT:
            found[-1][1].append(index)
        else:
            found.append((kind, [index]))
    return found


def do_batch(namespace: str | None, operations: Sequence[Operation], limit: float) -> list[Failure]:
    """Do all operations in a namespace; returns what was refused as (index, text, words of the tool).

    ``limit``: seconds for one program. Raises `subprocess.TimeoutExpired`.
    """
    return in_network(namespace, lambda: _do(operations, limit))


def _do(operations: Sequence[Operation], limit: float) -> list[Failure]:
    failures: list[Failure] = []
    for kind, indexes in groups(operations):
        if kind == "sysctl":
            failures.extend(_sysctls(operations, indexes))
        elif kind in COMMANDS:
            failures.extend(_tool(kind, operations, indexes, limit))
        else:
            failures.extend((index, operations[index][1], f"unknown kind {kind!r}") for index in indexes)
    return failures


def _sysctls(operations: Sequence[Operation], indexes: list[int]) -> list[Failure]:
    failures = []
    for index in indexes:
        text = operations[index][1]
        name, _, value = text.partition("=")
        try:
            with open(f"/proc/sys/{name}", "w", encoding="ascii") as handle:
                handle.write(value)
        except OSError as error:
            failures.append((index, text, str(error)))
    return failures


def _tool(kind: str, operations: Sequence[Operation], indexes: list[int], limit: float) -> list[Failure]:
    text = "".join(f"{operations[index][1]}\n" for index in indexes)
    done = subprocess.run(COMMANDS[kind], input=text.encode(), capture_output=True, check=False, timeout=limit)
    if done.returncode == 0:
        return []
    words = (done.stderr or done.stdout).decode(errors="replace")
    if kind in WHOLE_TEXT:
        return [(indexes[0], operations[indexes[0]][1], words.strip())]
    return _by_line(words, operations, indexes)


def _by_line(words: str, operations: Sequence[Operation], indexes: list[int]) -> list[Failure]:
    """iproute2 prints the reason and then ``Command failed -:LINE``; what follows no such line is kept for the last."""
    failures: list[Failure] = []
    reason: list[str] = []
    for line in words.splitlines():
        match = _FAILED.match(line)
        if match:
            index = indexes[int(match.group(1)) - 1]
            failures.append((index, operations[index][1], " ".join(reason).strip() or line))
            reason = []
        else:
            reason.append(line)
    if not failures:
        failures.append((indexes[0], operations[indexes[0]][1], words.strip()))
    return failures


def write_file(path: str, data: bytes, mode: int, owner: str | None) -> None:
    """Write atomically (a reader sees the old or the new file)."""
    folder = os.path.dirname(path)
    if folder:
        os.makedirs(folder, exist_ok=True)
    temporary = f"{path}.labctl-new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
    if owner:
        user, _, group = owner.partition(":")
        shutil.chown(temporary, user, group or None)
    os.replace(temporary, path)


def read_file(path: str, offset: int) -> bytes:
    """Everything from ``offset`` on."""
    with open(path, "rb") as handle:
        handle.seek(offset)
        return handle.read()


def remove(path: str) -> None:
    """A file, or a folder with all that it holds; a missing one is fine."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


END = b"\x00\x00\x00"
_TIMEOUT = 60.0


class Vty:
    """One kept connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def ask(self, commands: Sequence[str]) -> list[tuple[str, int]]:
        """Send each line, read each answer. A connection that the daemon closed is made anew once."""
        with self._lock:
            fresh = self._socket is None
            try:
                return self._ask(commands)
            except OSError:
                self._drop()
                if fresh:
                    raise
                return self._ask(commands)

    def _ask(self, commands: Sequence[str]) -> list[tuple[str, int]]:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(_TIMEOUT)
            self._socket.connect(self._path)
            self._one("enable")
        return [self._one(command) for command in commands]

    def _one(self, command: str) -> tuple[str, int]:
        assert self._socket is not None
        self._socket.sendall(command.encode() + b"\x00")
        data = bytearray()
        while not (len(data) >= 4 and data[-4:-1] == END):
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionError(f"{self._path}: the daemon closed the connection")
            data += piece
        return bytes(data[:-4]).decode(errors="replace"), data[-1]

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Vtys:
    """All kept connections, by socket path."""

    def __init__(self) -> None:
        self._vtys: dict[str, Vty] = {}
        self._lock = threading.Lock()

    def ask(self, path: str, commands: Sequence[str]) -> list[tuple[str, int]]:
        with self._lock:
            vty = self._vtys.setdefault(path, Vty(path))
        return vty.ask(commands)
