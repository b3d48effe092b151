"""Where an answer ends: prompts, echoes and questions in what a switch sends."""

from __future__ import annotations

import pytest

from labctl.nxos.platform import PROMPT, QUESTION, refusal, without_log
from labctl.nxos.push import PushResult, config_lines
from labctl.nxos.session import Refused, _first_prompt, _without_echo
from labctl.nxos.tree import Difference, Section


@pytest.mark.parametrize(
    "text",
    ["leaf2101# ", "leaf2101(config)# ", "leaf2101(config-router-vrf-neighbor-af)# ", "a.b-c_d#", "old\nleaf2101# "],
)
def test_prompts(text: str) -> None:
    found = PROMPT.search(text)
    assert found
    assert _first_prompt(text, {found["host"]})


@pytest.mark.parametrize("text", ["", "leaf2101", "Ethernet1/1 is up", "leaf2101# show clock", "12:00#13 x"])
def test_no_prompts(text: str) -> None:
    assert not PROMPT.search(text)


def test_the_first_of_several_prompts_is_found() -> None:
    text = "vlan 5\nleaf1(config-vlan)# name x\nleaf1(config-vlan)# "
    found = _first_prompt(text, {"leaf1"})
    assert found is not None
    assert (text[: found[0]], text[found[0] : found[1]]) == ("vlan 5\n", "leaf1(config-vlan)# ")


def test_what_ends_like_a_prompt_of_another_name_is_text() -> None:
    assert _first_prompt("banner motd ^\nwelcome#\n^\n", {"leaf1"}) is None
    assert _first_prompt("leaf1# ", {"leaf1", "switch"}) == (0, 7)


LOG = "2026 Nov 27 13:02:11 leaf1 %ETHPORT-5-IF_UP: Interface Ethernet1/1 is up in mode trunk\n"


def test_messages_of_the_log_are_no_answer() -> None:
    assert without_log(f"{LOG}12:00\n{LOG}") == "12:00\n"
    assert without_log("%LINK-3-UPDOWN: Interface Ethernet1/1, changed state to up\n") == ""
    assert without_log("2026 Nov 27 13:02:11 leaf1 %$ VDC-1 %$ %VPC-4-PEER_VPC_DOWN: no\n") == ""
    assert without_log("% Invalid command at '^' marker.\n") == "% Invalid command at '^' marker.\n"
    assert refusal(LOG.replace("is up in mode trunk", "error: configuration not allowed")) is None


def test_the_echo_is_no_part_of_the_answer() -> None:
    assert _without_echo("show clock\n12:00\n", "show clock") == "12:00\n"
    assert _without_echo("12:00\n", "show clock") == "12:00\n"
    assert _without_echo(f"{LOG}show clock\n12:00\n", "show clock") == f"{LOG}12:00\n"


@pytest.mark.parametrize(
    "text",
    ["Continue (y/n)? [n] ", "Do you want to continue? (y/n)", "Proceed?", "Sure [yes/no]", "Proceed (y/n)?  [no] "],
)
def test_questions(text: str) -> None:
    assert QUESTION.search(text)


def test_config_lines_keep_the_numbers_of_the_file() -> None:
    assert config_lines("! head\n\nvlan 5\n  name x\n!\n") == [(3, "vlan 5"), (4, "name x")]


def test_a_refused_line_is_not_told_twice() -> None:
    refused, missing = Refused(1, "mtu 1", "% Invalid"), Difference("missing", (), Section("mtu 1", (), 1))
    result = PushResult("sw1", "sw1.cfg", 1, (refused,), (missing,), "mtu 1\n")
    assert [problem.code for problem in result.problems()] == ["line-refused"]
    assert not result.ok
