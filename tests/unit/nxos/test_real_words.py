"""A push to a switch with the words of a real NX-OS: what is a refusal, what is only a warning, what asks, what logs.

The words are those that nxos.md 2.3, 2.6 and 3.5 collect from captures and drivers.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labctl.errors import RejectedError
from labctl.nxos.push import PushResult, push, raise_if_refused
from labctl.nxos.session import Exchange, LoginRefused, NxosSession, SwitchUnreachable
from tests.scripted_switch import Script, script, switch

LINE = "vlan 3001"


def pushed(brain: Script, text: str, *, window: int = 1) -> PushResult:
    with switch(brain) as server:
        session = NxosSession("127.0.0.1", server.port, "admin", "admin", name="leaf1", window=window, timeout=5)
        try:
            return push(session, "nxos/leaf1.cfg", text, timeout=10)
        finally:
            session.close()


@pytest.mark.parametrize(
    "words",
    [
        "                ^\n% Invalid command at '^' marker.\n",
        "           ^\n% Invalid input detected at '^' marker.\n",
        "% Incomplete command at '^' marker.\n",
        "% Ambiguous command at '^' marker.\n",
        "% Invalid parameter\n",
        "% Invalid ip address/mask\n",
        "% Permission denied for the role\n",
        "ERROR: Please configure TCAM region for Ingress ARP-Ether ACL before configuring ARP supression.\n",
        "Please configure TCAM region for Ingress ARP-Ether ACL before configuring ARP supression.\n",
        "ERROR: Aggregate TCAM region configuration exceeded the available Ingress TCAM slices. Please re-configure.\n",
        "Syntax error while parsing 'vlan 3001'\n",
        "Duplicate sequence number\n",
        "L2 sub-interface is not supported on this platform\n",
        "ERROR: Cannot configure vPC domain: feature vpc not enabled\n",
        "interface configuration not allowed on this port at '^' marker\n",
    ],
)
def test_a_refusal_fails_the_push_with_file_line_and_the_switchs_words(words: str) -> None:
    brain = script({LINE: words}, running=["hostname leaf1"])
    result = pushed(brain, f"hostname leaf1\n{LINE}\n")
    with pytest.raises(RejectedError) as caught:
        raise_if_refused([result])
    (problem,) = caught.value.problems
    assert problem.code == "line-refused"
    assert str(problem.place) == "nxos/leaf1.cfg:2"
    assert words.strip().splitlines()[-1].strip() in problem.message
    assert "copy running-config startup-config" not in brain.typed, "half a configuration is not saved"


@pytest.mark.parametrize(
    "words",
    [
        "Warning: Edge port type (portfast) should only be enabled on ports\n to a single host.\n Use with CAUTION\n\n",
        "Note:\n --------:: Management VRF will be used as the default VRF ::--------\n",
        "Warning:\n Enables restoring of vPCs in a peer-detached state after reload, will wait for 240 seconds\n",
        "Warning:\n!!:: vPCs will be flapped on current primary vPC switch while attempting role change ::!!\n",
        "Warning: Appropriate TCAM carving must be configured for virtual peer-link vPC\n",
        "Warning: Please save config and reload the system for the configuration to take  effect\n",
        "Please note that spanning tree port type is changed to \"network\" port type on vPC peer-link.\n",
    ],
)  # fmt: skip
def test_a_warning_is_no_refusal(words: str) -> None:
    result = pushed(script({LINE: words}, running=["hostname leaf1", LINE]), f"hostname leaf1\n{LINE}\n")
    assert result.ok, result.problems()


def test_messages_of_the_log_between_the_answers() -> None:
    log = "2026 Nov 27 13:02:11 leaf1 %ETHPORT-5-IF_DOWN_CFG_CHANGE: Interface Ethernet1/1 is down(Config change)\n"
    alone = f"{log}%LINK-3-UPDOWN: Interface Ethernet1/1, changed state to down\n"
    brain = script(
        {
            LINE: f"{log}leaf1(config)# ",  # a prompt of the log's own, and then the line's
            "vlan 3002": alone,
            "vlan 3003": f"{log}% Invalid command at '^' marker.\n{alone}",
            "mtu 9216": "",
        },
        running=["hostname leaf1", LINE, "vlan 3002", "mtu 9216"],
    )

    def twice(line: str) -> str:
        said = Script.__call__(brain, line)
        return f"{said}\n{log}{brain.prompt}" if line == "vlan 3002" else said

    with switch(_With(brain, twice)) as server:
        session = NxosSession("127.0.0.1", server.port, "admin", "admin", name="leaf1", window=1, timeout=5)
        result = push(session, "f", f"hostname leaf1\n{LINE}\nvlan 3002\nvlan 3003\nmtu 9216\n", timeout=10)
        session.close()
    assert [(row.number, row.message) for row in result.refused] == [(4, "% Invalid command at '^' marker.")]
    assert [row.line for row in result.missing] == ["vlan 3003"]


class _With:
    """A script with another way to answer."""

    def __init__(self, brain: Script, answer: object) -> None:
        self.greeting = brain.greeting
        self._answer = answer

    def __call__(self, line: str) -> str:
        return self._answer(line)  # type: ignore[operator, no-any-return]


def test_a_question_is_answered_with_yes() -> None:
    copp = "This operation can cause disruption of control traffic. Proceed (y/n)?  [no] "
    brain = script({"copp profile strict": copp}, running=["copp profile strict", LINE])
    assert pushed(brain, f"copp profile strict\n{LINE}\n").ok
    assert brain.typed[brain.typed.index("copp profile strict") + 1] == "y"


@pytest.mark.parametrize(
    ("line", "question"),
    [
        ("reload", "This command will reboot the system. (y/n)?  [n] "),
        ("write erase", "Warning: This command will erase the startup-configuration.\nProceed anyway? (y/n)  [n] "),
    ],
)  # fmt: skip
def test_what_would_restart_or_wipe_a_switch_is_answered_with_no_and_told(line: str, question: str) -> None:
    brain = script({line: question}, running=[LINE])
    result = pushed(brain, f"{LINE}\n{line}\n")
    assert brain.typed[brain.typed.index(line) + 1] == "n"
    (refused,) = result.refused
    assert (refused.number, refused.line) == (2, line)
    assert refused.message.startswith("ERROR: labctl said no to: ")


def test_auto_recovery_with_a_reload_delay_that_asks_is_no_reload() -> None:
    brain = script({"auto-recovery reload-delay 240": "Continue (y/n)? "}, running=["auto-recovery"])
    assert pushed(brain, "auto-recovery reload-delay 240\n").ok


def test_the_progress_of_a_copy_is_no_prompt() -> None:
    result = pushed(script(running=[LINE]), f"{LINE}\n")
    assert result.unsaved is None


def test_a_banner_that_looks_like_a_prompt() -> None:
    banner = "\nNexus 9000v is a demo version\nlegal#\nNo warranty.\n\n"
    result = pushed(script(running=["banner motd ^", "legal#", "^", LINE], banner=banner), f"{LINE}\n")
    assert result.ok, result.problems()


def test_the_prompt_follows_the_hostname() -> None:
    result = pushed(script(running=["hostname leaf2101", LINE], host="switch"), f"hostname leaf2101\n{LINE}\n")
    assert result.ok


def test_many_lines_at_once_where_that_is_allowed() -> None:
    lines = [f"vlan {number}" for number in range(2, 90)]
    assert pushed(script({"vlan 7": "% Invalid\n"}, running=lines), "\n".join(lines), window=40).refused[0].number == 6


def test_every_exchange_is_told_as_it_came() -> None:
    told: list[Exchange] = []
    with switch(script({"show module": "Mod Ports\n"}, banner="hello\n")) as server:
        session = NxosSession("127.0.0.1", server.port, "admin", "admin", name="leaf1", timeout=5, tap=told.append)
        session.show("show module")
        session.close()
    assert [row.line for row in told] == [
        "", "terminal length 0", "terminal width 511", "terminal dont-ask", "show module",
    ]  # fmt: skip
    assert told[0].answer == "hello\n"
    assert (told[-1].answer, told[-1].prompt) == ("show module\nMod Ports\n", "leaf1# ")
    assert all(row.seconds >= 0 for row in told)


@pytest.fixture
def server_port() -> Iterator[int]:
    with switch(script()) as server:
        yield server.port


def test_a_wrong_password_is_told_apart_from_silence(server_port: int) -> None:
    with pytest.raises(LoginRefused, match="leaf1: Authentication failed"):
        NxosSession("127.0.0.1", server_port, "admin", "wrong", name="leaf1", timeout=5)
    with pytest.raises(
        SwitchUnreachable, match=r"^leaf1: nobody answers at 127.0.0.1 port 1: Connection refused$"
    ) as caught:
        NxosSession("127.0.0.1", 1, "admin", "admin", name="leaf1", timeout=1)
    assert not isinstance(caught.value, LoginRefused)
