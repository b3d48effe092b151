"""Pushing a file: what is sent, what is read back, and what becomes a problem with file and line."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from labctl.errors import ExitCode, RejectedError
from labctl.nxos.push import COPY, config_lines, push, raise_if_refused
from labctl.nxos.session import Refused

TEXT = """\
! leaf1
hostname leaf1

vlan 3001
  vn-segment 30001
interface Ethernet1/1
  description to node01
  no shutdown
"""


class ScriptedSession:
    """A switch that takes lines, refuses some, and forgets others."""

    name = "leaf1"

    def __init__(self, running: str = TEXT, refuses: dict[str, str] | None = None) -> None:
        self.running = running
        self.refuses = refuses or {}
        self.sent: list[tuple[int, str]] = []
        self.asked: list[str] = []
        self.copied = "[####] 100%\nCopy complete, now saving to disk (please wait)...\nCopy complete."

    def configure(self, lines: Sequence[tuple[int, str]], *, timeout: float) -> list[Refused]:
        self.sent += lines
        return [Refused(number, line, self.refuses[line]) for number, line in lines if line in self.refuses]

    def ask(self, line: str, *, timeout: float) -> str:
        self.asked.append(line)
        return self.copied

    def show(self, command: str, *, timeout: float) -> str:
        self.asked.append(command)
        return self.running


def test_every_line_is_sent_with_its_number_and_the_result_read_back() -> None:
    session = ScriptedSession()
    result = push(session, "nxos/leaf1.cfg", TEXT, timeout=1.0)  # type: ignore[arg-type]
    assert session.sent[:3] == [(2, "hostname leaf1"), (4, "vlan 3001"), (5, "vn-segment 30001")]
    assert session.asked == [COPY, "show running-config"]
    assert result.ok
    assert (result.lines, result.problems()) == (6, [])
    raise_if_refused([result])


def test_a_refused_line_has_its_place_and_the_switchs_words() -> None:
    session = ScriptedSession(TEXT.replace("  vn-segment 30001\n", ""), {"vn-segment 30001": "% Invalid command"})
    result = push(session, "nxos/leaf1.cfg", TEXT, timeout=1.0)  # type: ignore[arg-type]
    (problem,) = result.problems()
    assert problem.code == "line-refused", "and it is not told a second time as missing"
    assert problem.message == "leaf1 refused: vn-segment 30001 (% Invalid command)"
    assert str(problem.place) == "nxos/leaf1.cfg:5"
    assert problem.place is not None
    assert problem.place.text == "  vn-segment 30001"
    assert COPY not in session.asked, "what was refused is not saved"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", "no answer"),
        ("[##   ] 40%\nConfiguration update aborted: disk full", "Configuration update aborted: disk full"),
    ],
)
def test_a_switch_that_does_not_save(answer: str, words: str) -> None:
    session = ScriptedSession()
    session.copied = answer
    result = push(session, "nxos/leaf1.cfg", TEXT, timeout=1.0)  # type: ignore[arg-type]
    assert not result.ok
    (problem,) = result.problems()
    assert problem.code == "not-saved"
    assert problem.message == f"leaf1 did not do {COPY}: {words}"


def test_a_line_that_was_taken_and_is_not_there() -> None:
    session = ScriptedSession(TEXT.replace("  description to node01\n", ""))
    result = push(session, "nxos/leaf1.cfg", TEXT, timeout=1.0)  # type: ignore[arg-type]
    (problem,) = result.problems()
    assert problem.code == "line-not-there"
    assert str(problem.place) == "nxos/leaf1.cfg:7"
    assert "its running configuration lacks it: description to node01" in problem.message


def test_what_the_switch_has_beyond_the_file_is_no_problem() -> None:
    running = TEXT + "interface Ethernet1/9\n  shutdown\n"
    assert push(ScriptedSession(running), "f", TEXT, timeout=1.0).ok  # type: ignore[arg-type]


def test_all_switches_problems_at_once() -> None:
    results = [
        push(ScriptedSession(TEXT.replace("vlan 3001\n  vn-segment 30001\n", "")), name, TEXT, timeout=1.0)  # type: ignore[arg-type]
        for name in ("nxos/leaf1.cfg", "nxos/leaf2.cfg")
    ]
    with pytest.raises(RejectedError) as caught:
        raise_if_refused(results)
    assert caught.value.exit_code == ExitCode.FAILED
    assert {problem.place.file for problem in caught.value.problems if problem.place} == {
        "nxos/leaf1.cfg", "nxos/leaf2.cfg",
    }  # fmt: skip
    assert "nxos/leaf1.cfg:4: leaf1 took the line" in caught.value.render()


@pytest.mark.parametrize("text", ["", "!\n! only comments\n\n", "   \n\t\n"])
def test_files_without_lines(text: str) -> None:
    assert config_lines(text) == []
    assert push(ScriptedSession(), "f", text, timeout=1.0).ok  # type: ignore[arg-type]
