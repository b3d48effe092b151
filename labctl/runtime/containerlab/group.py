"""One containerlab process and its children as a group of their own: started, recorded, ended in an orderly way.

It is known by pid and start time, so that a labctl that comes later can end what an earlier one left running.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from labctl.errors import HostError
from labctl.runtime.processes import ProcessRecord, read_records, start_time
from labctl.state import LabState
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

ENDING = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
"""Signals and the seconds that each gets; containerlab takes SIGINT and SIGTERM as the wish to stop."""
NAME = "containerlab"


def start(
    state: LabState, argv: Sequence[str], env: Mapping[str, str], cwd: Path, stdout: Path, stderr: Path
) -> subprocess.Popen[bytes]:
    """Start it with its outputs in files: they are whole, and it goes on, when labctl is killed."""
    out = os.open(stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    err = os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(env), cwd=cwd, start_new_session=True
        )
    finally:
        os.close(out)
        os.close(err)
    started = start_time(child.pid)
    if started is not None:
        rows = [{"name": NAME, "pid": child.pid, "started": started}]
        new = state.processes.with_suffix(".new")
        state.write(new, json.dumps(rows))
        new.replace(state.processes)
    return child


def members(leader: ProcessRecord) -> list[int]:
    """Processes of the leader's session that run: the leader, and children that outlive it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        # proc(5): field 3 is the state, 6 the session, 22 the start time
        if fields[0] != "Z" and int(fields[3]) == leader.pid and int(fields[19]) >= leader.started:
            found.append(int(entry.name))
    return found


def end_all(state: LabState, say: Callable[[str], None]) -> None:
    """End every containerlab of the lab that still runs, whoever started it. Raises `HostError` when one stays."""
    for record in read_records(state.processes):
        _end(record, say)
    state.processes.unlink(missing_ok=True)


def _end(record: ProcessRecord, say: Callable[[str], None]) -> None:
    if not members(record):
        return
    say(f"ending {record.name} (pid {record.pid})")
    for number, seconds in ENDING:
        for pid in members(record):
            _signal(pid, number, record)

        def gone() -> bool | NotYet:
            left = members(record)
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
