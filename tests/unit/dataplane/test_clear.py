"""``clear ip bgp`` in FRR's words."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.standin.switch.dataplane.platform import FrrPlatform
from labctl.standin.switch.platform import SwitchIdentity


class Vty:
    """Takes every command; ``answer`` is what bgpd says."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    def show(self, daemon: str, command: str) -> str:
        self.asked.append((daemon, command))
        return self.answer


def platform(answer: str = "") -> tuple[FrrPlatform, Vty]:
    nobody: Any = None
    found, vty = FrrPlatform(nobody, SwitchIdentity("leaf1", None, {})), Vty(answer)
    found.daemons = vty  # type: ignore[assignment]
    return found, vty


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("ip bgp vrf red 10.0.0.1", "clear bgp vrf red 10.0.0.1"),
        ("ip bgp 10.0.0.1 vrf red", "clear bgp vrf red 10.0.0.1"),
        ("ip bgp 10.0.0.1", "clear bgp 10.0.0.1"),
        ("ipv6 bgp vrf red 2001:db8::1", "clear bgp vrf red 2001:db8::1"),
        ("ip bgp vrf red *", "clear bgp vrf red ipv4 unicast *"),
        ("ipv6 bgp * vrf red", "clear bgp vrf red ipv6 unicast *"),
    ],
)
def test_words(words: str, command: str) -> None:
    switch, vty = platform()
    assert switch.clear(tuple(words.split())) == ""
    assert vty.asked == [("bgpd", command)]


def test_a_neighbor_that_bgpd_does_not_know() -> None:
    switch, _ = platform("% BGP: No peer with 10.0.0.9\n")
    assert switch.clear(("ip", "bgp", "10.0.0.9")) == "ERROR: BGP: No peer with 10.0.0.9"
