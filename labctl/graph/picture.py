"""An artifact folder → the picture of its lab. Pure but for reading the folder's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from labctl.folder import Folder, load_folder
from labctl.graph.configs import SwitchConfig, read_configs
from labctl.graph.model import Box, Channel, End, Lag, Pair, Picture, Session, Tier, Wire, short
from labctl.verify.inputs import ChecksInput, load_checks

_TIERS: Mapping[str, Tier] = {
    "spine": "spine", "leaf": "leaf", "border": "border", "control-plane": "node", "worker": "node",
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
    wires = tuple(Wire(a, b) for a, b in lab.links)
    far = {wire.a: wire.b for wire in wires} | {wire.b: wire.a for wire in wires}
    sessions, notes = _sessions(folder, checks, configs)
    target = "fabric alone" if lab.target.get("cluster") == "none" else f"{lab.mode} mode"
    return Picture(
        lab.name,
        f"{target}; switches: {lab.target.get('switch', '?')}; cluster: {lab.target.get('cluster', '?')}",
        tuple(_box(name, folder, checks, configs) for name in lab.nodes),
        wires,
        _lags(checks, configs, far),
        _channels(lab.switches, configs, far),
        _pairs(lab.switches, configs, wires),
        sessions,
        notes,
    )


def _box(name: str, folder: Folder, checks: ChecksInput, configs: Mapping[str, SwitchConfig]) -> Box:
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
    return Box(name, _TIERS.get(node.role, "node"), tuple(lines), own[0] if own else "")


def _lags(checks: ChecksInput, configs: Mapping[str, SwitchConfig], far: Mapping[End, End]) -> tuple[Lag, ...]:
    found = []
    for row in checks.links.lacp:
        ends = [far[row.node, member] for member in row.members if (row.node, member) in far]
        if not ends:
            continue  # nothing to bundle: the check itself says so when it runs
        channels = [(box, configs[box].channels[port]) for box, port in ends if _in_channel(configs, box, port)]
        found.append(Lag(row.node, row.bond, row.members, tuple(dict.fromkeys(channels))))
    return tuple(found)


def _in_channel(configs: Mapping[str, SwitchConfig], box: str, port: str) -> bool:
    return box in configs and port in configs[box].channels


def _channels(
    switches: Sequence[str], configs: Mapping[str, SwitchConfig], far: Mapping[End, End]
) -> tuple[Channel, ...]:
    found: dict[tuple[str, int], list[str]] = {}
    for name in switches:
        for port, number in configs[name].channels.items():
            if (name, port) in far and number != configs[name].peer_link:
                found.setdefault((name, number), []).append(port)
    return tuple(Channel(name, number, tuple(ports)) for (name, number), ports in found.items())


def _pairs(switches: Sequence[str], configs: Mapping[str, SwitchConfig], wires: Sequence[Wire]) -> tuple[Pair, ...]:
    owners = _owners(configs)
    found: dict[frozenset[str], Pair] = {}
    for name in switches:
        config = configs[name]
        if config.domain is None:
            continue
        members = tuple(wire for wire in wires if name in (wire.a[0], wire.b[0]) and _is_peer_link(configs, wire))
        peers = {box for wire in members for box, _ in (wire.a, wire.b)} - {name}
        if config.peer_address is not None:
            peers, members = {owners[config.peer_address]} if config.peer_address in owners else set(), ()
        for peer in peers - {name}:
            found.setdefault(frozenset((name, peer)), Pair(config.domain, (name, peer), config.peer_link, members))
    return tuple(found.values())


def _is_peer_link(configs: Mapping[str, SwitchConfig], wire: Wire) -> bool:
    return all(
        box in configs
        and configs[box].peer_link is not None
        and configs[box].channels.get(port) == configs[box].peer_link
        for box, port in (wire.a, wire.b)
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
            notes.append(f"{switch}: {family} neighbor {address} is no box of this lab")
    sessions = (
        Session(switch, peer, kind, tuple(neighbors), configs[switch].sources.get(neighbors[0][1], ""))
        for (switch, peer, kind), neighbors in pairs.items()
    )
    return tuple(sessions), tuple(notes)
