"""The agent's server: frames from a byte stream to verbs, each call in a thread of its own.

Below the server is what its verbs do in the machine: its kernel in bulk, captures, FRR's daemons.

Packets are captured with a socket of our own: from bind() on, no process, VLAN tags put back. The kernel takes a tag
out of the frame and hands it over beside it (packet(7), PACKET_AUXDATA); a pcap reader wants it inside, as libpcap
does. The filter is compiled by tcpdump against the interface itself, so that it knows about tags beside the frame.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import errno
import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from labctl.guest.agent import kernel, programs, speed, wire

PING_LIMIT = 60.0
"""Seconds without a sign of the other side after which a guest ends itself."""


class Call(wire.Stream):
    """One stream as its verb sees it."""

    def __init__(self, send: Callable[[bytes], None], number: int) -> None:
        super().__init__(send, number, wire.FROM_GUEST)
        self._on_close: Callable[[], None] | None = None

    def begun(self) -> None:
        """Tell the client that what it asked for has begun."""
        self._send(wire.frame(wire.EVENT, self.number))

    def arrived(self, kind: int, payload: bytes) -> None:
        super().arrived(kind, payload)
        if kind == wire.CLOSE and self._on_close:
            self._on_close()

    def incoming(self) -> Iterator[tuple[int, bytes]]:
        """DATA and CONTROL of the client, until the call is over."""
        while True:
            kind, payload = self._inbox.get()
            if kind in (wire.CLOSE, wire.END):
                return
            yield kind, payload
            if kind == wire.DATA:
                self.grant(len(payload) - 1)

    def feed(
        self, data: Callable[[bytes], None], control: Callable[[dict[str, Any]], None], close: Callable[[], None]
    ) -> None:
        """Hand what comes from the client to a verb's handlers, in a thread; ``close``, at once, that it gave up."""

        def work() -> None:
            for kind, payload in self.incoming():
                if kind == wire.DATA:
                    data(payload[1:])
                else:
                    control(json.loads(payload))

        self._on_close = close
        threading.Thread(target=work, daemon=True).start()


class Server:
    """Serves one byte stream (the guest's serial line, or one end of a socket pair)."""

    def __init__(self, read: Callable[[], bytes], write: Callable[[bytes], None], *, link_acks: bool) -> None:
        self._read = read
        self._write = write
        self._link_acks = link_acks
        self._lock = threading.Lock()
        self._calls: dict[int, Call] = {}
        self._programs = programs.Programs()
        self._vtys: dict[str, Vty] = {}
        self._plain: dict[str, Callable[..., Any]] = {
            "info": info, "speed": speed.measure, "batches": batches, "remove": remove, "vty": self._vty,
            "start": self._programs.start, "wait": self._programs.wait, "signal": self._programs.signal,
        }  # fmt: skip
        """Verbs that need no more than their arguments and answer with JSON; the others speak with their client."""
        self._verbs: dict[str, Callable[..., Any]] = {
            "run": self._run, "stream": self._stream, "write": self._write_file, "read": self._read_file,
            "capture": self._capture, "connect": self._connect,
        }  # fmt: skip
        self.heard = time.monotonic()

    def send(self, data: bytes) -> None:
        with self._lock:
            self._write(data)

    def serve(self) -> None:
        """Until the stream ends."""
        for kind, stream, payload in wire.messages(self._hear):
            if kind == wire.REQUEST:
                call = self._calls[stream] = Call(self.send, stream)
                threading.Thread(target=self._work, args=(call, json.loads(payload)), daemon=True).start()
            elif stream in self._calls:
                self._calls[stream].arrived(kind, payload)
        for call in list(self._calls.values()):
            call.arrived(wire.CLOSE, b"")

    def _hear(self) -> bytes:
        data = self._read()
        self.heard = time.monotonic()
        if self._link_acks and data:
            self.send(wire.frame(wire.ACK, len(data)))
        return data

    def _work(self, call: Call, request: dict[str, Any]) -> None:
        name = request.pop("verb", None)
        try:
            plain = self._plain.get(name)
            body: dict[str, Any] = {"ok": plain(**request) if plain else self._verbs[name](call, **request)}
        except KeyError as error:
            body = {"error": f"unknown {error}"}
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            body = {"error": f"{name}: {error}", "late": True}
        except (OSError, ValueError, LookupError, TypeError, subprocess.SubprocessError) as error:
            body = {"error": f"{name}: {error}", "cause": _cause(error)}
        call.arrived(wire.END, b"")
        self._calls.pop(call.number, None)
        try:
            call.say(wire.END, body)
        except OSError:
            return  # the stream is gone: nobody is left to hear it, and `serve` ends by itself

    # --- verbs: what the client sent as arguments, JSON back --------------------------------------------------

    def _vty(self, path: str, commands: list[str]) -> list[tuple[str, int]]:
        return self._vtys.setdefault(path, Vty(path)).ask(commands)

    def _run(self, call: Call, stdin: str = "", **program: Any) -> int:
        code, out, err = programs.run(stdin=base64.b64decode(stdin), **program)
        call.send_data(wire.STDOUT, out)
        call.send_data(wire.STDERR, err)
        return code

    def _stream(self, call: Call, **arguments: Any) -> int:
        program = programs.Interactive(**arguments)

        def control(body: dict[str, Any]) -> None:
            if "resize" in body:
                program.resize(body["resize"])
            elif "signal" in body:
                program.signal(body["signal"])
            elif body.get("close_stdin"):
                program.close_stdin()

        call.feed(program.write, control, lambda: program.signal(9))
        try:
            return program.pump(call.send_data)
        finally:
            program.end()

    def _write_file(self, call: Call, path: str, mode: int, owner: str | None = None) -> None:
        data = bytearray()
        for kind, payload in call.incoming():
            if kind == wire.CONTROL:  # that was all of it
                write_file(path, bytes(data), mode, owner)
                return
            data += payload[1:]

    def _read_file(self, call: Call, path: str) -> None:
        with open(path, "rb") as file:
            call.send_data(wire.STDOUT, file.read())

    def _capture(
        self,
        call: Call,
        interface: str,
        limit: float,
        expression: str = "",
        ns: str | None = None,
        join: int | None = None,
    ) -> None:
        sock = kernel.in_network(ns, lambda: open_socket(interface, expression, limit), join)
        over = threading.Event()
        call.feed(lambda _data: None, lambda _body: over.set(), over.set)
        call.begun()
        with sock:
            pump(sock, over, lambda data: call.send_data(wire.STDOUT, data))

    def _connect(self, call: Call, address: Any, limit: float, ns: str | None = None) -> None:
        def dial() -> socket.socket:
            if isinstance(address, str):
                unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                unix.connect(address)
                return unix
            return socket.create_connection((address[0], address[1]), timeout=limit)

        connection = kernel.in_network(ns, dial)
        connection.settimeout(None)

        def end(how: int) -> None:
            with contextlib.suppress(OSError):
                connection.shutdown(how)

        def data(piece: bytes) -> None:
            try:
                connection.sendall(piece)
            except OSError:
                end(socket.SHUT_RDWR)

        call.feed(data, lambda _body: end(socket.SHUT_WR), lambda: end(socket.SHUT_RDWR))
        call.begun()
        with connection, contextlib.suppress(OSError):
            while piece := connection.recv(16000):
                call.send_data(wire.STDOUT, piece)


