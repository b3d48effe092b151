"""Programs and captures inside a container, without installing anything in it.

As root through the container's first process: `nsenter` and a packet socket of our own take a tenth of the time of
Docker's way. Anyone else goes through Docker's API, and captures with a helper container of our own image.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from labctl.errors import HostError, InconclusiveError
from labctl.guest.api import AgentError, AgentTimeout, Capture, Completed, ExecStream, TtySize
from labctl.guest.client import Agent
from labctl.pace import limit
from labctl.runtime.containerlab.dockerhost import Container, DockerHost
from labctl.runtime.containerlab.hijack import Hijacked, hijack
from labctl.runtime.pcap import Records
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for


class MergedCapture:
    """`labctl.guest.api.Capture` over several that all capture already."""

    def __init__(self, captures: Sequence[Capture]) -> None:
        self._captures = tuple(captures)
        self._pieces: queue.SimpleQueue[bytes | AgentError | None] = queue.SimpleQueue()
        self._header_written = threading.Lock()
        self._header = b""
        self._readers: list[threading.Thread] = []
        self._ended = 0

    def stop(self) -> bytes:
        """All packets by their time."""
        header = b""
        packets: list[tuple[tuple[int, int], bytes]] = []
        for capture in self._captures:
            records = Records()
            packets += [(records.moment(record), record) for record in records.feed(capture.stop())]
            header = _same(header, records.header)
        return header + b"".join(record for _, record in sorted(packets, key=lambda packet: packet[0]))

    def end(self) -> None:
        """All of them; `read` gives what is left."""
        for capture in self._captures:
            capture.end()

    def read(self) -> bytes | None:
        """Packets as they come; None when all have ended."""
        if not self._readers:
            self._readers = [threading.Thread(target=self._feed, args=(one,), daemon=True) for one in self._captures]
            for reader in self._readers:
                reader.start()
        while self._ended < len(self._captures):
            piece = self._pieces.get()
            if isinstance(piece, AgentError):
                raise piece
            if piece is not None:
                return piece
            self._ended += 1
        return None

    def close(self) -> None:
        for capture in self._captures:
            capture.close()

    def _feed(self, capture: Capture) -> None:
        records = Records()
        try:
            while (piece := capture.read()) is not None:
                for record in records.feed(piece):
                    self._begin(records.header)
                    self._pieces.put(record)
                if records.header:
                    self._begin(records.header)
        except AgentError as error:
            self._pieces.put(error)
        else:
            self._pieces.put(None)

    def _begin(self, header: bytes) -> None:
        """The file's header goes out once, before any record."""
        with self._header_written:
            if not self._header:
                self._pieces.put(header)
            self._header = _same(self._header, header)


def _same(known: bytes, header: bytes) -> bytes:
    """One header for all: every capture was made by the same program on the same machine."""
    if known and header and known != header:
        raise AgentError("captures of two kinds cannot be one file")
    return known or header


CAPTURE_IMAGE = "labctl/host:latest"
"""Seconds until the helper container captures."""
DOCKER_ENVIRONMENT = {"LANG": "C.UTF-8", "TERM": "xterm"}


