"""``labctl status --watch``: the table of a look, what is marked in the next, and a terminal that is whole again."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from labctl.errors import InconclusiveError
from labctl.report.style import UNICODE, Paint
from labctl.report.text import cells
from labctl.report.watching import Apart, TerminalLooks, View, clock, json_looks, looked, repeat, table
from labctl.verify.livestate import ChannelMember, KubeNode, Lacp, LiveState, Pod, Port, Session, Vpc
from labctl.waiting import Deadline, NotYet, wait_for

Golden = Callable[[str, str], None]
WIRED = {"leaf1": ("Ethernet1/1", "Ethernet1/2")}


def state() -> LiveState:
    return LiveState(
        "2026-11-27 12:00:00 UTC",
        sessions=(
            Session("leaf1", "10.2.1.5", "evpn", "Established", 14, "00:01:10"),
            Session("leaf1", "192.168.1.11", "ipv4", "Established", 3, "00:00:50"),
            Session("leaf1", "2001:192:168:1::11", "ipv6", "Idle", 0, "00:00:02"),
        ),
        ports=(
            Port("leaf1", "Ethernet1/1", "up"),
            Port("leaf1", "Ethernet1/2", "down", "Administratively down"),
            Port("leaf1", "Ethernet1/3", "down", "XCVR not inserted"),
            Port("leaf1", "port-channel11", "up"),
            Port("leaf1", "Vlan3001", "up"),
            Port("node01", "eth0", "up"),
            Port("node01", "bond0", "up"),
            Port("node01", "eth1", "up"),
            Port("node01", "cali80de97cfe2d", "up"),
        ),
        channels=(ChannelMember("leaf1", 11, "Ethernet1/1", "P"),),
        lacp=(Lacp("node01", "bond0", ("eth1", "eth2"), ("eth1",)),),
        vpc=(Vpc("leaf1", "peer-ok", "peer-alive", "consistent", ((11, True), (12, False))),),
        pods=(
            Pod("default", "web-1", "node01", "Running", True, "10.244.1.7"),
            Pod("default", "web-2", "node01", "Running", False, "10.244.1.8"),
            Pod("kube-system", "done", "node01", "Succeeded", False, ""),
        ),
        nodes=(KubeNode("node01", True),),
    )


def well() -> LiveState:
    """All is well."""
    good = state()
    return replace(
        good,
        sessions=good.sessions[:2],
        ports=tuple(port for port in good.ports if port.interface != "Ethernet1/2"),
        lacp=(Lacp("node01", "bond0", ("eth1", "eth2"), ("eth1", "eth2")),),
        vpc=(Vpc("leaf1", "peer-ok", "peer-alive", "consistent", ((11, True),)),),
        pods=good.pods[:1],
    )


def text(before: LiveState | None, now: LiveState) -> str:
    first = looked(before, WIRED) if before else None
    return "\n".join(View("paper", Paint(colour=False), UNICODE).shown(looked(now, WIRED, first))) + "\n"


def test_one_look(golden: Golden) -> None:
    golden("report/watch-once.txt", text(None, state()))


def test_all_is_well(golden: Golden) -> None:
    golden("report/watch-well.txt", text(None, well()))


def test_what_has_changed_is_marked(golden: Golden) -> None:
    golden("report/watch-changed.txt", text(state(), well()))


def test_what_does_not_answer_stays_as_it_was_seen(golden: Golden) -> None:
    silent = {"leaf1": "leaf1: show interface brief: the session ended", "kubernetes": "kubernetes: no route"}
    now = LiveState("2026-11-27 12:00:02 UTC", lacp=well().lacp, ports=well().ports[-4:], unanswered=silent)
    golden("report/watch-silent.txt", text(well(), now))


def test_a_clock_that_runs_is_no_change() -> None:
    later = tuple(replace(row, since="00:09:00") for row in state().sessions)
    first = looked(state(), WIRED)
    assert looked(replace(state(), sessions=later), WIRED, first).changed == 0
    assert looked(state(), WIRED, first).changed == 0


def test_what_is_gone_is_told_once() -> None:
    fewer = replace(well(), sessions=well().sessions[:1])
    second = looked(fewer, WIRED, looked(well(), WIRED))
    gone = [row.cells[1] for section in second.sections for row in section.rows if row.mark == "gone"]
    assert gone == ["192.168.1.11"]
    assert looked(fewer, WIRED, second).changed == 0


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("lines", [5, 12, 23, 60])
def test_it_fits_any_window(columns: int, lines: int) -> None:
    shown = View("paper", Paint(colour=True), UNICODE, columns, lines).shown(looked(state(), WIRED))
    assert len(shown) <= lines
    assert all(cells(line) <= columns for line in shown)


def test_where_room_is_short_what_is_wrong_stays(golden: Golden) -> None:
    shown = View("paper", Paint(colour=False), UNICODE, 79, 18).shown(looked(state(), WIRED))
    golden("report/watch-short.txt", "\n".join(shown) + "\n")


def test_a_narrow_window(golden: Golden) -> None:
    shown = View("paper", Paint(colour=False), UNICODE, 59, 60).shown(looked(state(), WIRED))
    golden("report/watch-narrow.txt", "\n".join(shown) + "\n")


def test_words_of_a_node_do_not_steer_the_terminal() -> None:
    evil = replace(
        state(), pods=(Pod("default", "x\x1b[2J", "node01", "Running", True, "1"),), unanswered={"a\x1b[1m": "\x07b"}
    )
    assert "\x1b" not in text(None, evil)
    assert "\x07" not in text(None, evil)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("PT18S", "00:00:18"), ("PT2M8S", "00:02:08"), ("P1DT2H3M", "1d02h"), ("01:20:48", "01:20:48"), ("", "-")],
)
def test_clocks(text: str, shown: str) -> None:
    assert clock(text) == shown


def test_json_lines() -> None:
    out = io.StringIO()
    tell = json_looks(out, "paper")
    assert tell(state())
    assert tell(well())
    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first["schema"], first["lab"], len(first["sessions"])) == ("labctl.watch/v1", "paper", 3)
    assert second["sessions"][0]["state"] == "Established"


def test_a_reader_that_went_away_ends_it() -> None:
    out = io.StringIO()
    out.close()
    looks = []
    tell = json_looks(out, "paper")
    repeat(lambda: bool(looks.append(1)) or tell(state()), 0.01)
    assert looks == [1]


def test_a_look_that_hangs_does_not_keep_ctrl_c() -> None:
    waited, never = threading.Event(), threading.Event()

    def silent() -> LiveState:
        never.wait()
        return state()

    look = Apart(silent, lambda _seconds: waited.set())  # told once the look is under way, and not before
    threading.Thread(target=lambda: waited.wait() and os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        look()
    assert not look.over(0.01)
    never.set()
    assert look.over(5.0)


def test_what_reading_raises_is_raised() -> None:
    def broken() -> LiveState:
        raise InconclusiveError("it does not run")

    with pytest.raises(InconclusiveError):
        Apart(broken)()


def test_colour_only_where_it_is_wanted() -> None:
    assert "\x1b" not in table(io.StringIO(), "paper", state(), WIRED)


PROGRAM = """
import sys
from labctl.cli.interrupt import once_interrupted
from labctl.report.watching import TerminalLooks, repeat
from tests.unit.report.test_watching import WIRED, state
try:
    with once_interrupted(), TerminalLooks(sys.stdout, "paper", WIRED) as paint:
        repeat(lambda: paint(state()), 0.05)
