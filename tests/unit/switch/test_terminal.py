"""A person at the terminal: what keys do to the line, to the screen, and to the switch."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.standin.switch.sshd import MORE, LineEditor, Terminal, Wish

UP, DOWN, RIGHT, LEFT, DELETE = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[3~"
CTRL = {letter: chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"}


def screen_of(text: str) -> list[str]:
    """What a terminal shows after these characters: its lines."""
    lines, column = [""], 0
    for character in text:
        if character == "\n":
            lines.append("")
            column = 0
        elif character == "\r":
            column = 0
        elif character == "\b":
            column -= 1
        else:
            lines[-1] = lines[-1][:column] + character + lines[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


@pytest.mark.parametrize(
    ("keys", "line", "cursor"),
    [
        ("abc", "abc", 3),
        ("abd" + LEFT + "c", "abcd", 3),
        ("abc" + LEFT * 9 + "x" + RIGHT + "y", "xaybc", 3),
        ("abc\x7f", "ab", 2),
        ("abc" + LEFT + "\x7f", "ac", 1),
        ("abc" + CTRL["a"] + CTRL["d"], "bc", 0),
        ("abc" + LEFT + DELETE, "ab", 2),
        ("show ip route" + CTRL["w"], "show ip ", 8),
        ("show ip route" + CTRL["u"], "", 0),
        ("show ip route" + CTRL["a"] + CTRL["e"] + "x", "show ip routex", 14),
        ("show ip" + LEFT * 2 + CTRL["k"], "show ", 5),
        ("show ip route" + "\x1bb" * 2 + CTRL["u"], "ip route", 0),
        ("show ip" + CTRL["a"] + "\x1bf" + "x", "showx ip", 5),
        ("show ip" + CTRL["a"] + "\x1bd", " ip", 0),
        ("teh" + CTRL["t"], "the", 3),
        (CTRL["v"] + "?", "?", 1),
        ("a\x1b[5~b\x1bOA", "ab", 2),
    ],
)
def test_keys_change_the_line_and_the_screen_alike(keys: str, line: str, cursor: int) -> None:
    editor = LineEditor(echo=True)
    shown = "".join(editor.press(key)[0] for key in keys)
    assert (editor.line, editor.cursor) == (line, cursor)
    assert screen_of(shown) == [line.rstrip()]


def test_the_history_is_walked_both_ways() -> None:
    editor = LineEditor(echo=True)
    for line in ("one", "two", "two", ""):
        for key in line:
            editor.press(key)
        editor.take()
    seen = []
    for keys in (UP, UP, UP, DOWN, DOWN):
        for key in keys:
            editor.press(key)
        seen.append(editor.line)
    assert seen == ["two", "one", "one", "two", ""]


def test_return_and_line_feed_are_one_line() -> None:
    editor = LineEditor(echo=False)
    assert [editor.press(key)[1] for key in "\r\n\n\r"] == [True, False, True, True]


class Person:
    """Types at a terminal of some height and looks at it."""

    def __init__(self, console: Any, height: int | None = 24) -> None:
        self.console = console
        self.terminal = Terminal(console.device, Wish(height))
        self.output = self.terminal.shell.prompt

    def type(self, keys: str) -> list[str]:
        """The screen after all that was typed so far."""
        self.output += "".join(map(self.terminal.key, keys))
        return screen_of(self.output)


@pytest.fixture
def person(console: Any) -> Person:
    return Person(console)


def test_a_line_is_done_at_return(person: Person) -> None:
    assert person.type("sh clock | i NTP\r") == ["sw1# sh clock | i NTP", "Time source is NTP", "sw1#"]


def test_control_z_takes_the_line_and_leaves_the_configuration(person: Person) -> None:
    person.type("conf t\rint eth1/1\rmtu 9216" + CTRL["z"])
    assert "mtu 9216" in person.console.running
    assert person.terminal.shell.prompt == "sw1# "
    assert person.type("")[-1] == "sw1#"


def test_control_c_drops_the_line(person: Person) -> None:
    assert person.type("reload" + CTRL["c"])[-2:] == ["sw1# reload^C", "sw1#"]


def test_control_d_ends_the_session_only_on_an_empty_line(person: Person) -> None:
    person.type("x" + CTRL["d"] + "\x7f")
    assert not person.terminal.shell.over
    person.type(CTRL["d"])
    assert person.terminal.shell.over


def test_question_mark_lists_and_keeps_the_line(person: Person) -> None:
    assert person.type("terminal width ?") == ["sw1# terminal width ?", "  <24-511>", "sw1# terminal width"]
    assert person.type(CTRL["u"] + "sh?")[-2:] == ["show", "sw1# sh"]
    assert "  <CR>" in person.type(CTRL["u"] + "show clock ?")


def test_question_mark_at_a_word_that_nobody_knows(person: Person) -> None:
    assert "% Invalid command at '^' marker." in person.type("nonsense ?")


def test_tab_completes_what_is_unique(person: Person) -> None:
    assert person.type("sh\tru\t") == ["sw1# show running-config"]
    assert person.type("| incl\t")[-1] == "sw1# show running-config | include"


def test_tab_lists_what_is_not(person: Person) -> None:
    assert person.type("show v\t")[-2:] == ["vlan  vpc", "sw1# show v"]
    assert person.type(CTRL["u"] + "terminal d\t")[-1] == "sw1# terminal dont-ask"
    assert person.type(CTRL["u"] + "nonsense\t")[-1] == "sw1# nonsense"


def long_text(person: Person) -> None:
    person.type("terminal length 0\rconfigure\r")
    person.type("".join(f"interface loopback{number}\r" for number in range(30)) + CTRL["z"] + "terminal length 10\r")


def test_a_long_answer_comes_in_pages(person: Person) -> None:
    long_text(person)
    assert person.type("show running-config\r")[-1] == MORE
    lines = len(person.type(""))
    assert len(person.type("\r")) == lines + 1, "return: one line more"
    assert len(person.type(" ")) == lines + 10, "blank: a page more"
    assert person.type("q")[-1] == "sw1#"
    assert person.type("show clock\r")[-1] == "sw1#"


def test_no_more_and_length_0_turn_pages_off(person: Person) -> None:
    long_text(person)
    assert person.type("show running-config | no-more\r")[-1] == "sw1#"
    assert person.type("terminal length 0\rshow running-config\r")[-1] == "sw1#"


def test_pages_are_as_long_as_the_terminal_until_told(console: Any) -> None:
    person = Person(console, height=8)
    console.configure(*(f"interface loopback{number}" for number in range(9)))
    assert person.type("show running-config\r")[-1] == MORE
    assert Person(console, height=0).type("show running-config\r")[-1] == "sw1#"
    assert Person(console, height=None).type("show running-config\r")[-1] == "sw1#"


def test_without_a_terminal_nothing_is_echoed(console: Any) -> None:
    person = Person(console, height=None)
    assert person.type("show clock\n") == ["sw1# 12:00", "Time source is NTP", "sw1#"]
