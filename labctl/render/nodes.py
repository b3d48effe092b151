"""``nodes/<node>.sh``: bond0, addresses and routes of each node that is no switch. Safe to run twice.

Everything goes through few ``ip -batch`` calls: in a small guest a process costs more than what it does.
"""

from __future__ import annotations

from labctl.design.design import Design, External, Network, Node
from labctl.render.templating import render


def files(design: Design) -> dict[str, str]:
    """Path inside the folder → text."""
    result = {f"nodes/{external.name}.sh": _external(design, external) for external in design.externals}
    if design.cluster:
        result |= {f"nodes/{node.name}.sh": _node(design, node) for node in design.cluster.nodes}
    return result


def _node(design: Design, node: Node) -> str:
    assert design.cluster is not None  # noqa: S101 - it is one of its nodes
    leafs = [design.switch(name) for name in node.leafs]
    routes, routes6 = _loopback_routes(design, [leaf.peering for leaf in leafs], [leaf.peering6 for leaf in leafs])
    return render(
        "node.sh.j2", node=node, vrf=design.vrf, mac=_mac(node), mtu=design.cluster.mtu, routes=routes, routes6=routes6
    )


def _mac(node: Node) -> str:
    """Locally administered (IEEE 802, the second bit), with the node's IPv4 address in it."""
    return ":".join(["02", "00", *(f"{byte:02x}" for byte in node.address.ip.packed)])


def _loopback_routes(design: Design, loopbacks: list[object], loopbacks6: list[object]) -> tuple[list[str], list[str]]:
    """The paper's two routes cover all loopbacks of a plan (a /24 and a /64); odd addresses get their own."""
    from ipaddress import ip_network

    routes = sorted({str(ip_network(f"{address}/24", strict=False)) for address in loopbacks if address})
    routes6 = sorted({str(ip_network(f"{address}/64", strict=False)) for address in loopbacks6 if address})
    return routes, routes6 if design.vrf.gateway6 else []


def _external(design: Design, external: External) -> str:
    cluster = design.cluster
    inside: list[Network] = [design.vrf.gateway.network]
    if design.vrf.gateway6:
        inside.append(design.vrf.gateway6.network)
    if cluster:
        inside += [pool.cidr for pool in cluster.pools]
        inside += [*cluster.services, *cluster.external_ips]
    covered = [n for n in inside if not any(n != o and n.version == o.version and n.subnet_of(o) for o in inside)]  # type: ignore[arg-type]
    own = [_owned(network) for network in external.port.announces]
    sources = {version: next((a.split("/")[0] for v, a in own if v == version), None) for version in (4, 6)}
    return render("external.sh.j2", external=external, inside=covered, own=[a for _, a in own], sources=sources)


def _owned(network: Network) -> tuple[int, str]:
    """An address of a prefix: its first host (or the address itself)."""
    longest = 32 if network.version == 4 else 128
    address = network.network_address if network.prefixlen == longest else network[1]
    return network.version, f"{address}/{longest}"
