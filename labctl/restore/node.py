"""A node or external host: its links, addresses and static routes read, compared and brought back.

Routes of BIRD, Felix and the kernel itself follow from the rest and are left alone, as are the interfaces of pods and
tunnels. Firewall rules, sysctls, files and processes are not looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl.errors import CheckFailed, InconclusiveError, Place
from labctl.guest.api import AgentError, Completed
from labctl.pace import limit
from labctl.parallel import at_once
from labctl.restore.client import LabClient
from labctl.restore.part import Do, Entry, Part
from labctl.runtime.api import Endpoints

READ = "ip -j -d addr show; echo; ip -j -d -4 route show; echo; ip -j -d -6 route show"
RUNTIMES = re.compile(
    r"cali\w+|tunl\d+|(vxlan|vxlan-v6|wireguard|wg-v6)\.(calico|cali)|kube-ipvs\d+|nodelocaldns|veth\w*|docker\d+|br-\w+|"
    r"gre\d+|gretap\d+|erspan\d+|sit\d+|ip_vti\d+|ip6_vti\d+|ip6tnl\d+|ip6gre\d+|bonding_masters|labctl\w*"
)
"""Interfaces that pods, Calico, kube-proxy, a container engine or the kernel make."""
STATIC = ("boot", "static")
"""Protocols of routes that somebody typed (iproute2, rt_protos)."""
ADDRESS_FLAGS = ("dynamic", "temporary", "mngtmpaddr")


@dataclass(frozen=True, slots=True)
class Link:
    """An interface: whether it was set up, its MTU, and the bond or bridge that it is a port of."""

    up: bool
    mtu: int
    master: str | None


@dataclass(frozen=True, slots=True)
class NodeState:
    """``addresses``: ``192.168.1.10/24 dev bond0``; ``routes``: as ``ip route add`` takes them."""

    links: Mapping[str, Link]
    addresses: frozenset[str]
    routes: frozenset[str]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> NodeState:
        """From the JSON of its fields."""
        links = {name: Link(**link) for name, link in body["links"].items()}
        return cls(links, frozenset(body["addresses"]), frozenset(body["routes"]))


def read(node: str, endpoints: Endpoints) -> NodeState:
    """Ask the node. Raises `InconclusiveError` when it does not answer."""
    done = _exec(node, ["sh", "-c", READ], endpoints)
    if done.code != 0:
        raise InconclusiveError(f"{node}: its links cannot be read: {_said(done)}", code="node-unreachable")
    return parse(done.stdout.decode())


def _exec(
    node: str, argv: list[str], endpoints: Endpoints, stdin: bytes = b"", timeout: float | None = None
) -> Completed:
    try:
        return endpoints.exec(node, argv, stdin=stdin, timeout=timeout)
    except AgentError as error:
        raise InconclusiveError(f"{node}: {error.message}", code="node-unreachable") from error


def _said(done: Completed) -> str:
    return done.stderr.decode(errors="replace").strip().replace("\n", "; ")


def parse(text: str) -> NodeState:
    """The answer to `READ`. Pure."""
    links_text, routes4, routes6 = (part.strip() or "[]" for part in text.split("\n\n"))
    links, addresses = dict[str, Link](), set[str]()
    for row in json.loads(links_text):
        name = row.get("ifname")
        if not name or RUNTIMES.fullmatch(name):
            continue
        links[name] = Link("UP" in row.get("flags", ()), row.get("mtu", 0), row.get("master"))
        for info in row.get("addr_info", ()):
            if info.get("scope") == "global" and "local" in info and not any(info.get(flag) for flag in ADDRESS_FLAGS):
                addresses.add(f"{info['local']}/{info['prefixlen']} dev {name}")
    routes = {*_routes(routes4, "default"), *_routes(routes6, "::/0")}
    return NodeState(links, frozenset(addresses), frozenset(routes))


def _routes(text: str, default: str) -> list[str]:
    """``default``: its word that leaves no doubt about the family."""
    return [
        _route({**row, "dst": default} if row["dst"] == "default" else row)
        for row in json.loads(text)
        if row.get("protocol", "boot") in STATIC and not RUNTIMES.fullmatch(row.get("dev") or "")
    ]


def _route(row: Mapping[str, Any]) -> str:
    kind = row.get("type", "unicast")
    words = [row["dst"]] if kind == "unicast" else [kind, row["dst"]]
    for word, field in (("via", "gateway"), ("dev", "dev"), ("metric", "metric"), ("src", "prefsrc")):
        if row.get(field) is not None and not (kind != "unicast" and field == "dev"):
            words += [word, str(row[field])]
    for hop in row.get("nexthops", ()):
        words += ["nexthop", *(["via", hop["gateway"]] if "gateway" in hop else []), "dev", hop["dev"]]
    return " ".join(words)


@dataclass(frozen=True, slots=True)
class NodeChange:
    """One difference: what is said of it, and lines for ``ip -batch`` that undo it (none: the node's script does)."""

    do: Do
    what: str
    command: str = ""


def differences(first: NodeState, now: NodeState) -> list[NodeChange]:
    """What has to be undone, in the order in which it can be. Pure."""
    gone = sorted(now.links.keys() - first.links.keys())
    found = [NodeChange("remove", f"interface {name}", f"link del {name}") for name in gone]
    for name, link in first.links.items():
        there = now.links.get(name)
        found += _link(name, link, there) if there is not None else [NodeChange("add", f"interface {name}")]
    rows: list[tuple[Do, str, str, Iterable[str]]] = [
        ("remove", "route", "del", now.routes - first.routes),
        ("remove", "address", "del", now.addresses - first.addresses),
        ("add", "address", "replace", first.addresses - now.addresses),
        ("add", "route", "replace", first.routes - now.routes),
    ]
    for do, noun, verb, items in rows:
        for item in sorted(items):
            if do == "remove" and any(f" dev {name} " in f"{item} " for name in gone):
                continue  # it goes with its interface
            nodad = " nodad" if (do, noun) == ("add", "address") and ":" in item else ""
            found.append(NodeChange(do, f"{noun} {item}", f"{_OBJECTS[noun]} {verb} {item}{nodad}"))
    return found


_OBJECTS = {"route": "route", "address": "addr"}
"""As ``ip`` calls them."""


def _link(name: str, first: Link, now: Link) -> list[NodeChange]:
    found = []
    state = "up" if first.up else "down"
    if first.master != now.master:
        join = f"link set {name} master {first.master}" if first.master else f"link set {name} nomaster"
        what = f"interface {name}: " + (f"port of {first.master}" if first.master else f"no port of {now.master}")
        # a bond takes no port that is up
        found.append(NodeChange("change", what, f"link set {name} down\n{join}\nlink set {name} {state}"))
    if first.mtu != now.mtu:
        found.append(NodeChange("change", f"interface {name}: MTU {first.mtu}", f"link set {name} mtu {first.mtu}"))
    if first.up != now.up:
        found.append(NodeChange("change", f"interface {name}: {state}", f"link set {name} {state}"))
    return found


@dataclass(eq=False)
class NodePart(Part[NodeChange]):
    """``first``: what its kernel held then; ``folder``: where its script is."""

    name: str
    first: NodeState
    endpoints: Endpoints
    folder: Path
    said: str = ""
    """What ip said last."""

    kind = "node"

    def differences(self) -> list[NodeChange]:
        return differences(self.first, read(self.name, self.endpoints))

    def apply(self, left: Sequence[NodeChange]) -> None:
        """One batch for ip, then the node's script where something is missing; what ip says is for `error` only."""
        batch = "".join(f"{change.command}\n" for change in left if change.command)
        if batch:
            self.said = _said(_exec(self.name, ["ip", "-force", "-batch", "-"], self.endpoints, batch.encode()))
        if any(change.do == "add" for change in left):
            run_scripts(self.folder, [self.name], self.endpoints)

    def entries(self, found: Sequence[NodeChange]) -> list[Entry]:
        return [Entry(change.do, change.what) for change in found]

    def error(self, left: Sequence[NodeChange]) -> CheckFailed:
        return CheckFailed(
            f"{self.name} is not as it was: {'; '.join(change.what for change in left)}"
            + (f" ({self.said})" if self.said else ""),
            code="node-not-turned-back",
            hint="an interface that is gone altogether comes back with labctl repair",
        )


def parts(first: Mapping[str, NodeState], client: LabClient) -> list[NodePart]:
    """Of what nodes and hosts held then."""
    return [NodePart(name, state, client.endpoints, client.folder.path) for name, state in first.items()]


def run_scripts(folder: Path, nodes: Iterable[str], endpoints: Endpoints) -> str:
    """Run each node's script, all at once. Raises `CheckFailed` with the script's own words when one fails."""

    def one(node: str) -> None:
        script = f"nodes/{node}.sh"
        done = _exec(node, ["sh", "-eu", "-s"], endpoints, (folder / script).read_bytes(), limit("script"))
        if done.code != 0:
            said = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace")
            message = f"{node}: {script} ended with code {done.code}: {said}"
            raise CheckFailed(message, code="node-script", place=Place(script))

    return f"{len(at_once(nodes, one))} nodes and hosts set up"
