"""Where an answer ends: prompts, echoes and questions in what a switch sends."""

from __future__ import annotations

import pytest

from labctl.nxos.platform import PROMPT, QUESTION
from labctl.nxos.push import PushResult, config_lines
from labctl.nxos.session import Refused, _first_prompt, _without_echo
from labctl.nxos.tree import Difference


@pytest.mark.parametrize(
    "text",
    ["leaf2101# ", "leaf2101(config)# ", "leaf2101(config-router-vrf-neighbor-af)# ", "a.b-c_d#", "old\nleaf2101# "],
)
def test_prompts(text: str) -> None:
    assert PROMPT.search(text)
    assert _first_prompt(text)


@pytest.mark.parametrize("text", ["", "leaf2101", "Ethernet1/1 is up", "leaf2101# show clock", "12:00#13 x"])
def test_no_prompts(text: str) -> None:
    assert not PROMPT.search(text)


def test_the_first_of_several_prompts_is_found() -> None:
    text = "vlan 5\nleaf1(config-vlan)# name x\nleaf1(config-vlan)# "
    found = _first_prompt(text)
    assert found is not None
    assert (text[: found[0]], text[found[0] : found[1]]) == ("vlan 5\n", "leaf1(config-vlan)# ")


def test_the_echo_is_no_part_of_the_answer() -> None:
    assert _without_echo("show clock\n12:00\n", "show clock") == "12:00\n"
    assert _without_echo("12:00\n", "show clock") == "12:00\n"


@pytest.mark.parametrize(
    "text", ["Continue (y/n)? [n] ", "Do you want to continue? (y/n)", "Proceed?", "Sure [yes/no]"]
)
def test_questions(text: str) -> None:
    assert QUESTION.search(text)


def test_config_lines_keep_the_numbers_of_the_file() -> None:
    assert config_lines("! head\n\nvlan 5\n  name x\n!\n") == [(3, "vlan 5"), (4, "name x")]


def test_a_refused_line_is_not_told_twice() -> None:
    refused, missing = Refused(1, "mtu 1", "% Invalid"), Difference("missing", (), "mtu 1", 1)
    result = PushResult("sw1", "sw1.cfg", 1, (refused,), (missing,), "mtu 1\n")
    assert [problem.code for problem in result.problems()] == ["line-refused"]
    assert not result.ok
