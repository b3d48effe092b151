"""The show commands as rows of a table: a pattern and what answers it. Deeper later means more rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from labctl.standin.switch.choice import Wrong, choose
from labctl.standin.switch.dataplane.names import PLATFORM_CONSTANTS, vrf_device
from labctl.standin.switch.grammar import Node, compile_pattern
from labctl.standin.switch.platform import UnknownShow
from labctl.standin.switch.shows import bundles, forwarding, interfaces, protocols, routes, system
from labctl.standin.switch.shows.form import table
from labctl.standin.switch.shows.machine import Source, link_states, vrf_devices


@dataclass(frozen=True, slots=True)
class Answer:
    """A command's answer in both forms; ``body`` None: there is nothing to say as JSON. ``text`` may be made when it is
    wanted, where it takes more than the body does."""

    text: str | Callable[[], str]
    body: dict[str, Any] | None


Handler = Callable[[Source, tuple[str, ...]], Answer]


def _vrf(words: Sequence[str]) -> str:
    """The VRF that a command names; ``show vrf`` itself names none."""
    return words[words.index("vrf") + 1] if "vrf" in words[:-1] else "default"


def _vrfs(source: Source, words: Sequence[str]) -> list[str]:
    """The VRFs that a command is about; ``all``: those that exist."""
    vrf = _vrf(words)
    if vrf != "all":
        return [vrf]
    there = vrf_devices(link_states(source))
    return [name for name in system.vrf_names(source) if name == "default" or vrf_device(name) in there]


def _summary(family: str) -> Handler:
    def answer(source: Source, words: tuple[str, ...]) -> Answer:
        vrf = _vrf(words)
        names = [vrf] if vrf != "all" else ["default", *(item.vrf for item in source.model.bgp if item.vrf)]
        found = [item for name in names if (item := protocols.summary(source, family, name)) is not None]
        if not found:
            return Answer("", {})
        rows = [protocols.as_json(item)["TABLE_vrf"]["ROW_vrf"] for item in found]
        return Answer(lambda: _summary_text(source, family, found), table("vrf", rows))

    return answer


def _summary_text(source: Source, family: str, found: Sequence[protocols.Summary]) -> str:
    types = protocols.route_types(source) if family == "evpn" else None
    return "\n\n".join(protocols.as_text(item, types) for item in found)


def _neighbors(version: int) -> Handler:
    def answer(source: Source, words: tuple[str, ...]) -> Answer:
        address = words[3] if len(words) > 3 and words[3] != "vrf" else None
        found = [row for vrf in _vrfs(source, words) for row in protocols.neighbors(source, version, vrf, address)]
        return Answer(protocols.neighbors_text(found), protocols.neighbors_json(found))

    return answer


def _routes(family: int) -> Handler:
    def answer(source: Source, words: tuple[str, ...]) -> Answer:
        rest = list(words[2:])
        if "vrf" in rest:
            del rest[rest.index("vrf") : rest.index("vrf") + 2]
        prefix = rest[0] if rest else None
        found = {vrf: routes.read(source, family, vrf, prefix) for vrf in _vrfs(source, words)}
        texts = [routes.as_text(vrf, family, rows, asked=prefix is not None) for vrf, rows in found.items()]
        return Answer("\n\n".join(texts), table("vrf", [routes.as_row(vrf, family, row) for vrf, row in found.items()]))

    return answer


def _rows(
    read: Callable[[Source], Any], text: Callable[[Any], str], body: str | Callable[[Any], dict[str, Any]]
) -> Handler:
    """``body``: the name of NX-OS's table that the rows are in, or what makes one of them. None was read: no answer."""

    def answer(source: Source, _words: tuple[str, ...]) -> Answer:
        found = read(source)
        if found is None:
            return Answer("", {})
        return Answer(text(found), table(body, found) if isinstance(body, str) else body(found))

    return answer


def _adjacencies(family: int) -> Handler:
    def answer(source: Source, words: tuple[str, ...]) -> Answer:
        vrf = _vrf(words)
        found = {name: forwarding.adjacencies(source, family, name) for name in _vrfs(source, words)}
        where = f"{'context' if family == 4 else 'VRF'} {vrf}" if vrf != "all" else "all contexts"
        text = forwarding.arp_text(where, [row for rows in found.values() for row in rows], family)
        return Answer(text, table("vrf", [forwarding.arp_row(name, rows) for name, rows in found.items()]))

    return answer


def _addresses(source: Source, words: tuple[str, ...]) -> Answer:
    vrf = _vrf(words)
    found = interfaces.ip_brief(source, None if vrf == "all" else vrf)
    return Answer(interfaces.ip_brief_text(found), interfaces.ip_brief_json(found))


def _macs(source: Source, words: tuple[str, ...]) -> Answer:
    vlan = words[3] if len(words) > 3 else None
    found = [row for row in forwarding.macs(source) if vlan in (None, row["disp_vlan"])]
    return Answer(forwarding.macs_text(found), table("mac_address", found))


