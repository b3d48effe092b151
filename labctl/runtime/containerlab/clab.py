"""The ``containerlab`` command: its arguments, its environment, its log while it runs, its end.

Its exit code proves nothing (containerlab.md 3.2): what it made, and what it left, is looked up in Docker. A process
and its children are a group of their own, known by pid and start time, so that a labctl that comes later can end what
an earlier one left running.

A 9000v touches most of its memory while it unpacks and boots, and takes all processors that it gets: many at once on a
small host end in boots that fail by chance (vrnetlab issue 27, netlab issue 732). containerlab's ``startup-delay``
holds one of its workers meanwhile; vrnetlab's BOOT_DELAY does not, so the folder asks for it and leaves the seconds to
the environment of ``containerlab``: they are this host's affair.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from labctl.errors import HostError, InconclusiveError
from labctl.folder import TOPOLOGY_FILE, Folder, Topology
from labctl.host import memory_free
from labctl.labjson import Link
from labctl.pace import paced
from labctl.peers import CONTAINERLAB_OLDEST, dotted
from labctl.runtime.api import Progress, SwitchLogin
from labctl.runtime.containerlab import logs
from labctl.runtime.processes import ProcessRecord, numbers, open_log, read_records, start_time, stat, write_records
from labctl.state import LabState
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, wait_for

ENDING = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
"""Signals and the seconds that each gets; containerlab takes SIGINT and SIGTERM as the wish to stop."""
NAME = "containerlab"
DEPLOY_LIMIT = 1200.0
"""Seconds; the white paper's lab takes 145 on two slow processors (containerlab-run.md 6)."""
DESTROY_LIMIT = 300.0
VETH_LIMIT = 60.0
LOOK_EVERY = 0.2
"""Seconds between two looks at its log."""
LINK_MTU = 9500
"""containerlab's own for every link."""


# --- its processes ---------------------------------------------------------------------------------------------------


def running_members(leader: ProcessRecord) -> list[int]:
    """Processes of the leader's session that run: the leader, and children that outlive it."""
    # proc(5): field 3 is the state, 6 the session, 22 the start time; what has just ended has none
    rows = ((pid, fields) for pid in numbers() if (fields := stat(pid)) and fields[0] != "Z")
    return [pid for pid, fields in rows if int(fields[3]) == leader.pid and int(fields[19]) >= leader.started]


def _end(record: ProcessRecord, say: Callable[[str], None]) -> None:
    def gone() -> bool | NotYet:
        left = running_members(record)
        return NotYet(f"still running: {', '.join(map(str, left))}") if left else True

    if not running_members(record):
        return
    say(f"ending {record.name} (pid {record.pid})")
    for number, seconds in ENDING:
        for pid in running_members(record):
            _signal(pid, number, record)
        with suppress(DeadlinePassed):
            wait_for(gone, Deadline(seconds), every=0.05)
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


# --- when each switch boots ------------------------------------------------------------------------------------------


BATCH_SECONDS = 300
"""From one batch to the next: a 9000v that boots alone has its prompt after 5 minutes."""
BOOTING = 2
"""A batch may boot into one half of the free memory; the other half is for those that run already."""
DELAY = "BOOT_DELAY"
_ASKED = re.compile(r"\$\{(\w+)(?::?[-=][^}]*)?\}|\$(\w+)")
"""A value that containerlab takes from its environment (hellt/envsubst)."""


