"""Launchers: how a guest is started on this host, and which of them cannot be, as far as that is known without booting.

Order of ``auto``: QEMU with KVM, User-mode Linux pinned to one processor, QEMU without KVM; `labctl.guest.trial` goes
through them. ``netns`` (this host's own kernel, as root) is used only when asked for.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labctl.guest.binaries import too_many
from labctl.guest.disk import write_agent_disk
from labctl.guest.hostkernel import netns_refusal
from labctl.guest.image import GuestImage
from labctl.guest.names import LAUNCHERS
from labctl.guest.netns import start_netns
from labctl.guest.running import DIE_WITH_PARENT, RunningGuest, open_console

__all__ = ["RunningGuest", "memory_folder", "refusal", "start_guest"]

UML_WINDOW = 2048
"""Bytes under way towards a UML guest: with 4 KiB some are lost (measured), with 2 KiB none."""
QEMU_WINDOW = 65536
UML_MEMORY_FREE = 1 << 30


@dataclass(frozen=True, slots=True)
class Disk:
    """A further block device of a QEMU guest. What is written to it is lost unless ``kept``."""

    path: Path
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """What a guest has beside its image. ``disks`` are vdc, vdd, … of a QEMU guest."""

    memory_mb: int
    disks: tuple[Disk, ...] = ()
    translation_mb: int = 384
    """QEMU's room for translated code; its default is 1 GB. Of a lab's guest three times less is measurably slower."""
    kernel: str = ""
    """Further words for the kernel's command line."""


def refusal(name: str, image: GuestImage) -> str | None:
    """Why a launcher cannot be used here, as far as that is known without a boot; None when it may be tried."""
    if name == "uml":
        if too_many() and not image.uml_writes_all:
            return "its kernel cannot save all registers of this processor, and is not one that labctl could mend"
        return memory_folder()[1]
    if name == "netns":
        return netns_refusal(image.root)
    if name not in LAUNCHERS:
        return f"unknown; there are {', '.join(LAUNCHERS)}"
    if shutil.which("qemu-system-x86_64") is None:
        return "qemu-system-x86_64 is not installed (apt-get install qemu-system-x86)"
    return kvm_refusal() if name == "qemu-kvm" else None


def kvm_refusal(device: Path = Path("/dev/kvm"), cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """Why KVM cannot be used; None when it may be tried. A /dev/kvm alone says little: it can be there and not boot."""
    if not device.exists():
        return f"there is no {device}"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"{device} may not be opened by this user"
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "").split()
    if not {"vmx", "svm"} & set(flags):
        return f"{device} is there, but this processor offers no hardware virtualization"
    return None


def memory_folder() -> tuple[Path, str | None]:
    """Where UML may map the guest's memory: a tmpfs with room that is not noexec; else the reason."""
    reasons = []
    for text in dict.fromkeys((os.environ.get("TMPDIR", ""), "/dev/shm", "/tmp")):  # noqa: S108 - looked at, not written
        if not text:
            continue
        path = Path(text)
        reason = _memory_reason(path)
        if reason is None:
            return path, None
        reasons.append(f"{path}: {reason}")
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
    if _file_system(path) != "tmpfs":
        return "no tmpfs"
    free = facts.f_bavail * facts.f_frsize
    return None if free >= UML_MEMORY_FREE else f"only {free >> 20} MB free"


def _file_system(path: Path) -> str:
    """The type of the file system that holds a path, from /proc/self/mountinfo (proc(5))."""
    best, kind = "", ""
    real = str(path.resolve())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        head, _, tail = line.partition(" - ")
        point = head.split()[4]
        if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, tail.split()[0]
    return kind


def start_guest(launcher: str, image: GuestImage, machine: Machine, *, workdir: Path, console: Path) -> RunningGuest:
    """Start a guest, a child of the calling *thread* (parent-death signal). Not ready yet: see `labctl.guest.trial`."""
    agent_disk = workdir / "agent.tar"
    write_agent_disk(agent_disk)
    if launcher == "uml":
        return _start_uml(launcher, image, machine.memory_mb, workdir, console, agent_disk)
    if launcher == "netns":
        return start_netns(launcher, image.root, machine.memory_mb, workdir, console, agent_disk)
    return _start_qemu(launcher, image, machine, workdir, console, agent_disk)


def pinned_cpu() -> int:
    """The last processor that this process may use: the first one tends to serve interrupts."""
    return max(os.sched_getaffinity(0))


