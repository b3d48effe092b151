"""The paper's tables and listings that are no figure: of leafs, of hosts, of the two use cases."""

from __future__ import annotations

from labctl.paper.figures import CONFIGURATION, DESIGN, DISTRIBUTION
from labctl.paper.row import Mode, Row

IPIP = "Use case of Calico ipipMode"
CLUSTER_IP = "Use case of Service ClusterIP"
USE_CASES = "whitepaper-usecases"
COLOURED = "coloured-pairs"


def _table(name: str, title: str, place: str, *checks: str, prints: tuple[str, ...] = (), note: str = "",
           mode: Mode = "routed", lab: str = "whitepaper") -> Row:  # fmt: skip
    return Row(f"table-{name}", "table", title, place, checks, mode, prints, note, lab)


TABLES: tuple[Row, ...] = (
    _table(
        "addresses", "IP allocation schema", "IP allocation schema", "cluster.address.*", "leafs.gateway.*",
        prints=("192.168.1.1/24", "192.168.1.10/24", "192.168.1.11/24", "192.168.1.13/24", "AS 65102", "AS 65531"),
        note="the master's IPv6 address is the one of all later listings, inside the gateway's /64",
    ),
    _table(
        "loopbacks", "loopback1002 of both leafs", DESIGN, "leafs.loopback.*",
        prints=("192.168.100.1/32 tag 6789", "192.168.100.2/32 tag 6789", "2001:193:168:1::4", "2001:193:168:1::5"),
    ),
    _table("svi", "SVI of both leafs", DESIGN, "leafs.gateway.*", prints=("Vlan3001", "192.168.1.1/24")),
    _table(
        "leaf-bgp", "BGP configuration of Leaf2101 with as-override", DESIGN, "leafs.bgp-config.*", "leafs.neighbor.*",
        prints=("template peer CALICO", "remote-as 65531", "update-source loopback1002", "ebgp-multihop 10"),
    ),
    _table(
        "loopback-route-2101", "Leaf-2101# show ip route 192.168.100.2", DESIGN, "bgp.route.leaf2101.192.168.100.2/32",
        prints=("10.2.0.1%default", "segid: 90001", "tunnelid: 0xa020001", "encap: VXLAN"),
    ),
    _table(
        "loopback-route-2102", "Leaf-2102# show ip route 192.168.100.1", DESIGN, "bgp.route.leaf2102.192.168.100.1/32",
        prints=("10.2.0.3%default", "segid: 90001", "tunnelid: 0xa020003", "encap: VXLAN"),
    ),
    _table(
        "route-targets", "VRF configuration with a route target that colours the loopbacks", DESIGN,
        "bgp.only-copy.*", "bgp.session.*", lab=COLOURED, note="in both families, where the paper has IPv4 alone",
    ),
    _table(
        "advertise-pip", "advertise-pip and advertise virtual-rmac", DESIGN, "leafs.own-vtep.*",
        "bgp.route.*.192.168.100.*",
    ),
    _table(
        "static-routes", "Static routes of a node to the leafs' loopbacks", CONFIGURATION, "cluster.route.loopbacks.*",
        prints=("192.168.100.0/24 via 192.168.1.1",),
        note="in IPv6 for the whole 2001:193:168:1::/64: the printed /128 matches neither leaf",
    ),
    _table(
        "host-routes", "Host route table (route -n)", DISTRIBUTION, "cluster.route.*", "cluster.absent.*",
        prints=("192.168.1.0/24 bond0", "192.168.100.0/24 via 192.168.1.1", "12.1.0.0/16 via 192.168.1.1 bond0"),
        note="all 60 fabric prefixes and the interface cali80de97cfe2d in the use cases' lab",
    ),
    _table(
        "sizes", "5743 IPv4 and 2269 IPv6 networks in the VRF", "Routable Service Networks", "scale.*",
        lab="whitepaper", note="of the rest of Cisco's fabric; the paths that go with them are told, not judged",
    ),
    _table(
        "ipip-pods", "Pingtest pods on the nodes", IPIP, "ping-ipip.*.tunnelled", "ping-ipip.*.route", lab=USE_CASES,
        mode="ipip", prints=("10.233.75.7 on node2", "10.233.102.136 on node1"),
    ),
    _table(
        "ipip-ping", "Ping from node1's pod to node2's", IPIP, "ping-ipip.*.answered", lab=USE_CASES, mode="ipip",
        prints=("5 packets received", "ttl=62"),
    ),
    _table(
        "ipip-capture-node", "Packet at node1's bond0", IPIP, "ping-ipip.*.capture.node*", lab=USE_CASES, mode="ipip",
        prints=("192.168.1.10 > 192.168.1.11 IPIP", "10.233.102.136 > 10.233.75.7 ICMP"),
    ),
    _table(
        "ipip-capture-leaf", "Packet at the leaf's port-channel", IPIP, "ping-ipip.*.capture.leaf*", lab=USE_CASES,
        mode="ipip", note="the paper's frame has the priority tag 0, the lab's the VLAN",
    ),
    _table(
        "clusterip-pods", "Deployments, pods and services of the curl", CLUSTER_IP, "curl.*.answered", lab=USE_CASES,
        prints=("10.233.102.140", "10.233.102.141", "10.233.0.100"),
    ),
    _table(
        "clusterip-curl", "curl of the ClusterIP", CLUSTER_IP, "curl.*.answered", lab=USE_CASES,
        prints=("Welcome to nginx!",),
    ),
    _table(
        "clusterip-capture", "Packet of the curl at the leaf's port-channel", CLUSTER_IP, "curl.*.capture.*",
        lab=USE_CASES, prints=("192.168.1.13 > 10.233.102.141 TCP 80", "802.1Q ID 3001", "Host: 10.233.0.100"),
    ),
)  # fmt: skip
