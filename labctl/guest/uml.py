"""The launcher ``uml``: User-mode Linux, pinned to one processor."""

from __future__ import annotations

import os
import socket
import struct
import threading
from pathlib import Path

from labctl.guest.image import GuestImage
from labctl.guest.machine import Machine, RunningGuest, spawn

WINDOW = 2048
"""Bytes under way towards a UML guest: with 4 KiB some are lost (measured), with 2 KiB none."""
MEMORY_FREE = 1 << 30


AT_MINSIGSTKSZ = 51
"""getauxval(3): the room that a signal takes on the stack, which grows with the state to be saved."""
SIGNAL_MOST = 3640
"""Of a processor whose state fits into 2696 bytes; with AMX it is 11952."""


def too_many(auxv: Path = Path("/proc/self/auxv")) -> bool:
    """Whether this processor has more registers than an unpatched UML can write back."""
    values: dict[int, int] = dict(struct.iter_unpack("@LL", auxv.read_bytes()))
    return values.get(AT_MINSIGSTKSZ, 0) > SIGNAL_MOST


def memory_folder() -> tuple[Path, str | None]:
    """Where UML may map the guest's memory: a tmpfs with room that is not noexec; else the reason."""
    reasons = []
    for text in dict.fromkeys((os.environ.get("TMPDIR", ""), "/dev/shm", "/tmp")):  # noqa: S108 - looked at, not written
        reason = _memory_reason(Path(text)) if text else None
        if reason:
            reasons.append(f"{text}: {reason}")
        elif text:
            return Path(text), None
    return Path("/dev/shm"), "no place to map its memory: " + "; ".join(reasons)  # noqa: S108


def _memory_reason(path: Path) -> str | None:
    try:
        facts = os.statvfs(path)
    except OSError as error:
        return str(error.strerror)
    if facts.f_flag & os.ST_NOEXEC:
        return "mounted noexec"
    if not os.access(path, os.W_OK):
        return "not writable"
    if _file_system(path.resolve()) != "tmpfs":
        return "no tmpfs"
    free = facts.f_bavail * facts.f_frsize
    return None if free >= MEMORY_FREE else f"only {free >> 20} MB free"


def _file_system(path: Path) -> str:
    """The type of the file system that holds a path, from /proc/self/mountinfo (proc(5))."""
    mounts = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        head, _, tail = line.partition(" - ")
        mounts[Path(head.split()[4])] = tail.split()[0]  # the last of those at one point is what is seen
    return next((mounts[folder] for folder in (path, *path.parents) if folder in mounts), "")


def refusal(_name: str, image: GuestImage, **_: bool) -> str | None:
    if too_many() and not image.uml_writes_all:
        return "its kernel cannot save all registers of this processor, and is not one that labctl could mend"
    return memory_folder()[1]


def note() -> str:
    return f"the guest's memory is in {memory_folder()[0]}"


def start(name: str, image: GuestImage, machine: Machine) -> RunningGuest:
    def command(channel: int) -> list[str]:
        # the last processor that this process may use: the first one tends to serve interrupts
        return [
            "taskset", "-c", str(max(os.sched_getaffinity(0))), "env", "LD_LIBRARY_PATH=.",
            "./linux.uml", f"mem={machine.memory_mb}M", f"ubd0r={image.root}", f"ubd1r={machine.agent_disk}",
            "root=/dev/ubda", "rootfstype=ext4", "ro", "init=/sbin/lab-init", f"ssl0=fd:{channel}", "con=null",
            "con0=fd:0,fd:1", f"uml_dir={machine.workdir}/", "umid=uml", "quiet", "panic=-1",
            "labctl.channel=/dev/ttyS0",
        ]  # fmt: skip

    ours, theirs = socket.socketpair()
    environment = {**os.environ, "TMPDIR": str(memory_folder()[0]), "HOME": str(machine.workdir)}
    with theirs:
        guest = spawn(
            name, machine, command, window=WINDOW, cwd=image.folder, env=environment, terminal=theirs.fileno()
        )
    guest.pump = threading.Thread(target=_pump_console, args=(ours, machine.console), daemon=True)
    guest.pump.start()
    return guest


def _pump_console(source: socket.socket, target: Path) -> None:
    """UML's console must be a pipe, socket or terminal (a file gives no output): copy it to the log."""
    with source, target.open("ab", buffering=0) as log:
        try:
            while data := source.recv(4096):
                log.write(data)
        except OSError:
            return
