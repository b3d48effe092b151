"""The show commands as rows of a table: a pattern and what answers it. Deeper later means more rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from labctl.standin.switch.grammar import Match, Token, compile_pattern, match
from labctl.standin.switch.platform import UnknownShow
from labctl.standin.switch.shows import bgp, bundles, interfaces, lacp, neighbors, overlay, routes, system
from labctl.standin.switch.shows.form import table
from labctl.standin.switch.shows.machine import Source, link_states, vrf_devices


@dataclass(frozen=True, slots=True)
class Answer:
    """A command's answer in both forms; ``body`` None: there is nothing to say as JSON."""

    text: str
    body: dict[str, Any] | None


Handler = Callable[[Source, tuple[str, ...]], Answer]


def _vrf(words: Sequence[str]) -> str:
    """The VRF that a command names; ``show vrf`` itself names none."""
    return words[words.index("vrf") + 1] if "vrf" in words[:-1] else "default"


def _summary(family: str) -> Handler:
    def answer(source: Source, words: tuple[str, ...]) -> Answer:
        vrf = _vrf(words)
        names = [vrf] if vrf != "all" else ["default", *(item.vrf for item in source.model.bgp if item.vrf)]
        found = [item for name in names if (item := bgp.summary(source, family, name)) is not None]
        if not found:
            return Answer("", {})
        rows = [bgp.as_json(item)["TABLE_vrf"]["ROW_vrf"] for item in found]
        return Answer("\n\n".join(map(bgp.as_text, found)), table("vrf", rows))

    return answer


def _routes(family: int) -> Handler:
    def answer(source: Source, words: tuple[str, ...]) -> Answer:
        vrf = _vrf(words)
        prefix = words[2] if words[2:3] not in ((), ("vrf",)) else None
        found = routes.read(source, family, vrf, prefix)
        return Answer(routes.as_text(vrf, family, found, asked=prefix is not None), routes.as_json(vrf, family, found))

    return answer


def _rows(read: Callable[[Source], Any], text: Callable[[Any], str], body: Callable[[Any], dict[str, Any]]) -> Handler:
    def answer(source: Source, _words: tuple[str, ...]) -> Answer:
        found = read(source)
        return Answer(text(found), body(found))

    return answer


def _adjacencies(family: int) -> Handler:
    def answer(source: Source, words: tuple[str, ...]) -> Answer:
        vrf = _vrf(words)
        found = neighbors.adjacencies(source, family, vrf)
        return Answer(neighbors.arp_text(vrf, found, family), neighbors.arp_json(vrf, found))

    return answer


def _vpc(text: Callable[[bundles.Vpc], str], body: Callable[[bundles.Vpc], dict[str, Any]]) -> Handler:
    def answer(source: Source, _words: tuple[str, ...]) -> Answer:
        found = bundles.vpc(source)
        return Answer("", {}) if found is None else Answer(text(found), body(found))

    return answer


def _addresses(source: Source, words: tuple[str, ...]) -> Answer:
    vrf = _vrf(words)
    found = interfaces.ip_brief(source, None if vrf == "all" else vrf)
    return Answer(interfaces.ip_brief_text(found), interfaces.ip_brief_json(found))


def _hostname(source: Source, _words: tuple[str, ...]) -> Answer:
    return Answer(source.model.hostname, {"hostname": source.model.hostname})


def _platform(source: Source, _words: tuple[str, ...]) -> Answer:
    from labctl.standin.switch.dataplane.names import PLATFORM_CONSTANTS

    del source
    return Answer("\n".join(f"{name:<40} {value}" for name, value in PLATFORM_CONSTANTS), None)


TABLE: tuple[tuple[str, Handler], ...] = (
    ("version", _rows(system.version, system.version_text, dict)),
    ("hostname", _hostname),
    ("labctl platform", _platform),
    ("feature", _rows(system.features, system.features_text, system.features_json)),
    ("vrf", _rows(system.vrfs, system.vrfs_text, system.vrfs_json)),
    ("ip route [<ip4>] [vrf <name>]", _routes(4)),
    ("ip route <if4> [vrf <name>]", _routes(4)),
    ("ipv6 route [<ip6>] [vrf <name>]", _routes(6)),
    ("ipv6 route <if6> [vrf <name>]", _routes(6)),
    ("ip bgp summary [vrf <name>]", _summary("ipv4")),
    ("bgp ipv4 unicast summary [vrf <name>]", _summary("ipv4")),
    ("ipv6 bgp summary [vrf <name>]", _summary("ipv6")),
    ("bgp ipv6 unicast summary [vrf <name>]", _summary("ipv6")),
    ("bgp vrf <name> ipv4 unicast summary", _summary("ipv4")),
    ("bgp vrf <name> ipv6 unicast summary", _summary("ipv6")),
    ("bgp l2vpn evpn summary", _summary("evpn")),
    ("nve peers", _rows(overlay.peers, overlay.peers_text, overlay.peers_json)),
    ("nve vni", _rows(overlay.vni_rows, overlay.vni_text, overlay.vni_json)),
    ("nve interface nve1 [detail]", _rows(overlay.interface, overlay.interface_text, overlay.interface_json)),
    ("vpc [brief]", _vpc(bundles.vpc_text, bundles.vpc_json)),
    ("vpc peer-keepalive", _vpc(bundles.keepalive_text, bundles.keepalive_json)),
    ("port-channel summary", _rows(bundles.channels, bundles.summary_text, bundles.summary_json)),
    ("lacp neighbor", _rows(lacp.partners, lacp.as_text, lacp.as_json)),
    ("interface brief", _rows(interfaces.brief, interfaces.brief_text, interfaces.brief_json)),
    ("interface status", _rows(interfaces.status, interfaces.status_text, interfaces.status_json)),
    ("ip interface brief [vrf <name>]", _addresses),
    ("vlan [brief]", _rows(interfaces.vlans, interfaces.vlans_text, interfaces.vlans_json)),
    ("ip arp [vrf <name>]", _adjacencies(4)),
    ("ipv6 neighbor [vrf <name>]", _adjacencies(6)),
    ("mac address-table", _rows(neighbors.macs, neighbors.macs_text, neighbors.macs_json)),
)


@lru_cache(maxsize=1)
def compiled() -> tuple[tuple[tuple[Token, ...], Handler], ...]:
    return tuple((compile_pattern(pattern), handler) for pattern, handler in TABLE)


def _exists(source: Source, vrf: str) -> bool:
    return vrf in ("default", "all") or vrf in vrf_devices(link_states(source))


def show(source: Source, words: tuple[str, ...], *, as_json: bool) -> str:
    """Answer ``show WORDS``. A VRF that is not there has nothing to tell.

    Raises `UnknownShow` with the first word that fits nowhere.
    """
    trouble = 0
    for tokens, handler in compiled():
        found = match(tokens, words)
        if isinstance(found, Match):
            if not _exists(source, _vrf(found.words)):
                return ""
            answer = handler(source, found.words)
            if not as_json:
                return answer.text
            return json.dumps(answer.body) if answer.body else ""
        trouble = max(trouble, found.index)
    raise UnknownShow(trouble)
