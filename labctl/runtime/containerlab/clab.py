"""The ``containerlab`` command: its arguments, its environment, its log while it runs, its end.

Its exit code proves nothing (containerlab.md 3.2): what it made, and what it left, is looked up in Docker. A process
and its children are a group of their own, known by pid and start time, so that a labctl that comes later can end what
an earlier one left running.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from labctl.errors import HostError, InconclusiveError, LabctlError, LabError
from labctl.pace import paced
from labctl.peers import CONTAINERLAB_OLDEST, DEVELOPMENT, Version, dotted
from labctl.runtime.api import Progress, SwitchLogin
from labctl.runtime.containerlab import logs
from labctl.runtime.containerlab.nodes import TOPOLOGY, Link
from labctl.runtime.processes import ProcessRecord, numbers, open_log, read_records, start_time, stat, write_records
from labctl.state import LabState
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, wait_for

ENDING = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
"""Signals and the seconds that each gets; containerlab takes SIGINT and SIGTERM as the wish to stop."""
NAME = "containerlab"


def _start(
    state: LabState, argv: Sequence[str], env: Mapping[str, str], cwd: Path, stdout: Path, stderr: Path
) -> subprocess.Popen[bytes]:
    """Start it with its outputs in files: they are whole, and it goes on, when labctl is killed."""
    out = os.open(stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    err = open_log(stderr)
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(env), cwd=cwd, start_new_session=True
        )
    finally:
        os.close(out)
        os.close(err)
    started = start_time(child.pid)
    if started is not None:
        write_records(state.processes, [ProcessRecord(NAME, child.pid, started)])
    return child


def running_members(leader: ProcessRecord) -> list[int]:
    """Processes of the leader's session that run: the leader, and children that outlive it."""
    # proc(5): field 3 is the state, 6 the session, 22 the start time; what has just ended has none
    rows = ((pid, fields) for pid in numbers() if (fields := stat(pid)) and fields[0] != "Z")
    return [pid for pid, fields in rows if int(fields[3]) == leader.pid and int(fields[19]) >= leader.started]


def end_all(state: LabState, say: Callable[[str], None]) -> None:
    """End every containerlab of the lab that still runs, whoever started it. Raises `HostError` when one stays."""
    for record in read_records(state.processes):
        _end(record, say)
    state.processes.unlink(missing_ok=True)


def _end(record: ProcessRecord, say: Callable[[str], None]) -> None:
    if not running_members(record):
        return
    say(f"ending {record.name} (pid {record.pid})")
    for number, seconds in ENDING:
        for pid in running_members(record):
            _signal(pid, number, record)

        def gone() -> bool | NotYet:
            left = running_members(record)
            return NotYet(f"still running: {', '.join(map(str, left))}") if left else True

        try:
            wait_for(gone, Deadline(seconds), every=0.05)
        except DeadlinePassed:
            continue
        return
    raise HostError(
        f"{record.name} (pid {record.pid}) does not end", code="process-stays", next_command=f"kill -9 {record.pid}"
    )


def _signal(pid: int, number: signal.Signals, record: ProcessRecord) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise HostError(
            f"{record.name} (pid {pid}) runs as root, so this user cannot end it",
            code="process-stays",
            hint="down again once it is gone",
            next_command=f"sudo kill -INT {pid}",
        ) from None


DEPLOY_LIMIT = 1200.0
"""Seconds; the white paper's lab takes 145 on two slow processors (containerlab-run.md 6)."""
DESTROY_LIMIT = 300.0
VETH_LIMIT = 60.0
STUCK_LIMIT = 180.0
"""Seconds that workers may wait for kind's containers without kind having made one."""
LOOK_EVERY = 0.2
"""Seconds between two looks at its log."""
LINK_MTU = 9500
"""containerlab's own for every link."""

Started = Callable[[], bool]
"""Whether kind has made a container of the lab's cluster yet."""


