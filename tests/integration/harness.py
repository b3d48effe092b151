"""Driving labctl as a person does: as a process, with its own state folder, and a look at what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.patience import patient
from tests.tools import tool

ROOT = Path(__file__).parent.parent.parent
WHITEPAPER = ROOT / "topologies" / "whitepaper.yaml"
PROGRAM = (sys.executable, "-m", "labctl.cli.main")


OVERLOADED = "the host was overloaded"


def as_fail(report: dict[str, Any]) -> dict[str, Any]:
    """A report in which checks have failed that labctl does not judge because this host was overloaded.

    They saw what is wrong, and say so: that is what tests of faults are about, which pass on a busy host, too.
    """
    for scenario in report["scenarios"]:
        for check in scenario["checks"]:
            if check["verdict"] == "INCONCLUSIVE" and OVERLOADED in check["sentence"]:
                check["verdict"] = scenario["verdict"] = "FAIL"
    return report


@dataclass(frozen=True)
class Done:
    """A labctl that ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def expect(self, code: int) -> Done:
        """The same, or an assertion that shows what was said.

        3 is as good as 1 where labctl does not call a check failed because this host was overloaded: see `as_fail`.
        """
        if code == 1 and self.code == 3 and OVERLOADED in " ".join(f"{self.out}{self.err}".split()):
            return self
        assert self.code == code, f"exit code {self.code}, expected {code}\nstdout: {self.out}\nstderr: {self.err}"
        return self


@dataclass
class Labctl:
    """One user's labctl: state folder and environment."""

    state: Path
    env: Mapping[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = PROGRAM

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "LABCTL_STATE_DIR": str(self.state), **self.env}

    def __call__(self, *arguments: object, timeout: float = 240.0, stdin: str = "") -> Done:
        """Run to the end, which is a hang after ``timeout`` (`patient`) seconds."""
        done = subprocess.run(
            (*self.program, *map(str, arguments)),
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=patient(timeout),
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: object, log: Path) -> subprocess.Popen[bytes]:
        """Start and go on: stdout to ``log``, stderr beside it."""
        with log.open("wb") as out, log.with_suffix(".err").open("wb") as err:
            return subprocess.Popen(
                (*self.program, *map(str, arguments)),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @contextmanager
    def lab(self, *arguments: object, code: int = 0) -> Iterator[Done]:
        """``up`` with these arguments, and ``down --all`` in any case."""
        try:
            yield self("up", *arguments).expect(code)
        finally:
            self("down", "--all").expect(0)

    def lab_state(self, name: str) -> Path:
        return self.state / "labs" / name

    def evidence(self, name: str) -> dict[str, Any]:
        """The report of the lab's last verification, on a busy host as on an idle one (`as_fail`)."""
        return as_fail(json.loads((self.lab_state(name) / "evidence" / "evidence.json").read_text()))

    def pids(self, name: str) -> dict[str, int]:
        """Processes of a lab by name."""
        pids: dict[str, int] = self("status", name, "--json").json()["processes"]
        return pids

    def processes(self) -> dict[int, str]:
        """Everything on this machine that runs with this state folder: pid → command line."""
        mark = f"LABCTL_STATE_DIR={self.state}".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                    if line:  # a zombie has none
                        found[int(folder.name)] = line
            except OSError:
                continue
        return found


@dataclass(frozen=True)
class Machine:
    """What labs must not change for good."""

    mounts: frozenset[str]
    shared_memory: frozenset[str]
    namespaces: frozenset[str]
    home: frozenset[str]
    temporary: frozenset[str]

    @classmethod
    def now(cls) -> Machine:
        mounts = frozenset(Path("/proc/self/mounts").read_text().splitlines())
        shared = frozenset(path.name for path in Path("/dev/shm").iterdir())
        named = Path("/run/netns")
        namespaces = frozenset(path.name for path in named.iterdir()) if named.is_dir() else frozenset()
        home = frozenset(path.name for path in Path.home().iterdir())
        everybody = Path(tempfile.gettempdir()).iterdir()  # other programs of this machine write there, too
        temporary = frozenset(path.name for path in everybody if path.name.startswith("labctl"))
        return cls(mounts, shared, namespaces, home, temporary)


def residue(labctl: Labctl, before: Machine) -> list[str]:
    """What is left of labs that were taken down; empty when nothing is."""

    def processes_gone() -> dict[int, str] | NotYet:
        left = labctl.processes()
        return NotYet(str(left)) if left else left

    found = []
    try:
        wait_for(processes_gone, Deadline(patient(3.0)))
    except Exception as error:  # noqa: BLE001 - the deadline's text is the finding
        found.append(f"processes: {error}")
    now = Machine.now()
    for name in ("mounts", "shared_memory", "namespaces", "home", "temporary"):
        new = getattr(now, name) - getattr(before, name)
        if new:
            found.append(f"{name}: {sorted(new)}")
    labs = labctl.state / "labs"
    if labs.is_dir() and any(labs.iterdir()):
        found.append(f"state folders: {sorted(path.name for path in labs.iterdir())}")
    return found


@contextmanager
def clean_user(state: Path) -> Iterator[Labctl]:
    """A labctl of its own; its labs are taken down at the end, and nothing of them is left."""
    user = Labctl(state)
    before = Machine.now()
    yield user
    user("down", "--all").expect(0)
    left = residue(user, before)
    assert left == [], left


def await_event(log: Path, wanted: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> dict[str, Any]:
    """The first event of a ``--events json`` log that fits."""

    def there() -> dict[str, Any] | NotYet:
        for line in log.read_text().splitlines():
            try:
                event: dict[str, Any] = json.loads(line)
            except ValueError:
                continue  # half a line: it is being written
            if wanted(event):
                return event
        return NotYet(f"no such event in {log.read_text()[-400:]}")

    return wait_for(there, Deadline(patient(seconds)), every=0.02)


def step(name: str, kind: str) -> Callable[[dict[str, Any]], bool]:
    """An event of a step."""
    return lambda event: event["name"] == name and event["kind"] == kind


def end(process: subprocess.Popen[bytes], number: int = signal.SIGINT, seconds: float = 30.0) -> int:
    """Send a signal and give the exit code."""
    process.send_signal(number)
    return process.wait(patient(seconds))


def edit_deadlines(folder: Path, **deadlines: float) -> None:
    """Shorter patience than a person would want."""
    path = folder / "lab.json"
    body = json.loads(path.read_text())
    body["deadlines"] |= deadlines
    path.write_text(json.dumps(body, indent=2))


def replace(path: Path, old: str, new: str, *, count: int = -1) -> None:
    """Edit a file as a person would; what is to be replaced must be there."""
    text = path.read_text()
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new, count))


def tshark_fields(path: Path, filter_text: str, *fields: str) -> list[list[str]]:
    """What Wireshark's dissectors read of a capture: a row a packet that fits."""
    command = [tool("tshark"), "-r", str(path), "-Y", filter_text, "-T", "fields", "-E", "occurrence=a"]
    for name in fields:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]
