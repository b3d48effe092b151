"""The switch's SSH server and the client of labctl against each other, on this machine's loopback."""

from __future__ import annotations

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
    text = "interface Vlan5\n  ip address 10.0.0.1/24\n  vrf member red\n"  # the wrong way round: NX-OS wipes it
    result = push(session, "nxos/sw1.cfg", text, timeout=10)
    (problem,) = result.problems()
    assert problem.code == "line-not-there"
    assert problem.place is not None
    assert str(problem.place) == "nxos/sw1.cfg:2"


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


def test_two_sessions_see_one_configuration(server: SshServer, session: NxosSession) -> None:
    other = NxosSession("127.0.0.1", server.port, "admin", "secret", name="sw1 again")
    session.configure([(1, "interface Ethernet1/1"), (2, "mtu 9216")])
    assert "mtu 9216" in other.show("show running-config")
    other.close()


def test_a_closed_session_says_so(session: NxosSession) -> None:
    session.close()
    with pytest.raises(SwitchUnreachable):
        session.show("show clock")
