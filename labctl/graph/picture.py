"""What is in a picture of a lab, and an artifact folder → the picture of its lab. No places: those are the layout's.

Nodes, links with a port at each end, bundles, vPC pairs, sessions. Pure but for reading the folder's files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labctl.errors import Place, Problem, SpecError
from labctl.folder import Folder, load_folder
from labctl.nxos.tree import ConfigTree, Section, parse
from labctl.verify.inputs import ChecksInput, load_checks

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


@dataclass(frozen=True, slots=True)
class Lag:
    """A node's bond: its members, and the port-channels (switch, number) in which their links end."""

    node: str
    bond: str
    members: tuple[str, ...]
    channels: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        return self.bond

    @property
    def ends(self) -> tuple[End, ...]:
        return tuple((self.node, member) for member in self.members)


@dataclass(frozen=True, slots=True)
class Channel:
    """A switch's port-channel towards a node, with the ports that have a link."""

    switch: str
    number: int
    members: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"Po{self.number}"

    @property
    def ends(self) -> tuple[End, ...]:
        return tuple((self.switch, member) for member in self.members)


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
    lags: tuple[Lag, ...]
    channels: tuple[Channel, ...]
    pairs: tuple[Pair, ...]
    sessions: tuple[Session, ...]
    notes: tuple[str, ...] = ()

    @property
    def bundles(self) -> tuple[Lag | Channel, ...]:
        return *self.lags, *self.channels

    def pair_of(self, leaf: str) -> Pair | None:
        """The vPC domain of a leaf."""
        return next((pair for pair in self.pairs if leaf in pair.leafs), None)

    def far_end(self, end: End) -> End | None:
        """The other end of a port's link."""
        for link in self.links:
            if end in (link.a, link.b):
                return link.b if end == link.a else link.a
        return None


def short(interface: str) -> str:
    """As NX-OS abbreviates it in its tables: ``Eth1/4``, ``Po11``, ``Lo1002``."""
    for word, letters in (("Ethernet", "Eth"), ("port-channel", "Po"), ("loopback", "Lo")):
        if interface.startswith(word):
            return letters + interface.removeprefix(word)
    return interface


_TIERS: Mapping[str, Tier] = {
    "spine": "spine", "leaf": "leaf", "border": "border", "control-plane": "kube", "worker": "kube",
    "external": "external",
}  # fmt: skip
_ROLES = {"border": "border leaf", "control-plane": "control plane", "external": "external host"}
_FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}


def picture_of(path: Path) -> Picture:
    """Read a folder. Raises `SpecError` with every problem of a file."""
    folder = load_folder(path)
    return picture(folder, load_checks(path), read_configs(path, folder.lab.switches))


def picture(folder: Folder, checks: ChecksInput, configs: Mapping[str, SwitchConfig]) -> Picture:
    """All parts together."""
    lab = folder.lab
    links = tuple(Link(a, b) for a, b in lab.links)
    far = {link.a: link.b for link in links} | {link.b: link.a for link in links}
    sessions, notes = _sessions(folder, checks, configs)
    target = "fabric alone" if lab.target.get("cluster") == "none" else f"{lab.mode} mode"
    return Picture(
        lab.name,
        f"{target}; switches: {lab.target.get('switch', '?')}; cluster: {lab.target.get('cluster', '?')}",
        tuple(_node(name, folder, checks, configs) for name in lab.nodes),
        links,
        _lags(checks, configs, far),
        _channels(lab.switches, configs, far),
        _pairs(lab.switches, configs, links),
        sessions,
        notes,
    )


def _node(name: str, folder: Folder, checks: ChecksInput, configs: Mapping[str, SwitchConfig]) -> Node:
    node = folder.lab.nodes[name]
    role = _ROLES.get(node.role, node.role)
    lines = [role]
    config = configs.get(name)
    if config is not None:
        lines = [f"{role}, AS {config.asn}" if config.asn else role]
        sources = sorted(set(config.sources.values()) & set(config.loopbacks), key=lambda source: (len(source), source))
        lines += [f"{short(source)} {config.loopbacks[source][0]}" for source in sources if config.loopbacks[source]]
    else:
        sessions = [row for row in checks.mode(folder.lab.mode).bgp.sessions if row.node == name]
        lines += [f"AS {row.asn}" for row in sessions[:1]]
        lines += list(dict.fromkeys(row.neighbor for row in sessions if row.family == "ipv4"))[:1]
    own = config.loopbacks.get("loopback0", ()) if config else ()
    return Node(name, _TIERS.get(node.role, "kube"), tuple(lines), own[0] if own else "")


def _lags(checks: ChecksInput, configs: Mapping[str, SwitchConfig], far: Mapping[End, End]) -> tuple[Lag, ...]:
    found = []
    for row in checks.links.lacp:
        ends = [far[row.node, member] for member in row.members if (row.node, member) in far]
        if not ends:
            continue  # nothing to bundle: the check itself says so when it runs
        channels = [(node, configs[node].channels[port]) for node, port in ends if _in_channel(configs, node, port)]
        found.append(Lag(row.node, row.bond, row.members, tuple(dict.fromkeys(channels))))
    return tuple(found)


def _in_channel(configs: Mapping[str, SwitchConfig], node: str, port: str) -> bool:
    return node in configs and port in configs[node].channels