def boot_delays(switches: Sequence[str], memory_bytes: int, per_switch_bytes: int) -> dict[str, int]:
    """Seconds that each switch waits before it boots, in the order given.

    ``memory_bytes``: what the host has free now; ``per_switch_bytes``: what one switch is given. At least one boots at
    a time, whatever the numbers say: that it does not fit is for ``labctl doctor`` to tell.
    """
    fit = memory_bytes // max(1, per_switch_bytes)
    size = len(switches) if fit >= BOOTING * len(switches) else max(1, fit // BOOTING)
    return {name: BATCH_SECONDS * (index // size) for index, name in enumerate(switches)}


def boot_environment(topology: Topology, memory_bytes: int) -> dict[str, str]:
    """The variables for ``containerlab``: those by which the topology lets a delay in, and no others.

    A switch without BOOT_DELAY, or with seconds that a person wrote, is left alone.
    """
    asked = {name: match for name, env in topology.env.items() if (match := _ASKED.fullmatch(env.get(DELAY, "")))}
    per_switch = max((memory_of(topology.env[name]) for name in asked), default=0)
    delays = boot_delays(list(asked), memory_bytes, per_switch)
    return {match[1] or match[2]: str(delays[name]) for name, match in asked.items()}


def memory_of(env: Mapping[str, str]) -> int:
    """Bytes that a 9000v is given; vrnetlab's own 10 GiB where the folder says nothing."""
    written = env.get("QEMU_MEMORY", "")
    return (int(written) if written.isdecimal() else 10240) << 20


# --- the command -----------------------------------------------------------------------------------------------------


class Clab:
    """containerlab for one lab."""

    def __init__(self, state: LabState, login: SwitchLogin, progress: Progress) -> None:
        self._state = state
        self._progress = progress
        self._login = login
        self._base = state.root / "clab"
        """Where it makes its lab folder."""

    def _program(self) -> str:
        """Whether it is new enough is for `labctl.runtime.api.Host` to judge."""
        found = shutil.which("containerlab")
        if found is None:
            raise HostError(
                "there is no containerlab on this host",
                code="no-containerlab",
                hint=f"{dotted(CONTAINERLAB_OLDEST)} or newer, on PATH",
                next_command="labctl doctor --runtime containerlab",
            )
        return found

    def deploy(self, folder: Folder, cancel: threading.Event) -> None:
        """Make what is missing of the lab. Raises what `logs.as_error` makes of its words, or its deadline's.

        ``cancel`` is set by whoever takes the lab away while it is being made.
        """
        self._base.mkdir(mode=0o700, exist_ok=True)
        lab = folder.lab
        # a worker for each node, and for the cluster: those that wait for kind's containers must not keep kind waiting
        workers = max(1, len(lab.nodes) + (lab.cluster is not None))
        argv = ("deploy", "-t", TOPOLOGY_FILE, "--format", "json", "--max-workers", str(workers))
        limit = lab.limit("create") if "create" in lab.deadlines else paced(DEPLOY_LIMIT)
        boot = boot_environment(folder.topology, memory_free())
        self._run("make the lab", argv, limit, cancel, boot)

    def destroy(self) -> None:
        """Remove the lab with its folder, as far as containerlab knows of it. Raises as `deploy` does."""
        self._run("remove the lab", ("destroy", "-t", TOPOLOGY_FILE, "--cleanup"), paced(DESTROY_LIMIT))

    def veth(self, link: Link) -> None:
        """Make one link of the topology again between nodes that run: same names, owner marks and MTU."""
        a, b = map(":".join, link)
        argv = ("tools", "veth", "create", "-t", TOPOLOGY_FILE, "-a", a, "-b", b, "--mtu", str(LINK_MTU))
        self._run(f"make link {a} - {b}", argv, paced(VETH_LIMIT))

    def _environment(self) -> dict[str, str]:
        """Secrets go by the environment, never by arguments, which everybody may read."""
        return {
            **os.environ,
            "CLAB_VERSION_CHECK": "disable",
            "CLAB_LABDIR_BASE": str(self._base),
            "KUBECONFIG": str(self._state.kubeconfig),
            "LABCTL_SWITCH_USERNAME": self._login.username,
            "LABCTL_SWITCH_PASSWORD": self._login.password,
            "NO_COLOR": "1",
        }

    def end(self) -> None:
        """End what runs of it for this lab, also what an earlier labctl started. Raises `HostError` when it stays."""
        for record in read_records(self._state.processes):
            _end(record, self._progress)
        self._state.processes.unlink(missing_ok=True)

    def _start(self, argv: Sequence[str], boot: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start it with its log in a file: it is whole, and it goes on, when labctl is killed."""
        with os.fdopen(open_log(self._log), "w") as log:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, cwd=self._state.folder,
                env={**self._environment(), **boot}, start_new_session=True,
            )  # fmt: skip
        started = start_time(child.pid)
        if started is not None:
            write_records(self._state.processes, [ProcessRecord(NAME, child.pid, started)])
        return child

    @property
    def _log(self) -> Path:
        return self._state.logs / logs.FILE

    def _run(
        self,
        what: str,
        argv: Sequence[str],
        limit: float,
        cancel: threading.Event | None = None,
        boot: Mapping[str, str] | None = None,
    ) -> None:
        self._state.make()
        program = self._program()
        reader = _Reader(self._log, self._progress)
        child = self._start((program, *argv), boot or {})

        def ended() -> bool | NotYet:
            code = child.poll()
            reader.read(last=code is not None)
            return True if code is not None else NotYet(reader.newest)

        try:
            wait_for(ended, Deadline(limit), every=LOOK_EVERY, cancel=cancel)
        except DeadlinePassed as passed:
            raise InconclusiveError(
                f"containerlab did not {what} within {limit:.0f} s; the last it said: {passed.reason}",
                code="containerlab-deadline",
                next_command=f"labctl logs {self._state.name}",
            ) from None
        except Cancelled:
            raise InconclusiveError(f"stopped while containerlab was to {what}", code="cancelled") from None
        finally:
            self.end()
            child.wait()
        if child.returncode != 0:
            raise logs.as_error(self._state.name, what, reader.lines)


class _Reader:
    """The part of the log that one run writes, read as it grows."""

    def __init__(self, path: Path, progress: Progress) -> None:
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._half = b""
        self._progress = progress
        self.lines: list[str] = []
        self.newest = "it said nothing"

    def read(self, *, last: bool) -> None:
        with self._path.open("rb") as stream:
            stream.seek(self._position)
            data = stream.read()
        self._position += len(data)
        *whole, self._half = (self._half + data + b"\n" * last).split(b"\n")
        for row in whole:
            line = row.decode(errors="replace")
            self.lines.append(line)
            if text := logs.of_containerlab(line):
                self.newest = text
                self._progress(text)
