"""The agent's verbs over its own protocol, on this machine, without namespaces."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import ExitCode
from labctl.guest.agent import kernel, server, wire
from labctl.guest.agent.server import Server, by_line, groups
from labctl.guest.api import AgentError, AgentGone, AgentTimeout, Op, TtySize
from labctl.guest.client import Agent, connect, local_agent
from labctl.guest.machine import Hub
from labctl.pace import LIMITS


@pytest.fixture
def agent() -> Iterator[Agent]:
    agent = local_agent()
    yield agent
    agent.close()


def test_info_is_read_from_the_machine(agent: Agent) -> None:
    info = agent.info()
    assert info.kernel
    assert info.cpus >= 1
    assert info.memory > 1 << 20


def test_run_gives_code_and_both_outputs(agent: Agent) -> None:
    done = agent.run(["sh", "-c", "cat; echo bad >&2; exit 7"], stdin=b"good")
    assert (done.code, done.stdout, done.stderr) == (7, b"good", b"bad\n")


def test_run_has_the_environment_that_it_was_given(agent: Agent) -> None:
    assert agent.run(["sh", "-c", "echo $LAB $SECRET"], env={"LAB": "paper"}).stdout == b"paper\n"


def test_much_output_comes_whole(agent: Agent) -> None:
    size = 3 * wire.STREAM_WINDOW
    assert len(agent.run(["head", "-c", str(size), "/dev/zero"]).stdout) == size


def test_a_program_that_takes_too_long_is_ended(agent: Agent) -> None:
    with pytest.raises(AgentTimeout, match="sleep: not done after 0 s") as late:
        agent.run(["sleep", "30"], timeout=0.1)
    assert late.value.exit_code is ExitCode.INCONCLUSIVE


def test_a_machine_that_does_not_answer_is_no_broken_labctl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labctl.pace.LIMITS", dict.fromkeys(LIMITS, 0.02))
    ours, theirs = socket.socketpair()
    client = Agent(ours)
    for ask in (client.info, lambda: client.batch(None, [Op("ip", "link show")]), lambda: client.run(["true"]),
                lambda: client.capture(None, "eth0"), lambda: client.read_file("/etc/hostname")):  # fmt: skip
        with pytest.raises(AgentTimeout, match="the machine did not answer within 0 s"):
            ask()
    client.close()
    theirs.close()


def test_a_program_that_is_not_there(agent: Agent) -> None:
    with pytest.raises(AgentError, match="no-such-program"):
        agent.run(["no-such-program"])


def test_an_unknown_namespace(agent: Agent) -> None:
    with pytest.raises(AgentError, match="No such file"):
        agent.run(["true"], ns="labctl-no-such-namespace")


@pytest.mark.parametrize(
    ("where", "path"), [({"ns": "leaf1"}, "/run/netns/leaf1"), ({"ns": None, "join": 4711}, "/proc/4711/ns/net")]
)
def test_a_capture_is_opened_in_the_namespace_that_was_named(
    agent: Agent, where: dict[str, Any], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[tuple[str, int]] = []
    opened: list[tuple[str, str, int]] = []
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def open_socket(interface: str, expression: str, _limit: float) -> socket.socket:
        opened.append((interface, expression, threading.get_ident()))
        return theirs

    monkeypatch.setattr(kernel, "enter_network", lambda found: entered.append((found, threading.get_ident())))
    monkeypatch.setattr(server, "open_socket", open_socket)
    capture = agent.capture(interface="eth1", expression="icmp", **where)
    ours.send(b"packet")
    data = capture.stop()
    assert entered == [(path, opened[0][2])], "in the thread that opens the socket, and in no other"
    assert opened[0][:2] == ("eth1", "icmp")
    assert data.endswith(b"packet")


def test_start_wait_signal(agent: Agent, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "sleep.log"
    pid = agent.start(["sh", "-c", "echo up; exec sleep 30"], log=str(log))
    assert agent.wait(pid, 0.05) is None
    agent.signal(pid, signal.SIGTERM)
    assert agent.wait(pid, 5) == -signal.SIGTERM
    assert log.read_text() == "up\n"
    agent.signal(pid, signal.SIGTERM)  # a dead one is no error


def test_waiting_for_a_stranger_is_an_error(agent: Agent) -> None:
    with pytest.raises(AgentError, match="unknown 1"):
        agent.wait(1)


def test_a_stream_talks_both_ways(agent: Agent) -> None:
    stream = agent.stream(["sh", "-c", "read line; echo got $line; echo oops >&2; exit 3"])
    stream.write(b"hello\n")
    pieces: dict[str, bytes] = {}
    while (piece := stream.read()) is not None:
        pieces[piece[0]] = pieces.get(piece[0], b"") + piece[1]
    assert pieces == {"stdout": b"got hello\n", "stderr": b"oops\n"}
    assert stream.code() == 3


def test_a_stream_ends_when_its_input_does(agent: Agent) -> None:
    stream = agent.stream(["cat"])
    stream.write(b"x" * 5000)
    stream.close_stdin()
    data = b""
    while (piece := stream.read()) is not None:
        data += piece[1]
    assert data == b"x" * 5000
    assert stream.code() == 0


def test_a_terminal_has_its_size(agent: Agent) -> None:
    stream = agent.stream(["stty", "size"], tty=TtySize(33, 77))
    assert stream.read() == ("stdout", b"33 77\r\n")
    stream.close()


def test_files(agent: Agent, tmp_path: Path) -> None:
    path, data = tmp_path / "deep" / "er" / "file", bytes(range(256)) * 3000
    agent.write_file(str(path), data, mode=0o640)
    assert path.stat().st_mode & 0o777 == 0o640
    assert agent.read_file(str(path)) == data
    agent.remove(str(tmp_path / "deep"))
    assert not path.exists()
    agent.remove(str(tmp_path / "deep"))  # a missing one is no error
    with pytest.raises(AgentError, match="No such file"):
        agent.read_file(str(path))


def test_a_byte_stream_to_a_unix_socket(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def echo() -> None:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(100):
                connection.sendall(data.upper())

    threading.Thread(target=echo, daemon=True).start()
    stream = agent.connect(None, str(path))
    stream.sendall(b"hello")
    stream.shutdown_write()
    received = b""
    while piece := stream.recv(3):
        received += piece
    assert received == b"HELLO"
    listener.close()
    with pytest.raises(AgentError, match="No such file"):
        agent.connect(None, str(tmp_path / "nobody.sock"))


def test_calls_of_many_threads_do_not_mix(agent: Agent) -> None:
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        answers[number] = agent.run(["echo", str(number)]).stdout

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == {number: f"{number}\n".encode() for number in range(12)}


def test_an_unknown_verb_is_an_error_not_the_end(agent: Agent) -> None:
    with pytest.raises(AgentError, match="unknown 'nonsense'"):
        agent._call("nonsense")
    assert agent.info().cpus


def test_frr_daemon_is_asked_over_its_vty(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "zebra.vty"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    asked: list[str] = []

    def daemon() -> None:
        connection, _ = listener.accept()
        with connection:
            buffer = b""
            while data := connection.recv(100):
                buffer += data
                while b"\0" in buffer:
                    line, _, buffer = buffer.partition(b"\0")
                    asked.append(line.decode())
                    status = b"\x02" if line == b"nonsense" else b"\x00"
                    connection.sendall(b"answer to " + line + b"\0\0\0" + status)

    threading.Thread(target=daemon, daemon=True).start()
    replies = agent.vty(str(path), ["show version", "nonsense"])
    assert [(reply.text, reply.status) for reply in replies] == [
        ("answer to show version", 0),
        ("answer to nonsense", 2),
    ]
    agent.vty(str(path), ["show version"])
    assert asked == ["enable", "show version", "nonsense", "show version"], "one kept connection"
    listener.close()


def test_a_closed_channel_is_told_to_everyone(agent: Agent) -> None:
    errors: list[Exception] = []
    begun = threading.Event()

    def ask() -> None:
        stream = agent.stream(["sh", "-c", "echo; exec sleep 30"])
        stream.read()
        begun.set()
        try:
            while stream.read() is not None:
                continue
            stream.code()
        except AgentError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert begun.wait(5)
    agent.close()
    thread.join(5)
    assert len(errors) == 1
    with pytest.raises(AgentGone):
        agent.info()


def test_nobody_on_the_socket(tmp_path: Path) -> None:
    with pytest.raises(AgentGone, match="nobody answers"):
        connect(tmp_path / "agent.sock")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Hub, Path]]:
    """A hub with a small window before an agent that acknowledges, as a guest's does."""
    ours, theirs = socket.socketpair()
    server = Server(lambda: theirs.recv(65536), theirs.sendall, link_acks=True)
    path = tmp_path / "agent.sock"
    hub = Hub(ours, path, window=2048)
    server.send(wire.frame(wire.PING, 0))
    threading.Thread(target=server.serve, daemon=True).start()
    yield hub, path
    hub.stop()
    assert hub.ended.wait(5)
    theirs.close()


