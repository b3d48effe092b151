"""FRR's daemons of a switch: what is done before one ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from labctl.guest.api import VtyReply
from labctl.standin.switch.dataplane import platform as daemons
from labctl.standin.switch.dataplane.platform import FrrDaemons

BGPD = """\
hostname leaf2102
router bgp 65102
 address-family l2vpn evpn
  neighbor 10.2.1.5 activate
  advertise-all-vni
 exit-address-family
exit
"""


@dataclass
class Guest:
    """The agent: daemons that listen at once; zebra forgets EVPN after it was asked for the n-th time."""

    forgets_after: int = 1
    done: list[str] = field(default_factory=list)
    evpn_asked: int = 0

    def run(self, argv: Sequence[str]) -> Any:
        class Good:
            code = 0

        return Good()

    def write_file(self, *_: Any, **__: Any) -> None: ...

    def start(self, argv: Sequence[str], **_: Any) -> int:
        return {"zebra": 1, "bgpd": 2}[argv[0].rpartition("/")[2]]

    def signal(self, pid: int, number: int) -> None:
        self.done.append(f"signal {pid} {number}")

    def vty(self, path: str, commands: Sequence[str]) -> list[VtyReply]:
        name = path.rpartition("/")[2]
        replies = []
        for command in commands:
            text = ""
            if command == "show evpn":
                self.evpn_asked += 1
                text = "" if self.evpn_asked > self.forgets_after else "L2 VNIs: 1"
            if command != "show version":
                self.done.append(f"{name}: {command}")
            replies.append(VtyReply(text, 0))
        return replies


def switch(guest: Guest, bgpd: str = BGPD) -> FrrDaemons:
    found = FrrDaemons(guest, "leaf2102", "leaf2102")  # type: ignore[arg-type]
    assert found.apply({"zebra": "hostname leaf2102\n", "bgpd": bgpd}) == []
    guest.done.clear()
    return found


def test_zebra_forgets_evpn_before_bgpd_ends() -> None:
    """Otherwise a bgpd that comes later is told of segments and not of their VNIs."""
    guest = Guest(forgets_after=2)
    found = switch(guest)
    assert found.apply({"zebra": "hostname leaf2102\n"}) == []
    assert guest.done == [
        "bgpd.vty: configure terminal", "bgpd.vty: router bgp 65102", "bgpd.vty: address-family l2vpn evpn",
        "bgpd.vty: no advertise-all-vni", "bgpd.vty: end",
        "zebra.vty: show evpn", "zebra.vty: show evpn", "zebra.vty: show evpn", "signal 2 15",
    ]  # fmt: skip
    assert found.show("bgpd", "show version") == ""


def test_a_bgpd_without_evpn_just_ends() -> None:
    guest = Guest()
    switch(guest, "router bgp 65102\n").apply({"zebra": "hostname leaf2102\n"})
    assert guest.done == ["signal 2 15"]


def test_a_zebra_that_does_not_forget_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "WITHDRAW_LIMIT", 0.05)
    guest = Guest(forgets_after=1000)
    (said,) = switch(guest).apply({"zebra": "hostname leaf2102\n"})
    assert said.startswith("zebra: zebra still has EVPN's VNIs")
    assert guest.done[-1] == "signal 2 15"
