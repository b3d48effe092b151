"""Every show command over recordings of a running fabric, against the golden texts and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from labctl.standin.switch.shows.table import show
from tests.goldens import Goldens

Recorded = Callable[[str], Any]

SPINE = (
    "bgp l2vpn evpn summary",
    "ip route",
    "interface brief",
    "vlan brief",
    "nve peers",
    "vpc",
    "port-channel summary",
    "mac address-table",
    "ip arp",
)
LEG_DOWN = ("port-channel summary", "vpc", "interface", "interface brief", "interface status", "lacp neighbor")
LEAF = (
    "version",
    "module",
    "hostname",
    "vrf",
    "feature",
    "ip bgp summary",
    "ip bgp summary vrf vrf-001",
    "ipv6 bgp summary vrf vrf-001",
    "bgp vrf vrf-001 ipv4 unicast summary",
    "bgp vrf vrf-001 ipv6 unicast summary",
    "bgp l2vpn evpn summary",
    "ip bgp neighbors vrf vrf-001",
    "ipv6 bgp neighbors vrf vrf-001",
    "ip route",
    "ip route vrf vrf-001",
    "ipv6 route vrf vrf-001",
    "ip route 192.168.1.11 vrf vrf-001",
    "ip route 9.9.9.9/32",
    "nve peers",
    "nve vni",
    "nve interface nve1 detail",
    "vpc",
    "vpc brief",
    "vpc peer-keepalive",
    "port-channel summary",
    "lacp neighbor",
    "interface",
    "interface brief",
    "interface status",
    "ip interface brief vrf all",
    "ip arp vrf vrf-001",
    "ip arp",
    "ipv6 neighbor vrf vrf-001",
    "mac address-table",
    "vlan brief",
)
CASES = (("leaf2101", LEAF), ("spine1", SPINE), ("leaf2101-leg-down", LEG_DOWN))


@pytest.mark.parametrize(("label", "commands"), CASES, ids=[label for label, _ in CASES])
def test_text(recorded: Recorded, label: str, commands: tuple[str, ...], golden: Goldens) -> None:
    switch = recorded(label)
    found = "".join(f"=== show {c}\n{show(switch, tuple(c.split()), as_json=False)}\n" for c in commands)
    golden(f"shows/{label}.txt", found)


@pytest.mark.parametrize(("label", "commands"), CASES, ids=[label for label, _ in CASES])
def test_json(recorded: Recorded, label: str, commands: tuple[str, ...], golden: Goldens) -> None:
    switch = recorded(label)
    bodies: dict[str, Any] = {}
    for command in commands:
        text = show(switch, tuple(command.split()), as_json=True)
        bodies[f"show {command}"] = json.loads(text) if text else None
    golden(f"shows/{label}.json", json.dumps(bodies, indent=1) + "\n")