class Programs:
    """One lab's containers from the programs."""

    def __init__(
        self,
        docker: DockerHost,
        labels: Mapping[str, str],
        *,
        root: bool | None = None,
        proc: Path = Path("/proc"),
        agent: Agent | None = None,
    ) -> None:
        self._docker = docker
        self._labels = labels
        self._root = os.geteuid() == 0 if root is None else root
        self._proc = proc
        self._own_agent = agent
        self._lock = threading.Lock()

    @property
    def _agent(self) -> Agent:
        with self._lock:
            if self._own_agent is None:
                from labctl.guest.client import local_agent

                self._own_agent = local_agent()
            return self._own_agent

    def _seen(self, node: Container) -> bool:
        """Whether the container's process has its number here too (labctl itself may run in a container)."""
        try:
            return node.id[:12] in (self._proc / str(node.pid) / "cgroup").read_text()
        except OSError:
            return False

    def _joinable(self, node: Container) -> bool:
        _must_run(node)
        return self._root and self._seen(node)

    def interfaces(self, node: Container) -> frozenset[str]:
        """Names of its network interfaces now. Raises `InconclusiveError` when it does not run."""
        _must_run(node)
        if self._seen(node):  # any user may read this file of any process
            text = (self._proc / str(node.pid) / "net" / "dev").read_text()
        else:
            text = self.exec(node, ["cat", "/proc/net/dev"]).stdout.decode(errors="replace")
        return frozenset(line.partition(":")[0].strip() for line in text.splitlines() if ":" in line)

    def exec(
        self,
        node: Container,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run to its end. Raises `AgentError` with what went wrong, also when it takes too long."""
        if self._joinable(node):
            return self._agent.run(argv, join=node.pid, stdin=stdin, timeout=timeout, env=env)
        stream = self._docker_stream(node, argv, None, env or {}, stdin=bool(stdin))
        try:
            return _to_the_end(stream, stdin, Deadline(limit("call") if timeout is None else timeout), argv[0])
        finally:
            stream.close()

    def stream(
        self, node: Container, argv: Sequence[str], *, tty: TtySize | None, env: Mapping[str, str] | None = None
    ) -> ExecStream:
        if self._joinable(node):
            return self._agent.stream(argv, join=node.pid, tty=tty, env=env)
        return self._docker_stream(node, argv, tty, env or {}, stdin=True)

    def _docker_stream(
        self, node: Container, argv: Sequence[str], tty: TtySize | None, env: Mapping[str, str], *, stdin: bool
    ) -> DockerExec:
        environment = {**DOCKER_ENVIRONMENT, **env}
        program = self._docker.create_exec(node.id, argv, tty=tty is not None, stdin=stdin, environment=environment)
        body = {"Detach": False, "Tty": tty is not None}
        stream = DockerExec(
            self._docker, program, hijack(self._docker.socket, f"/exec/{program}/start", body, framed=tty is None)
        )
        if tty:
            stream.resize(tty)
        return stream

    def capture(self, node: Container, interface: str, expression: str) -> Capture:
        """Capture on an interface of the container's network; returns once packets are being captured."""
        if self._joinable(node):
            if expression and shutil.which("tcpdump") is None:
                raise HostError(
                    "this host has no tcpdump, which compiles capture filters",
                    code="no-tcpdump",
                    hint="a capture without a filter needs none",
                    next_command="apt-get install tcpdump",
                )
            return self._agent.capture(None, interface, expression, join=node.pid)
        return self._helper(node, interface, expression)

    def _helper(self, node: Container, interface: str, expression: str) -> Capture:
        command = ["tcpdump", "-Z", "root", "-i", interface, "-U", "-s", "0", "-w", "-"]
        command += ["--", expression] if expression else []
        what = f"start a capture with {CAPTURE_IMAGE} (labctl setup images says how to get it)"
        helper = self._docker.create_helper(
            CAPTURE_IMAGE, command, network_of=node.id, labels={**self._labels, "labctl.helper": "capture"}, what=what
        )
        try:
            streams = hijack(
                self._docker.socket, f"/containers/{helper}/attach?stream=1&stdout=1&stderr=1", {}, framed=True
            )
            capture = DockerCapture(self._docker, helper, streams)
            self._docker.start(helper)
            capture.await_start()
        except BaseException:
            self._docker.remove(helper)
            raise
        return capture

    def close(self) -> None:
        with self._lock:
            if self._own_agent is not None:
                self._own_agent.close()
                self._own_agent = None


def _must_run(node: Container) -> None:
    if not node.running:
        raise InconclusiveError(f"container {node.name} does not run: it is {node.state}", code="not-running")


def _to_the_end(stream: DockerExec, stdin: bytes, deadline: Deadline, program: str) -> Completed:
    """All output of a program; stdin is fed by a thread of its own, as a program may write before it has read all."""
    if stdin:
        threading.Thread(target=stream.feed, args=(stdin,), daemon=True).start()
    outputs: dict[Literal["stdout", "stderr"], bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    try:
        while (piece := stream.read(deadline)) is not None:
            outputs[piece[0]] += piece[1]
    except TimeoutError:
        raise AgentTimeout(f"{program}: not done after {deadline.seconds:.0f} s") from None
    return Completed(stream.code(), bytes(outputs["stdout"]), bytes(outputs["stderr"]))


class DockerExec:
    """`labctl.guest.api.ExecStream` over Docker's API."""

    def __init__(self, docker: DockerHost, program: str, streams: Hijacked) -> None:
        self._docker = docker
        self._program = program
        self._streams = streams

    def read(self, deadline: Deadline | None = None) -> tuple[Literal["stdout", "stderr"], bytes] | None:
        """The next piece. Raises TimeoutError once a deadline, if one is given, has passed."""
        self._streams.settimeout(max(0.001, deadline.remaining) if deadline else None)
        return self._streams.read()

    def write(self, data: bytes) -> None:
        try:
            self._streams.write(data)
        except OSError:
            return  # it has ended or closed its input: its output tells

    def close_stdin(self) -> None:
        try:
            self._streams.close_stdin()
        except OSError:
            return

    def feed(self, data: bytes) -> None:
        """All of its input."""
        self.write(data)
        self.close_stdin()

    def resize(self, size: TtySize) -> None:
        self._docker.resize_exec(self._program, size.rows, size.columns)

    def signal(self, number: int) -> None:
        """Docker's API sends no signals to programs: said, not ignored."""
        raise HostError(
            f"signal {number} cannot be sent through Docker",
            code="docker-no-signal",
            hint="root can: run labctl as root",
        )

    def code(self) -> int:
        def ended() -> int | NotYet:
            code = self._docker.exec_code(self._program)
            return NotYet("it still runs") if code is None else code

        try:
            return wait_for(ended, Deadline(limit("end")), every=0.05)
        except DeadlinePassed as passed:
            raise AgentTimeout(f"a program closed its output and goes on: {passed.reason}") from None

    def close(self) -> None:
        self._streams.close()


class DockerCapture:
    """`labctl.guest.api.Capture` by tcpdump in a helper container, which Docker removes when tcpdump ends."""

    def __init__(self, docker: DockerHost, helper: str, streams: Hijacked) -> None:
        self._docker = docker
        self._helper = helper
        self._streams = streams
        self._early: list[bytes] = []

    def await_start(self) -> None:
        """Until tcpdump says that it listens. Raises `AgentError` with its words when it does not."""
        words = b""
        self._streams.settimeout(limit("call"))
        try:
            while b"listening on" not in words:
                piece = self._streams.read()
                if piece is None:
                    last = words.decode(errors="replace").strip().splitlines()
                    said = last[-1] if last else "tcpdump ended at once"
                    raise AgentError(f"capture: {said}", cause="filter" if "filter expression" in said else None)
                if piece[0] == "stderr":
                    words += piece[1]
                else:
                    self._early.append(piece[1])
        except TimeoutError:
            raise AgentTimeout(f"capture: tcpdump did not begin within {limit('call'):.0f} s") from None
        self._streams.settimeout(None)

    def read(self) -> bytes | None:
        if self._early:
            return self._early.pop(0)
        while (piece := self._streams.read()) is not None:
            if piece[0] == "stdout":
                return piece[1]
        return None

    def end(self) -> None:
        self._docker.kill(self._helper, "SIGINT")

    def stop(self) -> bytes:
        self.end()
        data = bytearray()
        while (piece := self.read()) is not None:
            data += piece
        self._streams.close()
        return bytes(data)

    def close(self) -> None:
        self._streams.close()
        self._docker.remove(self._helper)


def as_capture(captures: Sequence[Capture]) -> Capture:
    """One capture, or several as one."""
    from labctl.runtime.containerlab.exec import MergedCapture

    return captures[0] if len(captures) == 1 else cast("Capture", MergedCapture(captures))