def _channels(
    switches: Sequence[str], configs: Mapping[str, SwitchConfig], far: Mapping[End, End]
) -> tuple[Channel, ...]:
    found: dict[tuple[str, int], list[str]] = {}
    for name in switches:
        for port, number in configs[name].channels.items():
            if (name, port) in far and number != configs[name].peer_link:
                found.setdefault((name, number), []).append(port)
    return tuple(Channel(name, number, tuple(ports)) for (name, number), ports in found.items())


def _pairs(switches: Sequence[str], configs: Mapping[str, SwitchConfig], links: Sequence[Link]) -> tuple[Pair, ...]:
    owners = _owners(configs)
    found: dict[frozenset[str], Pair] = {}
    for name in switches:
        config = configs[name]
        if config.domain is None:
            continue
        members = tuple(link for link in links if name in (link.a[0], link.b[0]) and _is_peer_link(configs, link))
        peers = {node for link in members for node, _ in (link.a, link.b)} - {name}
        if config.peer_address is not None:
            peers, members = {owners[config.peer_address]} if config.peer_address in owners else set(), ()
        for peer in peers - {name}:
            found.setdefault(frozenset((name, peer)), Pair(config.domain, (name, peer), config.peer_link, members))
    return tuple(found.values())


def _is_peer_link(configs: Mapping[str, SwitchConfig], link: Link) -> bool:
    return all(
        node in configs
        and configs[node].peer_link is not None
        and configs[node].channels.get(port) == configs[node].peer_link
        for node, port in (link.a, link.b)
    )


def _owners(configs: Mapping[str, SwitchConfig]) -> dict[str, str]:
    """Address of a loopback0 (which no two switches share) → its switch."""
    return {address: name for name, config in configs.items() for address in config.loopbacks.get("loopback0", ())}


def _sessions(
    folder: Folder, checks: ChecksInput, configs: Mapping[str, SwitchConfig]
) -> tuple[tuple[Session, ...], tuple[str, ...]]:
    owners = _owners(configs)
    pairs: dict[tuple[str, str, Literal["iBGP", "eBGP"]], list[tuple[str, str]]] = {}
    notes = []
    bgp = checks.mode(folder.lab.mode).bgp
    asked = [(row.switch, owners.get(address, ""), "EVPN", address) for row in bgp.evpn for address in row.neighbors]
    asked += [(row.switch, row.node, _FAMILIES[row.family], row.neighbor) for row in bgp.sessions]
    for switch, peer, family, address in asked:
        if switch in configs and peer in folder.lab.nodes:
            pairs.setdefault((switch, peer, "iBGP" if family == "EVPN" else "eBGP"), []).append((family, address))
        else:
            notes.append(f"{switch}: {family} neighbor {address} is no node of this lab")
    sessions = (
        Session(switch, peer, kind, tuple(neighbors), configs[switch].sources.get(neighbors[0][1], ""))
        for (switch, peer, kind), neighbors in pairs.items()
    )
    return tuple(sessions), tuple(notes)


@dataclass(frozen=True, slots=True)
class SwitchConfig:
    """Of one switch. ``loopbacks``: interface → addresses without length; ``channels``: port → its port-channel."""

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


def read_configs(folder: Path, switches: tuple[str, ...]) -> dict[str, SwitchConfig]:
    """Every switch's configuration in a folder. Raises `SpecError` with every file that cannot be read."""
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


def _config(tree: ConfigTree) -> SwitchConfig:
    interfaces = {section.words[1]: section for section in tree.all("interface") if len(section.words) == 2}
    bgp = tree.find("router", "bgp")
    vpc = tree.find("vpc", "domain")
    link = vpc.rest("virtual", "peer-link", "destination") if vpc else None
    peer_links = (name for name, section in interfaces.items() if section.has("vpc peer-link"))
    return SwitchConfig(
        asn=bgp.words[2] if bgp and len(bgp.words) > 2 else "",
        loopbacks={name: _addresses(it) for name, it in interfaces.items() if name.startswith("loopback")},
        channels={name: number for name, it in interfaces.items() if (number := _number(it.rest("channel-group")))},
        domain=_number(vpc.words[2:]) if vpc else None,
        peer_address=link[0] if link else None,
        peer_link=_number((next(peer_links, "").removeprefix("port-channel"),)),
        sources=_sources(bgp) if bgp else {},
    )


def _addresses(section: Section) -> tuple[str, ...]:
    lines = (*section.all("ip", "address"), *section.all("ipv6", "address"))
    return tuple(line.words[2].partition("/")[0] for line in lines if len(line.words) > 2)


def _number(words: tuple[str, ...] | None) -> int | None:
    return int(words[0]) if words and words[0].isdecimal() else None


def _sources(bgp: Section) -> dict[str, str]:
    templates = {section.words[2]: section for section in bgp.all("template", "peer") if len(section.words) > 2}
    found = {}
    for scope in (bgp, *bgp.all("vrf")):
        for neighbor in scope.all("neighbor"):
            inherited = neighbor.rest("inherit", "peer")
            template = templates.get(inherited[0]) if inherited else None
            source = neighbor.rest("update-source") or (template.rest("update-source") if template else None)
            if source and len(neighbor.words) > 1:
                found[neighbor.words[1]] = source[0]
    return found
