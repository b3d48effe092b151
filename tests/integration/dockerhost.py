"""A host with Docker, in an emulated machine: where privileged containers can be made whatever this machine may do.

Its root is the guest image's Docker flavour; Docker's data are on a disk of their own that holds the stand-ins' images
(loaded once, kept in the cache by the images' key) and is read with ``snapshot=on``. labctl's source is laid beside.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from labctl.cache import cache_dir
from labctl.containers import build_archive, containers_cache
from labctl.guest import recipe
from labctl.guest.api import Completed
from labctl.guest.client import Agent
from labctl.guest.image import GuestImage, build_image
from labctl.guest.machine import ALONE
from labctl.standin.cluster.controlplane.binaries import bring_binaries
from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.guests import booted
from tests.integration.harness import ROOT, Done
from tests.integration.patience import patient
from tests.tools import tool

MEMORY_MB = 4096
DISK_BYTES = 8 << 30
BOOT_LIMIT = 180.0
SOURCE = "/opt/labctl"
ENVIRONMENT = {"PYTHONPATH": SOURCE, "HOME": "/root"}
LABCTL = ("python3", "-m", "labctl.cli.main")
DATA = "docker.ext4"

START_DOCKER = """\
set -eu
mount -t cgroup2 none /sys/fs/cgroup
mkdir /sys/fs/cgroup/machine
for process in $(cat /sys/fs/cgroup/cgroup.procs); do
  echo $process >/sys/fs/cgroup/machine/cgroup.procs 2>/dev/null || : # a thread of the kernel stays
done
mkdir -p /dev/mqueue
mount -t mqueue mqueue /dev/mqueue
modprobe -a br_netfilter nf_conntrack xt_addrtype xt_conntrack nft_compat ip_tables ip6_tables
echo 1 >/proc/sys/net/ipv4/ip_forward
mkdir -p /var/lib/docker /etc/docker
mount -t ext4 /dev/vdc /var/lib/docker
: >/etc/resolv.conf
exec dockerd --storage-driver overlay2 --userland-proxy=false --log-level warn
"""


KEEP = """\
set -eu
[ -z "$1" ] || docker run -d --name keeper --privileged "$1" >/dev/null
echo 1 >/sys/devices/system/cpu/cpu1/online
"""
"""Starts a container for good, then the second processor: the guest's boot script, which does the same, says why."""
KEEPER = "keeper"
"""A container that runs as long as the machine does, for the same reason."""


DOCKER = recipe.Flavour(
    packages=(
        *recipe.PACKAGES, "docker.io", "docker-cli", "containerd", "runc", "openssh-client", "python3", "python3-click",
        "python3-cryptography", "python3-docker", "python3-jinja2", "python3-kubernetes", "python3-paramiko",
        "python3-platformdirs", "python3-pydantic", "python3-urllib3", "python3-wsproto", "python3-yaml",
    ),
    modules=(
        *recipe.MODULES, "br_netfilter", "nf_conntrack_netlink", "xt_set", "xt_ipvs", "ip_vs", "nft_reject_inet",
        "nft_limit", "nft_fib_inet", "nft_fib_ipv4", "nft_fib_ipv6",
    ),
)  # fmt: skip
"""A host with Docker in which labctl itself runs."""


def prepared() -> tuple[GuestImage, Path]:
    """The guest image and the stand-ins' images, built side by side when they are not in the cache."""
    cache = cache_dir()
    binaries = bring_binaries(cache, print)
    with ThreadPoolExecutor() as pool:
        image = pool.submit(build_image, cache, print, DOCKER)
        archive = pool.submit(build_archive, cache, binaries, print)
        return image.result(), archive.result()


@dataclass(frozen=True)
class Running:
    """A labctl in the machine that goes on; what it says is in a file there."""

    host: DockerHost
    pid: int
    log: str

    def until(self, text: str, deadline: Deadline) -> None:
        """Until it has said that. An assertion with all that it said when it ended before."""

        def said() -> bool | NotYet:
            now = self.host.agent.read_file(self.log).decode(errors="replace")
            if text in now:
                return True
            assert self.host.agent.wait(self.pid, 0.0) is None, f"it ended without {text!r}:\n{now}"
            return NotYet(now[-300:])

        wait_for(said, deadline, every=0.2)

    def kill(self) -> None:
        """SIGKILL to labctl alone: what it started goes on."""
        self.host.check("kill", "-KILL", str(self.pid))
        assert self.host.agent.wait(self.pid, patient(10.0)) is not None


