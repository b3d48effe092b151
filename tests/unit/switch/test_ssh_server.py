"""The switch's SSH server and the client of labctl against each other, on this machine's loopback."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import paramiko
import pytest

from labctl.errors import RejectedError
from labctl.nxos.push import push, raise_if_refused
from labctl.nxos.session import NxosSession, SwitchRefused, SwitchUnreachable
from labctl.standin.switch.sshd import SshServer


@pytest.fixture(scope="session")
def host_key() -> paramiko.PKey:
    return paramiko.ECDSAKey.generate()


@pytest.fixture
def server(console: Any, host_key: paramiko.PKey) -> Iterator[SshServer]:
    server = SshServer(console.device, ("127.0.0.1", 0), host_key, ("admin", "secret", "ssh-none none"))
    threading.Thread(target=server.serve, daemon=True).start()
    yield server
    server.stop()


@pytest.fixture
def session(server: SshServer) -> Iterator[NxosSession]:
    session = NxosSession("127.0.0.1", server.port, "admin", "secret", name="sw1")
    yield session
    session.close()


def test_show(session: NxosSession) -> None:
    assert session.show("show clock").strip() == "12:00\nTime source is NTP"
    assert session.show_json("show clock") == {"time": "12:00"}


def test_an_unknown_show_is_an_error_with_the_switchs_words(session: NxosSession) -> None:
    with pytest.raises(SwitchRefused, match="sw1: show nonsense: % Invalid command"):
        session.show("show nonsense")


def test_a_text_that_is_no_json_is_an_error(session: NxosSession) -> None:
    with pytest.raises(SwitchRefused, match="no JSON"):
        session.show_json("show running-config")


def test_push_reads_back_what_it_wrote(session: NxosSession, console: Any) -> None:
    text = "! a comment\nhostname sw1\ninterface Ethernet1/1\n  mtu 9216\n\n"
    result = push(session, "nxos/sw1.cfg", text, timeout=10)
    assert result.ok
    assert result.lines == 3
    assert console.device.config.startup is not None


def test_push_of_more_lines_than_are_under_way_at_once(session: NxosSession, console: Any) -> None:
    text = "".join(f"interface loopback{n}\n  ip address 10.0.{n}.1/32\n" for n in range(90))
    result = push(session, "nxos/sw1.cfg", text, timeout=20)
    assert result.ok
    assert console.running.count("interface loopback") == 90


def test_a_refused_line_is_told_with_file_and_line(session: NxosSession, console: Any) -> None:
    text = "interface Ethernet1/1\n  mtu 99999\n  description fine\nnonsense\n"
    result = push(session, "nxos/sw1.cfg", text, timeout=10)
    assert not result.ok
    with pytest.raises(RejectedError) as caught:
        raise_if_refused([result])
    assert caught.value.render() == (
        "nxos/sw1.cfg:2: sw1 refused: mtu 99999 (% Invalid command at '^' marker.) [line-refused]\n"
        "  2 |   mtu 99999\n"
        "nxos/sw1.cfg:4: sw1 refused: nonsense (% Invalid command at '^' marker.) [line-refused]\n"
        "  4 | nonsense\n"
        "2 problems"
    )
    assert console.device.config.startup is None, "half a configuration is not saved"


def test_a_line_that_was_taken_and_is_not_there_is_told(session: NxosSession) -> None:
    text = "feature interface-vlan\ninterface Vlan5\n"
    text += "  ip address 10.0.0.1/24\n  vrf member red\n"  # the wrong way round: NX-OS wipes it
    result = push(session, "nxos/sw1.cfg", text, timeout=10)
    (problem,) = result.problems()
    assert problem.code == "line-not-there"
    assert problem.place is not None
    assert str(problem.place) == "nxos/sw1.cfg:3"


def test_wrong_password_is_refused(server: SshServer) -> None:
    with pytest.raises(SwitchUnreachable, match="Authentication failed"):
        NxosSession("127.0.0.1", server.port, "admin", "wrong", name="sw1")


def test_nobody_there() -> None:
    with pytest.raises(SwitchUnreachable):
        NxosSession("127.0.0.1", 1, "admin", "secret", timeout=1.0)


def test_commands_without_a_terminal(server: SshServer, console: Any) -> None:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", server.port, "admin", "secret", look_for_keys=False, allow_agent=False)
    with client:
        _, out, _ = client.exec_command("configure terminal ; interface Ethernet1/1 ; mtu 9216 ; show clock", timeout=5)
        assert out.read() == b"12:00\nTime source is NTP\n"
        assert out.channel.recv_exit_status() == 0
        _, out, _ = client.exec_command("show nonsense", timeout=5)
        assert b"% Invalid command" in out.read()
        assert out.channel.recv_exit_status() == 1
    assert "mtu 9216" in console.running


def test_a_refused_line_sets_the_exit_status_whatever_its_words(server: SshServer) -> None:
    with _client(server) as client:
        statuses = []
        for command in (
            "show clock",
            "router bgp 1",
            "conf t ; vlan 5000",
            "conf t ; vlan 5 ; exit ; show clock | json",
        ):
            _, out, _ = client.exec_command(command, timeout=5)
            out.read()
            statuses.append(out.channel.recv_exit_status())
    assert statuses == [0, 1, 1, 0]


def test_a_command_at_a_terminal_has_a_terminals_line_ends(server: SshServer) -> None:
    with _client(server) as client:
        _, out, _ = client.exec_command("show clock", timeout=5, get_pty=True)
        assert out.read() == b"12:00\r\nTime source is NTP\r\n"


def _client(server: SshServer) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", server.port, "admin", "secret", look_for_keys=False, allow_agent=False)
    return client


class Expecting:
    """A channel as the usual libraries read it: until a pattern stands at the end."""

    def __init__(self, client: paramiko.SSHClient, height: int) -> None:
        self.channel = client.invoke_shell(term="vt100", width=511, height=height)
        self.channel.settimeout(5)

    def until(self, pattern: str) -> str:
        text = ""
        while not re.search(pattern, text):
            text += self.channel.recv(4096).decode()
        return text

    def send(self, line: str, pattern: str) -> str:
        self.channel.sendall(f"{line}\n".encode())
        return self.until(pattern)


PROMPT = r"sw1(\(config[^)]*\))?# ?$"


def test_as_netmiko_goes_about_it(server: SshServer, console: Any) -> None:
    """The steps of netmiko's ``cisco_nxos`` driver: set up, find the prompt, show, configure, leave, save."""
    with _client(server) as client:
        shell = Expecting(client, height=1000)
        shell.until(r"[>#]")
        assert "terminal width 511" in shell.send("terminal width 511", r"terminal width 511[\s\S]*# $")
        shell.send("terminal length 0", PROMPT)
        assert shell.send("", PROMPT) == "\r\nsw1# "
        shown = shell.send("show clock", PROMPT)
        assert shown == "show clock\r\n12:00\r\nTime source is NTP\r\nsw1# "
        assert shell.send("configure terminal", r"\)#").endswith("sw1(config)# ")
        assert shell.send("interface Ethernet1/1", PROMPT).endswith("sw1(config-if)# ")
        assert "% Invalid command at '^' marker." in shell.send("mtu 1", PROMPT)
        shell.send("mtu 9216", PROMPT)
        assert shell.send("end", r"# $").endswith("\r\nsw1# ")
        assert "Copy complete." in shell.send("copy running-config startup-config", PROMPT)
    assert "mtu 9216" in (console.device.config.startup or "")


def test_a_small_window_gets_pages_until_it_grows(server: SshServer, console: Any) -> None:
    console.configure(*(f"interface loopback{number}" for number in range(20)))
    with _client(server) as client:
        shell = Expecting(client, height=5)
        shell.until(PROMPT)
        shell.send("show running-config", r"--More--$")
        shell.channel.sendall(b"q")
        shell.until(PROMPT)
        shell.channel.resize_pty(width=80, height=200)
        assert "loopback19" in shell.send("show running-config", PROMPT)


def test_two_sessions_see_one_configuration(server: SshServer, session: NxosSession) -> None:
    other = NxosSession("127.0.0.1", server.port, "admin", "secret", name="sw1 again")
    session.configure([(1, "interface Ethernet1/1"), (2, "mtu 9216")])
    assert "mtu 9216" in other.show("show running-config")
    other.close()


def test_a_closed_session_says_so(session: NxosSession) -> None:
    session.close()
    with pytest.raises(SwitchUnreachable):
        session.show("show clock")
