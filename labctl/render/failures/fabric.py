"""Failures of links and switches."""

from __future__ import annotations

from labctl.design.design import Node
from labctl.render.failures.parts import LOOK_SECONDS, PROVEN_SECONDS, Facts, Step, expect, fault, unbroken


def bond_member(it: Facts) -> Step:
    """The white paper: "The BGP peering won't get affected during interface failures towards the calico node"."""
    leaf, node = it.leaf.name, it.sender.name
    port = next(row for row in it.leaf.node_ports if row.node == node)
    gone = port.node_interface
    kept = next(row.node_interface for row in it.other.node_ports if row.node == node)
    return {
        "title": f"a bond member of {node} down and back",
        "steps": [
            *it.traffic(),
            fault("member", "shutdown", {"switch": leaf, "interface": port.interface}),
            expect("member-down", "bond", {"node": node, "up": [kept], "down": [gone]}),
            expect("leg-down", "port_channel", {"switch": leaf, "node": node, "is": "down"}),
            unbroken("sessions-during", hold=PROVEN_SECONDS),
            {"heal": "member"},
            expect("member-back", "bond", {"node": node, "up": [gone, kept]}),
            expect("leg-back", "port_channel", {"switch": leaf, "node": node, "is": "up"}),
            unbroken("sessions-after", hold=LOOK_SECONDS),
            *it.losses("bond-member"),
        ],
    }


def _silenced(it: Facts) -> list[Step]:
    """A leaf that is gone sends no keepalive, and one that is cut off does: then the secondary of the pair takes its
    own legs down. So the keepalive goes first. (A stand-in sees its peer by its own echo requests, not by the peer's.)
    """
    if it.leaf.vpc is None:
        return []
    seen_by = [it.leaf.name, *([it.other.name] if it.design.target.switch == "n9kv" else [])]
    return [
        fault("keepalive", "keepalive", it.leaf.name),
        expect("silent", "vpc", {"switch": seen_by, "keepalive": "down"}),
    ]


def leaf(it: Facts) -> Step:
    leaf, other = it.leaf.name, it.other.name
    legs = [expect(f"bond-{node.name}", "bond", {"node": node.name, **_members(it, node)}) for node in it.nodes]
    return {
        "title": f"{leaf} cut off and back",
        "steps": [
            *it.traffic(),
            *_silenced(it),
            fault("leaf", "isolate", leaf),
            *legs,
            unbroken("other-leaf-during", switch=other, hold=PROVEN_SECONDS),
            {"heal": "all"},
            *(
                expect(f"bond-{node.name}-back", "bond", {"node": node.name, "up": _both(it, node)})
                for node in it.nodes
            ),
            expect("sessions-back", "sessions", {"switch": leaf, "are": "up"}),
            unbroken("other-leaf-after", switch=other, hold=LOOK_SECONDS),
            *it.losses("leaf"),
        ],
    }


def _members(it: Facts, node: Node) -> dict[str, list[str]]:
    """The bond of a node while the first leaf is cut off."""
    gone, kept = _both(it, node)
    return {"up": [kept], "down": [gone]}


def _both(it: Facts, node: Node) -> list[str]:
    return [
        next(row.node_interface for row in leaf.node_ports if row.node == node.name) for leaf in (it.leaf, it.other)
    ]


def leaf_uplink(it: Facts) -> Step | None:
    if len(it.design.by_role("spine")) < 2:
        return None
    uplink = it.leaf.uplinks[0]
    return {
        "title": f"the uplink of {it.leaf.name} to {uplink.peer} down and back",
        "steps": [
            *it.traffic(),
            fault("uplink", "shutdown", {"switch": it.leaf.name, "interface": uplink.interface}),
            unbroken("sessions-during", hold=LOOK_SECONDS),
            {"heal": "uplink"},
            unbroken("sessions-after", hold=LOOK_SECONDS),
            *it.losses("leaf-uplink"),
        ],
    }


def spine(it: Facts) -> Step | None:
    spines = it.design.by_role("spine")
    if len(spines) < 2:
        return None
    leafs = [switch.name for switch in it.design.switches if switch.role != "spine"]
    gone, kept = spines[0], [str(spine.loopback0) for spine in spines[1:]]
    return {
        "title": f"{gone.name} cut off and back",
        "steps": [
            *it.traffic(),
            fault("spine", "isolate", gone.name),
            expect("other-spines", "evpn", {"switch": leafs, "neighbor": kept, "are": "up"}, hold=LOOK_SECONDS),
            unbroken("sessions-during", hold=LOOK_SECONDS),
            {"heal": "spine"},
            expect("evpn-back", "evpn", {"switch": leafs, "are": "up"}),
            unbroken("sessions-after", hold=LOOK_SECONDS),
            *it.losses("spine"),
        ],
    }


def peer_link(it: Facts) -> Step | None:
    if it.leaf.vpc is None:
        return None
    leafs = [it.leaf.name, it.other.name]
    what = "virtual" if it.leaf.vpc.peer_link == "fabric" else "physical"
    return {
        "title": f"the {what} peer-link of {' and '.join(leafs)} down and back",
        "steps": [
            *it.traffic(),
            fault("peer-link", "peer_link", it.leaf.name),
            expect("peer-link-down", "vpc", {"switch": it.leaf.name, "peer": "down"}),
            expect("other-spines", "evpn", {"switch": leafs, "are": "up"}, hold=LOOK_SECONDS),
            {"heal": "peer-link"},
            expect("peer-link-back", "vpc", {"switch": leafs, "peer": "ok"}),
            *it.losses("peer-link"),
        ],
    }


def keepalive(it: Facts) -> Step | None:
    if it.leaf.vpc is None:
        return None
    leafs = [it.leaf.name, it.other.name]
    return {
        "title": f"the vPC keepalive of {it.leaf.name} lost and back",
        "steps": [
            *it.traffic(),
            fault("keepalive", "keepalive", it.leaf.name),
            expect("keepalive-down", "vpc", {"switch": it.leaf.name, "keepalive": "down"}),
            expect("peer-stays", "vpc", {"switch": leafs, "peer": "ok"}, hold=LOOK_SECONDS),
            unbroken("sessions-during", hold=LOOK_SECONDS),
            {"heal": "keepalive"},
            expect("keepalive-back", "vpc", {"switch": leafs, "keepalive": "alive", "peer": "ok"}),
            unbroken("sessions-after"),
            *it.losses("keepalive"),
        ],
    }
