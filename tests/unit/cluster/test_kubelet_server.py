"""A node's HTTPS server over real TLS: who gets in, logs, exec, port-forward."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labctl.standin.cluster.controlplane.pki import Authority, KeyPair
from labctl.standin.cluster.kubelet.kubelet import NoSuchContainer
from labctl.standin.cluster.server.http import ALLOWED, KubeletServer
from labctl.standin.cluster.server.tls import TlsStream


class Echo:
    """A program that gives back what is typed, prefixed with its arguments, until its input ends."""

    def __init__(self, argv: list[str]) -> None:
        self._output = [("stdout", " ".join(map(repr, argv)).encode() + b"\n")]
        self._there = threading.Condition()
        self._over = False
        self.sizes: list[Any] = []

    def read(self) -> tuple[str, bytes] | None:
        with self._there:
            self._there.wait_for(lambda: self._output or self._over, 10)
            return self._output.pop(0) if self._output else None

    def write(self, data: bytes) -> None:
        with self._there:
            self._output.append(("stderr", data))
            self._there.notify_all()

    def close_stdin(self) -> None:
        with self._there:
            self._over = True
            self._there.notify_all()

    def resize(self, size: Any) -> None:
        self.sizes.append(size)

    def signal(self, _number: int) -> None:
        self.close_stdin()

    def code(self) -> int:
        return 7

    def close(self) -> None:
        return


class ScriptedKubelet:
    """A kubelet with one pod."""

    def __init__(self) -> None:
        self.spec = SimpleNamespace(name="node01", port=0, listen="127.0.0.1")
        self.log = b"one\ntwo\nthree\n"
        state = SimpleNamespace(name="main", running=True, pid=None)
        self.container = SimpleNamespace(state=state, logs=lambda: self.log, process=lambda: state.pid)
        self.streamed: list[dict[str, Any]] = []
        self.agent = SimpleNamespace(stream=self._stream, connect=self._connect)
        self.target: tuple[str, int] | None = None

    def find(self, namespace: str, name: str, container: str | None) -> tuple[Any, Any]:
        if (namespace, name, container or "main") != ("default", "web", "main"):
            raise NoSuchContainer(f'pod "{name}" is not on node node01')
        return SimpleNamespace(netns="pod-1"), self.container

    def _stream(self, argv: list[str], **options: Any) -> Echo:
        self.streamed.append(options)
        return Echo(list(argv))

    def _connect(self, ns: str, address: tuple[str, int]) -> Any:
        assert ns == "pod-1"
        connection = socket.create_connection(self.target, 10)
        return SimpleNamespace(
            recv=connection.recv, sendall=connection.sendall, close=connection.close,
            shutdown_write=lambda: connection.shutdown(socket.SHUT_WR),
        )  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "labctl test")


@pytest.fixture(scope="module")
def api_server(authority: Authority) -> KeyPair:
    return authority.issue("client", ALLOWED, ("system:masters",))


@pytest.fixture
def kubelet() -> ScriptedKubelet:
    return ScriptedKubelet()


@pytest.fixture
def server(authority: Authority, kubelet: ScriptedKubelet) -> Iterator[KubeletServer]:
    pair = authority.issue("kubelet", "system:node:node01", ("system:nodes",), ("localhost", "127.0.0.1"))
    server = KubeletServer(kubelet, str(authority.certificate), str(pair.certificate), str(pair.key))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def connect(server: KubeletServer, authority: Authority, pair: KeyPair | None) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    plain = socket.create_connection(server.server_address, 10)
    return context.wrap_socket(plain, server_hostname="localhost")


def ask(
    server: KubeletServer, authority: Authority, pair: KeyPair | None, path: str, **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection("localhost", server.server_address[1], timeout=10)
    connection.sock = connect(server, authority, pair)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_it_listens_on_loopback(server: KubeletServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_without_a_certificate_nobody_gets_in(server: KubeletServer, authority: Authority, kubelet: Any) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        ask(server, authority, None, "/containerLogs/default/web/main")


def test_a_certificate_of_another_authority_is_refused(
    server: KubeletServer, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "labctl test").issue("x", ALLOWED, ("system:masters",))
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        ask(server, authority, stranger, "/healthz")


def test_another_client_of_the_same_authority_is_refused(server: KubeletServer, authority: Authority) -> None:
    other = authority.issue("other", "system:node:node02", ("system:nodes",))
    assert ask(server, authority, other, "/healthz") == (403, b"only the API server may ask a kubelet\n")


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/healthz", 200, b"ok"),
        ("/containerLogs/default/web/main", 200, b"one\ntwo\nthree\n"),
        ("/containerLogs/default/web/main?tailLines=2", 200, b"two\nthree\n"),
        ("/containerLogs/default/web/main?tailLines=0", 200, b""),
        ("/containerLogs/default/web/main?tailLines=9", 200, b"one\ntwo\nthree\n"),
        ("/containerLogs/default/web/main?timestamps=false", 200, b"one\ntwo\nthree\n"),
        ("/containerLogs/default/web/main?previous=true", 400, None),
        (
            "/containerLogs/default/web/main?sinceSeconds=5&timestamps=true",
            400,
            b"a stand-in node keeps logs as plain text: ask without sinceSeconds, timestamps\n",
        ),
        ("/containerLogs/default/gone/main", 404, b'pod "gone" is not on node node01\n'),
        ("/containerLogs/default", 404, None),
        ("/pods", 404, b"a stand-in kubelet does not serve /pods\n"),
        ("/", 404, None),
        ("/exec/default/web/main", 400, b"no command given\n"),
        ("/exec/default/web/main?command=sh", 400, b"exec needs an upgrade to SPDY/3.1 or websocket\n"),
        ("/portForward/default/web", 400, b"port-forward needs an upgrade to SPDY/3.1\n"),
    ],
)
def test_plain_requests(
    server: KubeletServer, authority: Authority, api_server: KeyPair, path: str, status: int, body: bytes | None
) -> None:
    found = ask(server, authority, api_server, path)
    assert found[0] == status
    assert body is None or found[1] == body


def test_logs_are_followed_to_their_end(
    server: KubeletServer, authority: Authority, api_server: KeyPair, kubelet: ScriptedKubelet
) -> None:
    connection = http.client.HTTPSConnection("localhost", server.server_address[1], timeout=10)
    connection.sock = connect(server, authority, api_server)
    connection.request("GET", "/containerLogs/default/web/main?follow=true&tailLines=1")
    answer = connection.getresponse()
    assert answer.readline() == b"three\n"
    kubelet.log += b"four\n"
    assert answer.readline() == b"four\n"
    kubelet.log += b"last words\n"
    kubelet.container.state.running = False
    assert answer.read() == b"last words\n"
    connection.close()


def test_a_container_that_does_not_run(
    server: KubeletServer, authority: Authority, api_server: KeyPair, kubelet: ScriptedKubelet
) -> None:
    kubelet.container.state.running = False
    status, body = ask(server, authority, api_server, "/exec/default/web/main?command=sh")
    assert (status, body) == (500, b"container main is not running\n")


def upgrade(connection: ssl.SSLSocket, path: str, **headers: str) -> tuple[str, dict[str, str]]:
    """Ask for an upgrade; the answer's first line and headers."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    connection.sendall(
        "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", "Connection: Upgrade", *lines, "", ""]).encode()
    )
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += connection.recv(1)
    first, *rest = data.decode().strip().splitlines()
    return first, dict(line.split(": ", 1) for line in rest)