def _cause(error: Exception) -> str | None:
    """What a caller can act on, where the words alone would not do: errno's name, or that a capture filter is none."""
    if isinstance(error, FilterError):
        return "filter"
    return errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None


def info() -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"kernel": os.uname().release, "cpus": os.cpu_count() or 1, "memory": memory}


def remove(path: str) -> None:
    """A file, or a folder with all that it holds; a missing one is fine."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


# --- the kernel in bulk -------------------------------------------------------------------------------------------

COMMANDS = {
    "ip": ("ip", "-force", "-batch", "-"),
    "bridge": ("bridge", "-force", "-batch", "-"),
    "tc": ("tc", "-force", "-batch", "-"),
    "iptables": ("iptables-legacy-restore", "--noflush", "-w"),
    "ip6tables": ("ip6tables-legacy-restore", "--noflush", "-w"),
    "nft": ("nft", "-f", "-"),
}
WHOLE_TEXT = ("iptables", "ip6tables", "nft")
"""Kinds whose one operation is a whole text, not a line."""

_FAILED = re.compile(r"Command failed -:(\d+)")

Operation = tuple[str, str]
Failure = tuple[int, str, str]
Row = tuple[int, str]
"""An operation's index in its batch, and its text."""


def groups(operations: Sequence[Operation]) -> list[tuple[str, list[Row]]]:
    """Runs of operations that one process can do: (kind, rows)."""

    def process(row: tuple[int, Operation]) -> tuple[str, int | None]:
        index, (kind, _) = row
        return kind, index if kind in WHOLE_TEXT else None

    runs = groupby(enumerate(operations), process)
    return [(kind, [(index, text) for index, (_, text) in rows]) for (kind, _), rows in runs]


def batches(groups: Sequence[tuple[str | None, Sequence[Operation]]], limit: float) -> list[list[Failure]]:
    """Each namespace's operations, in order: what was refused."""
    return [kernel.in_network(ns, partial(do_batch, operations, limit)) for ns, operations in groups]


def do_batch(operations: Sequence[Operation], limit: float) -> list[Failure]:
    """Do all operations in the thread's network namespace; returns what was refused as (index, text, tool's words).

    ``limit``: seconds for one program. Raises `subprocess.TimeoutExpired`.
    """
    failures: list[Failure] = []
    for kind, rows in groups(operations):
        failures += _sysctls(rows) if kind == "sysctl" else _tool(kind, rows, limit)
    return failures


def _sysctls(rows: list[Row]) -> list[Failure]:
    failures = []
    for index, text in rows:
        name, _, value = text.partition("=")
        try:
            with open(f"/proc/sys/{name}", "w", encoding="ascii") as handle:
                handle.write(value)
        except OSError as error:
            failures.append((index, text, str(error)))
    return failures


