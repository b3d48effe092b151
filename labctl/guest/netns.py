"""The ``netns`` launcher: the guest image's userland in namespaces of this host's own kernel. Root, and on demand only.

``unshare`` makes mount, network, process, UTS and IPC namespaces; the image is mounted read-only under an overlay and
becomes the root; the agent speaks over an inherited socket. The agent's end ends the first process of the process
namespace, and with it everything: namespaces, mounts and the loop device (autoclear) go when their last user goes.

What belongs to the whole kernel is never written: no global sysctl (so the fallback tunnels ``tunl0`` and ``gre0`` may
be there), and what would act on the host itself is hidden or read-only in the box's /proc. Modules are loaded, with
parameters that keep them from making interfaces in the host's network.

Whether this host's kernel has what a lab needs is tried in a throw-away box, and never cached.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labctl.guest import recipe
from labctl.guest.machine import DIE_WITH_PARENT, RunningGuest, spawn

if TYPE_CHECKING:  # a test runs this module where nothing but the standard library is
    from labctl.guest.image import GuestImage
    from labctl.guest.machine import Machine


TRIAL_LIMIT = 20.0
"""Seconds; a trial takes a quarter of one."""
HOST_TOOLS = ("setpriv", "unshare", "mount", "pivot_root", "chroot", "tar")
_DONE = "labctl: all tried"


@dataclass(frozen=True, slots=True)
class Feature:
    """Something of the kernel: how a person knows it, and a command that only works with it. In order: v0 is first."""

    name: str
    attempt: str
    module: str = ""
    """The kernel module that brings it; named like the feature unless said otherwise."""


FEATURES: tuple[Feature, ...] = (
    Feature("veth", "ip link add v0 type veth peer name v1"),
    Feature("bridge", "ip link add b0 type bridge"),
    Feature("bridge vlan_filtering", "ip link add b1 type bridge vlan_filtering 1", "bridge"),
    Feature("bonding", "ip link add o0 type bond mode 802.3ad"),
    Feature("8021q", "ip link add link v0 name v0.5 type vlan id 5"),
    Feature("vrf", "ip link add r0 type vrf table 10"),
    Feature("vxlan", "ip link add x0 type vxlan id 10 dstport 4789 local 127.0.0.1 nolearning"),
    Feature("dummy", "ip link add d0 type dummy"),
    Feature("ipip", "ip link add i0 type ipip local 127.0.0.1 remote 127.0.0.2"),
    Feature("gretap", "ip link add g0 type gretap local 127.0.0.1 remote 127.0.0.2", "ip_gre"),
    Feature("clsact", "tc qdisc replace dev v0 clsact", "sch_ingress"),
    Feature("cls_flower", "tc filter replace dev v0 ingress protocol ipv6 prio 1 flower ip_proto icmpv6"),
    Feature("cls_matchall", "tc filter replace dev v0 ingress protocol arp prio 2 matchall classid 1:1"),
    Feature("cls_fw", "tc filter replace dev v0 egress protocol all prio 3 handle 1 fw classid 1:1"),
    Feature("act_mirred", "tc actions add action mirred egress redirect dev lo"),
    Feature("act_skbedit", "tc actions add action skbedit mark 1"),
    Feature("act_gact", "tc actions add action drop"),
    Feature("iptables-legacy nat", "iptables-legacy -t nat -A POSTROUTING -j MASQUERADE", "iptable_nat"),
    Feature("ip6tables-legacy nat", "ip6tables-legacy -t nat -A POSTROUTING -j MASQUERADE", "ip6table_nat"),
    Feature("iptables-legacy filter", "iptables-legacy -A FORWARD -j REJECT", "iptable_filter"),
    Feature("iptables-legacy mangle", "iptables-legacy -t mangle -A FORWARD -j MARK --set-mark 1", "iptable_mangle"),
    Feature("xt_addrtype", "iptables-legacy -A FORWARD -m addrtype --dst-type LOCAL"),
    Feature("xt_comment", "iptables-legacy -A FORWARD -m comment --comment x"),
    Feature("xt_conntrack", "iptables-legacy -A FORWARD -m conntrack --ctstate NEW"),
    Feature("xt_statistic", "iptables-legacy -A FORWARD -m statistic --mode random --probability 0.5"),
)


def refusal(_name: str, image: GuestImage, *, load: bool = True) -> str | None:
    """Why boxes cannot live in this host's kernel; None when they can.

    Without ``load`` no module is loaded: what this host's modprobe could bring counts as there.
    """
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in HOST_TOOLS if shutil.which(name, path=PATH) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    wanted = FEATURES
    if load:
        load_modules()
    else:
        wanted = tuple(one for one in FEATURES if not modprobe("-n", "-q", one.module or one.name))
    answer = _try(image.root, wanted)
    if isinstance(answer, str):
        return f"a box cannot be made on this host: {answer}"
    return f"the kernel of this host ({os.uname().release}) lacks {', '.join(answer)}" if answer else None


def script(features: Sequence[Feature]) -> str:
    """Tries each one in the box; writes the numbers of what was refused, then that all was tried."""
    lines = ["umount -l /old", "mount -t tmpfs tmpfs /run", "ip link set lo up"]
    lines += [f"{one.attempt} >/dev/null 2>&1 || echo {number}" for number, one in enumerate(features)]
    return "\n".join((*lines, f"echo '{_DONE}'", ""))


def read_answer(features: Sequence[Feature], out: str, err: str) -> str | list[str]:
    """What the script's output says: the names of those that are missing, or why nothing could be tried."""
    lines = out.split("\n")
    if _DONE not in lines:
        said = [line for line in err.splitlines() if line.strip() and not line[0].isspace()]  # mount adds advice
        return said[-1] if said else "it ended without a word"
    return [features[int(line)].name for line in lines if line.isdecimal()]


def _try(image: Path, features: Sequence[Feature]) -> str | list[str]:
    with tempfile.TemporaryDirectory(prefix="labctl-netns-") as folder:
        box = command(image, Path(folder), script(features), size="16m", agent=None)
        try:
            done = subprocess.run(
                (*DIE_WITH_PARENT, *box),
                capture_output=True,
                check=False,
                timeout=TRIAL_LIMIT,
                stdin=subprocess.DEVNULL,
                text=True,
            )
        except subprocess.TimeoutExpired:
            return f"it is not there within {TRIAL_LIMIT:.0f} s"
    return read_answer(features, done.stdout, done.stderr)


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
    given = (str(image.resolve()), str(folder), size, str(agent or ""), inside, *arguments)
    return [*_UNSHARE, "sh", "-c", f"PATH={PATH}\nexport PATH\n{ENTER}", "labctl", *given]


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


def start(name: str, image: GuestImage, machine: Machine) -> RunningGuest:
    """A box; it dies with the calling thread and with its channel. Memory bounds its files only."""
    load_modules()
    folder = machine.workdir / "root"
    folder.mkdir(mode=0o700, exist_ok=True)
    size, disk = f"{machine.memory_mb}m", machine.agent_disk

    def box(channel: int) -> list[str]:
        return command(image.root, folder, RUN, f"labctl.channel=fd:{channel}", size=size, agent=disk)

    return spawn(name, machine, box, window=WINDOW)