def test_two_clients_of_one_hub(hub: tuple[Hub, Path], tmp_path: Path) -> None:
    first, second = connect(hub[1]), connect(hub[1])
    data = bytes(range(256)) * 400  # many times the window
    first.write_file(str(tmp_path / "one"), data)
    assert second.read_file(str(tmp_path / "one")) == data
    assert [client.run(["echo", name]).stdout for client, name in ((first, "1"), (second, "2"))] == [b"1\n", b"2\n"]
    first.close()
    assert second.info().cpus, "the other client goes on"
    second.close()


def test_the_hubs_end_is_the_clients_end(hub: tuple[Hub, Path], caplog: pytest.LogCaptureFixture) -> None:
    client = connect(hub[1])
    assert client.info().cpus
    hub[0].stop()
    assert hub[0].ended.wait(5)
    with pytest.raises(AgentError):
        client.info()
    client.close()
    assert not caplog.records


def test_runs_of_one_kind_are_one_process() -> None:
    operations = [("ip", "a"), ("ip", "b"), ("sysctl", "c"), ("nft", "d"), ("nft", "e"), ("ip", "f")]
    assert groups(operations) == [
        ("ip", [(0, "a"), (1, "b")]),
        ("sysctl", [(2, "c")]),
        ("nft", [(3, "d")]),
        ("nft", [(4, "e")]),
        ("ip", [(5, "f")]),
    ]
    assert groups([]) == []


def test_refusals_are_told_by_line() -> None:
    rows = [(number, f"link {number}") for number in (1, 2, 4)]
    said = "Cannot find device x\nCommand failed -:1\nError: argument\nsecond line\nCommand failed -:3\n"
    assert by_line(said, rows) == [
        (1, "link 1", "Cannot find device x"),
        (4, "link 4", "Error: argument second line"),
    ]
    assert by_line("no such program\n", rows[1:]) == [(2, "link 2", "no such program")]
