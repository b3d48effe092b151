"""A maintainer's words: in the lab's own log, for its owner alone, without secrets, and with ``-v`` on stderr."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from labctl.cli import logfile
from labctl.cli.logfile import log_to
from labctl.cli.main import cli
from labctl.cli.reporting import listening
from labctl.events import Event
from labctl.logs import ROOT
from labctl.state import LabState, lab_state

log = logging.getLogger("labctl.somewhere")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabState]:
    monkeypatch.setenv("LABCTL_STATE_DIR", str(tmp_path))
    found = lab_state("paper")
    found.make()
    before = list(ROOT.handlers)
    yield found
    for handler in [one for one in ROOT.handlers if one not in before]:
        ROOT.removeHandler(handler)
        handler.close()


def text(state: LabState) -> str:
    return (state.logs / "labctl.log").read_text()


def test_the_labs_log(state: LabState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["labctl", "exec", "paper", "leaf1", "enable password hidden"])
    log_to(state)
    log_to(state)
    assert list(state.logs.iterdir()) == [], "nothing was said yet"
    log.info("leaf1: username admin password 5 $5$abc$defghijkl role network-admin")
    log.debug("a line to a switch")
    assert stat.S_IMODE((state.logs / "labctl.log").stat().st_mode) == 0o600
    head, line = text(state).splitlines()
    assert head.startswith("--- labctl ")
    assert head.endswith(": exec paper leaf1 enable password <redacted>")
    assert line.endswith("labctl.somewhere: leaf1: username admin password 5 <redacted> role network-admin")


def test_it_does_not_grow_on(state: LabState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfile, "LIMIT", 4000)
    log_to(state)
    for number in range(500):
        log.info("line %d", number)
    files = sorted(state.logs.iterdir())
    assert [path.name for path in files] == ["labctl.log", "labctl.log.1"]
    assert all(path.stat().st_size <= 4000 and stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert text(state).rstrip().endswith("line 499")


def test_a_lab_that_is_gone_breaks_nothing(state: LabState, capsys: pytest.CaptureFixture[str]) -> None:
    log_to(state)
    shutil.rmtree(state.root)
    log.info("who hears this")
    assert not state.root.exists()
    assert capsys.readouterr().err == ""


def test_events_are_there_too(state: LabState, capsys: pytest.CaptureFixture[str]) -> None:
    log_to(state)
    with listening() as listener:
        listener(Event("step-done", "paper", "push", "812 lines"))
        listener(Event("step-progress", "paper", "push", "a tick"))
    assert "labctl.events: step-done push: 812 lines\n" in text(state)
    assert "tick" not in text(state)
    assert "ok    push: 812 lines" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "told"), [((), set()), (("-v",), {"info"}), (("-vv",), {"info", "debug"})])
def test_v_says_it_on_stderr(given: tuple[str, ...], told: set[str]) -> None:
    code = (
        "import click, logging, sys; from labctl.cli.main import cli; log = logging.getLogger('labctl.x')\n"
        "say = lambda: (log.info('the info: password secret7'), log.debug('the debug'))\n"
        "import labctl.cli.verbs.host as v; v.version.callback = lambda **more: say()\n"
        f"cli.main([*{given!r}, 'version'], standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {word for word in ("info", "debug") if f"the {word}" in done.stderr} == told
    assert "secret7" not in done.stderr
    assert done.stdout == ""


def test_an_error_is_in_the_log_with_where_it_came_from(state: LabState) -> None:
    environment = {**os.environ, "LABCTL_STATE_DIR": str(state.root.parent.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "labctl", "ssh", "paper", "leaf1"], capture_output=True, text=True, env=environment,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "Traceback (most recent call last)" in text(state)


def test_words_are_no_part_of_a_help_that_must_be_fast() -> None:
    code = "import sys; from labctl.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "assert not {'logging', 'labctl.logs', 'rich'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert "-v" in CliRunner().invoke(cli, ["--help"]).output
