"""The ``netns`` launcher: the guest image's userland in namespaces of this host's own kernel. Root, and on demand only.

``unshare`` makes mount, network, process, UTS and IPC namespaces; the image is mounted read-only under an overlay and
becomes the root; the agent speaks over an inherited socket. The agent's end ends the first process of the process
namespace, and with it everything: namespaces, mounts and the loop device (autoclear) go when their last user goes.

What belongs to the whole kernel is never written: no global sysctl (so the fallback tunnels ``tunl0`` and ``gre0`` may
be there), and what would act on the host itself is hidden or read-only in the box's /proc. Modules are loaded, with
parameters that keep them from making interfaces in the host's network.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from labctl.guest import recipe
from labctl.guest.running import DIE_WITH_PARENT, RunningGuest, open_console

WINDOW = 65536
"""Bytes under way towards the box: a socket pair loses none."""

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_UNSHARE = ("unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child=KILL", "--")

_QUIET_MODULES = {"bonding": "max_bonds=0", "dummy": "numdummies=0"}
"""Modules that make interfaces in the host's own network unless they are told not to."""

ENTER = """\
set -eu
image=$1 folder=$2 size=$3 agent=$4 inside=$5
shift 5
mount -t tmpfs -o "size=$size,mode=0755" labctl "$folder"
cd "$folder"
mkdir lower upper work root
if [ -b "$image" ]; then mount -t ext4 -o ro "$image" lower; else mount -t ext4 -o ro,loop "$image" lower; fi
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work labctl root
cd root
if [ -n "$agent" ]; then tar -x -C lab -f "$agent"; fi
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o size=1m,mode=0755 labctl dev
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
if [ -e proc/sysrq-trigger ]; then mount --bind dev/null proc/sysrq-trigger; fi
for part in proc/sys/*; do
  if [ "$part" != proc/sys/net ]; then mount --bind "$part" "$part"; mount -o remount,bind,ro "$part"; fi
done
pivot_root . old
exec chroot . /usr/bin/env -i PATH="$PATH" /bin/sh -c "$inside" labctl "$@"
"""
"""Makes the box's root and goes there. Runs with this host's tools; only paths below ``$folder`` are mounted on."""

RUN = """\
set -eu
umount -l /old
for folder in /run /tmp; do mount -t tmpfs -o mode=1777 tmpfs $folder; done
mkdir -p /dev/pts /dev/shm /run/netns /run/lock
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount --make-rshared /
ln -s pts/ptmx /dev/ptmx
ln -s /proc/self/fd /dev/fd
for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%:*}" "/dev/${n#*:}"; done
hostname labctl
ip link set lo up
export PYTHON_COLORS=0 PYTHONPATH=/lab PYTHONDONTWRITEBYTECODE=1
python3 -S -c 'from labctl.guest.agent.main import main; main()' "$1" &
wait $!
"""
"""What lab-init2 and the agent disk's ``boot`` do in a machine of its own, less what would touch the host's kernel."""


def command(image: Path, folder: Path, inside: str, *arguments: str, size: str, agent: Path | None) -> list[str]:
    """What runs ``inside`` (a shell script) in a box of its own; ``folder`` is an empty one to mount on."""
    words = (str(image.resolve()), str(folder), size, str(agent or ""), inside, *arguments)
    return [*DIE_WITH_PARENT, *_UNSHARE, "sh", "-c", f"PATH={PATH}\nexport PATH\n{ENTER}", "labctl", *words]


def load_modules() -> None:
    """Load what the lab needs. What cannot be loaded (built in, or a host without modules) the trial finds out."""
    rest = [name for name in recipe.LOAD if name not in _QUIET_MODULES]
    for words in (*([name, value] for name, value in _QUIET_MODULES.items()), ["-a", "overlay", "loop", *rest]):
        modprobe("-q", *words)


def modprobe(*arguments: str) -> bool:
    """Whether this host's modprobe did it."""
    try:
        done = subprocess.run(
            ("modprobe", *arguments), capture_output=True, check=False, timeout=30, stdin=subprocess.DEVNULL,
            env={"PATH": PATH},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def start_netns(
    launcher: str, image_root: Path, memory_mb: int, workdir: Path, console: Path, agent: Path
) -> RunningGuest:
    """Start a box; it dies with the calling thread and with its channel. ``memory_mb`` bounds its files only."""
    load_modules()
    folder = workdir / "root"
    folder.mkdir(mode=0o700, exist_ok=True)
    ours, theirs = socket.socketpair()
    number = theirs.fileno()
    box = command(image_root, folder, RUN, f"labctl.channel=fd:{number}", size=f"{memory_mb}m", agent=agent)
    with theirs:
        process = _spawn(box, workdir, console, number)
    return RunningGuest(launcher, process, ours, WINDOW, console)


def _spawn(arguments: Sequence[str], workdir: Path, console: Path, descriptor: int) -> subprocess.Popen[bytes]:
    with os.fdopen(open_console(console), "ab") as log:
        return subprocess.Popen(
            arguments, cwd=workdir, pass_fds=(descriptor,), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
