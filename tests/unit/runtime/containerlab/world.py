"""A Docker of our own for tests: its API on a unix socket, and the state that the scripted containerlab shares with it.

The API is what Docker answers (engine API 1.41), as far as labctl asks; ``/world/…`` is how the scripted containerlab
makes containers and wires, as the real one does by Docker and netlink. Processes of containers are files in a ``/proc``
of the test's own.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Program = Callable[[list[str], bytes], tuple[int, bytes, bytes]]
"""What a container does with a command: (argv, stdin) to (code, stdout, stderr)."""

BOND = """Ethernet Channel Bonding Driver

802.3ad info
Active Aggregator Info:
\tAggregator ID: 1
\tPartner Mac Address: {partner}

Slave Interface: eth1
MII Status: up
Aggregator ID: 1
details actor lacp pdu:
    port state: 63
details partner lacp pdu:
    system mac address: {partner}
    port state: {state}
"""
BOND_ADDRESS = b'[{"addr_info": [{"family": "inet", "scope": "global", "local": "192.168.1.11", "prefixlen": 24}]}]'
ADMIN = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "kind", "cluster": {"server": "https://kind-control-plane:6443"}}],
    "users": [{"name": "admin", "user": {"client-key-data": "SECRET"}}],
}


@dataclass
class Box:
    """One container."""

    id: str
    name: str
    labels: dict[str, str]
    networks: dict[str, str]
    ports: dict[str, int]
    pid: int
    created: float
    state: str = "running"
    health: str = ""
    log: list[bytes] = field(default_factory=list)
    interfaces: set[str] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Net:
    """One network."""

    id: str
    name: str
    created: float
    labels: dict[str, str] = field(default_factory=dict)


class World:
    """Everything that is there, and what the test wants to go wrong."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.proc = folder / "proc"
        self.lock = threading.RLock()
        self.grown = threading.Condition(self.lock)
        self.boxes: dict[str, Box] = {}
        self.networks: dict[str, Net] = {}
        self.wires: list[tuple[tuple[str, str], tuple[str, str]]] = []
        self.plot: set[str] = set()
        """What the scripted containerlab shall do wrong; see there."""
        self.stubborn: set[str] = set()
        """Containers and networks whose removal Docker refuses."""
        self.calls: list[dict[str, Any]] = []
        """What containerlab was called with: arguments and environment."""
        self.execs: dict[str, dict[str, Any]] = {}
        self.joined = True
        """Whether bonds find a partner."""
        self._number = itertools.count(1000)

    # --- what there is -----------------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        labels: dict[str, str] | None = None,
        networks: dict[str, str] | None = None,
        ports: dict[str, int] | None = None,
        health: str = "",
    ) -> Box:
        with self.grown:
            if name in self.boxes:
                raise ValueError(f'Conflict. The container name "/{name}" is already in use by container')
            number = next(self._number)
            box = Box(
                hashlib.sha256(f"{name}{number}".encode()).hexdigest(), name, labels or {}, networks or {},
                ports or {}, number, time.time(), health=health, interfaces={"lo", "eth0"},
            )  # fmt: skip
            self.boxes[name] = box
            self._process(box)
            self.grown.notify_all()
            return box

    def add_network(self, name: str, labels: dict[str, str] | None = None, created: float | None = None) -> Net:
        with self.lock:
            identity = hashlib.sha256(f"{name}{next(self._number)}".encode()).hexdigest()
            return self.networks.setdefault(name, Net(identity, name, created or time.time(), labels or {}))

    def wire(self, a: tuple[str, str], b: tuple[str, str]) -> None:
        with self.lock:
            self.wires.append((a, b))
            for name, interface in (a, b):
                self.boxes[name].interfaces.add(interface)
                self._process(self.boxes[name])

    def log(self, name: str, text: str) -> None:
        with self.grown:
            self.boxes[name].log.append(text.encode())
            self.grown.notify_all()

    def restart(self, name: str) -> None:
        """``docker restart``: another process, none of the wires."""
        with self.lock:
            box = self.boxes[name]
            self._unwire(name)
            shutil.rmtree(self.proc / str(box.pid), ignore_errors=True)
            box.pid, box.state, box.interfaces = next(self._number), "running", {"lo", "eth0"}
            self._process(box)

    def stop(self, name: str) -> None:
        with self.lock:
            self._unwire(name)
            self.boxes[name].state = "exited"

    def rename(self, key: str, name: str) -> None:
        with self.lock:
            box = self.find(key)
            assert box is not None
            if name in self.boxes:
                raise ValueError(f'Conflict. The container name "/{name}" is already in use')
            self.boxes[name] = self.boxes.pop(box.name)
            box.name = name

    def remove(self, name: str) -> None:
        with self.grown:
            self._unwire(name)
            box = self.boxes.pop(name)
            shutil.rmtree(self.proc / str(box.pid), ignore_errors=True)
            self.grown.notify_all()

    def users(self, network: str) -> list[Box]:
        return [box for box in self.boxes.values() if network in box.networks and box.state == "running"]

    def find(self, key: str) -> Box | None:
        return next((box for box in self.boxes.values() if key in (box.name, box.id)), None)

    def _unwire(self, name: str) -> None:
        """A veth pair is gone when one of its namespaces is."""
        for wire in [wire for wire in self.wires if name in (wire[0][0], wire[1][0])]:
            self.wires.remove(wire)
            for end, interface in wire:
                self.boxes[end].interfaces.discard(interface)
                self._process(self.boxes[end])

    def _process(self, box: Box) -> None:
        folder = self.proc / str(box.pid)
        (folder / "net").mkdir(parents=True, exist_ok=True)
        (folder / "cgroup").write_text(f"0::/docker/{box.id}\n")
        (folder / "comm").write_text("init\n")
        head = "Inter-|   Receive\n face |bytes    packets\n"
        (folder / "net" / "dev").write_text(head + "".join(f"{name:>6}: 0 0\n" for name in sorted(box.interfaces)))

    # --- programs ----------------------------------------------------------------------------------------------

    def run(self, box: Box, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        """What the images of a lab answer to the commands that labctl gives."""
        match argv:
            case ["cat", "/etc/kubernetes/admin.conf"]:
                return 0, json.dumps(ADMIN).encode(), b""
            case ["cat", "/proc/net/bonding/bond0"] if "bond0" in box.interfaces:
                partner, state = ("02:00:00:00:00:01", 63) if self.joined else ("00:00:00:00:00:00", 1)
                return 0, BOND.format(partner=partner, state=state).encode(), b""
            case ["sh", "-eu", "-s"] if b"bond0" in stdin:
                with self.lock:
                    box.interfaces.add("bond0")
                    self._process(box)
                return 0, b"", b""
            case ["ip", "-j", "addr", *_] if "bond0" in box.interfaces:
                return 0, BOND_ADDRESS, b""
            case ["echo", *words]:
                return 0, (" ".join(words) + "\n").encode(), b"to stderr\n"
            case ["rev"]:
                return 7, stdin[::-1], b""
        return 1, b"", f"{argv[0]}: not found".encode()

    # --- the API -----------------------------------------------------------------------------------------------

    @contextmanager
    def serving(self) -> Iterator[World]:
        world = self

        class Handler(Api):
            world_here = world

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            request_queue_size = 64

        with Server(str(self.socket), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                with self.grown:
                    self.grown.notify_all()
                server.shutdown()
                thread.join()


class Park:
    """Where wires wait while a container is replaced (`labctl.runtime.containerlab.repair.Parking`)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.wires: list[tuple[tuple[str, str], tuple[str, str]]] = []
        self.removed = False

    def take(self, pid: int, devices: Sequence[str]) -> None:
        box = self._box(pid)
        with self.world.lock:
            taken = [wire for wire in self.world.wires if {(box.name, device) for device in devices} & set(wire)]
            assert len(taken) == len(devices)
            for wire in taken:
                self.world.wires.remove(wire)
            self.wires += taken
            box.interfaces -= set(devices)
            self.world._process(box)

    def give(self, pid: int, devices: Sequence[str]) -> None:
        box = self._box(pid)
        with self.world.lock:
            self.world.wires += self.wires
            self.wires.clear()
            box.interfaces |= set(devices)
            self.world._process(box)

    def remove(self) -> None:
        assert not self.wires
        self.removed = True

    def _box(self, pid: int) -> Box:
        return next(box for box in self.world.boxes.values() if box.pid == pid)


class Api(BaseHTTPRequestHandler):
    """The engine's API."""

    protocol_version = "HTTP/1.1"
    world_here: World

    def address_string(self) -> str:
        return "test"

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        return

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        parts = [part for part in url.path.split("/") if part]
        if parts and parts[0].startswith("v1."):
            parts = parts[1:]
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"null")
        try:
            with self.world_here.lock:
                done = self._dispatch(self.command, parts, query, body)
            if done is not None:
                self._send(*done)
            elif parts[-1] == "logs":
                self._logs(parts[1])
            else:
                self._hijack(parts, follow="logs" in query)
        except ValueError as error:
            self._send(409, {"message": str(error)})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _dispatch(self, method: str, parts: list[str], query: dict[str, str], body: Any) -> tuple[int, Any] | None:
        world = self.world_here
        match method, parts:
            case "GET", ["version"]:
                return 200, {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10.24"}
            case "GET", ["containers", "json"]:
                filters = json.loads(query.get("filters", "{}"))
                found = list(world.boxes.values())
                for key in filters.get("network", []):
                    names = {net.name for net in world.networks.values() if net.id == key}
                    found = [box for box in found if names & set(box.networks)]
                return 200, [{"Id": box.id, "Names": [f"/{box.name}"], "Labels": box.labels} for box in found]
            case "POST", ["containers", "create"]:
                made = self._like(query["name"], body) if "name" in query else self._helper(body)
                return 201, {"Id": made.id, "Warnings": []}
            case "POST", ["containers", key, "rename"]:
                world.rename(key, query["name"])
                return 204, None
            case _, ["containers", key, *rest]:
                box = world.find(key)
                return (
                    self._container(method, box, rest, body) if box else (404, {"message": f"No such container: {key}"})
                )
            case "POST", ["exec", key, "resize"]:
                world.execs[key]["size"] = query
                return 201, None
            case "GET", ["exec", key, "json"]:
                return 200, {"Running": world.execs[key]["code"] is None, "ExitCode": world.execs[key]["code"]}
            case "GET", ["networks"]:
                wanted = json.loads(query.get("filters", "{}")).get("name", [])
                nets = [net for net in world.networks.values() if any(name in net.name for name in wanted)]
                return 200, [{"Id": net.id, "Name": net.name} for net in nets]
            case _, ["networks", key]:
                return self._network(method, key)
            case "POST", ["world", what]:
                return self._world(what, body)
        return None

    def _container(self, method: str, box: Box, rest: list[str], body: Any) -> tuple[int, Any] | None:
        world = self.world_here
        match method, rest:
            case "GET", ["json"]:
                return 200, _inspected(box)
            case "DELETE", []:
                if box.name in world.stubborn:
                    return 500, {"message": f"cannot remove container {box.name}: device is busy"}
                world.remove(box.name)
                return 204, None
            case "POST", ["start"]:
                if box.state == "created" and "no-start" in world.plot:
                    return 500, {"message": "OCI runtime create failed"}
                if box.state != "running":
                    world.restart(box.name)
                with world.grown:
                    box.labels["test.started"] = "1"
                    world.grown.notify_all()
                return 204, None
            case "POST", ["stop"]:
                world.stop(box.name)
                return 204, None
            case "POST", ["kill"]:
                box.labels["test.killed"] = "1"
                with world.grown:
                    world.grown.notify_all()
                return 204, None
            case "POST", ["exec"]:
                key = f"exec{len(world.execs)}"
                world.execs[key] = {"box": box, "argv": body["Cmd"], "stdin": body["AttachStdin"], "tty": body["Tty"],
                                    "code": None}  # fmt: skip
                return 201, {"Id": key}
        return None

    def _network(self, method: str, key: str) -> tuple[int, Any]:
        world = self.world_here
        net = next((net for net in world.networks.values() if key in (net.id, net.name)), None)
        if net is None:
            return 404, {"message": f"network {key} not found"}
        users = world.users(net.name)
        if method == "GET":
            return 200, {
                "Id": net.id, "Name": net.name, "Created": _written(net.created), "Labels": net.labels,
                "Containers": {box.id: {"Name": box.name} for box in users},
            }  # fmt: skip
        if net.name in world.stubborn or users:
            return 403, {"message": f"error while removing network: network {net.name} has active endpoints"}
        del world.networks[net.name]
        return 204, None

    def _world(self, what: str, body: Any) -> tuple[int, Any]:
        """The scripted containerlab's side."""
        world = self.world_here
        match what:
            case "call":
                world.calls.append(body)
                return 200, sorted(world.plot)
            case "add":
                return 200, {"id": world.add(**body).id}
            case "network":
                return 200, {"id": world.add_network(**body).id}
            case "wire":
                world.wire(tuple(body["a"]), tuple(body["b"]))
            case "log":
                world.log(body["name"], body["text"])
            case "list":
                return 200, [{"name": box.name, "labels": box.labels, "interfaces": sorted(box.interfaces)}
                             for box in world.boxes.values()]  # fmt: skip
            case _:
                return 404, {"message": what}
        return 200, {}

    def _like(self, name: str, body: Any) -> Box:
        ends = body["NetworkingConfig"]["EndpointsConfig"]
        networks = {network: end["IPAMConfig"]["IPv4Address"] for network, end in ends.items()}
        assert body["HostConfig"]["Privileged"]
        box = self.world_here.add(name, body["Labels"], networks)
        box.state = "created"
        return box

    def _helper(self, body: Any) -> Box:
        box = self.world_here.add(f"helper{len(self.world_here.boxes)}", dict(body["Labels"]))
        box.state = "created"
        box.labels["test.command"] = json.dumps([*body["Entrypoint"], *body["Cmd"]])
        box.labels["test.network"] = body["HostConfig"]["NetworkMode"]
        return box

    # --- streams -----------------------------------------------------------------------------------------------

    def _hijack(self, parts: list[str], *, follow: bool) -> None:
        self.send_response(101, "UPGRADED")
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "tcp")
        self.end_headers()
        self.close_connection = True
        if parts[0] == "exec":
            self._exec(self.world_here.execs[parts[1]])
        else:
            box = self.world_here.find(parts[1])
            assert box is not None
            if follow:
                self._follow(box)
            else:
                self._attached(box)

    def _exec(self, program: dict[str, Any]) -> None:
        stdin = b""
        if program["stdin"]:
            while piece := self.connection.recv(65536):
                stdin += piece
        program["code"], out, err = self.world_here.run(program["box"], program["argv"], stdin)
        if program["tty"]:
            self.wfile.write(out + err)
        else:
            self.wfile.write(_frame(1, out) + _frame(2, err))

    def _attached(self, box: Box) -> None:
        """tcpdump as it is used: one packet, then what is left when it is told to end."""
        world = self.world_here
        self._until(lambda: "test.started" in box.labels)
        interface = json.loads(box.labels["test.command"])[4]
        self.wfile.write(_frame(2, f"tcpdump: listening on {interface}, link-type EN10MB\n".encode()))
        self.wfile.write(_frame(1, pcap([(2, interface.encode())])))
        self._until(lambda: "test.killed" in box.labels or box.name not in world.boxes)
        self.wfile.write(_frame(1, pcap([(5, b"last")])[24:]))
        with world.lock:
            world.boxes.pop(box.name, None)

    def _until(self, question: Callable[[], bool]) -> None:
        with self.world_here.grown:
            self.world_here.grown.wait_for(question, timeout=10)

    def _logs(self, key: str) -> None:
        box = self.world_here.find(key)
        assert box is not None
        data = b"".join(_frame(1, piece) for piece in box.log)
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _follow(self, box: Box) -> None:
        """What was logged, then what comes, until the container is gone or the reader is."""
        world, sent = self.world_here, 0
        while True:
            with world.grown:
                if sent == len(box.log) and box.name in world.boxes:
                    world.grown.wait(timeout=0.2)
                pieces, sent = box.log[sent:], len(box.log)
                over = box.name not in world.boxes
            self.wfile.write(b"".join(_frame(1, piece) for piece in pieces))
            if over:
                return


def pcap(packets: list[tuple[int, bytes]]) -> bytes:
    """A pcap file of (second, bytes)."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    return head + b"".join(struct.pack("<IIII", second, 0, len(data), len(data)) + data for second, data in packets)


def _frame(channel: int, data: bytes) -> bytes:
    return struct.pack(">BxxxI", channel, len(data)) + data if data else b""


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(moment % 1 * 1e9):09d}Z"


def _inspected(box: Box) -> dict[str, Any]:
    running = box.state == "running"
    state: dict[str, Any] = {"Status": box.state, "Pid": box.pid if running else 0, "ExitCode": 0 if running else 137}
    if box.health:
        state["Health"] = {"Status": box.health}
    return {
        "Id": box.id,
        "Name": f"/{box.name}",
        "Created": _written(box.created),
        "State": state,
        "Config": {"Labels": box.labels, "Tty": False},
        "HostConfig": {"Privileged": True},
        "NetworkSettings": {
            "Networks": {
                name: {"IPAddress": address if running else "", "IPAMConfig": {"IPv4Address": address}}
                for name, address in box.networks.items()
            },
            "Ports": {name: [{"HostIp": "127.0.0.1", "HostPort": str(port)}] for name, port in box.ports.items()},
        },
    }
