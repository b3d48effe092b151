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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from labctl.guest import recipe

DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a guest has beside its image."""

    memory_mb: int
    translation_mb: int = 384
    """QEMU's room for translated code; its default is 1 GB. Of a lab's guest three times less is measurably slower."""
    kernel: str = ""
    """Further words for the kernel's command line, of QEMU's guests."""
    qemu: tuple[str, ...] = ()
    """Further arguments of QEMU."""


@dataclass
class RunningGuest:
    """A guest that was started: its process, the channel into it, the link window of the channel."""

    launcher: str
    process: subprocess.Popen[bytes]
    channel: socket.socket
    window: int
    console: Path
    pump: threading.Thread | None = field(default=None, repr=False)
    """What copies its words to the console's log; None where it writes there itself."""

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
        if self.pump and self.exited():
            self.pump.join(1.0)  # what is under way from a process that is gone
        try:
            return self.console.read_text(errors="replace")
        except OSError:
            return ""


def spawn(
    launcher: str,
    command: Callable[[int], Sequence[str]],
    console: Path,
    *,
    window: int,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    terminal: int | None = None,
) -> RunningGuest:
    """Start what ``command`` gives for the number of the channel that it inherits; it dies with the calling thread.

    ``terminal``: a descriptor that it reads and writes instead of the console's log.
    """
    ours, theirs = socket.socketpair()
    number = theirs.fileno()
    with theirs, open(console, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
        process = subprocess.Popen(
            command(number), cwd=cwd, env=env, pass_fds=(number,), stdin=terminal or subprocess.DEVNULL,
            stdout=terminal or log, stderr=terminal or log, start_new_session=True,
        )  # fmt: skip
    return RunningGuest(launcher, process, ours, window, console)


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


def write_agent_disk(path: Path) -> None:
    """The tar: ``boot`` (sourced by PID 1) and the agent's package; whole 64 KiB blocks (a block device has no odd
    end), the same every time."""
    files = {
        "boot": BOOT.format(modules=" ".join(recipe.LOAD), alone=ALONE),
        "labctl/__init__.py": "",
        "labctl/guest/__init__.py": "",
    }
    for entry in resources.files("labctl.guest.agent").iterdir():
        if entry.name.endswith(".py"):
            files[f"labctl/guest/agent/{entry.name}"] = entry.read_text()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, text in sorted(files.items()):
            data = text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    os.truncate(path, -(-path.stat().st_size // 65536) * 65536)