@dataclass
class DockerHost:
    """The running machine."""

    agent: Agent
    work: Path
    real_containerlab: bool = False
    """Whether ``containerlab`` in the machine is the real one."""

    def run(self, *argv: str, timeout: float = 60.0, stdin: bytes = b"", join: int | None = None) -> Completed:
        """A program of the machine, to its end, whatever its code."""
        return self.agent.run(argv, timeout=patient(timeout), stdin=stdin, join=join, env=ENVIRONMENT)

    def check(self, *argv: str, timeout: float = 60.0, stdin: bytes = b"") -> str:
        """Its stdout; an assertion with all that it said when it fails."""
        done = self.run(*argv, timeout=timeout, stdin=stdin)
        assert done.code == 0, f"{' '.join(argv)}: code {done.code}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        return done.stdout.decode()

    def shell(self, script: str, *, timeout: float = 60.0) -> str:
        """A script of sh, failing at its first error."""
        return self.check("sh", "-euc", script, timeout=timeout)

    def pid(self, container: str) -> int:
        """The first process of a container."""
        return int(self.check("docker", "inspect", "-f", "{{.State.Pid}}", container))

    def inside(self, container: str, *argv: str, timeout: float = 60.0) -> str:
        """A command in a container, the quick way (`docker exec` takes half a second here)."""
        done = self.run(*argv, timeout=timeout, join=self.pid(container))
        assert done.code == 0, f"{container}: {argv}: {done.stdout.decode()} {done.stderr.decode()}"
        return done.stdout.decode()

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self.agent.write_file(path, data, mode=mode)

    def labctl(self, *arguments: str, timeout: float = 120.0) -> Done:
        """labctl in the machine, to its end."""
        done = self.run(*LABCTL, *arguments, timeout=timeout)
        return Done(done.code, done.stdout.decode(), done.stderr.decode(errors="replace"))

    def start_labctl(self, *arguments: str) -> Running:
        """labctl in the machine, in the background."""
        log = f"/root/labctl-{time.monotonic_ns()}.log"
        pid = self.agent.start([*LABCTL, *arguments], env=ENVIRONMENT, log=log)
        return Running(self, pid, log)

    def bring_tools(self) -> None:
        """containerlab (real or the substitute), kind and kubectl into the machine's PATH."""
        found = shutil.which("containerlab")
        self.real_containerlab = found is not None
        if found is None:
            print("NOT TESTED with containerlab itself: there is none on PATH; a substitute stands in", file=sys.stderr)
        tools = {
            "containerlab": Path(found) if found else Path(__file__).parent / "substitute_containerlab.py",
            "kind": Path(tool("kind")),
            "kubectl": bring_binaries(cache_dir(), print).path("kubectl"),
        }
        for name, path in tools.items():
            self.put(f"/usr/local/bin/{name}", path.read_bytes(), mode=0o755)
        self.shell("modprobe -a bonding ipip")

    def standins(self) -> str:
        """The target of a folder of stand-ins that the containerlab of this machine reads."""
        version = json.loads(self.shell("CLAB_VERSION_CHECK=disable containerlab version --json"))["version"]
        return f"switch=standin,cluster=standin,containerlab={version}"

    def lay_source(self) -> None:
        """labctl's code and what travels beside it, in `SOURCE`."""
        self.put(f"{SOURCE}.tar", source())
        self.shell(f"mkdir -p {SOURCE}; tar -x -C {SOURCE} -f {SOURCE}.tar; rm {SOURCE}.tar")


ASKPASS = "/root/askpass"


def typed(
    host: DockerHost, folder: str, part: Literal["make", "remove"], *, skip: str = "", timeout: float = 1200.0
) -> str:
    """What a folder's README.md says to type for making or removing the lab, typed in that folder; what came.

    ssh asks a program for the password, as nobody sits there. ``skip``: a command that was typed already.
    """
    host.put(ASKPASS, b"#!/bin/sh\necho admin\n", mode=0o755)
    make, _, remove = host.check("cat", f"{folder}/README.md").partition("### Remove")
    readme = make if part == "make" else remove
    lines = (line[4:] for line in readme.splitlines() if line.startswith("    "))
    commands = "\n".join(line for line in lines if line != skip)
    script = f"cd {folder}; export SSH_ASKPASS={ASKPASS} SSH_ASKPASS_REQUIRE=force\nset -x\n{commands}\n"
    done = host.run("sh", "-c", script, timeout=timeout)
    return (done.stdout + done.stderr).decode(errors="replace")


