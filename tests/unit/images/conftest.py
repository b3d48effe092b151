"""A Docker daemon of a few answers on a socket: what labctl asks of images and of a node's containerd."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest


@dataclass
class ScriptedDocker:
    """What it has, and what it was asked. ``nodes``: container name → exit code of whatever runs in it."""

    images: dict[str, int] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)
    brings: list[str] = field(default_factory=list)
    refuses: str = ""
    loaded: list[bytes] = field(default_factory=list)
    commands: list[tuple[str, list[str]]] = field(default_factory=list)
    fed: dict[str, bytes] = field(default_factory=dict)
    filters: list[Any] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    docker: ScriptedDocker

    def log_message(self, *_args: Any) -> None:
        pass

    def _answer(self, body: Any, code: int = 200) -> None:
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _progress(self, lines: Iterator[str]) -> None:
        """An answer that grows, as the daemon's to a load or a pull."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in (*lines, ""):
            self.wfile.write(f"{len(line):x}\r\n{line}\r\n".encode())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    @property
    def _route(self) -> str:
        return re.sub(r"^/v[0-9.]+", "", self.path)

    def do_GET(self) -> None:
        from urllib.parse import parse_qs, unquote, urlsplit

        route, docker = self._route, self.docker
        if route in {"/_ping", "/version"}:
            self._answer({"ApiVersion": "1.41", "Version": "20.10"})
        elif found := re.fullmatch(r"/images/(.+)/json", route):
            name = unquote(found[1])
            if name in docker.images:
                row = {"Id": f"sha256:{abs(hash(name)):064x}", "Size": docker.images[name], "RepoTags": [name]}
                self._answer(row)
            else:
                self._answer({"message": f"No such image: {name}"}, code=404)
        elif route.startswith("/containers/json"):
            docker.filters.append(json.loads(parse_qs(urlsplit(self.path).query)["filters"][0]))
            self._answer([{"Id": name} for name in docker.nodes])
        elif found := re.fullmatch(r"/containers/(.+)/json", route):
            self._answer({"Id": found[1], "Name": f"/{found[1]}"})
        elif found := re.fullmatch(r"/exec/exec-(.+)/json", route):
            self._answer({"ExitCode": docker.nodes[found[1]]})
        else:
            self._answer({"message": route}, code=404)

    def do_POST(self) -> None:
        route, docker = self._route, self.docker
        if route.startswith("/images/load"):
            docker.loaded.append(self._body())
            if docker.refuses:
                self._answer({"message": docker.refuses}, code=400)
                return
            docker.images |= dict.fromkeys(docker.brings, 7)
            self._progress(json.dumps({"stream": f"Loaded image: {name}\n"}) for name in docker.brings)
        elif found := re.fullmatch(r"/containers/(.+)/exec", route):
            docker.commands.append((found[1], json.loads(self._body())["Cmd"]))
            self._answer({"Id": f"exec-{found[1]}"}, code=201)
        elif found := re.fullmatch(r"/exec/exec-(.+)/start", route):
            self._body()
            self._run(found[1])
        else:
            self._answer({"message": route}, code=404)

    def _run(self, node: str) -> None:
        """The connection becomes the program's: its input until the end, then what it says."""
        self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
                         b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n")  # fmt: skip
        self.docker.fed[node] = self.rfile.read()
        for stream, text in ((1, b"unpacking ... "), (2, b"done\nctr: no space left\n")):
            self.wfile.write(bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text)
        self.close_connection = True


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self) -> tuple[Any, Any]:
        request, _ = super().get_request()
        return request, ("local", 0)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedDocker]:
    """The daemon that ``DOCKER_HOST`` names."""
    scripted = ScriptedDocker()
    handler = type("Handler", (_Handler,), {"docker": scripted})
    with _Server(str(tmp_path / "docker.sock"), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
        yield scripted
        server.shutdown()
