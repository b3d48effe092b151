"""The judges: inputs and observations in, a judgement out. Nothing here asks anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labctl.bonding import NO_PARTNER, Bond, parse_bond
from labctl.verify.inputs import ChannelInput, CopyInput, LacpInput, UnderlayInput, VpcInput
from labctl.verify.verdict import Judgement


def rows(body: Any, *names: str) -> list[Mapping[str, Any]]:
    """Rows of nested ``TABLE_x``/``ROW_x`` of NX-OS JSON, whether an object or an array."""
    current: list[Mapping[str, Any]] = [body] if isinstance(body, Mapping) else []
    for name in names:
        following: list[Mapping[str, Any]] = []
        for item in current:
            found = (
                (item.get(f"TABLE_{name}") or {}).get(f"ROW_{name}")
                if isinstance(item.get(f"TABLE_{name}"), Mapping)
                else None
            )
            following += found if isinstance(found, list) else [found] if isinstance(found, Mapping) else []
        current = following
    return current


def neighbors(body: Any) -> dict[str, Mapping[str, Any]]:
    """Address → row of a BGP summary's neighbor table."""
    return {str(row["neighborid"]): row for row in rows(body, "vrf", "af", "saf", "neighbor")}


def lacp(check: LacpInput, text: str) -> Judgement:
    """Every member of a node's bond distributes, in one aggregator, towards one partner."""
    bond = parse_bond(text)
    carrying = {member.name for member in bond.carrying}
    seen = {
        member.name: {
            "up": member.up, "aggregator": member.aggregator, "actor_state": member.actor_state,
            "partner_state": member.partner_state, "partner": member.partner_mac,
        }
        for member in bond.members
    }  # fmt: skip
    expected = {"distributing": list(check.members), "partner": "one"}
    missing = [name for name in check.members if name not in carrying]
    if missing:
        words = [_member_trouble(name, seen.get(name), bond) for name in missing]
        return Judgement("FAIL", f"{check.node}: {'; '.join(words)}", expected, seen)
    return Judgement(
        "PASS", f"{check.node}: {' and '.join(check.members)} distribute to {bond.partner_mac}", expected, seen
    )


def _member_trouble(name: str, row: Mapping[str, Any] | None, bond: Bond) -> str:
    if row is None:
        return f"{name} is no member of the bond"
    if not row["up"]:
        return f"{name} is down"
    if row["partner"] == NO_PARTNER:
        return f"{name} hears no LACP partner: the port at its other end is shut, suspended or speaks no LACP"
    if row["aggregator"] != bond.active_aggregator:
        return (
            f"{name} is in aggregator {row['aggregator']}, not in the active {bond.active_aggregator}: "
            f"its partner is {row['partner']}, that of the others {bond.partner_mac}"
        )
    return f"{name} does not distribute (actor state {row['actor_state']}, partner state {row['partner_state']})"


def port_channel(switch: str, check: ChannelInput, body: Any) -> Judgement:
    """Every member of a leaf's port-channel is bundled."""
    found = next((row for row in rows(body, "channel") if str(row.get("group")) == str(check.channel)), None)
    expected = dict.fromkeys(check.members, "P")
    if found is None:
        return Judgement("FAIL", f"{switch}: there is no port-channel{check.channel}", expected, None)
    seen = {str(row["port"]): str(row["port-status"]) for row in rows(found, "member")}
    wrong = [f"{name} is {flag_words(seen.get(name))}" for name in check.members if seen.get(name) != "P"]
    if wrong:
        return Judgement("FAIL", f"{switch}: port-channel{check.channel}: {', '.join(wrong)}", expected, seen)
    return Judgement(
        "PASS", f"{switch}: port-channel{check.channel} bundles {', '.join(check.members)}", expected, seen
    )


def flag_words(flag: str | None) -> str:
    """NX-OS's member flag in words."""
    words = {"D": "down", "s": "suspended", "I": "individual", "H": "hot-standby", "P": "bundled"}
    return "not a member" if flag is None else f"{words.get(flag, 'in state')} ({flag})"


