"""The paper's 18 figures. Figures 1, 7, 8, 9 and 17 are pictures whose text is not in the paper: what they must show
follows from the sentences around them."""

from __future__ import annotations

from labctl.paper.row import Row

DESIGN = "Service Leaf Network Design"
CONFIGURATION = "Kubernetes and Calico Configuration"
DISTRIBUTION = "Route Distribution"
PODS = "PODs are running on Calico Nodes"
SERVICES = "Routable Service Networks"
FABRIC = ("10.2.1.5", "10.2.1.6", "AS 65102", "AS 65531")


def _figure(number: int, title: str, place: str, *checks: str, prints: tuple[str, ...] = (), note: str = "") -> Row:
    return Row(f"figure-{number}", "figure", title, place, checks, "routed", prints, note)


FIGURES: tuple[Row, ...] = (
    _figure(
        1, "NX-OS Calico network topology", "NX-OS Calico Network Topology",
        "links.lacp.*", "links.vpc.*", "bgp.evpn.*", "bgp.session.*", prints=FABRIC,
        note="the paper does not say how many spines, border leafs and ports: labctl's plan fills them in",
    ),
    _figure(
        2, "Nodes in the Kubernetes cluster", CONFIGURATION, "cluster.node.*", prints=("master", "node01", "node02"),
        note="Kubernetes is the version of the control plane that runs, not v1.21",
    ),
    _figure(
        3, "Kubernetes and Calico versions", CONFIGURATION, "cluster.node.*", "cluster.component.calico-node",
        "cluster.component.kube-proxy", "cluster.calico-config", prints=("v3.20.0", "kdd"),
        note="Calico's version is the tag of the images that run; the git commit is that of Calico's own build",
    ),
    _figure(
        4, "calico-kube-controllers on the master, calico-node on all hosts", CONFIGURATION, "cluster.component.*",
        note="a stand-in's etcd, API server, controller manager and scheduler are processes, not pods",
    ),
    _figure(
        5, "calico-config for dual stack and the Kubernetes datastore", CONFIGURATION, "cluster.calico-config",
        prints=("bird", "kubernetes", "calico-ipam", "assign_ipv4: true", "assign_ipv6: true"),
    ),
    Row(
        "figure-6", "figure", "IPPool and its ipipMode", CONFIGURATION, ("cluster.pool.*", "ping-ipip.*.tunnelled"),
        "both", ("10.244.0.0/16", "blockSize 26", "natOutgoing true", "vxlanMode Never", "nodeSelector all()"),
        "routed the pool says Never, as the paper's route tables ask for; ping-ipip moves it to the printed Always",
    ),
    _figure(
        7, "Calico node metadata", CONFIGURATION, "cluster.address.*", "cluster.tunnel.*", "cluster.pod-cidrs.*",
        prints=("192.168.1.10/24", "192.168.1.11/24", "192.168.1.13/24", "2001:192:168:1::10/64"),
        note="routed there is no tunnel, so no tunnel address; with IPIP ping-ipip has one",
    ),
    _figure(
        8, "BGPConfiguration", CONFIGURATION, "cluster.bgp-configuration",
        prints=("AS 65531", "10.96.0.0/16", "2001:db8:42:1::/112"),
    ),
    _figure(
        9, "BGPPeers", CONFIGURATION, "cluster.peer.*",
        prints=("192.168.100.1", "2001:193:168:1::4", "192.168.100.2", "2001:193:168:1::5", "AS 65102"),
    ),
    _figure(
        10, "BGP status on Calico nodes", DISTRIBUTION, "cluster.session.*",
        prints=("192.168.100.1", "192.168.100.2", "global", "up", "Established"),
        note="as a table by labctl status --bgp",
    ),
    _figure(
        11, "Pods running on the nodes", PODS, "cluster.workload.*", "cluster.pods.*",
        prints=("10.244.196.128/26 of node01", "10.244.140.64/26 of node02"),
    ),
    _figure(
        12, "Calico workloads, networks and interfaces", PODS, "cluster.interface.*", "cluster.route.pods.*",
        note="the API of a manifest install has no WorkloadEndpoints: names are computed by Calico's rule and looked "
        "up on the node",
    ),
    _figure(
        13, "ClusterIP and NodePort services", SERVICES, "cluster.service.*",
        prints=("10.96.120.215", "80:32558", "10.96.214.77", "80:31894", "10.96.0.1"),
        note="of the paper's four ClusterIP services the lab has kubernetes, and nginx-service of the use case",
    ),
    _figure(
        14, "Service metadata", SERVICES, "cluster.service.default/my-service-ipv4",
        prints=("10.96.120.215", "2001:db8:42:1::7c3b", "Local", "PreferDualStack", "32558"),
    ),
    _figure(
        15, "Routing table for ClusterIP 10.96.120.215 at the leafs", SERVICES, "bgp.route.*.default/my-service-ipv4",
        "leafs.next-hops.*.default/my-service-ipv4", prints=("192.168.1.11", "192.168.1.13", "[20/0]", "tag 65531"),
    ),
    _figure(
        16, "BGP neighbors at the leafs", SERVICES, "bgp.session.*", "bgp.prefixes.*", "bgp.peers.*",
        prints=("config peers 3, capable peers 3", "IPv4 3 and 5", "IPv6 2, 2, 2"),
        note="node02's sixth IPv4 prefix in the paper is a block or address more: the lab's node02 has five; the sizes "
        "of the tables are a row of their own",
    ),
    _figure(
        17, "Anycast gateway at the leaf", SERVICES, "leafs.gateway.*", "leafs.gateway-up.*",
        prints=("192.168.1.1/24", "2001:192:168:1::1/64", "Vlan3001"),
    ),
    _figure(
        18, "BGP configuration of a leaf", SERVICES, "leafs.bgp-config.*", "leafs.neighbor.*", "leafs.filter.*",
        prints=("router-id 10.2.1.1", "ebgp-multihop 10", "as-override", "disable-peer-as-check", "maximum-paths 64"),
        note="with the corrections that the printed listing needs: each leaf its own loopback, filters defined, both "
        "families alike",
    ),
)  # fmt: skip
