"""Ctrl-C on a process that verifies: acknowledged before anything else happens, and what was judged is written."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

LIMIT = 120.0
"""Seconds for a process to end: only a broken one takes as long."""
FIGURE = ("verify", "lab", "--figure", "17")


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """``start(root, "lacking", "verify", …)``; what still runs at the end is killed."""
    begun: list[subprocess.Popen[bytes]] = []

    def go(root: Path, how: str, *words: str, **streams: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.unit.cli.scriptedlab", str(root), how, *words]
        begun.append(subprocess.Popen(command, cwd=Path(__file__).parents[3], start_new_session=True, **streams))
        return begun[-1]

    yield go
    for process in begun:
        process.kill()
        process.wait()


def events(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    return (json.loads(line) for line in process.stdout)


def until_it_waits(told: Iterator[dict[str, Any]]) -> str:
    """What for."""
    return next(
        event["message"] for event in told if event["data"].get("state") == "waiting" and event["name"] == "leafs"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_one_is_acknowledged_at_once_and_what_was_judged_is_written(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    outputs = (
        "--junit",
        str(tmp_path / "j.xml"),
        "--summary",
        str(tmp_path / "s.md"),
        "--report",
        str(tmp_path / "page"),
    )
    process = start(
        tmp_path / "lab",
        "lacking",
        *FIGURE,
        "--events",
        "json",
        *outputs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    told = events(process)
    assert "leaf2101" in until_it_waits(told)
    process.send_signal(number)
    after = list(told)
    kinds = [(event["kind"], event["data"].get("state")) for event in after]
    message = "interrupted: ending the checks; what was judged is written; Ctrl-C again ends at once"
    assert message in [event["message"] for event in after]
    assert kinds.index(("message", None)) < kinds.index(("scenario", "done")), "before anything has ended"
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, errors
    assert b"Traceback" not in errors
    body = json.loads((tmp_path / "lab" / "evidence" / "evidence.json").read_text())
    assert (body["cut"], body["verdict"]) == ("interrupted", "INCONCLUSIVE")
    leafs = {check["id"]: check for row in body["scenarios"] if row["id"] == "leafs" for check in row["checks"]}
    assert leafs["leafs.gateway-up.leaf2101"]["verdict"] == "PASS", "what was judged before stands"
    assert leafs["leafs.gateway.leaf2101"]["verdict"] == "INCONCLUSIVE", "what was waited for is not known"
    assert "cut short" in (tmp_path / "s.md").read_text()
    assert (tmp_path / "page" / "index.html").is_file()
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == "0"


def test_a_second_one_ends_at_once_whatever_is_silent(start: Start, tmp_path: Path) -> None:
    process = start(
        tmp_path / "lab", "silent", *FIGURE, "--events", "json", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    told = events(process)
    next(event for event in told if event["kind"] == "scenario")
    process.send_signal(signal.SIGINT)
    next(event for event in told if event["message"].startswith("interrupted"))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert errors == b"ended at once\n"


def test_a_terminal_is_whole_again(start: Start, tmp_path: Path) -> None:
    """The line stands above the spinners, the cursor comes back."""
    controller, inner = pty.openpty()
    process = start(tmp_path / "lab", "silent", *FIGURE, stdout=subprocess.DEVNULL, stderr=inner)
    os.close(inner)
    painted = b""
    while b"leafs as the nodes need them" not in painted:
        painted += os.read(controller, 4096)
    process.send_signal(signal.SIGINT)
    while b"ends at once" not in painted:
        painted += os.read(controller, 4096)
    process.send_signal(signal.SIGINT)
    process.wait(LIMIT)
    try:
        while piece := os.read(controller, 4096):
            painted += piece
    except OSError:  # Linux: the other end of the terminal is closed
        pass
    os.close(controller)
    assert process.returncode == 130
    assert painted.endswith(b"\x1b[?25hended at once\r\n")


REMOVES = """
import threading
from labctl.cli import interrupt
interrupt.listen()
try:
    with interrupt.unwinding("lab x is removed in part, labctl down x goes on"):
        print("begun", flush=True)
        while True:
            threading.Event().wait(0.05)
except KeyboardInterrupt:
    raise SystemExit(130) from None
"""


def test_a_command_without_a_reporter_says_what_is_left(tmp_path: Path) -> None:
    """As ``down`` and ``setup`` do."""
    process = subprocess.Popen([sys.executable, "-c", REMOVES], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert errors == b"interrupted: lab x is removed in part, labctl down x goes on; Ctrl-C again ends at once\n"


def test_no_wait_judges_what_is_there_now(start: Start, tmp_path: Path) -> None:
    """One round, one look at what must not be there; a scenario that changes the lab is refused."""
    process = start(
        tmp_path / "lab", "lacking", *FIGURE, "--no-wait", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, errors = process.communicate(timeout=LIMIT)
    body = json.loads(out)
    assert process.returncode == 1, errors
    checks = {check["id"]: check for row in body["scenarios"] for check in row["checks"]}
    assert checks["leafs.gateway.leaf2101"]["verdict"] == "FAIL"
    assert {check["attempts"] for check in checks.values()} == {1}
    words = ("verify", "lab", "--scenario", "ping-ipip", "--disruptive", "--no-wait")
    refused = start(tmp_path / "lab", "lacking", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _, errors = refused.communicate(timeout=LIMIT)
    assert refused.returncode == 2
    assert b"[no-wait]" in errors


BETWEEN = """
import signal, threading
from functools import partial
from types import SimpleNamespace
from labctl.cli.interrupt import listen

listen()
given_back = []
lock = SimpleNamespace(acquire=None, release=None, __enter__=partial(signal.raise_signal, signal.SIGINT))
lock.__exit__ = lambda *_: given_back.append(True)
try:
    with threading.Condition(lock):
        threading.Event().wait(10)
except KeyboardInterrupt:
    print("interrupted", given_back)
"""


def test_a_lock_is_not_left_taken() -> None:
    """The signal comes when a lock has just been taken, and the block that gives it back has not begun."""
    done = subprocess.run([sys.executable, "-c", BETWEEN], capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.stdout, done.stderr) == ("interrupted [True]\n", "")
