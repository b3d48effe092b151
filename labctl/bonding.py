"""``/proc/net/bonding/bond0`` of a node: what the kernel says of LACP (Linux, Documentation/networking/bonding.rst).

An actor or partner state is a byte of IEEE 802.1AX flags: 0x01 activity … 0x08 synchronisation, 0x10 collecting,
0x20 distributing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WORKING = 0x08 | 0x10 | 0x20
NO_PARTNER = "00:00:00:00:00:00"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a bond."""

    name: str
    up: bool
    aggregator: int
    actor_state: int
    partner_mac: str
    partner_state: int

    @property
    def distributing(self) -> bool:
        """Both ends synchronised, collecting and distributing."""
        return self.up and self.actor_state & WORKING == WORKING and self.partner_state & WORKING == WORKING


@dataclass(frozen=True, slots=True)
class Bond:
    """A bond with the aggregator that is active."""

    active_aggregator: int
    partner_mac: str
    members: tuple[Member, ...]

    @property
    def carrying(self) -> tuple[Member, ...]:
        """Members of the active aggregator that distribute."""
        return tuple(
            member for member in self.members if member.distributing and member.aggregator == self.active_aggregator
        )


def parse_bond(text: str) -> Bond:
    """The kernel's text."""
    head, *slaves = re.split(r"\n(?=Slave Interface: )", text)
    aggregator = int(_found(head, r"Aggregator ID: (\d+)") or 0)
    return Bond(aggregator, _found(head, r"Partner Mac Address: (\S+)"), tuple(map(_member, slaves)))


def _member(text: str) -> Member:
    actor, _, partner = text.partition("details partner lacp pdu")
    return Member(
        _found(text, r"Slave Interface: (\S+)"),
        _found(text, r"MII Status: (\S+)") == "up",
        int(_found(text, r"Aggregator ID: (\d+)") or 0),
        int(_found(actor, r"port state: (\d+)") or 0),
        _found(partner, r"system mac address: (\S+)"),
        int(_found(partner, r"port state: (\d+)") or 0),
    )


def _found(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def bond_trouble(text: str) -> str | None:
    """Why a bond carries nothing; None when at least one member does."""
    bond = parse_bond(text)
    if bond.carrying:
        return None
    if bond.partner_mac in ("", NO_PARTNER):
        return "no LACP partner"
    states = ", ".join(
        f"{member.name} actor {member.actor_state} partner {member.partner_state}" for member in bond.members
    )
    return f"no member distributes ({states})"
