"""The show commands as rows of a table: a pattern and what answers it. Deeper later means more rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl.standin.switch.grammar import Fit, choose
from labctl.standin.switch.shows import bundles, forwarding, interfaces, protocols, routes, system
from labctl.standin.switch.shows.form import Answer
from labctl.standin.switch.shows.machine import Look

if TYPE_CHECKING:
    from labctl.standin.switch.dataplane.platform import FrrPlatform

TABLE: tuple[tuple[str, Callable[[Look], Answer]], ...] = (
    ("version", system.version),
    ("hostname", system.hostname),
    ("module", system.modules),
    ("clock", system.clock),
    ("labctl platform", system.platform),
    ("feature", system.features),
    ("vrf", system.vrfs),
    ("ip route [<ip4>] [vrf <name>]", routes.table_of(4)),
    ("ip route <any4> [vrf <name>]", routes.table_of(4)),
    ("ip route vrf <name> <ip4>", routes.table_of(4)),
    ("ip route vrf <name> <any4>", routes.table_of(4)),
    ("ipv6 route [<ip6>] [vrf <name>]", routes.table_of(6)),
    ("ipv6 route <any6> [vrf <name>]", routes.table_of(6)),
    ("ipv6 route vrf <name> <ip6>", routes.table_of(6)),
    ("ipv6 route vrf <name> <any6>", routes.table_of(6)),
    ("ip bgp summary [vrf <name>]", protocols.summary("ipv4")),
    ("bgp ipv4 unicast summary [vrf <name>]", protocols.summary("ipv4")),
    ("ipv6 bgp summary [vrf <name>]", protocols.summary("ipv6")),
    ("bgp ipv6 unicast summary [vrf <name>]", protocols.summary("ipv6")),
    ("bgp vrf <name> ipv4 unicast summary", protocols.summary("ipv4")),
    ("bgp vrf <name> ipv6 unicast summary", protocols.summary("ipv6")),
    ("ip bgp neighbors [<ip4>] [vrf <name>]", protocols.neighbors(4)),
    ("ipv6 bgp neighbors [<ip6>] [vrf <name>]", protocols.neighbors(6)),
    ("bgp l2vpn evpn summary", protocols.summary("evpn")),
    ("nve peers", forwarding.peers),
    ("nve vni", forwarding.vnis),
    ("nve interface nve1 [detail]", forwarding.interface),
    ("vpc [brief]", bundles.vpc),
    ("vpc peer-keepalive", bundles.keepalive),
    ("port-channel summary", bundles.summary),
    ("lacp neighbor", bundles.lacp),
    ("interface", interfaces.details),
    ("interface brief", interfaces.brief),
    ("interface status", interfaces.status),
    ("ip interface brief [vrf <name>]", interfaces.ip_brief),
    ("vlan [brief]", interfaces.vlans),
    ("ip arp [vrf <name>]", forwarding.adjacencies(4)),
    ("ipv6 neighbor [vrf <name>]", forwarding.adjacencies(6)),
    ("mac address-table [vlan <vlan>]", forwarding.macs),
    ("ip ospf neighbors", protocols.ospf),
)


@dataclass(frozen=True, slots=True)
class Show:
    """A row of the table, as `choose` takes it."""

    pattern: str
    answer: Callable[[Look], Answer]
    key: int = 0


SHOWS = tuple(Show(pattern, answer) for pattern, answer in TABLE)


def show(switch: FrrPlatform, words: tuple[str, ...], *, as_json: bool) -> str:
    """Answer ``show WORDS``, a command of the table. A VRF that is not there has nothing to tell."""
    found = choose(SHOWS, words)
    assert isinstance(found, Fit)  # noqa: S101 - the command line has the same patterns
    look = Look(switch, found.words)
    if look.vrf != "all" and not look.has_vrf(look.vrf):
        return ""
    answer = found.row.answer(look)
    if as_json:
        return json.dumps(answer.body) if answer.body else ""
    return answer.text if isinstance(answer.text, str) else answer.text()