class Clab:
    """containerlab for one lab."""

    def __init__(self, state: LabState, login: SwitchLogin) -> None:
        self._state = state
        self._login = login
        self._starting = threading.Lock()

    @property
    def base(self) -> Path:
        """Where it makes its lab folder."""
        return self._state.root / "clab"

    @property
    def topology(self) -> Path:
        return self._state.folder / TOPOLOGY

    @property
    def log(self) -> Path:
        return self._state.logs / logs.FILE

    def program(self) -> str:
        """Raises `HostError` when it is not on PATH."""
        found = shutil.which("containerlab")
        if found is None:
            raise HostError(
                "there is no containerlab on this host",
                code="no-containerlab",
                hint=f"{dotted(CONTAINERLAB_OLDEST)} or newer, on PATH",
                next_command="labctl doctor --runtime containerlab",
            )
        return found

    def version(self) -> Version:
        """As it says itself; a build of one's own says 0.0.0 and is trusted. Raises `HostError` for one too old."""
        command = (self.program(), "version", "--json")
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=30, env=self._environment())
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HostError(f"containerlab cannot be run: {error}", code="containerlab-version") from None
        try:
            text = str(json.loads(done.stdout)["version"])
        except (ValueError, KeyError, TypeError):
            text = done.stdout.decode(errors="replace")
        match = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
        if not match:
            words = logs.last_words(done.stderr.decode(errors="replace").splitlines())
            raise HostError(f"containerlab does not say its version: {words}", code="containerlab-version")
        version = tuple(int(part) for part in match.groups())
        if DEVELOPMENT != version < CONTAINERLAB_OLDEST:
            raise HostError(
                f"containerlab {match.group(0)} is too old",
                code="containerlab-too-old",
                hint=f"labctl needs {dotted(CONTAINERLAB_OLDEST)} or newer",
                next_command="containerlab version upgrade",
            )
        return version

    def deploy(
        self,
        workers: int,
        *,
        progress: Progress,
        kind_started: Started,
        cancel: threading.Event,
        limit: float | None = None,
        boot: Mapping[str, str] | None = None,
    ) -> None:
        """Make what is missing of the lab. Raises what `logs.as_error` makes of its words, or its deadline's.

        ``cancel`` is set by whoever takes the lab away while it is being made; ``boot``: variables of the topology by
        which this host says when each switch boots.
        """
        self.base.mkdir(mode=0o700, exist_ok=True)
        argv = ("deploy", "-t", TOPOLOGY, "--format", "json", "--max-workers", str(max(1, workers)))
        self._run(
            "make the lab", argv, paced(DEPLOY_LIMIT) if limit is None else limit, progress, cancel, kind_started, boot
        )

    def destroy(self, *, progress: Progress) -> None:
        """Remove the lab with its folder, as far as containerlab knows of it. Raises as `deploy` does."""
        self._run("remove the lab", ("destroy", "-t", TOPOLOGY, "--cleanup"), paced(DESTROY_LIMIT), progress)

    def veth(self, link: Link, *, progress: Progress) -> None:
        """Make one link of the topology again between nodes that run: same names, owner marks and MTU."""
        ends = ("-a", ":".join(link.a), "-b", ":".join(link.b))
        argv = ("tools", "veth", "create", "-t", TOPOLOGY, *ends, "--mtu", str(LINK_MTU))
        self._run(f"make link {link}", argv, paced(VETH_LIMIT), progress)

    def _environment(self) -> dict[str, str]:
        """Secrets go by the environment, never by arguments, which everybody may read."""
        return {
            **os.environ,
            "CLAB_VERSION_CHECK": "disable",
            "CLAB_LABDIR_BASE": str(self.base),
            "KUBECONFIG": str(self._state.kubeconfig),
            "LABCTL_SWITCH_USERNAME": self._login.username,
            "LABCTL_SWITCH_PASSWORD": self._login.password,
            "NO_COLOR": "1",
        }

    def end(self, progress: Progress) -> None:
        """End what runs of it for this lab, also what an earlier labctl started. Raises `HostError` when it stays."""
        with self._starting:
            end_all(self._state, progress)

    def _run(
        self,
        what: str,
        argv: Sequence[str],
        limit: float,
        progress: Progress,
        cancel: threading.Event | None = None,
        kind_started: Started | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._state.make()
        command = (self.program(), *argv)
        start = self.log.stat().st_size if self.log.exists() else 0
        out = self._state.root / "containerlab.out"
        with self._starting:
            if cancel is not None and cancel.is_set():
                raise _cancelled(what)
            child = _start(
                self._state, command, {**self._environment(), **(more or {})}, self._state.folder, out, self.log
            )
        reader = _Reader(self.log, start, progress)

        def ended() -> bool | NotYet:
            code = child.poll()
            reader.read(last=code is not None)
            if code is not None:
                return True
            if reader.stuck and kind_started is not None and not kind_started():
                raise _dead_lock(self._state.name)
            return NotYet(reader.newest or "it said nothing")

        try:
            wait_for(ended, Deadline(limit), every=LOOK_EVERY, cancel=cancel)
        except DeadlinePassed as passed:
            raise self._given_up(what, limit, passed.reason, reader) from None
        except Cancelled:
            raise _cancelled(what) from None
        finally:
            self.end(progress)
            child.wait()
        if cancel is not None and cancel.is_set():
            raise _cancelled(what)
        if child.returncode != 0:
            raise logs.as_error(self._state.name, what, reader.lines)

    def _given_up(self, what: str, limit: float, reason: str, reader: _Reader) -> LabctlError:
        if reader.waiting:
            return _dead_lock(self._state.name)
        return InconclusiveError(
            f"containerlab did not {what} within {limit:.0f} s; the last it said: {reason}",
            code="containerlab-deadline",
            next_command=f"labctl logs {self._state.name}",
        )


def _cancelled(what: str) -> InconclusiveError:
    return InconclusiveError(f"stopped while containerlab was to {what}", code="cancelled")


def _dead_lock(lab: str) -> LabError:
    return LabError(
        "containerlab's workers all wait for containers of kind, and kind was never started (dead-lock)",
        code="containerlab-dead-lock",
        hint="every ext-container of topology.clab.yml must wait for the cluster: stages: create: wait-for",
        next_command=f"labctl logs {lab}",
    )


class _Reader:
    """The part of the log that one run writes, read as it grows."""

    def __init__(self, path: Path, start: int, progress: Progress) -> None:
        self._path = path
        self._position = start
        self._half = b""
        self._progress = progress
        self.lines: list[str] = []
        self.newest = ""
        self.waiting = False
        """Whether all it has said of late is that it waits for containers of kind."""
        self._waits_since: Deadline | None = None

    def read(self, *, last: bool) -> None:
        with self._path.open("rb") as stream:
            stream.seek(self._position)
            data = stream.read()
        self._position += len(data)
        *whole, self._half = (self._half + data).split(b"\n")
        if last and self._half:
            whole, self._half = [*whole, self._half], b""
        for row in whole:
            self._take(row.decode(errors="replace"))

    def _take(self, line: str) -> None:
        self.lines.append(line)
        if logs.WAITING.search(line):
            if not self.waiting:
                self.waiting, self._waits_since = True, Deadline(paced(STUCK_LIMIT))
        elif logs.plain(line).strip():
            self.waiting, self._waits_since = False, None
        text = logs.of_containerlab(line)
        if text:
            self.newest = text
            self._progress(text)

    @property
    def stuck(self) -> bool:
        """For long nothing but workers that wait for kind's containers (containerlab-run.md 5)."""
        return self._waits_since is not None and self._waits_since.passed
