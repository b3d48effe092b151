"""How each kind of check of ``cluster``, ``leafs`` and ``bgp`` is made to fail on a running lab, and its sentence then.

`docs/sabotage.md` is generated from here (``python -m tests.integration.sabotages``), with what the other booted tests
break and the kinds that only recorded answers break.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from tests.integration.patience import patient

AT_MOST = f"--timeout={patient(30):.0f}s"

CALICO = "crd.projectcalico.org"


@dataclass(frozen=True)
class Step:
    """``kubectl`` arguments, a command in a node, or lines typed at a switch. ``stdin`` of kubectl."""

    kind: str
    target: str
    lines: tuple[str, ...]


def kubectl(*arguments: str) -> Step:
    return Step("kubectl", "", arguments)


def node(name: str, *argv: str) -> Step:
    return Step("node", name, argv)


def switch(name: str, *lines: str) -> Step:
    return Step("switch", name, lines)


def patch(what: str, name: str, text: str, *more: str) -> Step:
    return kubectl("patch", what, name, "--type", "merge", "-p", text, *more)


@dataclass(frozen=True)
class Sabotage:
    """``row``: the catalogue's row that is verified; ``fails``: check id → words of its sentence. ``gone``: the row
    passes again once ``undo`` is done."""

    title: str
    row: str
    make: tuple[Step, ...]
    undo: tuple[Step, ...]
    fails: dict[str, str]


LEAFS = ("leaf2101", "leaf2102")
EXTERNAL = "ip route 12.1.0.0/16 198.18.0.2 tag 12345"
BLOCK = "node02-10-244-140-64-26"
PATHS = ("router bgp 65102", "vrf vrf-001", "address-family ipv4 unicast")
FILTER = "route-map calico-ipv6-filter permit 20"


def external_ips(cidr: str) -> str:
    return json.dumps({"spec": {"serviceExternalIPs": [{"cidr": cidr}]}})


SABOTAGES: tuple[Sabotage, ...] = (
    Sabotage(
        "a component is scaled to nothing", "figure-4",
        (kubectl("scale", "-n", "kube-system", "deploy/calico-kube-controllers", "--replicas=0"),),
        (kubectl("scale", "-n", "kube-system", "deploy/calico-kube-controllers", "--replicas=1"),),
        {"cluster.component.calico-kube-controllers": "is not ready on master"},
    ),
    Sabotage(
        "calico-config says another backend", "figure-5",
        (patch("configmap", "calico-config", '{"data": {"calico_backend": "none"}}', "-n", "kube-system"),),
        (patch("configmap", "calico-config", '{"data": {"calico_backend": "bird"}}', "-n", "kube-system"),),
        {"cluster.calico-config": "calico_backend is none, expected bird"},
    ),
    Sabotage(
        "an IPPool no longer masquerades", "claim-pod-range",
        (patch(f"ippools.{CALICO}", "default-ipv4-ippool", '{"spec": {"natOutgoing": false}}'),),
        (patch(f"ippools.{CALICO}", "default-ipv4-ippool", '{"spec": {"natOutgoing": true}}'),),
        {"cluster.pool.default-ipv4-ippool": "natOutgoing is false, expected true"},
    ),
    Sabotage(
        "the external range of the BGPConfiguration is another", "figure-8",
        (patch(f"bgpconfigurations.{CALICO}", "default", external_ips("203.0.113.0/25")),),
        (patch(f"bgpconfigurations.{CALICO}", "default", external_ips("203.0.113.0/24")),),
        {"cluster.bgp-configuration": "serviceExternalIPs is 203.0.113.0/25, expected 203.0.113.0/24"},
    ),
    Sabotage(
        "a BGPPeer has another AS", "claim-datastore",
        (patch(f"bgppeers.{CALICO}", "leaf2101-calico-v4", '{"spec": {"asNumber": 65103}}'),),
        (patch(f"bgppeers.{CALICO}", "leaf2101-calico-v4", '{"spec": {"asNumber": 65102}}'),),
        {"cluster.peer.leaf2101-calico-v4": "asNumber is 65103, expected 65102"},
    ),
    Sabotage(
        "a BGPPeer is for another address", "figure-10",
        (patch(f"bgppeers.{CALICO}", "leaf2102-calico-v6", '{"spec": {"peerIP": "2001:193:168:1::6"}}'),),
        (patch(f"bgppeers.{CALICO}", "leaf2102-calico-v6", '{"spec": {"peerIP": "2001:193:168:1::5"}}'),),
        {"cluster.session.node01.2001:193:168:1::5": "has no BGP session with 2001:193:168:1::5"},
    ),
    Sabotage(
        "a workload has a pod less", "figure-11",
        (kubectl("scale", "deploy/pingtest", "--replicas=1"),),
        (kubectl("scale", "deploy/pingtest", "--replicas=2"),),
        {"cluster.workload.pingtest": "1 of 2 pods app=pingtest are running and ready"},
    ),
    Sabotage(
        "a Service serves everywhere instead of locally", "figure-14",
        (patch("service", "my-service-ipv4", '{"spec": {"externalTrafficPolicy": "Cluster"}}'),),
        (patch("service", "my-service-ipv4", '{"spec": {"externalTrafficPolicy": "Local"}}'),),
        {"cluster.service.default/my-service-ipv4": "externalTrafficPolicy is Cluster, expected Local"},
    ),
    Sabotage(
        "the leafs lose the route to a Local Service", "figure-15",
        (patch("service", "my-service-ipv4", '{"spec": {"externalTrafficPolicy": "Cluster"}}'),),
        (patch("service", "my-service-ipv4", '{"spec": {"externalTrafficPolicy": "Local"}}'),),
        {
            "bgp.route.leaf2101.default/my-service-ipv4": "no route to 10.96.120.215/32",
            "leafs.next-hops.leaf2102.default/my-service-ipv4": "does not know 10.96.120.215/32",
        },
    ),
    Sabotage(
        "a plain ClusterIP becomes a Local NodePort", "claim-ecmp",
        (patch("service", "nginx-service", '{"spec": {"type": "NodePort", "externalTrafficPolicy": "Local"}}'),),
        (patch("service", "nginx-service", '{"spec": {"type": "ClusterIP", "externalTrafficPolicy": null}}'),),
        {"leafs.absent.leaf2101.default/nginx-service": "leaf2101 knows .*/32 of default/nginx-service"},
    ),
    Sabotage(
        "a node's address for BGP is another", "table-addresses",
        (kubectl("annotate", "--overwrite", "node", "node02", "projectcalico.org/IPv6Address=2001:192:168:1::99/64"),),
        (kubectl("annotate", "--overwrite", "node", "node02", "projectcalico.org/IPv6Address=2001:192:168:1::13/64"),),
        {"cluster.address.node02": "annotation says 2001:192:168:1::99/64, expected 2001:192:168:1::13/64"},
    ),
    Sabotage(
        "a tunnel address stays although nothing is encapsulated", "figure-7",
        (node("node01", "ip", "addr", "add", "10.244.196.190/32", "dev", "tunl0"),),
        (node("node01", "ip", "addr", "del", "10.244.196.190/32", "dev", "tunl0"),),
        {"cluster.tunnel.node01": "tunnel address although no pool encapsulates: .*tunl0 10.244.196.190"},
    ),
    Sabotage(
        "a node's block belongs to another", "claim-route-sharing",
        (patch(f"blockaffinities.{CALICO}", BLOCK, '{"spec": {"node": "master"}}'),),
        (patch(f"blockaffinities.{CALICO}", BLOCK, '{"spec": {"node": "node02"}}'),),
        {"bgp.route.leaf2101.block-of-node02": "node02 has no address block"},
    ),
    Sabotage(
        "a node's block belongs to another: its pods", "claim-pod-cidrs",
        (patch(f"blockaffinities.{CALICO}", BLOCK, '{"spec": {"node": "master"}}'),),
        (patch(f"blockaffinities.{CALICO}", BLOCK, '{"spec": {"node": "node02"}}'),),
        {"cluster.pods.node02": "which is in no block of node02"},
    ),
    Sabotage(
        "a pod's interface is down", "figure-12",
        (node("node02", "sh", "-c", "ip link set $(ip -o link | grep -o 'cali[0-9a-f]*' | head -1) down"),),
        (kubectl("delete", "pods", "-l", "app in (nginx-dual, pingtest)", "--field-selector", "spec.nodeName=node02"),
         kubectl("wait", "--for=condition=Available", "deploy/nginx-dual", "deploy/pingtest", AT_MOST)),
        {"cluster.interface.node02": "cali[0-9a-f]+ is down", "cluster.route.pods.node02": "no route to 10.244.140"},
    ),
    Sabotage(
        "routes that a node must not have, and one that it must", "table-host-routes",
        (
            node("node02", "ip", "route", "replace", "default", "via", "192.168.1.1", "dev", "bond0"),
            node("node02", "ip", "route", "del", "192.168.100.0/24"),
            node("node01", "ip", "route", "append", "10.244.140.64/26", "via", "192.168.1.13", "dev", "bond0"),
            node("node01", "ip", "route", "add", "10.96.0.0/24", "via", "192.168.1.1", "dev", "bond0"),
            node("node01", "ip", "route", "add", "192.168.100.1/32", "via", "192.168.1.1", "dev", "bond0"),
            node("node01", "ip", "route", "add", "unreachable", "203.0.112.7/32"),
        ),
        (
            node("node02", "ip", "route", "replace", "default", "via", "{gateway}", "dev", "eth0"),
            node("node02", "ip", "route", "add", "192.168.100.0/24", "via", "192.168.1.1", "dev", "bond0"),
            node("node01", "ip", "route", "del", "10.244.140.64/26", "via", "192.168.1.13", "dev", "bond0"),
            node("node01", "ip", "route", "del", "10.96.0.0/24"),
            node("node01", "ip", "route", "del", "192.168.100.1/32"),
            node("node01", "ip", "route", "del", "unreachable", "203.0.112.7/32"),
        ),
        {
            "cluster.route.default.node02": "leads into the fabric: via 192.168.1.1 dev bond0",
            "cluster.route.loopbacks.node02": "no route to 192.168.100.0/24",
            "cluster.route.remote-blocks.node01": "via 192.168.1.13 dev bond0.*expected via 192.168.1.1 ",
            "cluster.absent.services.node01": "service prefix in its table: 10.96.0.0/24",
            "cluster.absent.loopbacks.node01": "peering loopback in its table: 192.168.100.1/32",
            "cluster.absent.unreachable.node01": "unreachable: 203.0.112.7/32",
        },
    ),
    Sabotage(
        "the border leaf forgets an external prefix", "claim-gateway-of-fabric-routes",
        (switch("leaf2999", "vrf context vrf-001", f"no {EXTERNAL}"),),
        (switch("leaf2999", "vrf context vrf-001", EXTERNAL),),
        {"cluster.route.external.node01": "no route to 12.1.0.0/16"},
    ),
    Sabotage(
        "a leaf's gateway has an address more", "figure-17",
        (switch("leaf2102", "interface Vlan3001", "ipv6 address 2001:192:168:1::2/64"),),
        (switch("leaf2102", "interface Vlan3001", "no ipv6 address 2001:192:168:1::2/64"),),
        {"leafs.gateway.leaf2102": "addresses is .*2001:192:168:1::2/64, expected"},
    ),
    Sabotage(
        "a leaf's loopback has another tag", "table-loopbacks",
        (switch("leaf2102", "interface loopback1002", "ip address 192.168.100.2/32 tag 1"),),
        (switch("leaf2102", "interface loopback1002", "ip address 192.168.100.2/32 tag 6789"),),
        {"leafs.loopback.leaf2102": "tag is 1, 6789, expected 6789"},
    ),
    Sabotage(
        "a leaf does not advertise its own VTEP", "claim-pip",
        (switch("leaf2102", "router bgp 65102", "address-family l2vpn evpn", "no advertise-pip"),),
        (switch("leaf2102", "router bgp 65102", "address-family l2vpn evpn", "advertise-pip"),),
        {"leafs.own-vtep.leaf2102": "advertise-pip is false, expected true"},
    ),
    Sabotage(
        "a leaf's BGP and its filter are typed over", "figure-18",
        (switch("leaf2101", *PATHS, "maximum-paths 32"),
         switch("leaf2102", FILTER, "match ipv6 address prefix-list PL-NOBODY")),
        (switch("leaf2101", *PATHS, "maximum-paths 64"), switch("leaf2102", f"no {FILTER}")),
        {
            "leafs.bgp-config.leaf2101": "missing: router bgp 65102 / .*maximum-paths 64",
            "leafs.filter.leaf2102.ipv6": "matches ipv6 prefix-list PL-NOBODY, which is not defined",
        },
    ),
    Sabotage(
        "a leaf has a neighbor more", "claim-neighbors",
        (switch("leaf2101", "router bgp 65102", "vrf vrf-001", "neighbor 192.168.1.99", "inherit peer CALICO"),),
        (switch("leaf2101", "router bgp 65102", "vrf vrf-001", "no neighbor 192.168.1.99"),),
        {"bgp.peers.leaf2101.ipv4": "config peers 4, capable peers ., expected 3 of both"},
    ),
)  # fmt: skip

EDITED: tuple[tuple[str, str, str], ...] = (
    ("links.lacp", "a bond member is down from the start (nodes/node01.sh)", "node01: eth1 is down"),
    ("bgp.session", "another remote-as (nxos/leaf2102.cfg)", "leaf2102: neighbor 192.168.1.11 is configured with AS …"),
    ("bgp.session", "no static routes to the loopbacks (nodes/node02.sh)", "neighbor 192.168.1.13 is Idle"),
    ("ping.route", "no as-override and no disable-peer-as-check", "no route to the other node's block"),
    ("curl.answered", "no replicas (k8s/nginx.yaml)", "default/nginx-service has 0 endpoints"),
)
"""(kind, what is edited in the folder, sentence): `tests/integration/test_checks_fail.py`."""

RECORDED: tuple[tuple[str, str, str], ...] = (
    ("cluster.node", "a kubelet that stopped reporting", "node node01: Ready is Unknown, expected True"),
    ("cluster.pod-cidrs", "a Node without its networks", "has 0 networks /24 of 10.244.0.0/16"),
    ("cluster.route.connected", "bond0 without its network", "no route to 192.168.1.0/24"),
    ("cluster.route.own-blocks", "a block that is no blackhole", "10.244.196.128/26 is …, expected blackhole"),
    ("leafs.neighbor", "a neighbor without as-override", "as-override is false, expected true"),
    ("leafs.gateway-up", "an SVI that is down, another MAC", "protocol is down, expected up"),
    ("leafs.peer-link", "a peer-link of ports", "kind is physical, expected fabric"),
    ("links.port-channel", "a member that is suspended", "port-channel11: Ethernet1/2 is suspended (s)"),
    ("links.vpc", "a leg that is down", "vPC 12 is down"),
    ("links.underlay", "an OSPF neighbor that is not FULL", "OSPF neighbor 10.2.1.202 is EXSTART"),
    ("links.mtu", "an uplink with NX-OS's default MTU", "MTU of Ethernet1/4 is 1500, expected 9216"),
    ("bgp.evpn", "a route reflector that is gone", "neighbor 192.168.1.11 is Idle, not Established"),
    ("bgp.prefixes", "a prefix less", "2 prefixes received from master (192.168.1.10), expected 3"),
    (
        "bgp.route (over VXLAN)",
        "another segment, another tunnel, no tunnel",
        "goes by tunnel 0xa020003, expected 0xa020065",
    ),
    ("bgp.route (from a node)", "another preference or tag", "has tag 65102, expected 65531"),
    ("ping.answered", "a hop more, an answer less", "with ttl 62 and not 61; 4 of 5 answered"),
    ("ping.capture", "another address, tag, encapsulation or MAC", "no packet at bond0 of node01 is as expected"),
    ("ping-ipip.tunnelled", "a block that is not reached through tunl0", "node01 reaches 10.244.140.64/26 by bond0"),
    (
        "ping-ipip.routed-again",
        "a block that is still reached through tunl0",
        "node01 reaches 10.244.140.64/26 by tunl0",
    ),
    ("curl.capture", "no packet from a MAC of the leaf", "no packet at port-channel of node01 … is as expected"),
)
"""(kind, what the answer says, sentence): `tests/unit/verify`, where each kind of ``cluster`` and ``leafs`` has one."""

HEAD = """\
# How each check is made to fail

Generated by `python -m tests.integration.sabotages >docs/sabotage.md`; a test compares the two. A check that cannot
fail proves nothing: each kind is broken on a booted lab, or in answers that a lab once gave, and must FAIL with the
sentence that tells why. A node that does not answer makes each of them INCONCLUSIVE (`tests/unit/verify`).
"""


def page() -> str:
    """``docs/sabotage.md``."""
    parts = [HEAD, "## On a running lab (`tests/integration/onelab/test_sabotage.py`)\n"]
    rows = [(name, item.title, words) for item in SABOTAGES for name, words in item.fails.items()]
    parts.append(_table("check", rows))
    parts.append("## Labs booted from edited folders (`tests/integration/test_checks_fail.py`)\n")
    parts.append(_table("kind of check", EDITED))
    parts.append("## Recorded answers (`tests/unit/verify`)\n")
    parts.append(_table("kind of check", RECORDED))
    return "\n".join(parts)


def _table(first: str, rows: object) -> str:
    lines = [f"| {first} | what is wrong | its sentence says |", "|---|---|---|"]
    lines += [f"| `{name}` | {title} | {words} |" for name, title, words in rows]  # type: ignore[attr-defined]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
