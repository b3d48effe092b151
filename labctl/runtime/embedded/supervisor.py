"""The daemon's children: started in order, ended together, known by pid and start time.

Every child gets ``PR_SET_PDEATHSIG`` (by util-linux's ``setpriv``, so that no Python runs between fork and exec):
when the daemon is killed, nothing of the lab goes on running. The signal is tied to the *thread* that started
the child, so all children are started by one thread that lives as long as the daemon.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from labctl.errors import InconclusiveError, LabError
from labctl.runtime.processes import ProcessRecord, is_running, open_log, start_time, tail, write_records
from labctl.standin.process import ProcessSpec
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, wait_for

T = TypeVar("T")


class Supervisor:
    """Starts and ends the children of one lab."""

    def __init__(self, record_file: Path) -> None:
        self._record_file = record_file
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._records: dict[str, ProcessRecord] = {}
        self._lock = threading.Lock()
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="starter")

    def call(self, work: Callable[[], T]) -> T:
        """Run something that starts a process on the thread that lives as long as the daemon."""
        return self._starter.submit(work).result()

    def start(
        self, spec: ProcessSpec, *, stdin: int | None = None, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start one child now (its ``after`` is not looked at)."""
        return self._starter.submit(self._start, spec, stdin, tuple(pass_fds)).result()

    def _start(self, spec: ProcessSpec, stdin: int | None, pass_fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
        spec.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        environment: Mapping[str, str] = {**os.environ, **spec.env}
        log = open_log(spec.log)
        try:
            child = subprocess.Popen(
                ("setpriv", "--pdeathsig", "KILL", "--", *spec.argv),
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=log,
                stderr=log,
                env=environment,
                cwd=spec.cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        finally:
            os.close(log)
        with self._lock:
            self._children[spec.name] = child
        self.record(spec.name, child.pid)
        return child

    def start_all(
        self, specs: Sequence[ProcessSpec], deadline: Deadline, cancel: threading.Event | None = None
    ) -> None:
        """Start processes in the order of their ``after``, each once those are ready; returns when all are ready.

        Raises `InconclusiveError` with the end of the log of the one that died or was not ready in time.
        """
        pending = {spec.name: spec for spec in specs}
        started: dict[str, ProcessSpec] = {}
        ready: set[str] = set()
        while pending or len(ready) < len(specs):
            for name, spec in list(pending.items()):
                if all(other in ready for other in spec.after):
                    self.start(spec)
                    started[name] = pending.pop(name)
            waiting = [spec for name, spec in started.items() if name not in ready]

            def some_ready(waiting: list[ProcessSpec] = waiting) -> str | NotYet:
                return self._first_ready(waiting)

            try:
                ready.add(wait_for(some_ready, deadline, every=0.03, cancel=cancel))
            except DeadlinePassed as passed:
                raise InconclusiveError(f"not ready in time: {passed.reason}", code="process-not-ready") from None
            except Cancelled as cancelled:
                raise InconclusiveError(f"cancelled: {cancelled}", code="cancelled") from None

    def _first_ready(self, waiting: Sequence[ProcessSpec]) -> str | NotYet:
        reasons = []
        for spec in waiting:
            child = self._children[spec.name]
            if child.poll() is not None:
                raise LabError(f"{spec.name} ended with code {child.returncode}: {tail(spec.log)}", code="process-died")
            answer = spec.ready() if spec.ready else None
            if answer is None:
                return spec.name
            reasons.append(f"{spec.name}: {answer.reason}")
        return NotYet("; ".join(reasons))

    def record(self, name: str, pid: int) -> None:
        """Write down a process (also one that a child of ours started)."""
        started = start_time(pid)
        if started is None:
            return
        with self._lock:
            self._records[name] = ProcessRecord(name, pid, started)
            write_records(self._record_file, self._records.values())

    def running(self) -> dict[str, bool]:
        """Each process by name: does it run?"""
        with self._lock:
            return {name: is_running(record) for name, record in self._records.items()}

    def pids(self) -> dict[str, int]:
        with self._lock:
            return {name: record.pid for name, record in self._records.items()}

    def stop(self, name: str, *, force: bool = False) -> None:
        """Send SIGTERM (or SIGKILL) to one process."""
        with self._lock:
            record = self._records.get(name)
        if record and is_running(record):
            try:
                os.kill(record.pid, signal.SIGKILL if force else signal.SIGTERM)
            except ProcessLookupError:
                return

    def stop_all(self, grace: float) -> None:
        """End everything: SIGTERM, then after ``grace`` seconds SIGKILL; all are reaped."""
        names = list(self.pids())
        for name in names:
            self.stop(name)
        self._reap(names, grace)
        for name in names:
            self.stop(name, force=True)
        self._reap(names, 5.0)
        self._starter.shutdown(wait=True)

    def _reap(self, names: Sequence[str], seconds: float) -> None:
        def all_gone() -> NotYet | bool:
            for child in self._children.values():
                child.poll()
            left = [name for name in names if is_running(self._records[name])]
            return NotYet(", ".join(left)) if left else True

        try:
            wait_for(all_gone, Deadline(seconds), every=0.02)
        except DeadlinePassed:
            return
