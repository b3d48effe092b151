"""The agent's server: frames from a byte stream to verbs, each call in a thread of its own."""

from __future__ import annotations

import base64
import errno
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from labctl.guest.agent import changes, kernel, packets, programs, speed, wire
from labctl.guest.agent.changes import Vtys

PING_LIMIT = 60.0
"""Seconds without a sign of the other side after which a guest ends itself."""


class Call:
    """One stream: what its client sent, and a voice back."""

    def __init__(self, server: Server, stream: int) -> None:
        self.stream = stream
        self._server = server
        self._credit = wire.STREAM_WINDOW
        self._ready = threading.Condition()
        self.closed = threading.Event()
        self.on_data: Callable[[bytes], None] | None = None
        self.on_control: Callable[[dict[str, Any]], None] | None = None
        self.on_close: Callable[[], None] | None = None
        self._inbox: list[tuple[str, Any]] = []
        self._inbox_ready = threading.Condition()

    def write(self, channel: int, data: bytes) -> None:
        """DATA to the client; blocks while its window is full. Quietly drops once the client has gone."""
        view = memoryview(data)
        while view and not self.closed.is_set():
            with self._ready:
                while self._credit <= 0 and not self.closed.is_set():
                    self._ready.wait()
                size = min(len(view), wire.FROM_GUEST - 1, self._credit)
                self._credit -= size
            if size > 0:
                self._server.send(wire.frame(wire.DATA, self.stream, bytes([channel]) + view[:size]))
                view = view[size:]

    def event(self, body: dict[str, Any]) -> None:
        self._server.send_message(wire.EVENT, self.stream, body)

    def grant(self, size: int) -> None:
        with self._ready:
            self._credit += size
            self._ready.notify_all()

    def put(self, kind: str, value: Any) -> None:
        """Something came from the client; handled in order by the call's own feeder, never by the reader."""
        with self._inbox_ready:
            self._inbox.append((kind, value))
            self._inbox_ready.notify()

    def feed(self) -> None:
        """Hand what comes from the client to the verb's handlers; ends when the stream is over."""
        while True:
            with self._inbox_ready:
                while not self._inbox:
                    self._inbox_ready.wait()
                kind, value = self._inbox.pop(0)
            if kind == "over":
                return
            if kind == "data" and self.on_data:
                self.on_data(value)
                self._server.send(wire.frame(wire.WINDOW, self.stream, struct.pack(">I", len(value))))
            elif kind == "control" and self.on_control:
                self.on_control(value)

    def close(self) -> None:
        """The client gave up."""
        self.closed.set()
        with self._ready:
            self._ready.notify_all()
        self.put("over", None)
        if self.on_close:
            self.on_close()