except KeyboardInterrupt:
    sys.exit(0)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_terminal_is_whole_again(number: int) -> None:
    """A real terminal: its cursor comes back, its settings stay, nothing but the last look is left."""
    main, other = pty.openpty()
    termios.tcsetwinsize(other, (30, 80))
    before = termios.tcgetattr(other)
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=other, stdout=other, stderr=other, cwd=root, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(root), "TERM": "xterm"},
    )  # fmt: skip
    written = b""

    def painted_twice() -> bool | NotYet:
        nonlocal written
        written += os.read(main, 65536)
        return written.count(b"BGP sessions") >= 2 or NotYet("it has not painted twice")

    wait_for(painted_twice, Deadline(20.0), every=0.01)
    process.send_signal(number)
    process.send_signal(number)  # an impatient person's second Ctrl-C
    os.set_blocking(main, False)

    def ended() -> int | NotYet:
        nonlocal written
        try:
            written += os.read(main, 65536)
        except BlockingIOError:
            code = process.poll()
            return NotYet("it runs") if code is None else code
        return NotYet("it writes")

    assert wait_for(ended, Deadline(20.0), every=0.01) == 0
    assert written.count(b"\x1b[?25l") == written.count(b"\x1b[?25h") == 1, "the cursor is hidden once and given back"
    assert written.endswith(b"\x1b[?25h")
    assert b"\x1b[?1049" not in written
    assert termios.tcgetattr(other) == before
    os.close(main)
    os.close(other)


def test_a_lab_that_is_not_answering_soon_is_said_to_be_looked_at() -> None:
    """watch: blank until the first look is done, it said nothing."""
    stream = io.StringIO()
    paint = TerminalLooks(stream, "paper", {}, size=lambda: os.terminal_size((80, 24)))
    answer = threading.Event()
    look = Apart(lambda: cast("LiveState", answer.wait(30)), lambda seconds: (paint.looking(seconds), answer.set())[0])
    with paint:
        assert "paper  looking" in stream.getvalue()
        assert look() is True
