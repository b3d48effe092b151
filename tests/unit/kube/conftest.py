"""An API server on loopback that answers what a test tells it to."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from labctl.kube.api import Access, Api


class ApiServer(ThreadingHTTPServer):
    """``answers``: (method, path) → (status, body), or a list of them, one a request (the last stays)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[tuple[str, str], Any] = {}
        self.asked: list[tuple[str, str, dict[str, str], Any, str]] = []
        """(method, path, query, body, content type)."""
        self.watches: queue.Queue[Watch] = queue.Queue()
        """Each watch as it begins; the test says what happens in it."""

    def serve(self) -> None:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def api(self) -> Api:
        return Api(Access(f"http://127.0.0.1:{self.server_address[1]}", "", "", ""))

    def asked_for(self, method: str) -> list[str]:
        return [path for asked, path, *_ in self.asked if asked == method]


class Watch:
    """One open watch."""

    def __init__(self, query: dict[str, str]) -> None:
        self.query = query
        self.lines: queue.Queue[bytes | None] = queue.Queue()

    def event(self, kind: str, item: Any) -> None:
        self.lines.put(json.dumps({"type": kind, "object": item}).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        self.lines.put(data)

    def end(self) -> None:
        self.lines.put(None)


class Handler(BaseHTTPRequestHandler):
    server: ApiServer
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query))
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        kind = self.headers.get("Content-Type", "")
        self.server.asked.append((self.command, address.path, query, body, kind))
        if query.get("watch") == "true":
            self._watch(Watch(query))
            return
        found = self.server.answers.get((self.command, address.path), (404, {"reason": "NotFound", "message": "gone"}))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        status, answer = found(body) if callable(found) else found
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    def _watch(self, watch: Watch) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.server.watches.put(watch)
        while (data := watch.lines.get()) is not None:
            if data == b"break":
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[ApiServer]:
    server = ApiServer()
    server.serve()
    yield server
    while not server.watches.empty():
        server.watches.get().end()
    server.shutdown()
    server.server_close()


@pytest.fixture
def api(server: ApiServer) -> Api:
    return server.api()
