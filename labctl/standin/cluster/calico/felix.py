"""What Felix programs, pure: the tunnel device, from 3.33 on its routes, and Calico's iptables chains (felix/rules/
static.go; design/cluster-route-programming)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, ip_network

from labctl.guest.api import Op
from labctl.kube.api import Json
from labctl.standin.cluster.calico.blocks import Network, borrowed
from labctl.standin.cluster.calico.cluster import ClusterState
from labctl.standin.cluster.firewall import Chains

PROTOCOL = 80
"""Felix's own in the kernel's routing tables (FelixConfiguration's deviceRouteProtocol)."""


def chains(pools: Sequence[Json], service_ranges: Sequence[Network]) -> list[Chains]:
    """natOutgoing, the source fix on tunl0, and no forwarding of service addresses that no rule has translated."""
    result = []
    for family in (4, 6):
        cidrs = [pool["spec"]["cidr"] for pool in pools if (":" in pool["spec"]["cidr"]) == (family == 6)]
        masquerade = [
            pool["spec"]["cidr"] for pool in pools if pool["spec"].get("natOutgoing") and pool["spec"]["cidr"] in cidrs
        ]
        outgoing = [f"-s {source} -d {target} -j RETURN" for source in masquerade for target in cidrs]
        outgoing += [f"-s {source} -j MASQUERADE" for source in masquerade]
        post = ["-j cali-nat-outgoing"]
        if family == 4:
            post.append(
                "-o tunl0 -m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL -j MASQUERADE"
            )
        result.append(
            Chains(
                family,
                "nat",
                {"POSTROUTING": ["-j cali-POSTROUTING"], "cali-POSTROUTING": post, "cali-nat-outgoing": outgoing},
            )
        )
        loops = [f"-d {network} -j DROP" for network in service_ranges if network.version == family]
        result.append(
            Chains(
                family,
                "filter",
                {"FORWARD": ["-j cali-FORWARD"], "cali-FORWARD": ["-j cali-cidr-block"], "cali-cidr-block": loops},
            )
        )
    return result


def tunnel(address: IPv4Address, mtu: int) -> list[Op]:
    """tunl0 with its address, up. A second time the first line is refused, which is fine."""
    return [
        Op("ip", "link add tunl0 type ipip local any remote any"),
        Op("ip", f"link set tunl0 mtu {mtu}"),
        Op("ip", f"addr replace {address}/32 dev tunl0"),
        Op("ip", "link set tunl0 up"),
    ]


def tunnel_routes(node: str, addresses: Mapping[str, str], cluster: ClusterState) -> dict[str, str]:
    """Network → address of the node that has it, for all of the other nodes' blocks in IPIP pools and what they borrow.

    It is the datastore's word, whatever BGP says. ``addresses``: of the nodes, by name.
    """
    pools = [ip_network(it["spec"]["cidr"]) for it in cluster.items("pools") if it["spec"].get("ipipMode") == "Always"]
    rows = [
        (str(item["spec"]["node"]), ip_network(item["spec"]["cidr"]))
        for item in cluster.items("affinities")
        if item["spec"]["state"] in ("confirmed", "")
    ]
    rows += [
        (name, ip_network(address)) for item in cluster.items("blocks") for name in addresses
        for address in borrowed(item, name)
    ]  # fmt: skip
    inside = ((name, network) for name, network in rows if any(_within(network, pool) for pool in pools))
    return {str(network): addresses[name] for name, network in inside if name != node and name in addresses}


def _within(network: Network, pool: Network) -> bool:
    return network.version == pool.version and network.subnet_of(pool)  # type: ignore[arg-type]


def route_changes(before: Mapping[str, str], wanted: Mapping[str, str]) -> list[Op]:
    """From the routes that are there to those that are wanted."""
    gone = [Op("ip", f"route del {network} dev tunl0 proto {PROTOCOL}") for network in before if network not in wanted]
    return gone + [
        Op("ip", f"route replace {network} via {via} dev tunl0 onlink proto {PROTOCOL}")
        for network, via in wanted.items()
        if before.get(network) != via
    ]


def no_tunnel() -> list[Op]:
    return [Op("ip", "link set tunl0 down"), Op("ip", "addr flush dev tunl0")]
