"""Rules of the fabric that types cannot say: numbers, gateway, switches, loopbacks."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from labctl.design.fabric import border_names, leaf_pairs, spine_names
from labctl.imagename import ROLES, image_trouble
from labctl.spec.keys import Cluster, Spec
from labctl.spec.validation import ADDRESSES, GATEWAY, NETWORK, PEERING, Judge, near, no_host
from labctl.yamldoc import Path

BACKUP_VLAN = 3600
RESERVED_ASNS = {
    23456: "stands for four-byte numbers (RFC 6793)",
    **dict.fromkeys((65535, 4294967295), "is reserved (RFC 7300)"),
}
OWN_VRFS = ("default", "management")


def switch_names(spec: Spec) -> Iterator[tuple[str, Path]]:
    """Every switch name, numbered ones included, with the place where it is written or would be."""
    for index, name in enumerate(spine_names(spec)):
        yield name, ("fabric", "spines", index)
    for index, pair in enumerate(leaf_pairs(spec)):
        for position, name in enumerate(pair.leafs):
            yield name, ("fabric", "leaf_pairs", index, "leafs", position)
    for index, name in enumerate(border_names(spec)):
        yield name, ("fabric", "borders", index)


def all_switches(spec: Spec) -> dict[str, str]:
    """Every switch and its role, numbered ones included."""
    roles = dict.fromkeys(spine_names(spec), "spine")
    roles |= {leaf: "leaf" for pair in leaf_pairs(spec) for leaf in pair.leafs}
    return roles | dict.fromkeys(border_names(spec), "border")


def numbers(it: Judge) -> None:
    """VLANs and VNIs of the VRF and the network, their names, and the gateway's MAC."""
    vrf = it.spec.fabric.vrfs[0]
    base: Path = ("fabric", "vrfs", 0)
    network = vrf.networks[0]
    if vrf.vni == network.vni:
        it.say("duplicate-vni", f"VNI {vrf.vni} is the VRF's and the network's", (*NETWORK, "vni"))
    if vrf.vlan == network.vlan:
        it.say("duplicate-vlan", f"VLAN {vrf.vlan} is the VRF's and the network's", (*NETWORK, "vlan"))
    for vlan, path in ((vrf.vlan, (*base, "vlan")), (network.vlan, (*NETWORK, "vlan"))):
        if vlan == BACKUP_VLAN:
            why = f"VLAN {BACKUP_VLAN} is taken: it carries the underlay over a physical peer-link"
            it.say("reserved-vlan", why, path, "take another one")
    if network.name.lower() in (f"l3vni-{vrf.name}"[:32].lower(), "underlay-backup"):
        why = f"another VLAN, which carries the L3VNI or the underlay, is called {network.name} too"
        it.warn("same-name", why, (*NETWORK, "name"), "another name")
    octets = bytes.fromhex(it.spec.fabric.anycast_mac.replace(".", ""))
    if octets[0] & 1 or not any(octets):
        what = "of no host" if not any(octets) else "a multicast or broadcast address"
        why = f"the gateway's MAC must be a unicast one, and {it.spec.fabric.anycast_mac} is {what}"
        it.say("bad-mac", why, ("fabric", "anycast_mac"), "as in 2020.0000.00aa")
    if vrf.name.lower() in OWN_VRFS:
        it.say("reserved-vrf", f"every NX-OS switch has a VRF {vrf.name.lower()} of its own", (*base, "name"))


def images(it: Judge) -> None:
    """Names that Docker takes, with a tag."""
    for role in ROLES:
        written = getattr(it.spec.images, role)
        trouble = image_trouble(written) if written is not None else None
        if trouble is not None:
            it.say(trouble[0], trouble[1], ("images", role), trouble[2])


def as_numbers(it: Judge) -> None:
    """eBGP needs two; some are nobody's."""
    rows: list[tuple[int, Path]] = [(it.spec.fabric.asn, ("fabric", "asn"))]
    if isinstance(it.spec.cluster, Cluster):
        rows.append((it.spec.cluster.asn, ("cluster", "asn")))
        if it.spec.cluster.asn == it.spec.fabric.asn:
            why = f"fabric and cluster both have AS {it.spec.fabric.asn}, and the leafs peer eBGP with the nodes"
            it.say("same-asn", why, ("cluster", "asn"), "two different numbers")
    for asn, path in rows:
        if asn in RESERVED_ASNS:
            it.say("reserved-asn", f"AS {asn} {RESERVED_ASNS[asn]}", path, "private ones are 64512 to 65534")


def gateway(it: Judge) -> None:
    """One address of each family that a host can have, in a network with room."""
    written = it.spec.fabric.vrfs[0].networks[0].gateway
    families = [address.version for address in written]
    if 4 not in families:
        it.say("no-ipv4-gateway", "the nodes' network needs an IPv4 gateway", GATEWAY)
    if len(set(families)) != len(families):
        it.say("two-gateways", "there are two gateways of one family", GATEWAY, "one IPv4 and one IPv6")
    for index, address in enumerate(written):
        _gateway(it, address, it.item(GATEWAY, index))