EXEC = "/exec/default/web/main?command=echo&command=&command=a%20b&output=1&error=1"


def test_exec_over_spdy(
    server: KubeletServer, authority: Authority, api_server: KeyPair, kubelet: ScriptedKubelet, spdy_client: Any
) -> None:
    """As the API server asks: the newest protocol first; an empty argument is an argument."""
    connection = connect(server, authority, api_server)
    first, headers = upgrade(
        connection, f"{EXEC}&input=1", Upgrade="SPDY/3.1",
        X_Stream_Protocol_Version="v5.channel.k8s.io, v4.channel.k8s.io, channel.k8s.io",
    )  # fmt: skip
    assert first == "HTTP/1.1 101 Switching Protocols"
    assert (headers["Upgrade"], headers["X-Stream-Protocol-Version"]) == ("SPDY/3.1", "v5.channel.k8s.io")
    client = spdy_client(connection)
    for number, kind in ((1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")):
        client.send(client.open(number, streamType=kind))
    client.send(client.data(3, b"typed"), client.data(3, fin=True))
    streams = client.streams()
    assert (streams[5], streams[7]) == (b"'echo' '' 'a b'\n", b"typed")
    assert json.loads(streams[1])["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
    assert kubelet.streamed == [{"ns": "pod-1", "tty": None}]
    connection.close()


def test_exec_over_a_websocket(
    server: KubeletServer, authority: Authority, api_server: KeyPair, kubelet: ScriptedKubelet
) -> None:
    """As the `kubernetes` Python package asks: v4 and no standard input, which the program finds ended."""
    kubelet.container.state.pid = 77
    connection = connect(server, authority, api_server)
    first, headers = upgrade(
        connection, EXEC, Upgrade="websocket", Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
        Sec_WebSocket_Version="13", Sec_WebSocket_Protocol="v4.channel.k8s.io",
    )  # fmt: skip
    assert first == "HTTP/1.1 101 Switching Protocols"
    assert headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "RFC 6455, section 1.3"
    assert headers["Sec-WebSocket-Protocol"] == "v4.channel.k8s.io"
    from wsproto import ConnectionType
    from wsproto.connection import Connection
    from wsproto.events import BytesMessage, CloseConnection

    framing, events = Connection(ConnectionType.CLIENT), []
    while not events or not isinstance(events[-1], CloseConnection):
        framing.receive_data(connection.recv(65536))
        events += list(framing.events())
    messages = [bytes(event.data) for event in events if isinstance(event, BytesMessage)]
    assert messages[0] == b"\1'echo' '' 'a b'\n"
    assert json.loads(messages[-1][1:])["status"] == "Failure"
    assert kubelet.streamed == [{"join": 77, "tty": None}], "into the namespaces of the container's process"
    connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Upgrade": "SPDY/3.1", "X_Stream_Protocol_Version": "v1.other"},
        {"Upgrade": "websocket", "Sec_WebSocket_Protocol": "base64.channel.k8s.io", "Sec_WebSocket_Key": "x"},
    ],
)
def test_a_protocol_that_is_not_spoken(
    server: KubeletServer, authority: Authority, api_server: KeyPair, headers: dict[str, str]
) -> None:
    connection = connect(server, authority, api_server)
    assert upgrade(connection, EXEC, **headers)[0].startswith("HTTP/1.1 403")
    connection.close()


def test_port_forward(
    server: KubeletServer, authority: Authority, api_server: KeyPair, kubelet: ScriptedKubelet, spdy_client: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as far:
        far.settimeout(10)
        kubelet.target = far.getsockname()
        connection = connect(server, authority, api_server)
        first, headers = upgrade(
            connection, "/portForward/default/web", Upgrade="SPDY/3.1", X_Stream_Protocol_Version="portforward.k8s.io"
        )
        assert first == "HTTP/1.1 101 Switching Protocols"
        assert headers["X-Stream-Protocol-Version"] == "portforward.k8s.io"
        client = spdy_client(connection)
        for number, kind in ((1, "error"), (3, "data")):
            client.send(client.open(number, streamType=kind, port="80", requestID="0"))
        client.send(client.data(3, b"request", fin=True))
        inside, _ = far.accept()
        inside.settimeout(10)
        assert b"".join(iter(lambda: inside.recv(100), b"")) == b"request"
        inside.sendall(b"answer")
        inside.close()
        frames = [client.frame() for _ in range(5)]
        assert ("data", 3, b"answer", False) in frames
        connection.close()


class Closing:
    """An SSL socket that has nothing to read yet, and is closed by another thread meanwhile."""

    def setblocking(self, _flag: bool) -> None:
        return

    def recv(self, _size: int) -> bytes:
        raise ssl.SSLWantReadError

    def send(self, _data: bytes) -> int:
        raise ssl.SSLWantWriteError

    def fileno(self) -> int:
        return -1


def test_a_connection_that_is_closed_while_another_thread_waits_in_it() -> None:
    stream = TlsStream(Closing())  # type: ignore[arg-type]
    assert stream.recv(10) == b""
    with pytest.raises(OSError, match="was closed"):
        stream.sendall(b"x")