def _ospf(source: Source, _words: tuple[str, ...]) -> Answer:
    process = source.model.ospf_name
    if process is None:
        return Answer("", None)
    found = protocols.ospf_neighbors(source)
    return Answer(protocols.ospf_text(process, found), protocols.ospf_json(process, found))


def _modules(source: Source, _words: tuple[str, ...]) -> Answer:
    rows, versions = system.modules(source), system.software(source)
    return Answer(system.modules_text(rows, versions), system.modules_json(rows, versions))


PLATFORM = Answer("\n".join(f"{name:<40} {value}" for name, value in PLATFORM_CONSTANTS), None)
TABLE: tuple[tuple[str, Handler], ...] = (
    ("version", _rows(system.version, system.version_text, dict)),
    ("hostname", lambda source, _words: Answer(source.model.hostname, {"hostname": source.model.hostname})),
    ("module", _modules),
    ("clock", _rows(system.clock, system.clock_text, dict)),
    ("labctl platform", lambda _source, _words: PLATFORM),
    ("feature", _rows(system.features, system.features_text, "cfcFeatureCtrl2Table")),
    ("vrf", _rows(system.vrfs, system.vrfs_text, "vrf")),
    ("ip route [<ip4>] [vrf <name>]", _routes(4)),
    ("ip route <any4> [vrf <name>]", _routes(4)),
    ("ip route vrf <name> <ip4>", _routes(4)),
    ("ip route vrf <name> <any4>", _routes(4)),
    ("ipv6 route [<ip6>] [vrf <name>]", _routes(6)),
    ("ipv6 route <any6> [vrf <name>]", _routes(6)),
    ("ipv6 route vrf <name> <ip6>", _routes(6)),
    ("ipv6 route vrf <name> <any6>", _routes(6)),
    ("ip bgp summary [vrf <name>]", _summary("ipv4")),
    ("bgp ipv4 unicast summary [vrf <name>]", _summary("ipv4")),
    ("ipv6 bgp summary [vrf <name>]", _summary("ipv6")),
    ("bgp ipv6 unicast summary [vrf <name>]", _summary("ipv6")),
    ("bgp vrf <name> ipv4 unicast summary", _summary("ipv4")),
    ("bgp vrf <name> ipv6 unicast summary", _summary("ipv6")),
    ("ip bgp neighbors [<ip4>] [vrf <name>]", _neighbors(4)),
    ("ipv6 bgp neighbors [<ip6>] [vrf <name>]", _neighbors(6)),
    ("bgp l2vpn evpn summary", _summary("evpn")),
    ("nve peers", _rows(forwarding.peers, forwarding.peers_text, "nve_peers")),
    ("nve vni", _rows(forwarding.vni_rows, forwarding.vni_text, "nve_vni")),
    ("nve interface nve1 [detail]", _rows(forwarding.interface, forwarding.interface_text, forwarding.interface_json)),
    ("vpc [brief]", _rows(bundles.vpc, bundles.vpc_text, bundles.vpc_json)),
    ("vpc peer-keepalive", _rows(bundles.vpc, bundles.keepalive_text, bundles.keepalive_json)),
    ("port-channel summary", _rows(bundles.channels, bundles.summary_text, bundles.summary_json)),
    ("lacp neighbor", _rows(bundles.partners, bundles.partners_text, bundles.partners_json)),
    ("interface", _rows(interfaces.details, interfaces.details_text, "interface")),
    ("interface brief", _rows(interfaces.brief, interfaces.brief_text, "interface")),
    ("interface status", _rows(interfaces.status, interfaces.status_text, "interface")),
    ("ip interface brief [vrf <name>]", _addresses),
    ("vlan [brief]", _rows(interfaces.vlans, interfaces.vlans_text, "vlanbriefxbrief")),
    ("ip arp [vrf <name>]", _adjacencies(4)),
    ("ipv6 neighbor [vrf <name>]", _adjacencies(6)),
    ("mac address-table [vlan <vlan>]", _macs),
    ("ip ospf neighbors", _ospf),
)


@dataclass(frozen=True, slots=True)
class Show:
    """A row of the table, compiled."""

    start: Node
    handler: Handler
    key: int = 0


@lru_cache(maxsize=1)
def compiled() -> tuple[Show, ...]:
    return tuple(Show(compile_pattern(pattern), handler) for pattern, handler in TABLE)


def _exists(source: Source, vrf: str) -> bool:
    return vrf in ("default", "all") or vrf_device(vrf) in vrf_devices(link_states(source))


def show(source: Source, words: tuple[str, ...], *, as_json: bool) -> str:
    """Answer ``show WORDS``. A VRF that is not there has nothing to tell.

    Raises `UnknownShow` with the first word that fits nowhere.
    """
    found = choose(compiled(), words)
    if isinstance(found, Wrong):
        raise UnknownShow(found.index)
    if not _exists(source, _vrf(found.words)):
        return ""
    answer = found.row.handler(source, found.words)
    if not as_json:
        return answer.text if isinstance(answer.text, str) else answer.text()
    return json.dumps(answer.body) if answer.body else ""
