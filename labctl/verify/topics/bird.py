"""BGP sessions as a node's BIRD tells them: read through the calico-node pod, parsed, judged.

The names of BIRD's protocols are Calico's (projectcalico/calico, confd templates): ``Global_`` for a BGPPeer without a
node or selector, ``Node_`` for one with, ``Mesh_`` for the full mesh, then the peer's address with ``_`` for ``.`` and
``:``. Columns of ``show protocols`` are the same in BIRD 1.6 and 2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

from labctl.verify.checks import Check
from labctl.verify.observer import Command, Unanswered
from labctl.verify.values import Model
from labctl.verify.verdict import Judgement, fails, ruled


class BirdInput(Model):
    """Where a node's BIRD is asked: control sockets in the calico-node pod (Calico has one BIRD a family)."""

    namespace: str
    selector: str
    sockets: tuple[str, ...]


TYPES = {"Global": "global", "Node": "node specific", "Mesh": "node-to-node mesh"}
"""calicoctl's words (projectcalico/calico, calicoctl/commands/node/status.go)."""
LINE = re.compile(
    r"^(?P<kind>Global|Node|Mesh)_(?P<address>[0-9A-Fa-f_]+)\s+BGP\s+\S+\s+(?P<state>\S+)\s+"
    r"(?P<since>\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?|\d\d:\d\d(?::\d\d)?)(?:\.\d+)?\s*(?P<info>.*)$"
)


@dataclass(frozen=True, slots=True)
class BirdSession:
    """A BGP protocol of a node's BIRD. ``since``: time of day or date, as BIRD tells it; ``info``: Established, …"""

    address: str
    type: str
    state: str
    since: str
    info: str

    @property
    def version(self) -> int:
        return ip_address(self.address).version


def commands(row: BirdInput, node: str) -> tuple[Command, ...]:
    """Each BIRD of a node is asked for its protocols; ``node`` is the Kubernetes name."""
    where = f"{row.namespace}/{row.selector}"
    return tuple(Command("pod", node, f"birdcl -s {socket} show protocols", where) for socket in row.sockets)


def checks(row: BirdInput, node: str, kube: str, peers: Mapping[str, str]) -> list[Check]:
    """The sessions that a node is to have. ``peers``: address → type; ``kube``: the node's name in Kubernetes."""
    return [
        Check(f"cluster.session.{node}.{address}", f"{node}'s BGP session with {address}", commands(row, kube),
              partial(judge_session, node, address, kind))
        for address, kind in peers.items()
    ]  # fmt: skip


def parse(*texts: str) -> list[BirdSession]:
    """Sessions of all answers, sorted by address. Raises `Unanswered` for what BIRD did not say."""
    found: dict[str, BirdSession] = {}
    for text in texts:
        if "BIRD" not in text:
            raise Unanswered(f"BIRD did not answer: {text.strip()[:200] or 'nothing came'}")
        for line in text.splitlines():
            match = LINE.match(line.strip())
            if match:
                address = _address(match["address"])
                found[address] = BirdSession(
                    address, TYPES[match["kind"]], match["state"], match["since"], match["info"].strip()
                )
    return sorted(found.values(), key=lambda session: (session.version, int(ip_address(session.address))))


def _address(text: str) -> str:
    """BIRD's name says no family: four decimal numbers are an IPv4 address, anything else is not one."""
    dotted = text.replace("_", ".")
    try:
        return str(ip_address(dotted))
    except ValueError:
        return str(ip_address(text.replace("_", ":")))


def judge_session(node: str, address: str, kind: str, *texts: str) -> Judgement:
    """A node's session with a peer is up and Established, of that type (white paper: Figure 10)."""
    expected = {"type": kind, "state": "up", "info": "Established"}
    sessions = parse(*texts)
    found = next((row for row in sessions if row.address == str(ip_address(address))), None)
    if found is None:
        known = ", ".join(row.address for row in sessions) or "none"
        return fails(f"{node} has no BGP session with {address} (it has: {known})", expected, None)
    seen = {"type": found.type, "state": found.state, "info": found.info, "since": found.since}
    rules = (
        (found.type != kind, f" is {found.type}, expected {kind}"),
        ((found.state, found.info) != ("up", "Established"), f" is {found.state} {found.info}".rstrip()),
    )
    return ruled(f"{node}: peer {address}", rules, f" ({kind}) is up, Established", expected, seen)
