"""What Felix programs beside routes, pure: the tunnel device and Calico's iptables chains (felix/rules/static.go)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

from labctl.guest.api import Op
from labctl.kube.api import Json
from labctl.standin.cluster.calico.blocks import Network
from labctl.standin.cluster.firewall import Chains


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


def no_tunnel() -> list[Op]:
    return [Op("ip", "link set tunl0 down"), Op("ip", "addr flush dev tunl0")]