def vpc(check: VpcInput, body: Any) -> Judgement:
    """Peer there, configuration consistent, every vPC up."""
    up = {str(number): "up" for number in check.vpcs}
    expected = {"peer": "peer-ok", "consistency": "consistent", "vpcs": up, "inconsistent_vpcs": []}
    legs = {str(row["vpc-id"]): row for row in rows(body, "vpc")}
    vpcs = {number: "up" if str(row.get("vpc-port-state")) == "1" else "down" for number, row in legs.items()}
    unlike = [
        number
        for number, row in legs.items()
        if str(row.get("vpc-consistency")) != "consistent" and int(number) in check.vpcs
    ]
    seen = {
        "peer": body.get("vpc-peer-status") if isinstance(body, Mapping) else None,
        "consistency": body.get("vpc-peer-consistency") if isinstance(body, Mapping) else None,
        "vpcs": vpcs,
        "inconsistent_vpcs": unlike,
    }
    wrong = []
    if seen["peer"] != "peer-ok":
        wrong.append(f"peer status is {seen['peer']}")
    if seen["consistency"] != "consistent":
        wrong.append(f"configuration is {seen['consistency']}")
    wrong += [
        f"vPC {number} is {vpcs.get(str(number), 'not there')}"
        for number in check.vpcs
        if vpcs.get(str(number)) != "up"
    ]
    wrong += [f"vPC {number} is not consistent with the peer" for number in unlike]
    if wrong:
        return Judgement("FAIL", f"{check.switch}: {'; '.join(dict.fromkeys(wrong))}", expected, seen)
    return Judgement("PASS", f"{check.switch}: peer ok, {len(check.vpcs)} vPCs up and consistent", expected, seen)


def underlay(check: UnderlayInput, body: Any) -> Judgement:
    """Every OSPF neighbour is there, FULL on one link at least."""
    expected = dict.fromkeys(check.neighbors, "FULL")
    seen: dict[str, str] = {}
    for row in rows(body, "ctx", "nbr"):
        neighbor, state = str(row.get("rid")), str(row.get("state")).partition("/")[0].strip().upper()
        seen[neighbor] = "FULL" if seen.get(neighbor) == "FULL" else state
    wrong = [f"{name} is {seen.get(name, 'not there')}" for name in check.neighbors if seen.get(name) != "FULL"]
    if wrong:
        return Judgement("FAIL", f"{check.switch}: OSPF neighbor {', '.join(wrong)}", expected, seen)
    return Judgement("PASS", f"{check.switch}: {len(expected)} OSPF neighbors are FULL", expected, seen)


def as_number(text: str) -> int:
    """``65531`` or ``1.10`` (RFC 5396, asdot) as a number; 0 for anything else."""
    high, dot, low = text.rpartition(".")
    if not low.isdecimal() or (dot and not high.isdecimal()):
        return 0
    return (int(high or 0) << 16) + int(low)


def session(switch: str, neighbor: str, asn: int | None, body: Any) -> Judgement:
    """A neighbor is Established, with the right AS."""
    expected = {"state": "Established", **({"asn": asn} if asn is not None else {})}
    row = neighbors(body).get(neighbor)
    if row is None:
        known = ", ".join(neighbors(body)) or "none"
        return Judgement(
            "FAIL", f"{switch}: neighbor {neighbor} is not configured (there are: {known})", expected, None
        )
    seen = {"state": row.get("state"), "asn": as_number(str(row.get("neighboras") or 0))}
    if asn is not None and seen["asn"] != asn:
        return Judgement(
            "FAIL",
            f"{switch}: neighbor {neighbor} is configured with AS {seen['asn']}, not {asn}, and is {seen['state']}",
            expected,
            seen,
        )
    if seen["state"] != "Established":
        return Judgement("FAIL", f"{switch}: neighbor {neighbor} is {seen['state']}, not Established", expected, seen)
    return Judgement("PASS", f"{switch}: neighbor {neighbor} is Established", expected, seen)


def prefixes(switch: str, node: str, neighbor: str, expected: Sequence[str], body: Any) -> Judgement:
    """PfxRcd is the number that Calico's rules give."""
    row = neighbors(body).get(neighbor)
    wanted = {"count": len(expected), "prefixes": list(expected)}
    if row is None or row.get("state") != "Established":
        state = row.get("state") if row else "not configured"
        return Judgement("FAIL", f"{switch}: no prefixes of {node}: neighbor {neighbor} is {state}", wanted, None)
    count = int(row.get("prefixreceived") or 0)
    if count != len(expected):
        return Judgement(
            "FAIL",
            f"{switch}: {count} prefixes received from {node} ({neighbor}), "
            f"expected {len(expected)}: {', '.join(expected)}",
            wanted,
            count,
        )
    return Judgement("PASS", f"{switch}: {count} prefixes from {node} ({neighbor})", wanted, count)