def ssh(host: DockerHost, name: str, *commands: str) -> str:
    """Stock ssh with the password, as a person logs in."""
    address = host.check("docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
    host.put(ASKPASS, b"#!/bin/sh\necho admin\n", mode=0o755)
    return host.check(
        "env", f"SSH_ASKPASS={ASKPASS}", "SSH_ASKPASS_REQUIRE=force", "ssh", "-T", "-o", "StrictHostKeyChecking=no",
        "-o", "UserKnownHostsFile=/dev/null", f"admin@{address.strip()}", " ; ".join(commands),
    )  # fmt: skip


def residue(host: DockerHost) -> dict[str, Any]:
    """Everything of the machine that a lab could leave behind."""
    listed = {
        "containers": "docker ps -a --format '{{.Names}}'",
        "networks": "docker network ls --format '{{.Name}}'",
        "volumes": "docker volume ls -q",
        "namespaces": "ls /run/netns 2>/dev/null",
        "links": "ls /sys/class/net",
        "hosts": "cat /etc/hosts",
        "ssh": "ls /etc/ssh/ssh_config.d",
        "temporary": "ls -A /tmp | grep -v '^runc-process' || :",  # of any exec that is under way
        "home": "ls -A /root | grep -Ev '^labctl-.*log$|^.cache$|^.local$'",
        "state": "ls -A /root/.local/state/labctl/labs 2>/dev/null",
        "firewall": "iptables -S DOCKER-USER",
        "processes": "ps -eo args | grep -E '[c]ontainerlab|[l]abctl.cli' || :",
    }
    return {name: sorted(host.shell(f"{script} || :").splitlines()) for name, script in listed.items()}


def source() -> bytes:
    """The package, topologies, images' recipes and notes on kind, as a tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("labctl", "topologies", "images", "kind"):
            tar.add(ROOT / name, name, filter=lambda info: None if "__pycache__" in info.name else info)
    return buffer.getvalue()


@dataclass(frozen=True)
class Disk:
    """A further block device of the machine (vdc, vdd, …). What is written to it is lost unless ``kept``."""

    path: Path
    kept: bool = False

    def arguments(self, number: int) -> list[str]:
        """QEMU's."""
        drive = f"file={self.path},if=none,id=d{number},format=raw,cache=unsafe{'' if self.kept else ',snapshot=on'}"
        return ["-drive", drive, "-device", f"virtio-blk-pci,drive=d{number}"]


@contextmanager
def machine(image: GuestImage, disks: Sequence[Disk], work: Path, memory_mb: int = MEMORY_MB) -> Iterator[DockerHost]:
    """Boot it, start Docker on the first disk; power it off in any case."""
    qemu = tuple(word for number, disk in enumerate(disks, 2) for word in disk.arguments(number))
    kernel = f"{ALONE} cgroup.memory=nokmem"
    with booted("qemu-tcg", image, memory_mb, work, BOOT_LIMIT, translation_mb=768, kernel=kernel, qemu=qemu) as agent:
        agent.start(["sh", "-c", START_DOCKER], log="/var/log/dockerd.log")
        host = DockerHost(agent, work)

        def answers() -> bool | NotYet:
            done = host.run("docker", "version", timeout=30.0)
            return True if done.code == 0 else NotYet(done.stderr.decode())

        wait_for(answers, Deadline(patient(BOOT_LIMIT)), every=0.5)
        there = host.check("docker", "images", "-q", "labctl/host").strip()
        host.check("sh", "-c", KEEP, "keep", "labctl/host:latest" if there else "", timeout=120.0)
        yield host


def data_disk(image: GuestImage, archive: Path, work: Path) -> Path:
    """Docker's data with the stand-ins' images in it; made by loading the archive once."""
    final = containers_cache(cache_dir()) / archive.parent.name / DATA
    if final.is_file():
        return final
    path = final.with_suffix(".new")
    path.unlink(missing_ok=True)
    with path.open("wb") as handle:
        handle.truncate(DISK_BYTES)
    make = (tool("mke2fs"), "-q", "-t", "ext4", "-E", "lazy_itable_init=1", "-m", "0", str(path))
    subprocess.run(make, check=True, timeout=patient(120))
    began = time.monotonic()
    with machine(image, (Disk(path, kept=True), Disk(archive)), work, 2048) as host:
        print(f"docker answers after {time.monotonic() - began:.1f} s")
        host.shell("docker load </dev/vdd", timeout=600.0)
        print(f"images loaded after {time.monotonic() - began:.1f} s")
        host.shell(
            "kill $(cat /var/run/docker.pid); while [ -e /var/run/docker.pid ]; do :; done; umount /var/lib/docker",
            timeout=60.0,
        )
    path.rename(final)
    return final


@contextmanager
def docker_host(work: Path) -> Iterator[DockerHost]:
    """A machine whose Docker has the stand-ins' images."""
    image, archive = prepared()
    disk = data_disk(image, archive, work)
    with machine(image, (Disk(disk),), work) as host:
        host.lay_source()
        yield host
