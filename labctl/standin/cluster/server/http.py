"""A node's HTTPS server: what the API server asks of a kubelet (logs, exec, port-forward).

Only the API server gets in: it shows a client certificate of the lab's CA with the kubelet client's name.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from labctl.errors import LabError
from labctl.guest.api import ByteStream, ExecStream, TtySize
from labctl.standin.cluster.kubelet.kubelet import Kubelet, NoSuchContainer
from labctl.standin.cluster.server.portforward import PortForward
from labctl.standin.cluster.server.remote import Channels, SpdyChannels, WebSocketChannels, execute
from labctl.standin.cluster.server.spdy import SpdyError
from labctl.standin.cluster.server.tls import TlsStream

log = logging.getLogger(__name__)
ALLOWED = "kube-apiserver-kubelet-client"
WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""
EXEC_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
FORWARD_PROTOCOL = "portforward.k8s.io"
FOLLOW_EVERY = 0.2
NOT_OF_LOGS = {"sinceSeconds", "sinceTime", "timestamps", "limitBytes"}
"""Options of Kubernetes' PodLogOptions that need what a stand-in node does not keep."""


class KubeletServer(ThreadingHTTPServer):
    """Listens where its node's spec says; a thread a connection."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, kubelet: Kubelet, authority: str, certificate: str, key: str) -> None:
        self.kubelet = kubelet
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._context.load_verify_locations(authority)
        self._context.verify_mode = ssl.CERT_REQUIRED
        super().__init__((kubelet.spec.listen, kubelet.spec.port), Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, name=f"kubelet {self.kubelet.spec.name}", daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        log.info("a connection to the kubelet server ended: %s", client_address)


class Handler(BaseHTTPRequestHandler):
    """One request; an upgraded one takes the connection over."""

    server: KubeletServer
    protocol_version = "HTTP/1.1"
    rbufsize = 0  # nothing is read ahead of an upgrade
    server_version = "labctl"
    routes: ClassVar[dict[str, str]] = {"containerLogs": "_logs", "exec": "_exec", "portForward": "_port_forward"}

    def do_GET(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        log.info("kubelet server: %s", format % args)

    def _route(self) -> None:
        self.close_connection = True
        if not self._allowed():
            self._refuse(403, "only the API server may ask a kubelet")
            return
        address = urlsplit(self.path)
        parts = [part for part in address.path.split("/") if part]
        if address.path == "/healthz":
            self._answer(200, b"ok")
            return
        method = self.routes.get(parts[0]) if parts else None
        if method is None or len(parts) < 3:
            self._refuse(404, f"a stand-in kubelet does not serve {address.path}")
            return
        try:
            getattr(self, method)(parts[1:], parse_qs(address.query, keep_blank_values=True))
        except NoSuchContainer as missing:
            self._refuse(404, str(missing))
        except (LabError, SpdyError) as error:
            log.info("kubelet server: %s: %s", self.path, error)

    def _allowed(self) -> bool:
        connection = self.connection
        assert isinstance(connection, ssl.SSLSocket)  # noqa: S101
        certificate = connection.getpeercert() or {}
        subject = [pair for row in certificate.get("subject", ()) for pair in row]
        return ("commonName", ALLOWED) in subject

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, code: int, message: str) -> None:
        self._answer(code, f"{message}\n".encode())

    def _logs(self, parts: list[str], query: dict[str, list[str]]) -> None:
        _, container = self.server.kubelet.find(parts[0], parts[1], parts[2] if len(parts) > 2 else None)
        if query.get("previous", ["false"])[0] == "true":
            self._refuse(400, "a stand-in node keeps one log for all runs of a container: ask without --previous")
            return
        other = sorted(name for name in NOT_OF_LOGS & set(query) if query[name][0] != "false")
        if other:
            self._refuse(400, f"a stand-in node keeps logs as plain text: ask without {', '.join(other)}")
            return
        data = container.logs()
        offset = len(data)
        if "tailLines" in query:
            lines = data.splitlines(keepends=True)
            data = b"".join(lines[len(lines) - min(len(lines), int(query["tailLines"][0])) :])
        if query.get("follow", ["false"])[0] != "true":
            self._answer(200, data)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pause = threading.Event()
        try:
            self._chunk(data)
            running = True
            while running:
                running = container.state.running  # looked at first: what it wrote before its end is told too
                if running:
                    pause.wait(FOLLOW_EVERY)
                data = container.logs()[offset:]
                offset += len(data)
                self._chunk(data)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            return

    def _chunk(self, data: bytes) -> None:
        if data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

    def _exec(self, parts: list[str], query: dict[str, list[str]]) -> None:
        kubelet = self.server.kubelet
        pod, container = kubelet.find(parts[0], parts[1], parts[2] if len(parts) > 2 else None)
        command = query.get("command") or []
        if not command:
            self._refuse(400, "no command given")
            return
        if not container.state.running:
            self._refuse(500, f"container {container.state.name} is not running")
            return
        tty = TtySize() if _flag(query, "tty") else None

        def start() -> ExecStream:
            inside = container.process()
            if inside is not None:
                return kubelet.agent.stream(command, join=inside, tty=tty)
            return kubelet.agent.stream(command, ns=pod.netns, tty=tty)

        wanted = {"error"} | {
            name for flag, name in (("input", "stdin"), ("output", "stdout"), ("error", "stderr")) if _flag(query, flag)
        }
        if tty:
            wanted = wanted - {"stderr"} | {"resize"}
        channels = self._channels(wanted)
        if channels:
            execute(start, channels, stdin="stdin" in wanted)

    def _channels(self, wanted: set[str]) -> Channels | None:
        upgrade = self.headers.get("Upgrade", "").lower()
        if upgrade == "spdy/3.1":
            offered = [
                name.strip()
                for header in self.headers.get_all("X-Stream-Protocol-Version", [])
                for name in header.split(",")
            ]
            chosen = next((name for name in EXEC_PROTOCOLS if name in offered), None)
            if chosen is None:
                self._refuse(403, f"none of the protocols {offered} is spoken here")
                return None
            self._switch("SPDY/3.1", {"X-Stream-Protocol-Version": chosen})
            return SpdyChannels(self._taken_over(), wanted)
        if upgrade == "websocket":
            offered = [name.strip() for name in self.headers.get("Sec-WebSocket-Protocol", "").split(",")]
            chosen = next((name for name in EXEC_PROTOCOLS if name in offered), None)
            if chosen is None:
                self._refuse(403, f"none of the protocols {offered} is spoken here")
                return None
            digest = hashlib.sha1(
                (self.headers["Sec-WebSocket-Key"] + WEBSOCKET_GUID).encode(), usedforsecurity=False
            ).digest()
            accept = base64.b64encode(digest).decode()
            self._switch("websocket", {"Sec-WebSocket-Accept": accept, "Sec-WebSocket-Protocol": chosen})
            return WebSocketChannels(self._taken_over())
        self._refuse(400, "exec needs an upgrade to SPDY/3.1 or websocket")
        return None

    def _port_forward(self, parts: list[str], _query: dict[str, list[str]]) -> None:
        kubelet = self.server.kubelet
        pod, _ = kubelet.find(parts[0], parts[1], None)
        if self.headers.get("Upgrade", "").lower() != "spdy/3.1":
            self._refuse(400, "port-forward needs an upgrade to SPDY/3.1")
            return
        self._switch("SPDY/3.1", {"X-Stream-Protocol-Version": FORWARD_PROTOCOL})

        def dial(port: int) -> ByteStream:
            return kubelet.agent.connect(pod.netns, ("127.0.0.1", port))

        PortForward(self._taken_over(), dial).run()

    def _switch(self, upgrade: str, headers: dict[str, str]) -> None:
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", upgrade)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()

    def _taken_over(self) -> TlsStream:
        connection = self.connection
        assert isinstance(connection, ssl.SSLSocket)  # noqa: S101
        return TlsStream(connection)


def _flag(query: dict[str, list[str]], name: str) -> bool:
    return query.get(name, ["0"])[0] in ("1", "true")
