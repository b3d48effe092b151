"""What is in a picture of a lab, and an artifact folder → the picture of its lab. No places: those are the layout's.

Nodes, links with a port at each end, bundles, vPC pairs, sessions. Pure but for reading the folder's files.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labctl.errors import Place, Problem, SpecError
from labctl.folder import load_folder
from labctl.nxos.normal import short_name
from labctl.nxos.tree import ConfigTree, Section, parse
from labctl.verify.inputs import load_checks
from labctl.verify.topics.bgp import BgpInput
from labctl.verify.topics.links import LacpInput

Tier = Literal["external", "border", "spine", "leaf", "kube"]
TIERS: tuple[Tier, ...] = ("external", "border", "spine", "leaf", "kube")
"""From top to bottom."""
End = tuple[str, str]
"""A node and its interface, as the node calls it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A switch, Kubernetes node or external host; ``lines``: what is written below its name.

    ``address``: what the other switches know a switch by, its loopback0.
    """

    name: str
    tier: Tier
    lines: tuple[str, ...]
    address: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A cable."""

    a: End
    b: End

    @property
    def ends(self) -> tuple[tuple[End, End], tuple[End, End]]:
        """Each with the other one."""
        return (self.a, self.b), (self.b, self.a)


@dataclass(frozen=True, slots=True)
class Bundle:
    """Ports of a node that are one: a node's bond, or a switch's port-channel towards a node, which has a ``number``.

    ``channels``: of a bond, the port-channels (switch, number) in which its links end.
    """

    node: str
    name: str
    members: tuple[str, ...]
    number: int | None = None
    channels: tuple[tuple[str, int], ...] = ()

    @property
    def ends(self) -> tuple[End, ...]:
        return tuple((self.node, member) for member in self.members)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two leafs of a vPC domain. ``members``: the links of a physical peer-link; none: it runs over the fabric."""

    domain: int
    leafs: tuple[str, str]
    channel: int | None
    members: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """All BGP sessions of a switch with one node: an entry (family, neighbor's address) each.

    ``source``: the switch's interface that they come from, empty when its configuration does not say.
    """

    switch: str
    peer: str
    kind: Literal["iBGP", "eBGP"]
    neighbors: tuple[tuple[str, str], ...]
    source: str = ""

    @property
    def pair(self) -> tuple[str, str]:
        return self.switch, self.peer

    @property
    def counted_at(self) -> str:
        """The node where their number stands: below, where there is a line for each."""
        return self.switch if self.kind == "iBGP" else self.peer


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything. ``notes``: what the folder names and the picture cannot show."""

    name: str
    about: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    bundles: tuple[Bundle, ...]
    pairs: tuple[Pair, ...]
    sessions: tuple[Session, ...]
    notes: tuple[str, ...] = ()

    def pair_of(self, leaf: str) -> Pair | None:
        """The vPC domain of a leaf."""
        return next((pair for pair in self.pairs if leaf in pair.leafs), None)


_ROLES = {"border": "border leaf", "control-plane": "control plane", "external": "external host"}
_FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}


def picture_of(path: Path) -> Picture:
    """Read a folder. Raises `SpecError` with every problem of a file."""
    lab = load_folder(path).lab
    checks, configs = load_checks(path), _read_configs(path, lab.switches)
    links = tuple(Link(a, b) for a, b in lab.links)
    far = dict(ends for link in links for ends in link.ends)
    bgp = checks.mode(lab.mode).bgp
    sessions, notes = _sessions(bgp, configs, lab.nodes)
    target = "fabric alone" if lab.target.get("cluster") == "none" else f"{lab.mode} mode"
    return Picture(
        lab.name,
        f"{target}; switches: {lab.target.get('switch', '?')}; cluster: {lab.target.get('cluster', '?')}",
        tuple(_node(name, node.role, bgp, configs.get(name)) for name, node in lab.nodes.items()),
        links,
        (*_bonds(checks.links.lacp, configs, far), *_channels(configs, far)),
        _pairs(configs, links),
        sessions,
        notes,
    )


def _node(name: str, role: str, bgp: BgpInput, config: _Config | None) -> Node:
    lines, own = [_ROLES.get(role, role)], ""
    if config is not None:
        lines = [f"{lines[0]}, AS {config.asn}" if config.asn else lines[0]]
        addresses = {name: found[0] for name, found in config.loopbacks.items() if found}
        sources = sorted({*config.sources.values()} & addresses.keys(), key=lambda source: (len(source), source))
        lines += [f"{short_name(source)} {addresses[source]}" for source in sources]
        own = addresses.get("loopback0", "")
    else:
        sessions = [row for row in bgp.sessions if row.node == name]
        lines += [f"AS {row.asn}" for row in sessions[:1]]
        lines += [row.neighbor for row in sessions if row.family == "ipv4"][:1]
    return Node(name, next((tier for tier in TIERS if tier == role), "kube"), tuple(lines), own)


def _bonds(rows: Iterable[LacpInput], configs: Configs, far: Mapping[End, End]) -> Iterator[Bundle]:
    for row in rows:
        ends = [far[row.node, member] for member in row.members if (row.node, member) in far]
        channels = [(node, configs[node].channels[port]) for node, port in ends
                    if node in configs and port in configs[node].channels]  # fmt: skip
        if ends:  # else nothing to bundle: the check itself says so when it runs
            yield Bundle(row.node, row.bond, row.members, channels=tuple(dict.fromkeys(channels)))