def _start_uml(
    launcher: str, image: GuestImage, memory_mb: int, workdir: Path, console: Path, disk: Path
) -> RunningGuest:
    ours, theirs = socket.socketpair()
    console_ours, console_theirs = socket.socketpair()
    number = theirs.fileno()
    arguments = [
        *DIE_WITH_PARENT, "taskset", "-c", str(pinned_cpu()), "env", "LD_LIBRARY_PATH=.", "./linux.uml",
        f"mem={memory_mb}M", f"ubd0r={image.root}", f"ubd1r={disk}", "root=/dev/ubda", "rootfstype=ext4", "ro",
        "init=/sbin/lab-init", f"ssl0=fd:{number}", "con=null", "con0=fd:0,fd:1", f"uml_dir={workdir}/", "umid=uml",
        "quiet", "panic=-1", "labctl.channel=/dev/ttyS0",
    ]  # fmt: skip
    environment = {**os.environ, "TMPDIR": str(memory_folder()[0]), "HOME": str(workdir)}
    with theirs, console_theirs:
        process = subprocess.Popen(
            arguments, cwd=image.folder, env=environment, pass_fds=(number,), stdin=console_theirs.fileno(),
            stdout=console_theirs.fileno(), stderr=console_theirs.fileno(), start_new_session=True,
        )  # fmt: skip
    pump = threading.Thread(target=_pump_console, args=(console_ours, console), daemon=True)
    pump.start()
    return RunningGuest(launcher, process, ours, UML_WINDOW, console, pump)


def _pump_console(source: socket.socket, target: Path) -> None:
    """UML's console must be a pipe, socket or terminal (a file gives no output): copy it to the log."""
    with source, target.open("ab", buffering=0) as log:
        while True:
            try:
                data = source.recv(4096)
            except OSError:
                return
            if not data:
                return
            log.write(data)


def _start_qemu(
    launcher: str, image: GuestImage, machine: Machine, workdir: Path, console: Path, disk: Path
) -> RunningGuest:
    ours, theirs = socket.socketpair()
    number = theirs.fileno()
    console.touch(mode=0o600)
    words = "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable random.trust_cpu=on labctl.channel=/dev/vport2p1"
    if launcher == "qemu-kvm":
        accelerator = ["-accel", "kvm", "-cpu", "host"]
    else:
        accelerator = ["-accel", f"tcg,thread=multi,tb-size={machine.translation_mb}", "-cpu", "max"]
        words += " maxcpus=1"  # the second one is switched on by the guest's boot script, which says why
    arguments = [
        *DIE_WITH_PARENT, "qemu-system-x86_64", *accelerator, "-smp", str(min(2, len(os.sched_getaffinity(0)))),
        "-m", f"{machine.memory_mb}M", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-chardev", f"file,id=console,path={console},append=on", "-serial", "chardev:console",
        "-kernel", str(image.kernel), "-initrd", str(image.initrd),
        "-append", f"{words} {machine.kernel}",
        # nobody writes the image: without this QEMU would refuse it while a UML guest, which locks it, runs
        "-drive", f"file={image.root},if=none,id=d0,format=raw,readonly=on,cache=unsafe,file.locking=off",
        "-device", "virtio-blk-pci,drive=d0",
        "-drive", f"file={disk},if=none,id=d1,format=raw,readonly=on", "-device", "virtio-blk-pci,drive=d1",
        "-device", "virtio-serial-pci,id=s0", "-chardev", f"socket,id=channel,fd={number}",
        "-device", "virtserialport,bus=s0.0,nr=1,chardev=channel,name=labctl",
        *_further_disks(machine.disks),  # behind the channel, whose name in the guest tells its place
    ]  # fmt: skip
    with theirs:
        process = subprocess.Popen(
            arguments, cwd=workdir, pass_fds=(number,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open_console(console), start_new_session=True,
        )  # fmt: skip
    return RunningGuest(launcher, process, ours, QEMU_WINDOW, console)


def _further_disks(disks: Sequence[Disk]) -> list[str]:
    words = []
    for number, disk in enumerate(disks, 2):
        kept = "" if disk.kept else ",snapshot=on"
        words += ["-drive", f"file={disk.path},if=none,id=d{number},format=raw,cache=unsafe{kept}"]
        words += ["-device", f"virtio-blk-pci,drive=d{number}"]
    return words
