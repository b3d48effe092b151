"""The daemon's control socket: progress, results and every kind of error, over a real unix socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labctl import errors
from labctl.guest.api import AgentTimeout
from labctl.runtime.embedded.daemon import describe
from labctl.runtime.embedded.runtime import DaemonGone, DaemonLate, rebuild, request


def travelled(error: errors.LabctlError) -> errors.LabctlError:
    """An error as it is on the other side."""
    return rebuild(json.loads(json.dumps(describe(error))))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """``daemon(line, …)``: answers one request with those lines; what was asked is in ``daemon.asked``."""
    listeners: list[socket.socket] = []
    asked: list[Any] = []

    def serve(*lines: Any) -> Path:
        path = tmp_path / f"{len(listeners)}.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(1)
        listeners.append(listener)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                asked.append(json.loads(stream.readline()))
                for line in lines:
                    stream.write(json.dumps(line).encode() + b"\n")

        threading.Thread(target=answer, daemon=True).start()
        return path

    serve.asked = asked  # type: ignore[attr-defined]
    yield serve
    for listener in listeners:
        listener.close()


def test_progress_and_result(daemon: Any) -> None:
    said: list[str] = []
    path = daemon({"progress": "booting"}, {"progress": "wiring"}, {"result": {"nodes": 3}})
    assert request(path, "create", progress=said.append) == {"nodes": 3}
    assert said == ["booting", "wiring"]
    assert daemon.asked == [{"verb": "create"}]


def test_progress_that_nobody_wants(daemon: Any) -> None:
    assert request(daemon({"progress": "x"}, {"result": {}}), "observe") == {}


PLACE = errors.Place("lab.json", 3, 5, '  "x": 1')
PROBLEMS = [errors.Problem("unknown-key", "what is x", PLACE, "did you mean y"), errors.Problem("b", "no place")]


@pytest.mark.parametrize(
    "error",
    [
        errors.UsageError("m", code="c", hint="h", next_command="n"),
        errors.InconclusiveError("m"),
        errors.GateMissed("m", hint="h"),
        errors.HostError("m"),
        errors.HostError("m", next_command=None),
        errors.LabError("m", code="process-died"),
        errors.CheckFailed("m"),
        errors.SpecError(PROBLEMS),
    ],
)
def test_errors_arrive_as_what_they_are(daemon: Any, error: errors.LabctlError) -> None:
    with pytest.raises(type(error)) as caught:
        request(daemon({"error": describe(error)}), "create")
    assert type(caught.value) is type(error)
    assert caught.value.render() == error.render()
    assert (caught.value.exit_code, caught.value.code) == (error.exit_code, error.code)


def test_an_error_of_a_finer_kind_arrives_as_its_nearest_known_one() -> None:
    found = travelled(DaemonGone("gone"))
    assert (type(found), found.code, found.message) == (errors.LabError, "daemon-gone", "gone")
    assert type(travelled(errors.LabctlError("m"))) is errors.LabError


@pytest.mark.parametrize("error", [AgentTimeout("late"), DaemonLate("late"), errors.GateMissed("late")])
def test_what_did_not_answer_in_time_is_inconclusive_on_this_side_too(error: errors.LabctlError) -> None:
    found = travelled(error)
    assert (found.exit_code, found.code, found.message) == (errors.ExitCode.INCONCLUSIVE, error.code, "late")


def test_a_refused_configuration_keeps_its_exit_code() -> None:
    assert travelled(errors.RejectedError(PROBLEMS)).exit_code == errors.ExitCode.FAILED


def test_an_errors_place_arrives() -> None:
    assert travelled(errors.UsageError("m", place=PLACE)).place == PLACE


def test_a_spec_errors_next_command_arrives() -> None:
    assert travelled(errors.SpecError(PROBLEMS, next_command="labctl lint")).next_command == "labctl lint"


def test_a_daemon_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DaemonGone, match="does not answer"):
        request(tmp_path / "none.sock", "observe")
    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    with pytest.raises(DaemonGone, match="Connection refused"):
        request(stale, "observe")


def test_a_daemon_that_dies_in_the_middle(daemon: Any) -> None:
    with pytest.raises(DaemonGone, match="closed the connection"):
        request(daemon({"progress": "x"}), "create")


def test_a_daemon_that_says_nothing(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "d.sock"))
        listener.listen(1)
        with pytest.raises(DaemonLate, match="said nothing for 0 s"):
            request(tmp_path / "d.sock", "observe", timeout=0.05)
