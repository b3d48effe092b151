"""The ``netns`` launcher: inside a QEMU guest, whose kernel has everything; and what this host's own kernel allows."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from labctl.cache import look as look_in_caches
from labctl.errors import LabctlError
from labctl.guest.api import Op, TtySize
from labctl.guest.client import Agent
from labctl.guest.image import GuestImage, find_image
from labctl.guest.launchers import refusal, start_guest
from labctl.guest.machine import Machine as TheMachine
from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.guests import await_agent, booted
from tests.integration.harness import WHITEPAPER, Labctl, Machine
from tests.integration.patience import patient

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(240))]

MODULES = ("netns", "machine")
SOURCE, WORK = "/opt/labctl", "/opt/node"
ENVIRONMENT = {"PYTHONPATH": SOURCE, "PYTHONDONTWRITEBYTECODE": "1"}

LAUNCH = f"""
import signal
from pathlib import Path
from types import SimpleNamespace
from labctl.guest import netns
from labctl.guest.machine import Machine

work = Path("{WORK}")
work.mkdir(exist_ok=True)
machine = Machine(200, work, work / "console", work / "agent.sock")
node = netns.start("netns", SimpleNamespace(root=Path("/dev/vda")), machine)
signal.signal(signal.SIGTERM, lambda *_: node.hub.stop())
node.hub.ended.wait()
node.power_off(30.0)
"""

ASK = """
from pathlib import Path
from types import SimpleNamespace
from labctl.guest.netns import refusal
print(refusal("netns", SimpleNamespace(root=Path("/dev/vda"))))
"""

LOOK = """
import json, os
def read(path):
    try:
        with open(path) as handle:
            return handle.read()
    except OSError:
        return ""
pids = [pid for pid in os.listdir("/proc") if pid.isdecimal() and int(pid) != os.getpid()]
spaces = set()
for pid in pids:
    for kind in ("mnt", "net", "pid", "uts", "ipc"):
        try:
            spaces.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
        except OSError:
            pass
names = ("net/core/rmem_max", "net/core/fb_tunnels_only_for_init_net", "net/ipv4/neigh/default/gc_thresh3",
         "net/ipv4/ip_forward", "kernel/hostname", "vm/swappiness")
print(json.dumps({
    "mounts": sorted(read("/proc/self/mounts").splitlines()),
    "processes": sorted(line for line in (read(f"/proc/{pid}/cmdline") for pid in pids) if line),
    "namespaces": sorted(spaces),
    "loops": [line for line in read("/proc/partitions").splitlines() if "loop" in line],
    "links": sorted(os.listdir("/sys/class/net")),
    "named": sorted(os.listdir("/run/netns")),
    "kernel": [read("/proc/sys/" + name) for name in names],
}))
"""

OWN_SETTINGS = [
    Op("sysctl", "net/core/rmem_max=300000"),
    Op("sysctl", "net/core/fb_tunnels_only_for_init_net=0"),
    Op("sysctl", "net/ipv4/neigh/default/gc_thresh3=3000"),
    Op("sysctl", "net/ipv4/ip_forward=0"),
]
"""Of the kernel that the node borrows: not those that a guest of our own is given."""


def source() -> bytes:
    """What the launcher needs of labctl, as a tar."""
    package = resources.files("labctl.guest")
    files = {f"labctl/guest/{name}.py": package.joinpath(f"{name}.py").read_bytes() for name in MODULES}
    for folder in ("agent", "recipe"):
        for entry in package.joinpath(folder).iterdir():
            if entry.name.endswith(".py"):
                files[f"labctl/guest/{folder}/{entry.name}"] = entry.read_bytes()
    files |= {"labctl/__init__.py": b"", "labctl/guest/__init__.py": b""}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def image() -> GuestImage:
    found = look_in_caches(find_image)
    assert found, "there is no guest image here: labctl setup brings it"
    return found


@pytest.fixture(scope="module")
def machine(image: GuestImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """A QEMU guest that holds the launcher's code."""
    work = tmp_path_factory.mktemp("guest")
    with booted("qemu-tcg", image, 1000, work) as agent:
        agent.write_file("/opt/labctl.tar", source())
        done = agent.run(["sh", "-c", f"mkdir {SOURCE} && tar -x -C {SOURCE} -f /opt/labctl.tar"])
        assert done.code == 0, done
        assert agent.batch(None, OWN_SETTINGS) == []
        yield agent


def look(machine: Agent) -> dict[str, Any]:
    """Everything of the guest that a node could leave behind or change."""
    done = machine.run(["python3", "-S", "-c", LOOK], timeout=patient(60.0))
    assert done.code == 0, done
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def pump(read: Callable[[int], bytes], write: Callable[[bytes], None], over: Callable[[], None]) -> None:
    with contextlib.suppress(OSError, LabctlError):
        while data := read(16000):
            write(data)
    over()


def dial(machine: Agent) -> Agent:
    """A client of the node's agent: its hub's socket is inside the guest."""

    def inside() -> Any:
        try:
            return machine.connect(None, f"{WORK}/agent.sock")
        except LabctlError as error:
            return NotYet(str(error))

    stream = wait_for(inside, Deadline(patient(60.0)), every=0.2)
    ours, theirs = socket.socketpair()
    for read, write, over in (
        (stream.recv, theirs.sendall, theirs.close),
        (theirs.recv, stream.sendall, stream.close),
    ):
        threading.Thread(target=pump, args=(read, write, over), daemon=True).start()
    return Agent(ours)