class Server:
    """Serves one byte stream (the guest's serial line, or one end of a socket pair)."""

    def __init__(self, read: Callable[[], bytes], write: Callable[[bytes], None], *, link_acks: bool) -> None:
        self._read = read
        self._write = write
        self._link_acks = link_acks
        self._lock = threading.Lock()
        self._calls: dict[int, Call] = {}
        self._programs = programs.Programs()
        self._vtys = Vtys()
        self._verbs: dict[str, Callable[..., Any]] = {
            name.removeprefix("verb_"): getattr(self, name) for name in dir(self) if name.startswith("verb_")
        }
        self.heard = time.monotonic()

    def send(self, data: bytes) -> None:
        with self._lock:
            self._write(data)

    def send_message(self, kind: int, stream: int, body: Any) -> None:
        for piece in wire.message(kind, stream, body, wire.FROM_GUEST):
            self.send(piece)

    def serve(self) -> None:
        """Until the stream ends."""
        parser = wire.Parser()
        while True:
            try:
                data = self._read()
            except OSError:
                data = b""
            if not data:
                break
            self.heard = time.monotonic()
            if self._link_acks:
                self.send(wire.frame(wire.ACK, len(data)))
            for kind, stream, payload in parser.feed(data):
                self._dispatch(kind, stream, payload)
        for call in list(self._calls.values()):
            call.close()

    def _dispatch(self, kind: int, stream: int, payload: bytes) -> None:
        import json

        if kind == wire.REQUEST:
            call = Call(self, stream)
            self._calls[stream] = call
            threading.Thread(target=self._work, args=(call, json.loads(payload)), daemon=True).start()
            return
        found = self._calls.get(stream)
        if found is None:
            return
        if kind == wire.DATA:
            found.put("data", payload[1:])
        elif kind == wire.CONTROL:
            found.put("control", json.loads(payload))
        elif kind == wire.WINDOW:
            found.grant(struct.unpack(">I", payload)[0])
        elif kind == wire.CLOSE:
            found.close()

    def _work(self, call: Call, request: dict[str, Any]) -> None:
        name = request.pop("verb", None)
        try:
            body: dict[str, Any] = {"ok": self._verbs[name](call, **request)}
        except KeyError as error:
            body = {"error": f"unknown {error}"}
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            body = {"error": f"{name}: {error}", "late": True}
        except (OSError, ValueError, LookupError, TypeError, subprocess.SubprocessError) as error:
            body = {"error": f"{name}: {error}", "cause": _cause(error)}
        call.put("over", None)
        self._calls.pop(call.stream, None)
        try:
            self.send_message(wire.END, call.stream, body)
        except OSError:
            return  # the stream is gone: nobody is left to hear it, and `serve` ends by itself

    # --- verbs: what the client sent as arguments, JSON back --------------------------------------------------

    def verb_info(self, _call: Call) -> dict[str, Any]:
        name = os.uname()
        return {
            "kernel": name.release,
            "arch": name.machine,
            "cpus": os.cpu_count() or 1,
            "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        }

    def verb_speed(self, _call: Call) -> float:
        return speed.measure()

    def verb_batches(self, _call: Call, groups: Any, limit: float) -> list[list[changes.Failure]]:
        return [changes.do_batch(ns, [(kind, text) for kind, text in ops], limit) for ns, ops in groups]

    def verb_run(self, call: Call, stdin: str = "", **program: Any) -> dict[str, Any]:
        code, out, err = self._programs.run(stdin=base64.b64decode(stdin), **program)
        call.write(wire.STDOUT, out)
        call.write(wire.STDERR, err)
        return {"code": code}

    def verb_start(self, _call: Call, **program: Any) -> dict[str, Any]:
        return {"pid": self._programs.start(**program)}

    def verb_wait(self, _call: Call, pid: int, timeout: float | None = None) -> dict[str, Any]:
        return {"code": self._programs.wait(pid, timeout)}

    def verb_signal(self, _call: Call, pid: int, number: int) -> None:
        self._programs.signal(pid, number)

    def verb_stream(self, call: Call, **words: Any) -> dict[str, Any]:
        program = programs.Interactive(**words)

        def control(body: dict[str, Any]) -> None:
            if "resize" in body:
                program.resize(body["resize"])
            elif "signal" in body:
                program.signal(body["signal"])
            elif body.get("close_stdin"):
                program.close_stdin()

        call.on_data, call.on_control, call.on_close = program.write, control, lambda: program.signal(9)
        threading.Thread(target=call.feed, daemon=True).start()
        try:
            return {"code": program.pump(call.write)}
        finally:
            program.end()

    def verb_vty(self, _call: Call, path: str, commands: list[str]) -> list[tuple[str, int]]:
        return self._vtys.ask(path, commands)

    def verb_write(self, call: Call, path: str, mode: int, owner: str | None = None) -> None:
        over = threading.Event()
        data = bytearray()
        call.on_data = data.extend
        call.on_control = lambda _body: over.set()
        threading.Thread(target=call.feed, daemon=True).start()
        while not over.wait(0.5):
            if call.closed.is_set():
                return
        changes.write_file(path, bytes(data), mode, owner)

    def verb_read(self, call: Call, path: str, offset: int = 0) -> None:
        call.write(wire.STDOUT, changes.read_file(path, offset))

    def verb_remove(self, _call: Call, path: str) -> None:
        changes.remove(path)

    def verb_capture(
        self,
        call: Call,
        interface: str,
        limit: float,
        expression: str = "",
        snaplen: int = 0,
        ns: str | None = None,
        join: int | None = None,
    ) -> None:
        sock = kernel.in_network(ns, lambda: packets.open_socket(interface, expression, limit), join)
        over = threading.Event()
        call.on_control = lambda _body: over.set()
        call.on_close = over.set
        threading.Thread(target=call.feed, daemon=True).start()
        call.event({"capturing": True})
        with sock:
            packets.pump(sock, snaplen, over, lambda data: call.write(wire.STDOUT, data))

    def verb_connect(self, call: Call, address: Any, limit: float, ns: str | None = None) -> None:
        def dial() -> socket.socket:
            if isinstance(address, str):
                unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                unix.connect(address)
                return unix
            return socket.create_connection((address[0], address[1]), timeout=limit)

        connection = kernel.in_network(ns, dial)
        connection.settimeout(None)

        def drop() -> None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

        def control(_body: dict[str, Any]) -> None:
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                return

        def data(piece: bytes) -> None:
            try:
                connection.sendall(piece)
            except OSError:
                drop()

        call.on_data, call.on_control, call.on_close = data, control, drop
        threading.Thread(target=call.feed, daemon=True).start()
        call.event({"connected": True})
        with connection:
            while True:
                try:
                    piece = connection.recv(16000)
                except OSError:
                    return
                if not piece:
                    return
                call.write(wire.STDOUT, piece)


def _cause(error: Exception) -> str | None:
    """What a caller can act on, where the words alone would not do: errno's name, or that a capture filter is none."""
    if isinstance(error, packets.FilterError):
        return "filter"
    return errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None
