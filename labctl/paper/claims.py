"""What the paper says in its text, from the summary to the conclusion, in its order."""

from __future__ import annotations

from labctl.paper.figures import CONFIGURATION, DESIGN, DISTRIBUTION, PODS, SERVICES
from labctl.paper.row import Mode, Row
from labctl.paper.tables import CLUSTER_IP, COLOURED, IPIP

SUMMARY = "Summary"
INTRODUCTION = "Introduction"
COMPONENTS = "Calico Components"
DATASTORE = "Calico DataStore"


def _claim(name: str, title: str, place: str, *checks: str, note: str = "", mode: Mode = "routed",
           lab: str = "whitepaper") -> Row:  # fmt: skip
    return Row(f"claim-{name}", "claim", title, place, checks, mode, (), note, lab)


CLAIMS: tuple[Row, ...] = (
    _claim("ebgp-and-ipip", "Calico connects by eBGP and by IP in IP", SUMMARY, "ping.*", "ping-ipip.*", mode="both"),
    _claim(
        "one-fabric", "VXLAN makes virtual networks in one physical infrastructure", SUMMARY, "bgp.evpn.*",
        "bgp.route.*.192.168.100.*", note="one VRF, as in the paper: its routes carry the segment 90001",
    ),
    _claim(
        "network-policies", "Calico's network policies control access between networks", SUMMARY,
        note="the paper configures none; a stand-in node refuses a NetworkPolicy instead of ignoring it",
    ),
    _claim(
        "other-tools", "Calico integrates with firewalls and load balancers", SUMMARY,
        note="the paper shows neither",
    ),
    _claim("pods-directly", "Pods communicate directly by their addresses", INTRODUCTION, "ping.*"),
    _claim(
        "services-advertised", "Clusters advertise their service networks to the fabric", INTRODUCTION,
        "bgp.prefixes.*", "bgp.route.*.10.96.0.0/16", "curl.ext1-*",
    ),
    _claim(
        "segmentation", "The fabric separates pods by VRF", INTRODUCTION, "leafs.gateway.*", "leafs.loopback.*",
        note="the paper has one VRF, so there is no second one to be kept apart from",
    ),
    _claim(
        "leaf-pair", "Nodes are connected to a pair of leafs for redundancy", DESIGN, "links.lacp.*",
        "links.port-channel.*", "links.vpc.*",
    ),
    _claim(
        "fabric-peering", "vPC with fabric peering; physical peering is supported as well", DESIGN, "leafs.peer-link.*",
        "links.vpc.*", note="with peer_link: physical the same checks ask for a peer-link of ports",
    ),
    _claim(
        "peering", "The leaf peers from loopback1002 with addresses of the SVI's subnet", DESIGN, "leafs.neighbor.*",
        "bgp.session.*", "cluster.session.*",
    ),
    _claim(
        "as-override", "as-override is needed where all nodes have one AS", DESIGN, "leafs.neighbor.*",
        "cluster.route.remote-blocks.*", "ping.*",
        note="without it (and disable-peer-as-check) no node has another's block: docs/sabotage.md",
    ),
    _claim(
        "hashing", "BGP packets may be hashed to the other leaf, so the leafs' loopbacks reach each other", DESIGN,
        "bgp.route.*.192.168.100.*", "bgp.session.*",
    ),
    _claim(
        "over-the-fabric", "Reachability of the loopbacks goes through the VXLAN fabric", DESIGN,
        "bgp.route.*.192.168.100.*",
    ),
    _claim(
        "next-hop", "The next hop is the leaf's loopback, found by a static route via the anycast gateway", DESIGN,
        "cluster.route.loopbacks.*", "cluster.route.external.*", "cluster.absent.loopbacks.*",
        "cluster.absent.unreachable.*",
    ),
    _claim(
        "interface-failures", "The BGP peering is not affected by interface failures towards the node", DESIGN,
        "bond-member.*",
    ),
    _claim(
        "same-loopbacks", "Pairs may have the same loopbacks when a route target colours them", DESIGN,
        "bgp.only-copy.*", "bgp.session.*", lab=COLOURED,
    ),
    _claim(
        "unique-loopbacks", "With a loopback of its own on each leaf nothing of that is needed", DESIGN,
        "leafs.loopback.*", "bgp.session.*", "bgp.route.*.192.168.100.*",
    ),
    _claim("pip", "advertise-pip is needed to reach a leaf's own VTEP", DESIGN, "leafs.own-vtep.*"),
    _claim("components", "Calico runs a daemon, Felix and a controller", COMPONENTS, "cluster.component.*"),
    _claim(
        "bgp-between-nodes", "BGP routes traffic between the nodes", "Configure Calico Network", "cluster.session.*",
        "cluster.route.remote-blocks.*",
    ),
    _claim(
        "enable-policies", "Network policies control traffic between pods and nodes", "Enable Network Policies",
        note="the paper configures none",
    ),
    _claim(
        "route-programming", "calico-node runs on every host and programs its routes", COMPONENTS,
        "cluster.component.calico-node", "cluster.route.pods.*", "cluster.route.own-blocks.*",
    ),
    _claim(
        "route-sharing", "BIRD distributes the routes to leafs and hosts", COMPONENTS, "cluster.session.*",
        "bgp.prefixes.*", "bgp.route.*.block-of-*",
        note="BIRD reads the kernel's routing table; the paper says iptables",
    ),
    _claim(
        "kube-controllers", "calico-kube-controllers runs on the control plane", COMPONENTS,
        "cluster.component.calico-kube-controllers",
        note="its work on network policies is not shown: there are none",
    ),
    _claim(
        "datastore", "The datastore holds configuration, pools, peers and nodes", DATASTORE, "cluster.calico-config",
        "cluster.pool.*", "cluster.bgp-configuration", "cluster.peer.*", "cluster.address.*",
        note="the Kubernetes datastore, as in the paper's Figure 5; etcd's is not shown there either",
    ),
    _claim(
        "other-resources", "FelixConfiguration, HostEndpoint, policies and network sets", DATASTORE,
        note="named by the paper, shown by none of its figures",
    ),
    _claim(
        "dual-stack", "Pods have an IPv4 and an IPv6 address", CONFIGURATION, "cluster.calico-config", "cluster.pods.*",
    ),
    _claim(
        "ipip-always", "With ipipMode Always traffic between pods is encapsulated", CONFIGURATION,
        "ping-ipip.*.capture.*", mode="ipip",
    ),
    _claim(
        "both-families", "BGP sessions between loopback1002 and bond0, in IPv4 and IPv6", CONFIGURATION,
        "bgp.session.*", "cluster.session.*",
    ),
    _claim("pod-range", "Pod addresses come from 10.244.0.0/16", CONFIGURATION, "cluster.pods.*", "cluster.pool.*"),
    _claim(
        "node-header", "With IPIP a pod's packet has the nodes' addresses outside", CONFIGURATION,
        "ping-ipip.*.capture.*", mode="ipip",
    ),
    _claim(
        "tor-peers", "Each peer address is the loopback of a leaf", DISTRIBUTION, "cluster.session.*",
        "leafs.loopback.*",
    ),
    _claim(
        "gateway-of-fabric-routes", "The gateway of routes from the fabric is the anycast address on bond0",
        DISTRIBUTION, "cluster.route.external.*",
    ),
    _claim("pod-cidrs", "Each pod's address is out of the pod CIDRs", PODS, "cluster.pods.*"),
    _claim(
        "service-routes", "Calico advertises the service CIDRs of its BGP configuration", SERVICES,
        "cluster.bgp-configuration", "bgp.route.*.10.96.0.0/16", "bgp.prefixes.*", "cluster.absent.services.*",
    ),
    _claim(
        "ecmp", "A Local service's address has the nodes with endpoints as next hops, no other", SERVICES,
        "bgp.route.*.default/my-service-ipv4", "leafs.next-hops.*", "leafs.absent.*",
        note="192.168.1.11 and .13 are the nodes' bond0 addresses; the paper calls them loopbacks",
    ),
    _claim("neighbors", "Leafs have the nodes as IPv4 and IPv6 neighbors", SERVICES, "bgp.session.*", "bgp.peers.*"),
    _claim(
        "bridged", "The encapsulated ping crosses two nodes alone (ttl 62)", IPIP, "ping-ipip.*.answered", mode="ipip",
    ),
    _claim(
        "not-encapsulated", "The curl's packet is translated, not encapsulated, and comes from the leaf", CLUSTER_IP,
        "curl.*.capture.*",
    ),
    _claim(
        "traffic-management", "eBGP, VXLAN and Calico together are flexible, visible and efficient", "Conclusion",
        "links.*", "bgp.*", "ping.*", "curl.*", note="a judgement; its parts are the rows above",
    ),
)  # fmt: skip