@contextlib.contextmanager
def node(machine: Agent, end: int) -> Iterator[Agent]:
    """A node in the guest; ended with a signal to its launcher, after which nothing of it is left."""
    before = look(machine)
    pid = machine.start(["python3", "-S", "-c", LAUNCH], env=ENVIRONMENT, log="/opt/launch.log")
    try:
        agent = dial(machine)
        yield agent
        agent.close()
    except LabctlError as error:
        words = [machine.run(["tail", "-n5", path]).stdout for path in ("/opt/launch.log", f"{WORK}/console")]
        raise AssertionError(f"{error}: {words}") from error
    finally:
        machine.signal(pid, end)
        assert machine.wait(pid, patient(60.0)) == (0 if end == 15 else -9)

    def clean() -> bool | NotYet:
        now = look(machine)
        differences = {key: (before[key], now[key]) for key in before if before[key] != now[key]}
        return NotYet(f"left or changed (before, now): {differences}") if differences else True

    wait_for(clean, Deadline(patient(30.0)), every=0.5)


def lines(text: str) -> list[Op]:
    return [Op("ip", line.strip()) for line in text.strip().splitlines()]


def side(number: int) -> list[Op]:
    """One end: a bond of two legs in a VRF."""
    return lines(f"""
        link add blue type vrf table 10
        link set blue up
        link add bond0 type bond mode 802.3ad lacp_rate fast miimon 100
        link set leg0 master bond0
        link set leg1 master bond0
        link set bond0 master blue
        addr add 10.0.0.{number}/24 dev bond0
        link set bond0 up
        link set lo up
    """)


def test_a_kernel_that_has_everything_is_not_refused(machine: Agent) -> None:
    before = look(machine)
    done = machine.run(["python3", "-S", "-c", ASK], env=ENVIRONMENT, timeout=patient(60.0))
    assert (done.code, done.stdout) == (0, b"None\n"), done
    assert {key: value for key, value in look(machine).items() if value != before[key]} == {}


def test_a_lab_in_a_node(machine: Agent) -> None:
    with node(machine, 15) as agent:
        assert agent.info().kernel == machine.info().kernel
        links = [f"link add leg{n} netns one type veth peer name leg{n} netns two" for n in (0, 1)]
        groups = [
            (None, lines("netns add one\nnetns add two")),
            (None, lines("\n".join(links))),
            ("one", side(1)),
            ("two", side(2)),
        ]
        assert agent.batches(groups) == [[], [], [], []]
        capture = agent.capture("two", "bond0", "icmp")
        ping = agent.run(["ping", "-I", "blue", "-c", "1", "-w", "30", "10.0.0.2"], ns="one", timeout=patient(60.0))
        assert ping.code == 0, ping
        pcap = capture.stop()
        assert bytes((10, 0, 0, 1, 10, 0, 0, 2)) in pcap
        stream = agent.stream(["sh", "-c", "read word; echo got $word; tty; exit 7"], tty=TtySize())
        stream.write(b"it\n")
        said = b""
        while (piece := stream.read()) is not None:
            said += piece[1]
        assert b"got it" in said
        assert b"/dev/pts/" in said
        assert stream.code() == 7
        assert agent.run(["cat"], stdin=b"x" * 100_000, timeout=patient(30.0)).stdout == b"x" * 100_000
        agent.start(["sleep", "1000"], ns="two")
        refused = agent.batch(None, [Op("sysctl", "vm/swappiness=1"), Op("sysctl", "net/core/rmem_max=1")])
        assert [one.index for one in refused] == [0, 1]


def test_a_launcher_that_is_killed_takes_the_node_with_it(machine: Agent) -> None:
    with node(machine, 9) as agent:
        assert agent.batch(None, lines("netns add one\nlink add v0 type veth peer name v1 netns one")) == []
        agent.start(["sleep", "1000"], ns="one")


def loops(path: Path) -> str:
    return subprocess.run(("losetup", "--associated", path), capture_output=True, check=True, text=True).stdout


def test_a_node_on_this_host_comes_and_goes(image: GuestImage, tmp_path: Path) -> None:
    """Node and agent need no special kernel; the image comes from a loop device, which goes with the node."""
    reason = refusal("netns", image, load=False) or ""
    if reason and " lacks " not in reason:
        pytest.skip(f"here {reason}")
    before, links = Machine.now(), sorted(Path("/sys/class/net").iterdir())
    own = start_guest("netns", image, TheMachine(200, tmp_path, tmp_path / "console", tmp_path / "agent.sock"))
    try:
        await_agent(own, 20.0)
        agent = own.connect()
        assert agent.batch(None, lines("netns add one\nlink add v0 type veth peer name v1 netns one")) == []
        assert agent.read_file("/etc/debian_version").startswith(b"13")
        assert loops(image.root)
    finally:
        own.power_off()
    wait_for(lambda: NotYet(left) if (left := loops(image.root)) else True, Deadline(patient(10.0)))
    assert not any((tmp_path / "root").iterdir())
    now = Machine.now()
    assert (now.mounts, now.namespaces) == (before.mounts, before.namespaces)
    assert sorted(Path("/sys/class/net").iterdir()) == links


def test_up_says_what_this_host_lacks(image: GuestImage, labctl: Labctl) -> None:
    reason = refusal("netns", image, load=False)
    if reason is None:
        pytest.skip("this host's own kernel has everything that a lab needs")
    done = labctl("up", WHITEPAPER, "--launcher", "netns").expect(4)
    assert f"netns: {reason}" in " ".join(done.err.split())