def _channels(configs: Configs, far: Mapping[End, End]) -> Iterator[Bundle]:
    for name, config in configs.items():
        for number in dict.fromkeys(config.channels.values()):
            ports = [port for port, own in config.channels.items() if own == number and (name, port) in far]
            if ports and number != config.peer_link:
                yield Bundle(name, f"Po{number}", tuple(ports), number)


def _pairs(configs: Configs, links: Sequence[Link]) -> tuple[Pair, ...]:
    owners = _owners(configs)
    found: dict[frozenset[str], Pair] = {}
    for name, config in configs.items():
        if config.domain is None:
            continue
        members = tuple(link for link in links if any(end[0] == name for end, _ in link.ends)
                        and all(_in_peer_link(configs, end) for end, _ in link.ends))  # fmt: skip
        peers = {node for link in members for (node, _), _ in link.ends}
        if config.peer_address is not None:
            peers, members = {owners.get(config.peer_address, name)}, ()
        for peer in peers - {name}:
            found.setdefault(frozenset((name, peer)), Pair(config.domain, (name, peer), config.peer_link, members))
    return tuple(found.values())


def _in_peer_link(configs: Configs, end: End) -> bool:
    config = configs.get(end[0])
    return config is not None and config.peer_link is not None and config.channels.get(end[1]) == config.peer_link


def _owners(configs: Configs) -> dict[str, str]:
    """Address of a loopback0 (which no two switches share) → its switch."""
    return {address: name for name, config in configs.items() for address in config.loopbacks.get("loopback0", ())}


def _sessions(bgp: BgpInput, configs: Configs, nodes: Container[str]) -> tuple[tuple[Session, ...], tuple[str, ...]]:
    owners = _owners(configs)
    pairs: dict[tuple[str, str, Literal["iBGP", "eBGP"]], list[tuple[str, str]]] = {}
    notes = []
    asked = [(row.switch, owners.get(address, ""), "EVPN", address) for row in bgp.evpn for address in row.neighbors]
    asked += [(row.switch, row.node, _FAMILIES[row.family], row.neighbor) for row in bgp.sessions]
    for switch, peer, family, address in asked:
        if switch in configs and peer in nodes:
            pairs.setdefault((switch, peer, "iBGP" if family == "EVPN" else "eBGP"), []).append((family, address))
        else:
            notes.append(f"{switch}: {family} neighbor {address} is no node of this lab")
    sessions = (
        Session(switch, peer, kind, tuple(neighbors), configs[switch].sources.get(neighbors[0][1], ""))
        for (switch, peer, kind), neighbors in pairs.items()
    )
    return tuple(sessions), tuple(notes)


# --- a switch's configuration -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Config:
    """``loopbacks``: interface → addresses without length; ``channels``: port → its port-channel."""

    asn: str
    loopbacks: Mapping[str, tuple[str, ...]]
    channels: Mapping[str, int]
    domain: int | None
    peer_address: str | None
    """Where a virtual peer-link goes; None for a physical one."""
    peer_link: int | None
    """Its port-channel."""
    sources: Mapping[str, str]
    """BGP neighbor → the interface that its session comes from."""


Configs = Mapping[str, _Config]
"""By switch."""


def _read_configs(folder: Path, switches: Iterable[str]) -> Configs:
    """Raises `SpecError` with every file that cannot be read."""
    found, problems = {}, []
    for name in switches:
        file = f"nxos/{name}.cfg"
        try:
            found[name] = _config(parse((folder / file).read_text()))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            problems.append(Problem("unreadable", f"{file} cannot be read: {reason}", Place(file)))
    if problems:
        raise SpecError(problems)
    return found


def _config(tree: ConfigTree) -> _Config:
    interfaces = {section.words[1]: section for section in tree.all("interface") if len(section.words) == 2}
    bgp = tree.find("router", "bgp") or Section("")
    vpc = tree.find("vpc", "domain") or Section("")
    link = vpc.rest("virtual", "peer-link", "destination")
    peer_links = (name for name, section in interfaces.items() if section.has("vpc peer-link"))
    return _Config(
        asn="".join(bgp.words[2:3]),
        loopbacks={name: _addresses(it) for name, it in interfaces.items() if name.startswith("loopback")},
        channels={name: number for name, it in interfaces.items() if (number := _number(it.rest("channel-group")))},
        domain=_number(vpc.words[2:]),
        peer_address=link[0] if link else None,
        peer_link=_number((next(peer_links, "").removeprefix("port-channel"),)),
        sources=_sources(bgp),
    )


def _addresses(section: Section) -> tuple[str, ...]:
    lines = (*section.all("ip", "address"), *section.all("ipv6", "address"))
    return tuple(line.words[2].partition("/")[0] for line in lines if len(line.words) > 2)


def _number(words: tuple[str, ...] | None) -> int | None:
    return int(words[0]) if words and words[0].isdecimal() else None


def _sources(bgp: Section) -> dict[str, str]:
    """A template is looked at where the neighbor says nothing itself."""
    templates = {section.words[2]: section for section in bgp.all("template", "peer") if len(section.words) > 2}
    found = {}
    for scope in (bgp, *bgp.all("vrf")):
        for neighbor in scope.all("neighbor"):
            inherited = neighbor.rest("inherit", "peer") or ("",)
            template = templates.get(inherited[0], Section(""))
            source = neighbor.rest("update-source") or template.rest("update-source")
            if source and len(neighbor.words) > 1:
                found[neighbor.words[1]] = source[0]
    return found
