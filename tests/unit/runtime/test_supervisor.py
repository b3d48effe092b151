"""The daemon's children, with real processes: order, death, leftovers."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labctl.errors import InconclusiveError, LabError
from labctl.runtime.embedded.supervisor import Supervisor
from labctl.runtime.processes import ProcessRecord, end_leftovers, is_running, read_records, start_time, tail
from labctl.standin.process import ProcessSpec
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

SLEEP = ("sleep", "60")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "processes.json")
    yield supervisor
    supervisor.stop_all(0.0)


def spec(
    folder: Path,
    name: str,
    *argv: str,
    after: tuple[str, ...] = (),
    ready: Callable[[], NotYet | None] | None = None,
    **env: str,
) -> ProcessSpec:
    return ProcessSpec(name, argv or SLEEP, folder / "logs" / f"{name}.log", env=env, after=after, ready=ready)


def shell(folder: Path, name: str, script: str, **options: object) -> ProcessSpec:
    return spec(folder, name, "sh", "-c", script, **options)  # type: ignore[arg-type]


def gone(pid: int) -> None:
    wait_for(lambda: start_time(pid) is None or NotYet(f"{pid} runs"), Deadline(10), every=0.005)


def file_there(path: Path) -> Callable[[], NotYet | None]:
    return lambda: None if path.exists() else NotYet(f"{path.name} is not there")


def test_each_starts_once_those_before_it_are_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    """Told in the wrong order; each one looks whether what it needs was there when it began."""
    made = {name: tmp_path / name for name in "abc"}
    specs = [
        shell(
            tmp_path,
            "c",
            f"test -e {made['b']} && touch {made['c']}; exec sleep 60",
            after=("b",),
            ready=file_there(made["c"]),
        ),
        shell(tmp_path, "a", f"touch {made['a']}; exec sleep 60", ready=file_there(made["a"])),
        shell(
            tmp_path,
            "b",
            f"test -e {made['a']} && touch {made['b']}; exec sleep 60",
            after=("a",),
            ready=file_there(made["b"]),
        ),
        spec(tmp_path, "free"),
    ]
    supervisor.start_all(specs, Deadline(10))
    assert supervisor.running() == dict.fromkeys(("a", "b", "c", "free"), True)
    assert all(path.exists() for path in made.values())


def test_what_is_not_ready_in_time_is_named(supervisor: Supervisor, tmp_path: Path) -> None:
    slow = spec(tmp_path, "slow", ready=lambda: NotYet("port 1 is closed"))
    with pytest.raises(InconclusiveError, match="not ready in time: slow: port 1 is closed") as caught:
        supervisor.start_all([slow, spec(tmp_path, "after", after=("slow",))], Deadline(0.1))
    assert caught.value.code == "process-not-ready"
    assert supervisor.running() == {"slow": True}, "what comes after it was not started"


def test_a_child_that_dies_gives_the_end_of_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    dying = shell(
        tmp_path, "etcd", "for i in 1 2 3 4 5 6 7; do echo line $i; done; echo disk full >&2; exit 3",
        ready=lambda: NotYet("not yet"),
    )  # fmt: skip
    with pytest.raises(LabError) as caught:
        supervisor.start_all([dying], Deadline(10))
    assert caught.value.message == "etcd ended with code 3: line 4 | line 5 | line 6 | line 7 | disk full"
    assert caught.value.code == "process-died"


def test_cancelled_while_waiting(supervisor: Supervisor, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(InconclusiveError) as caught:
        supervisor.start_all([spec(tmp_path, "a", ready=lambda: NotYet("no"))], Deadline(10), cancel)
    assert caught.value.code == "cancelled"


def test_environment_and_logs(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(shell(tmp_path, "a", 'echo "$GOGC"; echo err >&2', GOGC="60"))
    assert child.wait(10) == 0
    log = tmp_path / "logs" / "a.log"
    assert log.read_text() == "60\nerr\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "end"),
    [("", "(empty log)"), ("one\n", "one"), ("1\n2\n3\n4\n5\n6\n", "2 | 3 | 4 | 5 | 6"), (None, "(no log)")],
)
def test_ends_of_logs(tmp_path: Path, text: str | None, end: str) -> None:
    if text is not None:
        (tmp_path / "log").write_text(text)
    assert tail(tmp_path / "log") == end


def test_a_stubborn_child_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    told = tmp_path / "told"
    stubborn = shell(
        tmp_path, "stubborn", f"trap '' TERM; touch {told}; sleep 60 & wait; sleep 60", ready=file_there(told)
    )
    supervisor.start_all([stubborn, spec(tmp_path, "good")], Deadline(10))
    records = read_records(tmp_path / "processes.json")
    supervisor.stop_all(0.05)
    assert supervisor.running() == {"stubborn": False, "good": False}
    assert [start_time(record.pid) for record in records] == [None, None]


def test_one_ends_and_the_others_run_on(supervisor: Supervisor, tmp_path: Path) -> None:
    child, _ = (supervisor.start(spec(tmp_path, name)) for name in ("a", "b"))
    child.kill()
    child.wait(10)
    assert supervisor.running() == {"a": False, "b": True}


def test_records_are_written_as_children_come(
    supervisor: Supervisor, tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    """Also of one that somebody else has started; one that is gone already is not written down."""
    child = supervisor.start(spec(tmp_path, "a"))
    supervisor.record("forked", sleeper.pid)
    supervisor.record("nobody", 2**22 - 1)
    found = read_records(tmp_path / "processes.json")
    assert [(record.name, record.pid) for record in found] == [("a", child.pid), ("forked", sleeper.pid)]
    assert all(is_running(record) for record in found)


def test_the_record_of_an_older_labctls_daemon(tmp_path: Path) -> None:
    (tmp_path / "r").write_text('{"name": "daemon", "pid": 7, "started": 5}')
    assert read_records(tmp_path / "r") == [ProcessRecord("daemon", 7, 5)]


@pytest.mark.parametrize("text", [None, "", "{", '{"name"'])
def test_records_that_were_never_written(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "r").write_text(text)
    assert read_records(tmp_path / "r") == []


PARENT = """
import os, sys
from pathlib import Path
from labctl.runtime.embedded.supervisor import Supervisor
from labctl.standin.process import ProcessSpec
folder = Path(sys.argv[1])
supervisor = Supervisor(folder / "processes.json")
child = supervisor.start(ProcessSpec("sleeper", ("sleep", "60"), folder / "log"))
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_children_of_a_killed_daemon_do_not_live_on(tmp_path: Path) -> None:
    daemon = subprocess.Popen(
        (sys.executable, "-c", PARENT, str(tmp_path)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert daemon.stdout is not None
    child = int(daemon.stdout.readline())
    # until then it is setpriv, which may not have asked for the signal yet
    program = Path(f"/proc/{child}/comm")
    wait_for(lambda: program.read_text() == "sleep\n" or NotYet(program.read_text()), Deadline(10), every=0.005)
    daemon.kill()
    daemon.wait(10)
    gone(child)
    daemon.communicate()


# --- leftovers of a dead daemon ---------------------------------------------------------------------------------


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is not the test's child to reap: its start time goes once it is killed."""
    process = subprocess.Popen(SLEEP)
    yield process
    process.kill()
    process.wait()


def record_of(process: subprocess.Popen[bytes], shift: int = 0) -> ProcessRecord:
    started = start_time(process.pid)
    assert started is not None
    return ProcessRecord("x", process.pid, started + shift)


def test_what_still_runs_is_ended(sleeper: subprocess.Popen[bytes]) -> None:
    record, nobody = record_of(sleeper), ProcessRecord("gone", 2**22 - 1, 5)
    assert end_leftovers([nobody, record], Deadline(10)) == [record]
    assert sleeper.wait(10) == -signal.SIGKILL
    assert end_leftovers([record], Deadline(10)) == []


def test_another_process_with_the_same_number_is_not_touched(sleeper: subprocess.Popen[bytes]) -> None:
    recycled = record_of(sleeper, shift=-1)
    assert not is_running(recycled)
    assert end_leftovers([recycled], Deadline(10)) == []
    assert sleeper.poll() is None


def test_leftovers_that_do_not_end_are_named(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "kill", lambda _pid, _signal: None)
    with pytest.raises(DeadlinePassed, match="still running: x"):
        end_leftovers([record_of(sleeper)], Deadline(0.05))


def test_a_zombie_does_not_run() -> None:
    process = subprocess.Popen(("true",))
    gone(process.pid)
    process.wait()


def test_a_name_with_brackets_in_it(tmp_path: Path) -> None:
    """Field 2 of /proc/PID/stat is the program's name, whatever is in it."""
    odd = tmp_path / "a) S (b"
    odd.symlink_to("/bin/sleep")
    process = subprocess.Popen((str(odd), "60"))
    wait_for(
        lambda: "a) S (b" in Path(f"/proc/{process.pid}/stat").read_text() or NotYet("not yet"),
        Deadline(10),
        every=0.005,
    )
    ticks = start_time(process.pid)
    process.kill()
    process.wait()
    assert ticks is not None
    up = float(Path("/proc/uptime").read_text().split()[0])
    assert abs(ticks / os.sysconf("SC_CLK_TCK") - up) < 60


def test_records_are_replaced_as_a_whole(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(spec(tmp_path, "a"))
    (row,) = json.loads((tmp_path / "processes.json").read_text())
    assert set(row) == {"name", "pid", "started"}
    assert list(tmp_path.glob("*.new")) == []
