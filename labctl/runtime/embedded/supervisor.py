"""The daemon's children: started in order, ended together, known by pid and start time.

Every child gets ``PR_SET_PDEATHSIG`` (by util-linux's ``setpriv``, so that no Python runs between fork and exec):
when the daemon is killed, nothing of the lab goes on running. The signal is tied to the *thread* that started
the child, so all children are started by one thread that lives as long as the daemon.

What a person logs in to a switch with is made anew for each lab: nothing is shared between labs, files are 0600, and
the well-known admin/admin exists only inside containers.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from labctl import pace
from labctl.errors import InconclusiveError, LabError
from labctl.folder import Folder
from labctl.pace import limit
from labctl.peers import NXOS_DEFAULT
from labctl.runtime.embedded.network import Management
from labctl.runtime.embedded.runtime import KEY, PASSWORD, USERNAME
from labctl.runtime.ports import kernel_name
from labctl.runtime.processes import ProcessRecord, is_running, open_log, start_time, tail, write_records
from labctl.runtime.refusals import ssh_config
from labctl.standin.process import ProcessSpec
from labctl.standin.switch.frontend import FrontEndSpec, make_key_pair
from labctl.standin.switch.platform import SwitchIdentity
from labctl.state import LabState, write_private
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

    def start(self, spec: ProcessSpec, *, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
        """Start one child now (its ``after`` is not looked at)."""
        spec.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = open_log(spec.log)

        def work() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                ("setpriv", "--pdeathsig", "KILL", "--", *spec.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **spec.env},
                cwd=spec.cwd,
                pass_fds=pass_fds,
                start_new_session=True,
            )

        try:
            child = self._children[spec.name] = self.call(work)
        finally:
            os.close(log)
        self.record(spec.name, child.pid)
        return child

    def start_all(
        self, specs: Sequence[ProcessSpec], deadline: Deadline, cancel: threading.Event | None = None
    ) -> None:
        """Start processes in the order of their ``after``, each once those are ready; returns when all are ready.

        Raises `InconclusiveError` with the end of the log of the one that died or was not ready in time.
        """
        ready: set[str] = set()
        while len(ready) < len(specs):
            for spec in specs:
                if spec.name not in self._children and ready.issuperset(spec.after):
                    self.start(spec)
            waiting = [spec for spec in specs if spec.name in self._children and spec.name not in ready]

            def some_ready(waiting: Sequence[ProcessSpec] = waiting) -> str | NotYet:
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

    def stop_all(self, grace: float) -> None:
        """End everything: SIGTERM, then after ``grace`` seconds SIGKILL; all are reaped."""
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            for record in list(self._records.values()):
                if is_running(record):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(record.pid, number)
            with contextlib.suppress(DeadlinePassed):
                wait_for(self._all_gone, Deadline(seconds), every=0.02)
        self._starter.shutdown(wait=True)

    def _all_gone(self) -> NotYet | bool:
        for child in list(self._children.values()):
            child.poll()
        left = [name for name, alive in self.running().items() if alive]
        return NotYet(", ".join(left)) if left else True


# --- the switches' front ends: one zygote, a forked process a switch ------------------------------------------------

HOST_KEY = "switch_host_key"
"""A file in the lab's secrets."""


def make_credentials(folder: Path) -> tuple[str, str]:
    """New password, user key and host key in ``folder`` (0700); gives the public halves of both keys."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(folder / PASSWORD, f"{secrets.token_urlsafe(18)}\n")
    return make_key_pair(folder / KEY), make_key_pair(folder / HOST_KEY)


def start_zygote(state: LabState, supervisor: Supervisor) -> socket.socket:
    """Start the common parent early: it imports while the guest boots. It ends when the socket is closed."""
    ours, theirs = socket.socketpair()
    argv = (sys.executable, "-m", "labctl.standin.switch.zygote", str(theirs.fileno()))
    with theirs:
        log = state.logs / "front-ends.log"
        supervisor.start(ProcessSpec("front-ends", argv, log), pass_fds=(theirs.fileno(),))
    ours.settimeout(limit("start"))
    return ours


def start_front_ends(
    state: LabState,
    zygote: socket.socket,
    supervisor: Supervisor,
    folder: Folder,
    management: Management,
    ports: Mapping[str, int],
    user_key: str,
) -> None:
    """One front end a switch; returns when each has been forked (the SSH gate waits until they answer)."""
    specs = state.root / "front-ends"
    specs.mkdir(mode=0o700, exist_ok=True)
    with zygote.makefile("r") as answers:
        for name, port in ports.items():
            node = folder.lab.nodes[name].topology
            interfaces = {interface: kernel_name(interface) for interface in folder.lab.interfaces(name)}
            identity = SwitchIdentity(
                name,
                node,
                interfaces,
                management.interface(management.addresses[node]),
                nxos_version=folder.lab.versions.get("nxos", NXOS_DEFAULT),
            )
            spec = FrontEndSpec(
                identity, str(state.root / "agent.sock"), "127.0.0.1", port, USERNAME, str(state.secrets / PASSWORD),
                user_key, str(state.secrets / HOST_KEY), pace.speed(),
            )  # fmt: skip
            path = specs / f"{name}.json"
            spec.write(path)
            request = {"name": name, "spec": str(path), "log": str(state.logs / f"{name}.log")}
            zygote.sendall(json.dumps(request).encode() + b"\n")
        for _ in ports:
            answer = answers.readline()
            if not answer:
                raise LabError(f"the front ends' process ended: {tail(state.logs / 'front-ends.log')}")
            row = json.loads(answer)
            supervisor.record(f"switch:{row['name']}", row["pid"])


def write_ssh_files(state: LabState, host_key: str, ports: Mapping[str, int]) -> None:
    """``ssh_config`` and ``known_hosts`` of the lab."""
    known = state.root / "known_hosts"
    state.write(known, "".join(f"[127.0.0.1]:{port} {host_key}\n" for port in ports.values()))
    hosts = {
        name: {
            "HostName": "127.0.0.1", "Port": str(port), "User": USERNAME,
            "IdentityFile": f'"{state.secrets / KEY}"', "IdentitiesOnly": "yes",
            "UserKnownHostsFile": f'"{known}"', "GlobalKnownHostsFile": "none", "StrictHostKeyChecking": "yes",
        }
        for name, port in ports.items()
    }  # fmt: skip
    state.write(state.ssh_config, ssh_config(hosts))
