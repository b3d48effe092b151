"""On a terminal: colours, and nothing wider than it; in a pipe, with NO_COLOR or TERM=dumb plain text."""

from __future__ import annotations

import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path

import pytest

from labctl.cli.output import error_shown
from labctl.doctor.findings import Finding, page
from labctl.errors import Place, Problem, SpecError, UsageError
from labctl.report.style import Paint
from labctl.report.table import table
from labctl.report.text import ESCAPES, cells

LONG = "lab.yaml: this sentence is longer than the window of the person who reads it, by a word or by some more of them"
ROWS = [("kvm", "warning", "a sentence that is so long that it has to be folded in a window of eighty columns, twice"),
        ("cache", "ok", "/home/somebody/.cache/labctl/guest/966a123702252451 holds 629 MB")]  # fmt: skip


def lines(text: str) -> list[str]:
    return ESCAPES.sub("", text).splitlines()


def words(text: str) -> list[str]:
    return ESCAPES.sub("", text).split()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_an_error_fits_and_loses_no_word(width: int) -> None:
    place = Place("lab.yaml", 3, 9, "fabric: {spines: [spine1, spine2], leaf_pairs: " + "x" * 150 + "}")
    error = SpecError([Problem("bad", LONG, place, hint=LONG)], next_command="labctl validate " + "x" * 90)
    text = error_shown(error.render(), colour=True, width=width)
    told = [line for line in lines(text) if not line.startswith("  next: ")]
    assert all(cells(line) <= width for line in told)
    assert "  next: labctl validate " + "x" * 90 in lines(text), "a command is copied whole"
    plain = [word for word in words(error.render()) if "xxx" not in word]
    assert [word for word in words(text) if word in plain and word != "|"] == [
        word for word in ["error:", *plain] if word in plain and word != "|"
    ]
    assert "\x1b[1;31merror:\x1b[0m" in text
    assert "\x1b" not in error_shown(error.render(), colour=False, width=width)


def test_of_a_long_line_the_part_at_the_caret_is_shown() -> None:
    place = Place("lab.yaml", 7, 151, "a" * 150 + "WRONG" + "b" * 150)
    excerpt = lines(error_shown(Problem("bad", "no", place).render(), colour=False, width=60))[1:]
    assert excerpt[0].index("WRONG") == excerpt[1].index("^")
    assert len(excerpt[0]) <= 60


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_is_folded_at_blanks(width: int) -> None:
    text = table(("FINDING", "SEVERITY", "WHAT"), ROWS, width=width, paint=Paint(colour=True))
    assert all(cells(line) <= max(width, 75) for line in lines(text))
    assert set(words(text)) == {
        "FINDING",
        "SEVERITY",
        "WHAT",
        *(word for row in ROWS for cell in row for word in cell.split()),
    }
    assert "\x1b[1;33mwarning\x1b[0m" in text
    assert len({line.index("a sentence") for line in lines(text) if "a sentence" in line}) == 1


def test_a_word_that_is_too_long_stays_whole() -> None:
    path = "/" + "x" * 100
    assert path in table(("A", "B"), [("some words to be folded", path)], width=60)


def test_in_a_pipe_a_row_is_a_line() -> None:
    assert table(("A", "B"), [("x" * 90, "y" * 90), ("z", "")]).splitlines() == [
        f"A{' ' * 92}B", f"{'x' * 90}   {'y' * 90}", "z",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [80, 120])
def test_the_page_of_the_doctor(width: int) -> None:
    found = [
        Finding("kvm", "warning", LONG, fix=LONG),
        Finding("cache", "error", "it is not there", fix="labctl setup"),
    ]
    text = page(found, "the embedded runtime", width=width, colour=True)
    assert all(cells(line) <= width for line in lines(text))
    assert "\x1b[1;31merror\x1b[0m" in text
    assert "cache: labctl setup" in lines(text)


# --- a real terminal ---------------------------------------------------------------------------------------------

Typed = Callable[..., str]


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """What a command shows on a terminal of a width."""

    def run(*arguments: str, width: int = 80, **environment: str) -> str:
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        known = {"LABCTL_STATE_DIR": str(tmp_path), "LABCTL_CACHE_DIR": str(tmp_path / "cache"), "TERM": "xterm"}
        inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        child = subprocess.Popen(
            [sys.executable, "-m", "labctl", *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path,
            env={**inherited, **known, **environment},
        )  # fmt: skip
        os.close(theirs)
        seen = bytearray()
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        os.close(ours)
        child.wait(60)
        return seen.decode().replace("\r\n", "\n")

    return run


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "arguments", [("doctor",), ("report", "--paper"), ("setup", "images", "whitepaper"), ("version",)]
)
def test_tables_fit_the_terminal(typed: Typed, arguments: tuple[str, ...], width: int) -> None:
    text = typed(*arguments, width=width)
    assert "\x1b[1m" in text
    for line in lines(text):
        # a path or an image's name is never cut: it alone may stand out
        assert cells(line) <= width or len(line.split()[-1]) > 24, line


def test_errors_are_coloured_where_a_person_reads_them(typed: Typed) -> None:
    assert "\x1b[1;31merror:\x1b[0m" in typed("up", "whitepapr")
    assert "\x1b" not in typed("up", "whitepapr", NO_COLOR="1")
    assert "\x1b" not in typed("up", "whitepapr", TERM="dumb")
    assert "\x1b" not in typed("doctor", NO_COLOR="1")


def test_an_error_without_a_place_is_the_same_in_words() -> None:
    error = UsageError("there is no lab x", code="no-such-lab", next_command="labctl status --all")
    assert error_shown(error.render(), colour=False, width=80) == f"error: {error.render()}"


def test_q_ends_and_the_terminal_is_as_before() -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    code = (
        "import threading; from labctl.cli.terminal import ended_by_key\n"
        "try:\n  with ended_by_key():\n    print('ready', flush=True); threading.Event().wait(50)\n"
        "except KeyboardInterrupt: print('over', flush=True)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        os.write(ours, b"xq")
        assert child.stdout.readline() == "over\n"
        assert child.wait(30) == 0
        assert termios.tcgetattr(theirs) == before
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        os.close(ours)
        os.close(theirs)
