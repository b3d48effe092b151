"""SPDY/3.1 framing, exec channels over SPDY and websocket, port-forward: both ends on a socket pair."""

from __future__ import annotations

import json
import queue
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from labctl.errors import LabError
from labctl.guest.api import AgentError, TtySize
from labctl.standin.cluster.server.portforward import PortForward
from labctl.standin.cluster.server.remote import (
    Resize,
    SpdyChannels,
    Stdin,
    WebSocketChannels,
    execute,
    parse_resize,
    status_of,
)
from labctl.standin.cluster.server.spdy import Data, Opened, Reset, Spdy, SpdyError
from labctl.standin.cluster.server.spdydict import DICTIONARY


class Pieces:
    """A connection whose bytes come in given pieces, and end."""

    def __init__(self, data: bytes, cuts: list[int] = []) -> None:  # noqa: B006 - never changed
        edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        self._pieces = [data[a:b] for a, b in pairwise(edges) if a < b]
        self.sent = b""

    def recv(self, _size: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def sendall(self, data: bytes) -> None:
        self.sent += data


def reader(data: bytes, cuts: list[int] = []) -> tuple[Spdy, Pieces]:  # noqa: B006
    pieces = Pieces(data, cuts)
    return Spdy(pieces, pieces.sendall), pieces


class Ending:
    """A socket as `TlsStream` is one: nothing to read at its end, whoever ended it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def recv(self, size: int) -> bytes:
        try:
            return self._socket.recv(size)
        except OSError:
            return b""

    def sendall(self, data: bytes) -> None:
        self._socket.sendall(data)

    def shutdown_write(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes who reads
        self._socket.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.settimeout(10)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_the_header_dictionary() -> None:
    """zlib names it by its checksum in every header block that a peer sends."""
    assert len(DICTIONARY) == 1423
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


FRAMES = st.lists(
    st.one_of(
        st.tuples(
            st.just("open"), st.integers(1, 9),
            st.dictionaries(st.text("abcXYZ-", min_size=1, max_size=8), st.text(max_size=20), max_size=3),
            st.booleans(),
        ),
        st.tuples(st.just("data"), st.integers(1, 9), st.binary(max_size=60), st.booleans()),
        st.tuples(st.just("reset"), st.integers(1, 9), st.none(), st.just(False)),
        st.tuples(st.just("ping"), st.integers(1, 9), st.none(), st.just(False)),
    ),
    max_size=8,
)  # fmt: skip


@given(FRAMES, st.lists(st.integers(0, 600), max_size=20))
def test_frames_come_through_however_they_are_cut(
    spdy_client: Any, frames: list[tuple[str, int, Any, bool]], cuts: list[int]
) -> None:
    client, raw, expected, pings = spdy_client(None), b"", [], b""
    for kind, stream, value, fin in frames:
        if kind == "open":
            raw += client.open(stream, fin=fin, **value)
            expected.append(Opened(stream, {name.lower(): text for name, text in value.items()}, fin))
        elif kind == "data":
            raw += client.data(stream, value, fin=fin)
            expected.append(Data(stream, value, fin))
        elif kind == "reset":
            raw += client.control(3, struct.pack(">II", stream, 5))
            expected.append(Reset(stream))
        else:
            ping = client.control(6, struct.pack(">I", stream))
            raw, pings = raw + ping, pings + ping
    spdy, pieces = reader(raw, cuts)
    assert list(iter(spdy.read, None)) == expected
    assert pieces.sent == pings


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    spdy, _ = reader(data)
    try:
        while spdy.read() is not None:
            pass
    except SpdyError:
        return


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack(">HHI", 0x8003, 1, 2) + b"xx",
        struct.pack(">HHI", 0x8003, 3, 0),
        struct.pack(">HHI", 0x8003, 1, 14) + b"\0\0\0\1" + b"\0" * 6 + b"zzzz",
        struct.pack(">II", 1, (1 << 20) + 1),
    ],
)
def test_a_broken_frame_is_named(frame: bytes) -> None:
    spdy, _ = reader(frame)
    with pytest.raises(SpdyError):
        spdy.read()


def test_a_goodbye_ends_reading(spdy_client: Any) -> None:
    client = spdy_client(None)
    spdy, _ = reader(client.data(1, b"x") + client.control(7, struct.pack(">II", 0, 0)) + client.data(1, b"y"))
    assert spdy.read() == Data(1, b"x", fin=False)
    assert spdy.read() is None


@pytest.mark.parametrize("size", [0, 1, 32768, 32769, 100_000])
def test_long_data_is_cut_and_only_the_last_piece_is_the_end(spdy_client: Any, size: int) -> None:
    spdy, pieces = reader(b"")
    spdy.send(5, b"x" * size, fin=True)
    frames = spdy_client(Pieces(pieces.sent)).frames()
    assert b"".join(data for _, _, data, _ in frames) == b"x" * size
    assert [fin for *_, fin in frames] == [False] * (len(frames) - 1) + [True]
    assert len(frames) == max(1, -(-size // 32768))


# --- exec -------------------------------------------------------------------------------------------------------


class Program:
    """A running program: writes what the test says, remembers what it is told."""

    def __init__(self, *output: tuple[str, bytes], code: int = 0) -> None:
        self._output: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
        self.told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._code = code
        self.closed = threading.Event()
        for piece in output:
            self._output.put(piece)

    def end(self) -> Program:
        self._output.put(None)
        return self

    def read(self) -> tuple[str, bytes] | None:
        return self._output.get(timeout=10)

    def write(self, data: bytes) -> None:
        self.told.put(("write", data))

    def close_stdin(self) -> None:
        self.told.put(("close",))
        self.end()

    def resize(self, size: TtySize) -> None:
        self.told.put(("resize", size.rows, size.columns))

    def signal(self, number: int) -> None:
        self.told.put(("signal", number))
        self.end()

    def code(self) -> int:
        return self._code

    def close(self) -> None:
        self.closed.set()


ALL = {"error": "1", "stdin": "3", "stdout": "5", "stderr": "7"}


def run_spdy(connection: socket.socket, program: Program | LabError, wanted: set[str]) -> threading.Thread:
    def start() -> Any:
        if isinstance(program, LabError):
            raise program
        return program

    def serve() -> None:
        stream = Ending(connection)
        execute(start, SpdyChannels(stream, wanted))
        stream.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_exec_over_spdy(pair: Any, spdy_client: Any) -> None:
    program = Program(("stdout", b"out"), ("stderr", b"err"), ("stdout", b"put"), code=3)
    run_spdy(pair[0], program, set(ALL))
    client = spdy_client(pair[1])
    for kind, stream in ALL.items():
        client.send(client.open(int(stream), streamType=kind))
    client.send(client.data(3, b"typed"), client.data(3, fin=True))
    assert (program.told.get(timeout=10), program.told.get(timeout=10)) == (("write", b"typed"), ("close",))
    streams = client.streams()
    assert (streams[5], streams[7]) == (b"output", b"err")
    assert json.loads(streams[1]) == status_of(3)
    assert program.closed.wait(10)


def test_typed_bytes_that_come_with_the_end(pair: Any, spdy_client: Any) -> None:
    client = spdy_client(pair[1])
    client.send(client.open(1, streamType="error"), client.open(3, streamType="stdin"))
    channels = SpdyChannels(pair[0], {"error", "stdin"})
    client.send(client.data(3, b"all", fin=True))
    assert [channels.receive(), channels.receive()] == [Stdin(b"all"), Stdin(None)]


def test_every_stream_is_accepted_before_the_program_starts(pair: Any, spdy_client: Any) -> None:
    run_spdy(pair[0], Program(("stdout", b"x")).end(), {"error", "stdout"})
    client = spdy_client(pair[1])
    client.send(client.open(1, streamType="error"))
    assert client.frame()[:2] == ("reply", 1)
    client.send(client.open(3, streamType="stdout"))
    assert [frame[:3] for frame in client.frames()][:2] == [("reply", 3, b"\0\0\0\0"), ("data", 3, b"x")]


def test_a_client_that_goes_away_ends_the_program(pair: Any, spdy_client: Any) -> None:
    program = Program()
    run_spdy(pair[0], program, {"error", "stdin"})
    client = spdy_client(pair[1])
    client.send(client.open(1, streamType="error"), client.open(3, streamType="stdin"))
    client.frame(), client.frame()
    pair[1].close()
    assert program.told.get(timeout=10) == ("signal", 1)
    assert program.closed.wait(10)


def test_a_client_that_leaves_before_its_streams_are_there(pair: Any, spdy_client: Any) -> None:
    client = spdy_client(pair[1])
    client.send(client.open(1, streamType="error"))
    pair[1].shutdown(socket.SHUT_WR)
    with pytest.raises(SpdyError, match="before its streams"):
        SpdyChannels(pair[0], {"error", "stdout"})


def test_a_program_that_cannot_be_started(pair: Any, spdy_client: Any) -> None:
    run_spdy(pair[0], AgentError("sh: No such file or directory"), {"error"})
    client = spdy_client(pair[1])
    client.send(client.open(1, streamType="error"))
    status = json.loads(client.streams()[1])
    assert (status["status"], status["message"]) == ("Failure", "sh: No such file or directory")


def test_the_terminal_changes_its_size(pair: Any, spdy_client: Any) -> None:
    program = Program()
    run_spdy(pair[0], program, {"error", "resize"})
    client = spdy_client(pair[1])
    client.send(client.open(1, streamType="error"), client.open(9, streamType="resize"))
    client.send(client.data(9, b'{"Width":132,"Height":43}'), client.data(9, b"nonsense"))
    assert program.told.get(timeout=10) == ("resize", 43, 132)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b'{"Width":80,"Height":24}', TtySize(24, 80)),
        (b"", None),
        (b"[]", None),
        (b'{"Width":80}', None),
        (b'{"Width":null,"Height":1}', None),
        (b"\xff", None),
    ],
)
def test_resize_messages(data: bytes, size: TtySize | None) -> None:
    assert parse_resize(data) == size


@pytest.mark.parametrize(("code", "number"), [(1, "1"), (127, "127"), (-9, "137")])
def test_exit_codes_travel_in_the_status(code: int, number: str) -> None:
    status = status_of(code)
    assert status["details"] == {"causes": [{"reason": "ExitCode", "message": number}]}
    assert status_of(0)["status"] == "Success"


class WebSocketClient:
    """The other end: `wsproto` as a client."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.framing = Connection(ConnectionType.CLIENT)

    def send(self, *events: Any) -> bytes:
        data = b"".join(self.framing.send(event) for event in events)
        self._connection.sendall(data)
        return data

    def messages(self) -> Iterator[bytes]:
        """Until the server says goodbye."""
        while True:
            for event in self.framing.events():
                if isinstance(event, CloseConnection):
                    return
                if isinstance(event, BytesMessage):
                    yield bytes(event.data)
            data = self._connection.recv(65536)
            if not data:
                return
            self.framing.receive_data(data)


def test_exec_over_a_websocket(pair: Any) -> None:
    program = Program(("stdout", b"out"), ("stderr", b"err"), code=0)
    thread = threading.Thread(target=execute, args=(lambda: program, WebSocketChannels(Ending(pair[0]))), daemon=True)
    thread.start()
    client = WebSocketClient(pair[1])
    client.send(BytesMessage(b"\0typed"), BytesMessage(b'\4{"Width":80,"Height":24}'), BytesMessage(b"\xff\0"))
    told = [program.told.get(timeout=10) for _ in range(3)]
    assert told == [("write", b"typed"), ("resize", 24, 80), ("close",)]
    found = list(client.messages())
    assert found[:2] == [b"\1out", b"\2err"]
    assert found[2][:1] == b"\3"
    assert json.loads(found[2][1:]) == status_of(0)


def test_output_after_the_client_has_closed_ends_the_program(pair: Any) -> None:
    channels = WebSocketChannels(Ending(pair[0]))
    WebSocketClient(pair[1]).send(CloseConnection(1000))
    assert channels.receive() is None
    program = Program(("stdout", b"nobody reads this"))
    execute(lambda: program, channels)
    assert program.told.get(timeout=10) == ("signal", 9)
    assert program.closed.is_set()


def test_a_ping_is_answered(pair: Any) -> None:
    channels = WebSocketChannels(pair[0])
    client = WebSocketClient(pair[1])
    client.send(Ping(b"?"), BytesMessage(b"\0x"))
    assert channels.receive() == Stdin(b"x")
    client.framing.receive_data(pair[1].recv(100))
    assert next(client.framing.events()) == Pong(b"?")


def test_a_websocket_that_closes_or_breaks_off(pair: Any) -> None:
    channels = WebSocketChannels(pair[0])
    WebSocketClient(pair[1]).send(BytesMessage(b""), BytesMessage(b"\7?"), TextMessage("\0text"), CloseConnection(1000))
    assert [channels.receive(), channels.receive()] == [Stdin(b"text"), None]
    pair[1].close()
    assert WebSocketChannels(pair[0]).receive() is None


@given(
    st.lists(st.tuples(st.sampled_from([0, 4, 9]), st.binary(max_size=300)), max_size=6),
    st.lists(st.integers(0, 1500), max_size=20),
)
def test_messages_come_through_however_they_are_cut(messages: list[tuple[int, bytes]], cuts: list[int]) -> None:
    framing = Connection(ConnectionType.CLIENT)
    raw = b""
    for channel, data in messages:
        whole = bytes([channel]) + data
        half = len(whole) // 2
        raw += framing.send(BytesMessage(whole[:half], message_finished=False)) + framing.send(
            BytesMessage(whole[half:])
        )
    channels = WebSocketChannels(Pieces(raw, cuts))
    expected = [Stdin(data) for channel, data in messages if channel == 0 and data]
    assert [row for row in iter(channels.receive, None) if not isinstance(row, Resize)] == expected


# --- port-forward -----------------------------------------------------------------------------------------------


class Forwarded:
    """A port-forward whose far end is a real TCP server of the test."""

    def __init__(self, pair: Any, spdy_client: Any, dial: Callable[[int], Any]) -> None:
        self.client = spdy_client(pair[1])
        self.thread = threading.Thread(target=self._run, args=(pair[0], dial), daemon=True)
        self.thread.start()

    @staticmethod
    def _run(connection: socket.socket, dial: Callable[[int], Any]) -> None:
        stream = Ending(connection)
        PortForward(stream, dial).run()
        stream.close()

    def open(self, number: int = 0, port: str = "80") -> bytes:
        """SYN_STREAMs of one forwarded connection: error stream, then data stream, as kubectl does it."""
        ids = {"requestID": str(number), "port": port}
        return self.client.open(1 + 4 * number, streamType="error", **ids) + self.client.open(
            3 + 4 * number, streamType="data", **ids
        )


@pytest.fixture
def far() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


def dialler(far: socket.socket, before: Callable[[], object] = lambda: None) -> Callable[[int], Ending]:
    def dial(port: int) -> Ending:
        assert port == 80
        before()
        return Ending(socket.create_connection(far.getsockname(), 10))

    return dial


def test_bytes_go_both_ways_and_half_closes_are_told(pair: Any, spdy_client: Any, far: socket.socket) -> None:
    """`kubectl port-forward` and a client that sends its request, shuts down, and reads the whole answer."""
    forward = Forwarded(pair, spdy_client, dialler(far))
    forward.client.send(forward.open())
    connection, _ = far.accept()
    connection.settimeout(10)
    forward.client.send(forward.client.data(3, b"GET /"), forward.client.data(3, fin=True))
    assert b"".join(iter(lambda: connection.recv(100), b"")) == b"GET /", "it sees the end of the request"
    connection.sendall(b"page")
    connection.close()
    frames = [forward.client.frame() for _ in range(5)]
    assert [frame[:3] for frame in frames[2:]] == [("data", 3, b"page"), ("data", 3, b""), ("data", 1, b"")]
    assert [frame[3] for frame in frames[2:]] == [False, True, True]


@pytest.mark.parametrize("with_data", [False, True])
def test_an_end_that_comes_before_the_connection_is_there(
    pair: Any, spdy_client: Any, far: socket.socket, with_data: bool
) -> None:
    """Data and FIN of the data stream, and only then the error stream that makes it dial."""
    forward = Forwarded(pair, spdy_client, dialler(far))
    client = forward.client
    client.send(client.open(3, streamType="data", requestID="0", port="80"))
    if with_data:
        client.send(client.data(3, b"one"), client.data(3, b" two", fin=True))
    else:
        client.send(client.data(3, fin=True))
    client.send(client.open(1, streamType="error", requestID="0", port="80"))
    connection, _ = far.accept()
    connection.settimeout(10)
    assert b"".join(iter(lambda: connection.recv(100), b"")) == (b"one two" if with_data else b"")
    connection.close()


def test_an_end_in_the_opening_frame(pair: Any, spdy_client: Any, far: socket.socket) -> None:
    forward = Forwarded(pair, spdy_client, dialler(far))
    client = forward.client
    client.send(client.open(1, streamType="error", requestID="0", port="80"))
    client.send(client.open(3, fin=True, streamType="data", requestID="0", port="80"))
    connection, _ = far.accept()
    connection.settimeout(10)
    assert connection.recv(1) == b""
    connection.close()


def test_a_port_where_nobody_listens(pair: Any, spdy_client: Any) -> None:
    def dial(port: int) -> Any:
        raise AgentError(f"connect 127.0.0.1:{port}: Connection refused")

    forward = Forwarded(pair, spdy_client, dial)
    client = forward.client
    client.send(forward.open(), client.data(3, b"lost"), client.data(3, fin=True))
    frames = [client.frame() for _ in range(4)]
    assert frames[2][:2] == ("data", 1)
    assert frames[2][2] == b"failed to connect to port 80 inside the pod: connect 127.0.0.1:80: Connection refused"
    assert (frames[2][3], frames[3]) == (True, ("data", 3, b"", True))
    client.send(forward.open(1, "no-number"))
    assert client.frame()[:2] == ("reply", 5), "a strange port does not end the others"


def test_several_connections_at_once(pair: Any, spdy_client: Any, far: socket.socket) -> None:
    forward = Forwarded(pair, spdy_client, dialler(far))
    accepted = []
    for number in range(3):
        forward.client.send(forward.open(number))
        accepted.append(far.accept()[0])
    for number in (2, 0, 1):
        forward.client.send(forward.client.data(3 + 4 * number, b"%d" % number))
        accepted[number].settimeout(10)
        assert accepted[number].recv(10) == b"%d" % number
    forward.client.send(forward.client.control(3, struct.pack(">II", 7, 5)))
    assert accepted[1].recv(10) == b"", "a reset stream's connection is closed"
    pair[1].close()
    assert [accepted[number].recv(10) for number in (0, 2)] == [b"", b""], "and all when the client goes"
    forward.thread.join(10)
    for connection in accepted:
        connection.close()
