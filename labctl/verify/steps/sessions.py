"""Whether BGP sessions were reset: by what the switch itself counts of each neighbor. Pure.

``show ip bgp neighbors``: ``connsestablished`` and ``connsdropped`` (NX-OS JSON) grow with each new session, so a
session that was down between two looks shows, too, however short it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labctl.verify.judges import rows
from labctl.verify.verdict import Judgement

COMMAND = {"ipv4": "show ip bgp neighbors", "ipv6": "show ipv6 bgp neighbors"}
ADDRESS_KEYS = ("neighbor", "ipv6neighbor", "ipv4neighbor")


@dataclass(frozen=True, slots=True)
class Counted:
    """What a switch says of one neighbor. ``up``: how long, in its words."""

    state: str
    established: int
    dropped: int
    up: str


def counted(body: Any) -> dict[str, Counted]:
    """Address → what is counted."""
    found = {}
    for row in rows(body, "neighbor"):
        address = next((str(row[key]) for key in ADDRESS_KEYS if key in row), None)
        if address is not None and "connsestablished" in row:
            found[address] = Counted(
                str(row.get("state")),
                int(row["connsestablished"]),
                int(row.get("connsdropped") or 0),
                str(row.get("elapsedtime") or "-"),
            )
    return found


def unbroken(switch: str, neighbor: str, before: Mapping[str, Counted], body: Any) -> Judgement:
    """Established, by the same connection as before."""
    then, now = before.get(neighbor), counted(body).get(neighbor)
    if then is None:
        return Judgement("INCONCLUSIVE", f"{switch}: neighbor {neighbor} was not there when the scenario began")
    expected = {"state": "Established", "connections": then.established, "dropped": then.dropped}
    if now is None:
        return Judgement("FAIL", f"{switch}: neighbor {neighbor} is not there any more", expected, None)
    seen = {"state": now.state, "connections": now.established, "dropped": now.dropped, "up_for": now.up}
    if now.state != "Established":
        return Judgement("FAIL", f"{switch}: session with {neighbor} is {now.state}", expected, seen)
    if (now.established, now.dropped) != (then.established, then.dropped):
        why = f"{now.established} connections and {now.dropped} dropped, {then.established} and {then.dropped} before"
        return Judgement("FAIL", f"{switch}: session with {neighbor} was reset: {why}", expected, seen)
    return Judgement("PASS", f"{switch}: session with {neighbor} is unbroken, up for {now.up}", expected, seen)


def reset(switch: str, neighbor: str, before: Mapping[str, Counted], body: Any) -> Judgement:
    """Established again, by a newer connection than before."""
    then, now = before.get(neighbor), counted(body).get(neighbor)
    if then is None:
        return Judgement("INCONCLUSIVE", f"{switch}: neighbor {neighbor} was not there when the scenario began")
    expected = {"state": "Established", "connections": f"more than {then.established}"}
    if now is None:
        return Judgement("FAIL", f"{switch}: neighbor {neighbor} is not there any more", expected, None)
    seen = {"state": now.state, "connections": now.established, "dropped": now.dropped, "up_for": now.up}
    if now.state != "Established":
        return Judgement("FAIL", f"{switch}: session with {neighbor} is {now.state}", expected, seen)
    if now.established <= then.established:
        return Judgement("FAIL", f"{switch}: session with {neighbor} was not reset", expected, seen)
    return Judgement("PASS", f"{switch}: session with {neighbor} is a new one, up for {now.up}", expected, seen)