def _tool(kind: str, rows: list[Row], limit: float) -> list[Failure]:
    text = "".join(f"{line}\n" for _, line in rows)
    done = subprocess.run(COMMANDS[kind], input=text.encode(), capture_output=True, check=False, timeout=limit)
    return by_line((done.stderr or done.stdout).decode(errors="replace"), rows) if done.returncode else []


def by_line(said: str, rows: list[Row]) -> list[Failure]:
    """iproute2 prints the reason and then ``Command failed -:LINE``; words without such a line are of the first."""
    failures: list[Failure] = []
    reason: list[str] = []
    for line in said.splitlines():
        match = _FAILED.match(line)
        if match:
            failures.append((*rows[int(match[1]) - 1], " ".join(reason).strip() or line))
            reason = []
        else:
            reason.append(line)
    return failures or [(*rows[0], said.strip())]


def write_file(path: str, data: bytes, mode: int, owner: str | None) -> None:
    """Write atomically (a reader sees the old or the new file)."""
    if folder := os.path.dirname(path):
        os.makedirs(folder, exist_ok=True)
    temporary = f"{path}.labctl-new"
    with open(temporary, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
    if owner:
        user, _, group = owner.partition(":")
        shutil.chown(temporary, user, group or None)
    os.replace(temporary, path)


# --- captures -----------------------------------------------------------------------------------------------------

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_AUXDATA = 8
PACKET_MR_PROMISC = 1
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6
AUXDATA = struct.Struct("=IIIHHHH")
TIMESPEC = struct.Struct("=qq")
PCAP_HEADER = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
RECORD = struct.Struct("=IIII")
RECEIVE_BUFFER = 4 << 20


class FilterError(ValueError):
    """tcpdump's words on a filter that is none."""


def compile_filter(interface: str, expression: str, limit: float) -> bytes:
    """A classic BPF program for SO_ATTACH_FILTER. Raises `FilterError`."""
    done = subprocess.run(
        ("tcpdump", "-ddd", "-i", interface, expression), capture_output=True, check=False, timeout=limit
    )
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise FilterError(lines[-1] if lines else "tcpdump refused the filter")
    rows = [line.split() for line in done.stdout.decode().splitlines()[1:]]
    return b"".join(struct.pack("=HBBI", int(code), int(jt), int(jf), int(k)) for code, jt, jf, k in rows)


def open_socket(interface: str, expression: str, limit: float) -> socket.socket:
    """A bound, filtered, promiscuous packet socket in the calling thread's network namespace."""
    program = compile_filter(interface, expression, limit) if expression else b""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        if program:
            buffer = bytearray(program)
            address = ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
            raw.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program) // 8, address))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        raw.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        index = socket.if_nametoindex(interface)
        request = struct.pack("iHH8s", index, PACKET_MR_PROMISC, 0, b"")
        raw.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
        raw.bind((interface, ETH_P_ALL))
    except OSError:
        raw.close()
        raise
    return raw


def record(raw: socket.socket) -> bytes:
    """The next packet as a pcap record (microseconds)."""
    data, ancillary, _, _ = raw.recvmsg(262144, 512)
    seconds, nanoseconds = 0, 0
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = TIMESPEC.unpack(value[: TIMESPEC.size])
        elif level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = AUXDATA.unpack(value[: AUXDATA.size])
            if status & TP_STATUS_VLAN_VALID:
                protocol = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                data = data[:12] + struct.pack(">HH", protocol, tci) + data[12:]
    return RECORD.pack(seconds, nanoseconds // 1000, len(data), len(data)) + data


def pump(raw: socket.socket, over: threading.Event, write: Callable[[bytes], None]) -> None:
    """Write the pcap stream until ``over`` is set; what is queued by then is still written."""
    write(PCAP_HEADER)
    poller = select.poll()
    poller.register(raw, select.POLLIN)
    while True:
        ready = poller.poll(20)
        if ready:
            write(record(raw))
        elif over.is_set():
            return


# --- FRR's daemons ------------------------------------------------------------------------------------------------

VTY_END = b"\x00\x00\x00"
VTY_LIMIT = 60.0


class Vty:
    """One kept connection."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def ask(self, commands: Sequence[str]) -> list[tuple[str, int]]:
        """Send each line, read each answer. A connection that the daemon closed is made anew once."""
        with self._lock:
            fresh = self._socket is None
            try:
                return self._ask(commands)
            except OSError:
                if self._socket is not None:
                    self._socket.close()
                    self._socket = None
                if fresh:
                    raise
                return self._ask(commands)

    def _ask(self, commands: Sequence[str]) -> list[tuple[str, int]]:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(VTY_LIMIT)
            self._socket.connect(self._path)
            self._one(self._socket, "enable")
        return [self._one(self._socket, command) for command in commands]

    def _one(self, connection: socket.socket, command: str) -> tuple[str, int]:
        connection.sendall(command.encode() + b"\x00")
        data = bytearray()
        while not (len(data) >= 4 and data[-4:-1] == VTY_END):
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError(f"{self._path}: the daemon closed the connection")
            data += piece
        return bytes(data[:-4]).decode(errors="replace"), data[-1]