def _gateway(it: Judge, address: IPv4Interface | IPv6Interface, path: Path) -> None:
    network = address.network
    longest = 29 if address.version == 4 else 126
    if network.prefixlen == network.max_prefixlen:
        example = f"{address.ip}/{24 if address.version == 4 else 64}"
        it.say("bad-gateway", f"{address.ip} has no prefix length", path, f"for example {example}")
    elif not 8 <= network.prefixlen <= longest:
        it.say("bad-gateway", f"{address}: the prefix length must be 8 to {longest}", path)
    elif no_host(address.ip):
        it.say("bad-gateway", f"{address.ip} is {no_host(address.ip)}", path)
    elif address.ip == network.network_address:
        it.say("bad-gateway", f"{address} is the network's own address", path, f"{network[1]}/{network.prefixlen}")
    elif address.version == 4 and address.ip == network.broadcast_address:
        it.say("bad-gateway", f"{address} is the broadcast address", path, f"{network[1]}/{network.prefixlen}")


def switches(it: Judge) -> None:
    """There are some, pairs have two, and each peer-link is one that the target can do."""
    fabric = it.spec.fabric
    if not isinstance(fabric.spines, int) and not fabric.spines:
        it.say("no-spines", "a fabric needs a spine", ("fabric", "spines"))
    if not isinstance(fabric.leaf_pairs, int) and not fabric.leaf_pairs:
        it.say("no-leafs", "a fabric needs a leaf pair", ("fabric", "leaf_pairs"))
    peer_links: list[tuple[str | None, Path]] = [(fabric.peer_link, ("fabric", "peer_link"))]
    for index, pair in enumerate(fabric.leaf_pairs if not isinstance(fabric.leaf_pairs, int) else ()):
        path: Path = ("fabric", "leaf_pairs", index)
        peer_links.append((pair.peer_link, (*path, "peer_link")))
        if pair.leafs[0].lower() == pair.leafs[1].lower():
            it.say("same-leaf", f"a pair is two switches, and {pair.leafs[0]} is one", (*path, "leafs"))
    from labctl.peers import FABRIC_PEERING_SINCE, numbers

    if it.switch_target == "n9kv" and numbers(fabric.nxos)[:2] < FABRIC_PEERING_SINCE:
        for kind, path in peer_links:
            if kind == "fabric":
                why = f"a 9000v has vPC fabric peering from NX-OS 10.4 on, and this is {fabric.nxos}"
                it.say("fabric-peering", why, path, "peer_link: physical")


def addresses(it: Judge) -> None:
    """Addresses of single switches: of switches that exist, usable, each once (the plan's own come later)."""
    known, given = all_switches(it.spec), it.spec.fabric.addresses
    for name in given:
        if name not in known:
            it.say("no-such-switch", f"there is no switch {name}", (*ADDRESSES, name), near(name, known), key=True)
    loopbacks, vteps = [], []
    for name, chosen in given.items():
        for part in ("loopback0", "vtep", "vip"):
            address = getattr(chosen, part)
            if address is not None and no_host(address):
                it.say("no-host", f"{address} is {no_host(address)}", (*ADDRESSES, name, part))
        if chosen.loopback0:
            loopbacks.append((str(chosen.loopback0), f"loopback0 of {name}", (*ADDRESSES, name, "loopback0")))
        if chosen.vtep:
            vteps.append((str(chosen.vtep), f"the VTEP address of {name}", (*ADDRESSES, name, "vtep")))
    it.taken_once([*loopbacks, *vteps])


def loopbacks(it: Judge) -> None:
    """loopback1002: of leafs that exist, different in a pair."""
    vrf = it.spec.fabric.vrfs[0]
    roles = all_switches(it.spec)
    for leaf, written in vrf.peering_loopbacks.items():
        path: Path = (*PEERING, leaf)
        if roles.get(leaf) != "leaf":
            leafs = [name for name, role in roles.items() if role == "leaf"]
            it.say("no-such-leaf", f"there is no leaf {leaf}", path, near(leaf, leafs), key=True)
        if len({address.version for address in written}) != len(written):
            it.say("two-loopbacks", f"{leaf} has two addresses of one family", path, "one IPv4 and one IPv6")
        for index, address in enumerate(written):
            where = it.item(path, index)
            if no_host(address):
                it.say("no-host", f"{address} is {no_host(address)}", where)
            elif address.version not in {gateway.version for gateway in vrf.networks[0].gateway}:
                why = f"{address} is of IPv6, and the nodes' network has no gateway of it: no node peers with it"
                it.warn("no-ipv6-gateway", why, where)
    _same_in_a_pair(it)


def _same_in_a_pair(it: Judge) -> None:
    vrf = it.spec.fabric.vrfs[0]
    for pair in leaf_pairs(it.spec):
        mine = [vrf.peering_loopbacks.get(leaf, ()) for leaf in pair.leafs]
        for kind in (IPv4Address, IPv6Address):
            both = [next((a for a in found if isinstance(a, kind)), None) for found in mine]
            if both[0] is not None and both[0] == both[1]:
                why = f"{both[0]} is loopback1002 of {pair.leafs[0]} already; it may come again on another pair alone"
                it.say("duplicate-address", why, (*PEERING, pair.leafs[1]))
