"""In a container, without root: programs, streams and captures through Docker's API, by the folder's names."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
import yaml

from labctl.errors import HostError, InconclusiveError, UsageError
from labctl.guest.api import AgentError, Capture, TtySize
from labctl.runtime.containerlab.dockerhost import DockerHost, Hijacked
from labctl.runtime.containerlab.endpoints import (
    CAPTURE_IMAGE,
    Console,
    ContainerlabEndpoints,
    MergedCapture,
    Programs,
    Telnet,
    members,
)
from labctl.runtime.pcap import Records
from tests.unit.runtime.containerlab.conftest import Labs
from tests.unit.runtime.containerlab.world import World, pcap


@pytest.fixture
def endpoints(labs: Labs) -> ContainerlabEndpoints:
    return labs.runtime().create(labs.state().folder, progress=lambda _text: None)


def test_exec_gives_code_and_both_outputs(endpoints: ContainerlabEndpoints) -> None:
    done = endpoints.exec("node01", ["echo", "hello"])
    assert (done.code, done.stdout, done.stderr) == (0, b"hello\n", b"to stderr\n")
    assert endpoints.exec("leaf101", ["nothing"]).code == 1


def test_exec_takes_much_input_and_its_exit_code_is_the_programs(endpoints: ContainerlabEndpoints) -> None:
    data = bytes(range(256)) * 4096
    done = endpoints.exec("node01", ["rev"], stdin=data)
    assert done.code == 7
    assert done.stdout == data[::-1]


def test_exec_that_takes_too_long(
    endpoints: ContainerlabEndpoints, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = threading.Event()
    monkeypatch.setattr(world, "run", lambda *_: (wait.wait(5), (0, b"", b""))[1])
    with pytest.raises(AgentError, match="sleep: not done after 0 s"):
        endpoints.exec("node01", ["sleep", "9"], timeout=0.2)
    wait.set()


def test_a_stream_with_a_terminal(endpoints: ContainerlabEndpoints, world: World) -> None:
    stream = endpoints.stream("node01", ["echo", "hi"], tty=TtySize(30, 100))
    stream.close_stdin()
    text = b""
    while (piece := stream.read()) is not None:
        assert piece[0] == "stdout"
        text += piece[1]
    assert text == b"hi\nto stderr\n"
    assert stream.code() == 0
    assert list(world.execs.values())[-1]["size"] == {"h": "30", "w": "100"}
    with pytest.raises(HostError, match="signal 2 cannot be sent"):
        stream.signal(2)


def test_output_that_comes_with_the_headers_is_not_lost(tmp_path: Path) -> None:
    """A slow client finds headers and output in one read."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            peer.recv(4096)
            peer.sendall(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n\x01\0\0\0\0\0\0\x05hello")
            peer.close()

        threading.Thread(target=serve, daemon=True).start()
        stream = Hijacked(path, "/exec/x/start", {}, framed=True)
        assert stream.read() == ("stdout", b"hello")
        assert stream.read() is None


def test_a_node_that_does_not_run(endpoints: ContainerlabEndpoints, world: World) -> None:
    world.stop("paper-worker")
    with pytest.raises(InconclusiveError, match="container paper-worker does not run: it is exited"):
        endpoints.exec("node01", ["true"])
    world.remove("paper-worker")
    with pytest.raises(InconclusiveError, match="its container paper-worker is gone"):
        endpoints.exec("node01", ["true"])


def test_names_that_are_not_there(endpoints: ContainerlabEndpoints) -> None:
    with pytest.raises(UsageError) as caught:
        endpoints.exec("node1", ["true"])
    assert caught.value.hint == "did you mean node01?"
    with pytest.raises(UsageError) as caught:
        endpoints.ssh("node01")
    assert caught.value.code == "no-such-switch"
    with pytest.raises(UsageError, match="leaf101 has no interface Ethernet1/77"):
        endpoints.capture("leaf101", "Ethernet1/77")


def test_a_capture_is_taken_in_the_containers_network(endpoints: ContainerlabEndpoints, world: World) -> None:
    capture = endpoints.capture("leaf101", "Ethernet1/1", "icmp or arp")
    helper = next(node for node in world.nodes.values() if "labctl.helper" in node.labels)
    command = json.loads(helper.labels["test.command"])
    assert command[:5] == ["tcpdump", "-Z", "root", "-i", "eth1"]
    assert command[-2:] == ["--", "icmp or arp"]
    assert helper.labels["test.network"] == f"container:{world.nodes['clab-paper-leaf101'].id}"
    assert helper.labels["labctl.lab"] == "paper"
    data = capture.stop()
    assert data == pcap([(2, b"eth1"), (5, b"last")])
    assert helper.name not in world.nodes


def test_live_packets(endpoints: ContainerlabEndpoints, world: World) -> None:
    capture = endpoints.capture("node01", "eth1")
    assert capture.read() == pcap([(2, b"eth1")])
    capture.close()
    assert not any("labctl.helper" in node.labels for node in world.nodes.values())


def test_a_helper_that_fails_says_why(
    endpoints: ContainerlabEndpoints, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.unit.runtime.containerlab import world as world_module

    def refuse(api: world_module.Api, node: world_module.Node) -> None:
        api.wfile.write(world_module._frame(2, b"tcpdump: can't parse filter expression: syntax error\n"))

    monkeypatch.setattr(world_module.Api, "_attached", refuse)
    with pytest.raises(AgentError, match="can't parse filter expression"):
        endpoints.capture("leaf101", "Ethernet1/1", "bogus filter")
    assert not any("labctl.helper" in node.labels for node in world.nodes.values())


def test_a_port_channel_of_a_stand_in_is_its_bridge(endpoints: ContainerlabEndpoints, world: World) -> None:
    node = world.nodes["clab-paper-leaf101"]
    node.interfaces.add("br0")
    world._process(node)
    assert endpoints.capture("leaf101", "port-channel11").stop() == pcap([(2, b"br0"), (5, b"last")])


def as_n9kv(labs: Labs) -> None:
    path = labs.state().folder / "lab.json"
    body = json.loads(path.read_text())
    body["target"]["switch"] = "n9kv"
    path.write_text(json.dumps(body))


def test_a_port_channel_of_a_9000v_is_all_of_its_members(
    endpoints: ContainerlabEndpoints, labs: Labs, world: World
) -> None:
    as_n9kv(labs)
    path = labs.state().folder / "checks.yaml"
    checks = yaml.safe_load(path.read_text())
    row = next(row for row in checks["links"]["port_channels"] if row["switch"] == "leaf101")
    row["channels"][0]["members"] = ["Ethernet1/1", "Ethernet1/2"]
    path.write_text(yaml.safe_dump(checks))
    channel = f"port-channel{row['channels'][0]['channel']}"
    assert members(labs.state().folder, "leaf101", channel) == ("eth1", "eth2")
    data = labs.runtime().endpoints().capture("leaf101", channel).stop()
    records = Records()
    packets = [record[16:] for record in records.feed(data)]
    assert sorted(packets[:2]) == [b"eth1", b"eth2"]
    assert packets[2:] == [b"last", b"last"], "by time, not by member"
    with pytest.raises(UsageError, match="leaf101 has no port-channel99"):
        members(labs.state().folder, "leaf101", "port-channel99")


class Given:
    """A capture that gives what it was given."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.closed = False

    def read(self) -> bytes | None:
        return self._pieces.pop(0) if self._pieces else None

    def stop(self) -> bytes:
        return b"".join(self._pieces)

    def close(self) -> None:
        self.closed = True


def test_live_merging_cuts_no_packet_and_writes_one_header() -> None:
    one, other = pcap([(1, b"aaaa"), (3, b"cc")]), pcap([(2, b"b" * 500)])
    captures: list[Capture] = [Given(one[:10], one[10:45], one[45:]), Given(other[:100], other[100:])]
    merged = MergedCapture(captures)
    pieces = []
    while (piece := merged.read()) is not None:
        pieces.append(piece)
    assert pieces[0] == pcap([])
    assert sorted(piece[16:] for piece in pieces[1:]) == [b"aaaa", b"b" * 500, b"cc"]


def test_the_first_packets_wait_for_nobody(labs: Labs, world: World) -> None:
    """The interfaces of a process that is seen here are read from /proc, without asking Docker for a program."""
    labs.runtime().create(labs.state().folder, progress=lambda _text: None)
    programs = Programs(DockerHost(world.socket), {})
    node = DockerHost(world.socket).container("paper-worker")
    assert node is not None
    before = len(world.execs)
    assert {"eth0", "eth1", "eth2", "lo"} <= programs.interfaces(node)
    assert len(world.execs) == before


def test_root_joins_the_process_only_if_it_is_the_containers(
    labs: Labs, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    labs.runtime().create(labs.state().folder, progress=lambda _text: None)
    docker = DockerHost(world.socket)
    node = docker.container("paper-worker")
    assert node is not None
    joined: list[int | None] = []

    class Agent:
        def run(self, argv: list[str], *, join: int | None = None, **_: object) -> str:
            joined.append(join)
            return "by nsenter"

        def capture(self, ns: str | None, interface: str, expression: str, *, join: int | None = None) -> str:
            joined.append(join)
            return f"{ns} {interface} {expression}"

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("labctl.runtime.containerlab.endpoints.local_agent", Agent)
    programs = Programs(docker, {})
    assert str(programs.exec(node, ["true"])) == "by nsenter"
    assert str(programs.capture(node, "bond0", "")) == "None bond0 "
    assert joined == [node.pid, node.pid]
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(HostError, match="no tcpdump"):
        programs.capture(node, "bond0", "icmp")
    (world.proc / str(node.pid) / "cgroup").write_text("0::/init.scope\n")  # another process has that number here
    assert programs.exec(node, ["echo", "docker"]).stdout == b"docker\n"
    assert CAPTURE_IMAGE == "labctl/host:latest"


def test_the_console_of_a_stand_in(endpoints: ContainerlabEndpoints) -> None:
    with pytest.raises(HostError) as caught:
        endpoints.console("leaf101")
    assert caught.value.next_command == "labctl ssh paper leaf101"


@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_telnet_commands_are_taken_out_wherever_they_are_cut(size: int) -> None:
    data = b"ab\xff\xfd\x01c\xff\xfa\x18\x01\xff\xf0d\xff\xffe\xff\xf1f"
    telnet = Telnet()
    assert b"".join(telnet.text(data[i : i + size]) for i in range(0, len(data), size)) == b"abcd\xffef"


def test_the_console_of_a_vm() -> None:
    ours, theirs = socket.socketpair()
    console = Console(ours)
    theirs.sendall(b"\xff\xfb\x03")
    theirs.sendall(b"login: ")
    assert console.recv(100) == b"login: "
    console.sendall(b"a\xffb")
    assert theirs.recv(10) == b"a\xff\xffb"
    console.close()
    assert console.recv(10) == b""
