"""What every launcher deals in: the machine that is asked for, the agent's disk in it, the guest that runs.

The agent is on a disk of its own, a plain tar as second block device, so that the image holds third-party files only.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import tarfile
import threading
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from labctl.guest import recipe

DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


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


@dataclass
class RunningGuest:
    """A guest that was started: its process, the channel into it, the link window of the channel."""

    launcher: str
    process: subprocess.Popen[bytes]
    channel: socket.socket
    window: int
    console: Path
    _pump: threading.Thread | None = field(default=None, repr=False)

    def exited(self) -> bool:
        return self.process.poll() is not None

    def power_off(self, grace: float = 2.0) -> None:
        """Close the channel, which makes the guest power itself off; kill it when it does not in time."""
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_RDWR)
        self.channel.close()
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def console_text(self) -> str:
        """What it has written to its console; all of it once its process has ended."""
        if self._pump and self.exited():
            self._pump.join(1.0)  # what is under way from a process that is gone
        try:
            return self.console.read_text(errors="replace")
        except OSError:
            return ""


def open_console(path: Path) -> int:
    """The console's log, for a process to append to; the caller closes it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


ALONE = "labctl.processors=1"
"""A word for the kernel's command line: the guest's second processor is left for somebody else to switch on."""
BOOT = """\
modprobe -a {modules} 2>/dev/null
echo 2 > /proc/sys/net/core/fb_tunnels_only_for_init_net
echo 4096 > /proc/sys/net/ipv4/neigh/default/gc_thresh1
echo 8192 > /proc/sys/net/ipv4/neigh/default/gc_thresh2
echo 16384 > /proc/sys/net/ipv4/neigh/default/gc_thresh3
echo 1048576 > /proc/sys/net/core/rmem_max
ln -s /proc/self/fd /dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/${{n%:*}} /dev/${{n#*:}}; done
ip link set lo up
switch=""
if grep -qw maxcpus=1 /proc/cmdline; then
  ip link add keep type dummy
  ip link set keep up
  tc qdisc add dev keep clsact
  ip link add keepvx type vxlan id 1 dstport 4789 dev keep
  ip link set keepvx up
  for command in iptables-legacy ip6tables-legacy; do
    for table in nat filter; do $command -t $table -L -n >/dev/null; done
  done
  tcpdump -q -i lo -w /dev/null >/dev/null 2>&1 &
  second=/sys/devices/system/cpu/cpu1/online
  [ -e $second ] && ! grep -qw {alone} /proc/cmdline || second=/dev/null
  switch="from labctl.guest.agent.processors import switch_on; kept = switch_on('$second'); "
fi
export PYTHON_COLORS=0 PYTHONPATH=/lab PYTHONDONTWRITEBYTECODE=1
python3 -S -c "${{switch}}from labctl.guest.agent.main import main; main()" &
wait $!
echo o > /proc/sysrq-trigger
while :; do :; done
"""
"""With QEMU's emulation the kernel has one processor until here, and what makes it patch its own code (static keys) has
been used once, for good: with two, QEMU was seen to run a breakpoint that the kernel had taken back, and it died.
`labctl.guest.agent.processors` does the last of it."""


def agent_tar() -> bytes:
    """The tar: ``boot`` (sourced by PID 1) and the agent's package; padded to whole blocks, the same every time."""
    files = {
        "boot": BOOT.format(modules=" ".join(recipe.LOAD), alone=ALONE),
        "labctl/__init__.py": "",
        "labctl/guest/__init__.py": "",
    }
    for entry in resources.files("labctl.guest.agent").iterdir():
        if entry.name.endswith(".py"):
            files[f"labctl/guest/agent/{entry.name}"] = entry.read_text()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, text in sorted(files.items()):
            data = text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def write_agent_disk(path: Path) -> None:
    """Write it, padded to 64 KiB (a block device has no odd end)."""
    data = agent_tar()
    path.write_bytes(data + b"\0" * (-len(data) % 65536))
