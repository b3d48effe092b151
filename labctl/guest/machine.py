"""What every launcher deals in: the machine that is asked for, the guest that runs, its hub, the agent's disk in it.

The hub relays frames between one guest's channel and many local clients, in one thread of the lab's daemon. Towards the
guest it never has more than the link's window unacknowledged (UML's serial line has no flow control and loses bytes);
towards a client the per-stream windows bound what can pile up.

The agent is on a disk of its own, a plain tar as second block device, so that the image holds third-party files only.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import io
import itertools
import os
import socket
import subprocess
import tarfile
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.guest import recipe
from labctl.guest.agent import wire

if TYPE_CHECKING:  # a test runs this where nothing but the standard library is
    from labctl.guest.client import Agent

DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a guest has beside its image, and where what belongs to it is on this host."""

    memory_mb: int
    workdir: Path
    console: Path
    """The log of what it says."""
    socket: Path
    """Of the hub that speaks to its agent."""
    translation_mb: int = 384
    """QEMU's room for translated code; its default is 1 GB. Of a lab's guest three times less is measurably slower."""
    kernel: str = ""
    """Further words for the kernel's command line, of QEMU's guests."""
    qemu: tuple[str, ...] = ()
    """Further arguments of QEMU."""

    @property
    def agent_disk(self) -> Path:
        return self.workdir / "agent.tar"


@dataclass
class RunningGuest:
    """A guest from its start on: its process, and the hub through which it speaks."""

    launcher: str
    process: subprocess.Popen[bytes]
    machine: Machine
    hub: Hub
    pump: threading.Thread | None = field(default=None, repr=False)
    """What copies its words to the console's log; None where it writes there itself."""

    def answers(self) -> bool:
        """Whether its agent has said a word."""
        return self.hub.open.is_set()

    def connect(self) -> Agent:
        """The agent, of a guest that answers."""
        from labctl.guest.client import connect

        return connect(self.machine.socket)

    def exit_code(self) -> int | None:
        """Of a guest whose process ended; negative for the signal that ended it."""
        return self.process.poll()

    def power_off(self, grace: float = 2.0) -> None:
        """End the hub, which makes the guest power itself off; kill it when it does not in time."""
        self.hub.stop()
        self.hub.ended.wait(2.0)
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def console_text(self) -> str:
        """What it has written to its console; all of it once its process has ended."""
        if self.pump and self.exit_code() is not None:
            self.pump.join(1.0)  # what is under way from a process that is gone
        try:
            return self.machine.console.read_text(errors="replace")
        except OSError:
            return ""


def spawn(
    launcher: str,
    machine: Machine,
    command: Callable[[int], Sequence[str]],
    *,
    window: int,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    terminal: int | None = None,
) -> RunningGuest:
    """Start what ``command`` gives for the number of the channel that it inherits; it dies with the calling thread.

    ``window``: bytes that may be under way towards it. ``terminal``: a descriptor that it reads and writes instead of
    the console's log.
    """
    write_agent_disk(machine.agent_disk)
    ours, theirs = socket.socketpair()
    number = theirs.fileno()
    with theirs, open(machine.console, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
        process = subprocess.Popen(
            [*DIE_WITH_PARENT, *command(number)], cwd=cwd or machine.workdir, env=env, pass_fds=(number,),
            stdin=terminal or subprocess.DEVNULL, stdout=terminal or log, stderr=terminal or log,
            start_new_session=True,
        )  # fmt: skip
    return RunningGuest(launcher, process, machine, Hub(ours, machine.socket, window=window))


# --- the hub ------------------------------------------------------------------------------------------------------

PING_EVERY = 5.0


class Hub:
    """Owns the channel, in a thread of its own, until the channel closes or `stop` is called."""

    def __init__(self, channel: socket.socket, path: Path, *, window: int) -> None:
        self._channel = channel
        self._path = path
        self._window = window
        self._unacked = 0
        self._to_guest: collections.deque[bytes] = collections.deque()
        self._routes: dict[int, tuple[asyncio.StreamWriter, int, dict[int, int]]] = {}
        """The guest's stream number → its client, whose own number, and all of that client's: theirs → the guest's."""
        self._numbers = itertools.count(1)
        self.open = threading.Event()
        """Set when the guest has spoken: bytes sent before its line is open are lost."""
        self.ended = threading.Event()
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(64)
        threading.Thread(target=self._run, name="hub", daemon=True).start()

    def stop(self) -> None:
        """End it, close everything. Idempotent."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            asyncio.run(self._relay())
        finally:
            self._listener.close()
            self._path.unlink(missing_ok=True)
            self._channel.close()
            self.ended.set()

    async def _relay(self) -> None:
        reader, self._guest = await asyncio.open_unix_connection(sock=self._channel)
        server = await asyncio.start_unix_server(self._serve, sock=self._listener)
        self._ping()
        async for frames in _frames(reader):
            self.open.set()
            for kind, number, payload in frames:
                if kind == wire.ACK:
                    self._unacked -= number
                elif number in self._routes:
                    writer, theirs, numbers = self._routes[number]
                    writer.write(wire.HEADER.pack(kind, theirs, len(payload)) + payload)
                    if kind == wire.END:
                        del self._routes[number], numbers[theirs]
            self._flush()
        self._window = 0
        server.close()
        self._guest.transport.abort()

    def _flush(self) -> None:
        while self.open.is_set() and self._to_guest and self._unacked + len(self._to_guest[0]) <= self._window:
            piece = self._to_guest.popleft()
            self._unacked += len(piece)
            self._guest.write(piece)

    def _ping(self) -> None:
        if self.open.is_set():
            self._to_guest.append(wire.frame(wire.PING, 0))
            self._flush()
        asyncio.get_running_loop().call_later(PING_EVERY, self._ping)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until it goes away: then what runs for it is ended."""
        numbers: dict[int, int] = {}
        try:
            async for frames in _frames(reader):
                for kind, theirs, payload in frames:
                    if theirs not in numbers:
                        if kind & ~wire.MORE != wire.REQUEST:
                            continue
                        numbers[theirs] = next(self._numbers)
                        self._routes[numbers[theirs]] = writer, theirs, numbers
                    number = numbers[theirs]
                    self._to_guest.append(wire.HEADER.pack(kind, number, len(payload)) + payload)
                    if kind == wire.CLOSE:
                        del self._routes[number], numbers[theirs]
                self._flush()
        except asyncio.CancelledError:
            return  # the hub ends
        finally:
            writer.transport.abort()
            for number in numbers.values():
                del self._routes[number]
                self._to_guest.append(wire.frame(wire.CLOSE, number))
            self._flush()


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[list[tuple[int, int, bytes]]]:
    parser = wire.Parser()
    with contextlib.suppress(OSError):
        while data := await reader.read(262144):
            yield parser.feed_raw(data)


# --- the agent's disk ---------------------------------------------------------------------------------------------

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
