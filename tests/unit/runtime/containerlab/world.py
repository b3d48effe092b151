"""A Docker of our own for tests: its API on a unix socket, and the state that the scripted containerlab shares with it.

The API is what Docker answers (engine API 1.41), as far as labctl asks; ``/world/…`` is how the scripted containerlab
makes containers and links, as the real one does by Docker and netlink. Processes of containers are files in a ``/proc``
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
class Node:
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
        self.nodes: dict[str, Node] = {}
        self.networks: dict[str, Net] = {}
        self.links: list[tuple[tuple[str, str], tuple[str, str]]] = []
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
    ) -> Node:
        with self.grown:
            if name in self.nodes:
                raise ValueError(f'Conflict. The container name "/{name}" is already in use by container')
            number = next(self._number)
            node = Node(
                hashlib.sha256(f"{name}{number}".encode()).hexdigest(), name, labels or {}, networks or {},
                ports or {}, number, time.time(), health=health, interfaces={"lo", "eth0"},
            )  # fmt: skip
            self.nodes[name] = node
            self._process(node)
            self.grown.notify_all()
            return node

    def add_network(self, name: str, labels: dict[str, str] | None = None, created: float | None = None) -> Net:
        with self.lock:
            identity = hashlib.sha256(f"{name}{next(self._number)}".encode()).hexdigest()
            return self.networks.setdefault(name, Net(identity, name, created or time.time(), labels or {}))

    def link(self, a: tuple[str, str], b: tuple[str, str]) -> None:
        with self.lock:
            self.links.append((a, b))
            for name, interface in (a, b):
                self.nodes[name].interfaces.add(interface)
                self._process(self.nodes[name])

    def log(self, name: str, text: str) -> None:
        with self.grown:
            self.nodes[name].log.append(text.encode())
            self.grown.notify_all()

    def restart(self, name: str) -> None:
        """``docker restart``: another process, none of the links."""
        with self.lock:
            node = self.nodes[name]
            self._unwire(name)
            shutil.rmtree(self.proc / str(node.pid), ignore_errors=True)
            node.pid, node.state, node.interfaces = next(self._number), "running", {"lo", "eth0"}
            self._process(node)

    def stop(self, name: str) -> None:
        with self.lock:
            self._unwire(name)
            self.nodes[name].state = "exited"

    def rename(self, key: str, name: str) -> None:
        with self.lock:
            node = self.find(key)
            assert node is not None
            if name in self.nodes:
                raise ValueError(f'Conflict. The container name "/{name}" is already in use')
            self.nodes[name] = self.nodes.pop(node.name)
            node.name = name

    def remove(self, name: str) -> None:
        with self.grown:
            self._unwire(name)
            node = self.nodes.pop(name)
            shutil.rmtree(self.proc / str(node.pid), ignore_errors=True)
            self.grown.notify_all()

    def users(self, network: str) -> list[Node]:
        return [node for node in self.nodes.values() if network in node.networks and node.state == "running"]

    def find(self, key: str) -> Node | None:
        return next((node for node in self.nodes.values() if key in (node.name, node.id)), None)

    def _unwire(self, name: str) -> None:
        """A veth pair is gone when one of its namespaces is."""
        for link in [link for link in self.links if name in (link[0][0], link[1][0])]:
            self.links.remove(link)
            for end, interface in link:
                self.nodes[end].interfaces.discard(interface)
                self._process(self.nodes[end])

    def _process(self, node: Node) -> None:
        folder = self.proc / str(node.pid)
        (folder / "net").mkdir(parents=True, exist_ok=True)
        (folder / "cgroup").write_text(f"0::/docker/{node.id}\n")
        (folder / "comm").write_text("init\n")
        head = "Inter-|   Receive\n face |bytes    packets\n"
        (folder / "net" / "dev").write_text(head + "".join(f"{name:>6}: 0 0\n" for name in sorted(node.interfaces)))

    # --- programs ----------------------------------------------------------------------------------------------

    def run(self, node: Node, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        """What the images of a lab answer to the commands that labctl gives."""
        match argv:
            case ["cat", "/etc/kubernetes/admin.conf"]:
                return 0, json.dumps(ADMIN).encode(), b""
            case ["cat", "/proc/net/bonding/bond0"] if "bond0" in node.interfaces:
                partner, state = ("02:00:00:00:00:01", 63) if self.joined else ("00:00:00:00:00:00", 1)
                return 0, BOND.format(partner=partner, state=state).encode(), b""
            case ["sh", "-eu", "-s"] if b"bond0" in stdin:
                with self.lock:
                    node.interfaces.add("bond0")
                    self._process(node)
                return 0, b"", b""
            case ["ip", "-j", "addr", *_] if "bond0" in node.interfaces:
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
    """Where links wait while a container is replaced (`labctl.runtime.containerlab.repair.Parking`)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.links: list[tuple[tuple[str, str], tuple[str, str]]] = []
        self.removed = False

    def take(self, pid: int, devices: Sequence[str]) -> None:
        node = self._node(pid)
        with self.world.lock:
            taken = [link for link in self.world.links if {(node.name, device) for device in devices} & set(link)]
            assert len(taken) == len(devices)
            for link in taken:
                self.world.links.remove(link)
            self.links += taken
            node.interfaces -= set(devices)
            self.world._process(node)

    def give(self, pid: int, devices: Sequence[str]) -> None:
        node = self._node(pid)
        with self.world.lock:
            self.world.links += self.links
            self.links.clear()
            node.interfaces |= set(devices)
            self.world._process(node)

    def remove(self) -> None:
        assert not self.links
        self.removed = True

    def _node(self, pid: int) -> Node:
        return next(node for node in self.world.nodes.values() if node.pid == pid)


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
                found = list(world.nodes.values())
                for key in filters.get("network", []):
                    names = {net.name for net in world.networks.values() if net.id == key}
                    found = [node for node in found if names & set(node.networks)]
                return 200, [{"Id": node.id, "Names": [f"/{node.name}"], "Labels": node.labels} for node in found]
            case "POST", ["containers", "create"]:
                made = self._like(query["name"], body) if "name" in query else self._helper(body)
                return 201, {"Id": made.id, "Warnings": []}
            case "POST", ["containers", key, "rename"]:
                world.rename(key, query["name"])
                return 204, None
            case _, ["containers", key, *rest]:
                node = world.find(key)
                return (
                    self._container(method, node, rest, body)
                    if node
                    else (404, {"message": f"No such container: {key}"})
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

    def _container(self, method: str, node: Node, rest: list[str], body: Any) -> tuple[int, Any] | None:
        world = self.world_here
        match method, rest:
            case "GET", ["json"]:
                return 200, _inspected(node)
            case "DELETE", []:
                if node.name in world.stubborn:
                    return 500, {"message": f"cannot remove container {node.name}: device is busy"}
                world.remove(node.name)
                return 204, None
            case "POST", ["start"]:
                if node.state == "created" and "no-start" in world.plot:
                    return 500, {"message": "OCI runtime create failed"}
                if node.state != "running":
                    world.restart(node.name)
                with world.grown:
                    node.labels["test.started"] = "1"
                    world.grown.notify_all()
                return 204, None
            case "POST", ["stop"]:
                world.stop(node.name)
                return 204, None
            case "POST", ["kill"]:
                node.labels["test.killed"] = "1"
                with world.grown:
                    world.grown.notify_all()
                return 204, None
            case "POST", ["exec"]:
                key = f"exec{len(world.execs)}"
                world.execs[key] = {"node": node, "argv": body["Cmd"], "stdin": body["AttachStdin"], "tty": body["Tty"],
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
                "Containers": {node.id: {"Name": node.name} for node in users},
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
            case "link":
                world.link(tuple(body["a"]), tuple(body["b"]))
            case "log":
                world.log(body["name"], body["text"])
            case "list":
                return 200, [{"name": node.name, "labels": node.labels, "interfaces": sorted(node.interfaces)}
                             for node in world.nodes.values()]  # fmt: skip
            case _:
                return 404, {"message": what}
        return 200, {}

    def _like(self, name: str, body: Any) -> Node:
        ends = body["NetworkingConfig"]["EndpointsConfig"]
        networks = {network: end["IPAMConfig"]["IPv4Address"] for network, end in ends.items()}
        assert body["HostConfig"]["Privileged"]
        node = self.world_here.add(name, body["Labels"], networks)
        node.state = "created"
        return node

    def _helper(self, body: Any) -> Node:
        node = self.world_here.add(f"helper{len(self.world_here.nodes)}", dict(body["Labels"]))
        node.state = "created"
        node.labels["test.command"] = json.dumps([*body["Entrypoint"], *body["Cmd"]])
        node.labels["test.network"] = body["HostConfig"]["NetworkMode"]
        return node

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
            node = self.world_here.find(parts[1])
            assert node is not None
            if follow:
                self._follow(node)
            else:
                self._attached(node)

    def _exec(self, program: dict[str, Any]) -> None:
        stdin = b""
        if program["stdin"]:
            while piece := self.connection.recv(65536):
                stdin += piece
        program["code"], out, err = self.world_here.run(program["node"], program["argv"], stdin)
        if program["tty"]:
            self.wfile.write(out + err)
        else:
            self.wfile.write(_frame(1, out) + _frame(2, err))

    def _attached(self, node: Node) -> None:
        """tcpdump as it is used: one packet, then what is left when it is told to end."""
        world = self.world_here
        self._until(lambda: "test.started" in node.labels)
        interface = json.loads(node.labels["test.command"])[4]
        self.wfile.write(_frame(2, f"tcpdump: listening on {interface}, link-type EN10MB\n".encode()))
        self.wfile.write(_frame(1, pcap([(2, interface.encode())])))
        self._until(lambda: "test.killed" in node.labels or node.name not in world.nodes)
        self.wfile.write(_frame(1, pcap([(5, b"last")])[24:]))
        with world.lock:
            world.nodes.pop(node.name, None)

    def _until(self, question: Callable[[], bool]) -> None:
        with self.world_here.grown:
            self.world_here.grown.wait_for(question, timeout=10)

    def _logs(self, key: str) -> None:
        node = self.world_here.find(key)
        assert node is not None
        data = b"".join(_frame(1, piece) for piece in node.log)
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _follow(self, node: Node) -> None:
        """What was logged, then what comes, until the container is gone or the reader is."""
        world, sent = self.world_here, 0
        while True:
            with world.grown:
                if sent == len(node.log) and node.name in world.nodes:
                    world.grown.wait(timeout=0.2)
                pieces, sent = node.log[sent:], len(node.log)
                over = node.name not in world.nodes
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


def _inspected(node: Node) -> dict[str, Any]:
    running = node.state == "running"
    state: dict[str, Any] = {"Status": node.state, "Pid": node.pid if running else 0, "ExitCode": 0 if running else 137}
    if node.health:
        state["Health"] = {"Status": node.health}
    return {
        "Id": node.id,
        "Name": f"/{node.name}",
        "Created": _written(node.created),
        "State": state,
        "Config": {"Labels": node.labels, "Tty": False},
        "HostConfig": {"Privileged": True},
        "NetworkSettings": {
            "Networks": {
                name: {"IPAddress": address if running else "", "IPAMConfig": {"IPv4Address": address}}
                for name, address in node.networks.items()
            },
            "Ports": {name: [{"HostIp": "127.0.0.1", "HostPort": str(port)}] for name, port in node.ports.items()},
        },
    }