def route_by(switch: str, prefix: str, some_of: Sequence[str], body: Any) -> Judgement:
    """A route has next hops, all of them among these: how many there are, ``maximum-paths`` decides."""
    expected = {"prefix": prefix, "next_hops_among": list(some_of)}
    found = next((row for row in rows(body, "vrf", "addrf", "prefix") if row.get("ipprefix") == prefix), None)
    hops = _best_hops(rows(found, "path")) if found is not None else []
    seen = {"prefix": prefix, "next_hops": hops}
    if not hops:
        return Judgement("FAIL", f"{switch}: no route to {prefix}", expected, seen)
    wrong = [hop for hop in hops if hop not in some_of]
    if wrong:
        among = ", ".join(some_of)
        return Judgement(
            "FAIL", f"{switch}: {prefix} has next hops {', '.join(wrong)}, not among {among}", expected, seen
        )
    return Judgement("PASS", f"{switch}: {prefix} via {', '.join(hops)}", expected, seen)


def only_copy(check: CopyInput, body: Any) -> Judgement:
    """A route to an address that several pairs have leads to none of the other pairs; having no route is fine."""
    expected = {"prefix": check.prefix, "not_by": dict(check.others)}
    found = next((row for row in rows(body, "vrf", "addrf", "prefix") if row.get("ipprefix") == check.prefix), None)
    hops = _best_hops(rows(found, "path")) if found is not None else []
    seen = {"prefix": check.prefix, "next_hops": hops}
    wrong = [f"{check.others[hop]} ({hop})" for hop in hops if hop in check.others]
    if wrong:
        return Judgement(
            "FAIL",
            f"{check.switch}: {check.prefix} is duplicated: it is reached at {' and '.join(wrong)}, "
            "which has the same address in another pair (is its colour missing?)",
            expected,
            seen,
        )
    where = f"reached via {', '.join(hops)} alone" if any(hops) else "its own" if found is not None else "not known"
    return Judgement("PASS", f"{check.switch}: {check.prefix} is {where}, no copy of another pair", expected, seen)


def _best_hops(paths: Sequence[Mapping[str, Any]]) -> list[str]:
    """Next hops of the best paths, without the VRF behind ``%`` and the IPv6 form of an IPv4 VTEP."""
    return sorted(
        {
            str(row.get("ipnexthop", "")).removeprefix("::ffff:").partition("%")[0]
            for row in paths
            if row.get("ubest") == "true"
        }
    )


def route(
    switch: str,
    prefix: str,
    next_hops: Sequence[str],
    segment: int | None,
    body: Any,
    marks: Mapping[str, int] | None = None,
) -> Judgement:
    """A route has exactly these next hops, and comes over VXLAN where a segment is asked for.

    ``marks``: preference and tag that every path is to have.
    """
    expected = {"prefix": prefix, "next_hops": sorted(next_hops), **({"segment": segment} if segment else {})}
    expected |= marks or {}
    found = next((row for row in rows(body, "vrf", "addrf", "prefix") if row.get("ipprefix") == prefix), None)
    if found is None:
        return Judgement("FAIL", f"{switch}: no route to {prefix}", expected, None)
    paths = rows(found, "path")
    hops = _best_hops(paths)
    seen: dict[str, Any] = {"prefix": prefix, "next_hops": hops}
    segments = {int(row["segmentid"]) for row in paths if row.get("segmentid")}
    if segments:
        seen["segment"] = sorted(segments)[0]
    if hops != sorted(next_hops):
        return Judgement(
            "FAIL",
            f"{switch}: {prefix} has next hops {', '.join(hops) or 'none'}, "
            f"expected {', '.join(sorted(next_hops)) or 'none'}",
            expected,
            seen,
        )
    if segment and segments and segments != {segment}:
        return Judgement(
            "FAIL", f"{switch}: {prefix} is in segment {sorted(segments)}, expected {segment}", expected, seen
        )
    for name, key in (("preference", "pref"), ("tag", "tag")):
        if marks and name in marks:
            found_marks = {int(row.get(key) or 0) for row in paths if row.get("ubest") == "true"}
            seen[name] = sorted(found_marks)[0] if len(found_marks) == 1 else sorted(found_marks)
            if found_marks != {marks[name]}:
                words = f"{switch}: {prefix} has {name} {seen[name]}, expected {marks[name]}"
                return Judgement("FAIL", words, expected, seen)
    over = f" over VXLAN segment {segment}" if segment and segments else ""
    return Judgement("PASS", f"{switch}: {prefix} via {', '.join(hops)}{over}", expected, seen)
