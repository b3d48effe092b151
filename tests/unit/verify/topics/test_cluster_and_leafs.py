"""Every check of ``cluster`` and ``leafs`` on recorded answers.

Each passes as recorded, fails for its reason when one answer is changed, is INCONCLUSIVE when its node does not answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labctl.verify.checks import Check, Wanted
from labctl.verify.lab import LabUnderTest
from labctl.verify.topics import cluster, leafs
from labctl.verify.verdict import CheckResult
from labctl.waiting import Deadline
from tests.unit.verify.recordedlab import RecordedLab, under_test

NODES, PODS, SERVICES = "/api/v1/nodes", "/api/v1/pods", "/api/v1/services"
CALICO = "/apis/crd.projectcalico.org/v1"


@pytest.fixture
def recorded() -> RecordedLab:
    return RecordedLab.load()


def all_checks(lab: LabUnderTest) -> list[Check]:
    return [*cluster.checks(lab), *cluster.negatives(lab), *leafs.checks(lab), *leafs.negatives(lab)]


def judged(recorded: RecordedLab, folder: Path, pattern: str = "*") -> dict[str, CheckResult]:
    """One look at the checks that a pattern names."""
    lab = under_test(recorded, folder, wanted=Wanted((pattern,)))
    return {result.id: result for result in lab.poll(all_checks(lab), Deadline(0))}


def test_a_node_has_its_own_peers_and_those_of_all(recorded: RecordedLab, tmp_path: Path) -> None:
    lab = under_test(recorded, tmp_path)
    rows = [
        cluster.PeerInput(name="all", address="192.168.100.1", asn=1),
        cluster.PeerInput(name="some", address="192.168.101.1", asn=1, nodes=("node02",)),
    ]
    inputs = lab.section(cluster.ClusterInput).model_copy(update={"peers": tuple(rows)})
    assert cluster._peers(lab, inputs, "node01") == {"192.168.100.1": "global"}
    assert cluster._peers(lab, inputs, "node02") == {"192.168.100.1": "global", "192.168.101.1": "node specific"}


def test_everything_passes_as_recorded(recorded: RecordedLab, tmp_path: Path) -> None:
    found = judged(recorded, tmp_path)
    assert len(found) > 110
    assert {name: row.sentence for name, row in found.items() if row.verdict != "PASS"} == {}


@dataclass(frozen=True)
class Change:
    """A change of what is answered, the check that it fails, and words of its sentence."""

    check: str
    message: str
    make: Callable[[RecordedLab], Any]


def spec(path: str, name: str, **fields: Any) -> Callable[[RecordedLab], Any]:
    return lambda lab: lab.named(path, name)["spec"].update(fields)


def annotated(name: str, key: str, value: str | None) -> Callable[[RecordedLab], Any]:
    def make(lab: RecordedLab) -> None:
        annotations = lab.named(NODES, name)["metadata"]["annotations"]
        annotations.pop(key, None)
        if value is not None:
            annotations[key] = value

    return make


def route(node: str, prefix: str | None = None, version: int = 4, **row: Any) -> Callable[[RecordedLab], Any]:
    """Without ``row`` the route is gone; with one it is changed, or added when there is none."""

    def make(lab: RecordedLab) -> None:
        rows = lab.table(node, version)
        found = [item for item in rows if item["dst"] == prefix]
        if not row:
            assert found, prefix
            rows = [item for item in rows if item["dst"] != prefix]
        elif found:
            found[0].update(row)
        else:
            rows.append({"dst": prefix, "flags": [], **row})
        lab.put(node, version, rows)

    return make


def typed(switch: str, old: str, new: str) -> Callable[[RecordedLab], Any]:
    return lambda lab: lab.edit(switch, old, new)


def not_ready(lab: RecordedLab) -> None:
    for row in lab.named(NODES, "node01")["status"]["conditions"]:
        if row["type"] == "Ready":
            row.update(status="Unknown", message="Kubelet stopped posting node status.")


def pods_of(lab: RecordedLab, label: str, node: str) -> list[Any]:
    return [
        pod for pod in lab.lists[PODS]
        if label in (pod["metadata"].get("labels") or {}).values() and pod["spec"]["nodeName"] == node
    ]  # fmt: skip


def crashed(label: str, node: str) -> Callable[[RecordedLab], Any]:
    def make(lab: RecordedLab) -> None:
        for pod in pods_of(lab, label, node):
            for row in pod["status"]["conditions"]:
                if row["type"] == "Ready":
                    row["status"] = "False"

    return make


def strange_address(lab: RecordedLab) -> None:
    pods_of(lab, "pingtest", "node02")[0]["status"]["podIPs"][0]["ip"] = "10.244.99.1"


def other_image(lab: RecordedLab) -> None:
    for pod in pods_of(lab, "calico-node", "master"):
        pod["spec"]["containers"][0]["image"] = "calico/node:v3.19.4"


def calico_config(old: str, new: str) -> Callable[[RecordedLab], Any]:
    def make(lab: RecordedLab) -> None:
        data = lab.named("/api/v1/namespaces/kube-system/configmaps", "calico-config")["data"]
        for key in data:
            data[key] = data[key].replace(old, new)

    return make


def without_interface(lab: RecordedLab) -> None:
    rows = json.loads(lab.nodes["node01", "ip -j address show"])
    gone = next(row["ifname"] for row in rows if row["ifname"].startswith("cali"))
    lab.nodes["node01", "ip -j address show"] = json.dumps([row for row in rows if row["ifname"] != gone])


def tunnel_left(lab: RecordedLab) -> None:
    rows = json.loads(lab.nodes["node01", "ip -j address show"])
    for row in rows:
        if row["ifname"] == "tunl0":
            row["addr_info"] = [{"family": "inet", "local": "10.244.196.190", "prefixlen": 32}]
    lab.nodes["node01", "ip -j address show"] = json.dumps(rows)


def bird(node: str, old: str, new: str) -> Callable[[RecordedLab], Any]:
    def make(lab: RecordedLab) -> None:
        text = lab.birds[node]
        assert re.search(old, text), text
        lab.birds[node] = re.sub(old, new, text)

    return make


def shown(switch: str, command: str, old: str, new: str) -> Callable[[RecordedLab], Any]:
    def make(lab: RecordedLab) -> None:
        text = json.dumps(lab.shows[switch, command])
        assert old in text, text
        lab.shows[switch, command] = json.loads(text.replace(old, new))

    return make


def known_route(prefix: str, *hops: str) -> Callable[[RecordedLab], Any]:
    """A leaf has a route to a prefix, these hops alone."""

    def make(lab: RecordedLab) -> None:
        body = lab.shows["leaf2102", "show ip route vrf vrf-001"]
        rows = body["TABLE_vrf"]["ROW_vrf"]["TABLE_addrf"]["ROW_addrf"]["TABLE_prefix"]["ROW_prefix"]
        rows[:] = [row for row in rows if row["ipprefix"] != prefix]
        paths = [{"ipnexthop": hop, "ubest": "true"} for hop in hops]
        rows.append({"ipprefix": prefix, "TABLE_path": {"ROW_path": paths}})

    return make


def plain_service(lab: RecordedLab) -> None:
    known_route(f"{lab.named(SERVICES, 'nginx-service')['spec']['clusterIP']}/32", "192.168.1.11")(lab)


CHANGES = [
    Change("cluster.node.node01", "Ready is Unknown, expected True.*stopped posting", not_ready),
    Change("cluster.node.node02", "there is no node node02",
           lambda lab: lab.lists[NODES].remove(lab.named(NODES, "node02"))),
    Change("cluster.pod-cidrs.node01", "shares .* with another node",
           lambda lab: lab.named(NODES, "node01")["spec"].update(lab.named(NODES, "master")["spec"])),
    Change("cluster.pod-cidrs.node02", "has 0 networks /24 of 10.244.0.0/16",
           lambda lab: lab.named(NODES, "node02")["spec"].pop("podCIDRs")),
    Change("cluster.component.calico-node", "runs .*v3.19.4, .*v3.20.0, expected v3.20.0", other_image),
    Change("cluster.component.kube-proxy", "kube-proxy is not ready on node02", crashed("kube-proxy", "node02")),
    Change("cluster.component.calico-kube-controllers", "not ready on master",
           crashed("calico-kube-controllers", "master")),
    Change("cluster.calico-config", "assign_ipv6 is false, expected true",
           calico_config('"assign_ipv6": "true"', '"assign_ipv6": "false"')),
    Change("cluster.pool.default-ipv4-ippool", "ipipMode is Always, expected Never",
           spec(f"{CALICO}/ippools", "default-ipv4-ippool", ipipMode="Always")),
    Change("cluster.bgp-configuration", "nodeToNodeMeshEnabled is true, expected false",
           spec(f"{CALICO}/bgpconfigurations", "default", nodeToNodeMeshEnabled=True)),
    Change("cluster.peer.leaf2101-calico-v4", "asNumber is 65103, expected 65102",
           spec(f"{CALICO}/bgppeers", "leaf2101-calico-v4", asNumber=65103)),
    Change("cluster.peer.leaf2102-calico-v6", r"nodes is master, expected all",
           spec(f"{CALICO}/bgppeers", "leaf2102-calico-v6", node="master")),
    Change("cluster.workload.nginx-dual", "1 of 2 pods app=nginx-dual are running and ready",
           crashed("nginx-dual", "node01")),
    Change("cluster.service.default/my-service-ipv4", "externalTrafficPolicy is Cluster, expected Local",
           spec(SERVICES, "my-service-ipv4", externalTrafficPolicy="Cluster")),
    Change("cluster.service.default/nginx-service", "10.97.0.1 is in no service range",
           spec(SERVICES, "nginx-service", clusterIPs=["10.97.0.1"])),
    Change("cluster.address.node01", r"annotation says 172.20.20.3/24, expected 192.168.1.11/24",
           annotated("node01", "projectcalico.org/IPv4Address", "172.20.20.3/24")),
    Change("cluster.tunnel.node01", "although no pool encapsulates: annotation 10.244.196.190",
           annotated("node01", "projectcalico.org/IPv4IPIPTunnelAddr", "10.244.196.190")),
    Change("cluster.tunnel.node01", "although no pool encapsulates: .*tunl0 10.244.196.190", tunnel_left),
    Change("cluster.pods.node02", "10.244.99.1, which is in no block of node02", strange_address),
    Change("cluster.interface.node01", "node01 has no interface cali", without_interface),
    Change("cluster.route.default.node01", "leads into the fabric: via 192.168.1.1 dev bond0",
           route("node01", "default", gateway="192.168.1.1", dev="bond0")),
    Change("cluster.route.connected.node01", "no route to 192.168.1.0/24", route("node01", "192.168.1.0/24")),
    Change("cluster.route.loopbacks.node01", "no route to 2001:193:168:1::/64",
           route("node01", "2001:193:168:1::/64", 6)),
    Change("cluster.route.external.node02", "no route to 12.2.0.0/16", route("node02", "12.2.0.0/16")),
    Change("cluster.route.own-blocks.node01", "10.244.196.128/26 is .*expected blackhole",
           route("node01", "10.244.196.128/26", type="unicast", dev="bond0")),
    Change("cluster.route.remote-blocks.node01", "10.244.140.64/26 via 192.168.1.13 .*expected via 192.168.1.1 dev",
           route("node01", "10.244.140.64/26", gateway="192.168.1.13")),
    Change("cluster.route.remote-blocks.master", "10.244.140.64/26 .*192.168.1.1 .*and .*192.168.1.13",
           route("master", "10.244.140.64/26", nexthops=[{"gateway": "192.168.1.1", "dev": "bond0"},
                                                        {"gateway": "192.168.1.13", "dev": "bond0"}])),
    Change("cluster.route.pods.node01", "10.244.196.189.*no running pod has that address",
           route("node01", "10.244.196.189", dev="cali00000000000", scope="link")),
    Change("cluster.session.node01.192.168.100.1", "peer 192.168.100.1 is start Active",
           bird("node01", r"(Global_192_168_100_1 .*?)up( +\S+ +)Established", r"\1start\2Active")),
    Change("cluster.session.node02.2001:193:168:1::5", "has no BGP session with 2001:193:168:1::5",
           bird("node02", r"Global_2001_193_168_1__5.*\n", "")),
    Change("cluster.session.master.192.168.100.2", "is node specific, expected global",
           bird("master", "Global_192_168_100_2", "Node_192_168_100_2")),
    Change("cluster.absent.services.node01", "service prefix in its table: 10.96.0.0/16",
           route("node01", "10.96.0.0/16", gateway="192.168.1.1", dev="bond0")),
    Change("cluster.absent.loopbacks.node01", "peering loopback in its table: 192.168.100.1/32",
           route("node01", "192.168.100.1", type="unreachable", protocol="bird")),
    Change("cluster.absent.unreachable.node01", "unreachable: 12.1.0.0/16",
           route("node01", "12.1.0.0/16", type="unreachable")),
    Change("cluster.absent.unreachable.node02", "into tunl0 although no pool encapsulates: 10.244.196.128/26",
           route("node02", "10.244.196.128/26", gateway="192.168.1.11", dev="tunl0")),
    Change("leafs.gateway.leaf2101", "anycast is false, expected true",
           typed("leaf2101", "  fabric forwarding mode anycast-gateway\n", "")),
    Change("leafs.gateway.leaf2102", "mac is 2020.0000.00bb, expected 2020.0000.00aa",
           typed("leaf2102", "anycast-gateway-mac 2020.0000.00aa", "anycast-gateway-mac 2020.0000.00bb")),
    Change("leafs.gateway-up.leaf2101", "protocol is down, expected up",
           shown("leaf2101", "show ip interface brief vrf vrf-001", '"proto-state": "up"', '"proto-state": "down"')),
    Change("leafs.gateway-up.leaf2102", "gateway MAC is .*expected 2020.0000.00aa",
           shown("leaf2102", "show mac address-table", "2020.0000.00aa", "2020.0000.00bb")),
    Change("leafs.loopback.leaf2101", "tag is 1, 6789, expected 6789", typed("leaf2101", "/32 tag 6789", "/32 tag 1")),
    Change("leafs.own-vtep.leaf2101", "advertise-pip is false", typed("leaf2101", "    advertise-pip\n", "")),
    Change("leafs.peer-link.leaf2102", "kind is physical, expected fabric",
           shown("leaf2102", "show vpc brief", '"virtual-peer-link": "1"', '"virtual-peer-link": "0"')),
    Change("leafs.bgp-config.leaf2101", r"nxos/leaf2101.cfg:\d+: missing: router bgp 65102 / .*maximum-paths 64",
           typed("leaf2101", "      maximum-paths 64\n", "")),
    Change("leafs.bgp-config.leaf2102", "extra: router bgp 65102 / vrf vrf-001 / neighbor 192.168.1.99",
           typed("leaf2102", "    neighbor 192.168.1.13\n", "    neighbor 192.168.1.99\n    neighbor 192.168.1.13\n")),
    Change("leafs.neighbor.leaf2101.192.168.1.11", "as-override is false, expected true",
           typed("leaf2101", "    neighbor 192.168.1.11\n",
                 "    neighbor 192.168.1.11\n      address-family ipv4 unicast\n        no as-override\n")),
    Change("leafs.neighbor.leaf2102.2001:192:168:1::13", "is not configured",
           typed("leaf2102", "neighbor 2001:192:168:1::13\n", "neighbor 2001:192:168:1::77\n")),
    Change("leafs.filter.leaf2101.ipv4", "route-map calico-ip-filter permits 192.168.100.1/32, 192.168.100.2/32",
           typed("leaf2101", "ip prefix-list PL-K8S-OUT seq 5 permit 12.1.0.0/16",
                 "ip prefix-list PL-K8S-OUT seq 5 permit 192.168.100.0/24 le 32")),
    Change("leafs.filter.leaf2102.ipv6", "has no out-filter in ipv6",
           typed("leaf2102", "      route-map calico-ipv6-filter out\n", "")),
    Change("leafs.filter.leaf2102.ipv4", "prefix-list PL-NOBODY, which is not defined",
           typed("leaf2102", "match ip address prefix-list PL-K8S-OUT", "match ip address prefix-list PL-NOBODY")),
    Change("leafs.absent.leaf2102.default/nginx-service", "knows .*/32 of default/nginx-service", plain_service),
    Change("leafs.next-hops.leaf2102.default/my-service-ipv4",
           r"10.96.120.215/32 of default/my-service-ipv4 via 192.168.1.10 \(master\), which has no endpoint",
           known_route("10.96.120.215/32", "192.168.1.10", "192.168.1.11")),
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change.check}: {change.message[:30]}")
def test_a_change_fails_its_check_for_its_reason(change: Change, recorded: RecordedLab, tmp_path: Path) -> None:
    change.make(recorded)
    result = judged(recorded, tmp_path, change.check)[change.check]
    assert result.verdict == "FAIL", result.sentence
    assert re.search(change.message, result.sentence), result.sentence


def kind(identity: str) -> str:
    return re.match(r"[a-z]+\.(?:route\.[a-z-]+|absent\.(?:services|loopbacks|unreachable)|[a-z-]+)", identity)[0]  # type: ignore[index]


def test_every_kind_of_check_has_such_a_change(recorded: RecordedLab, tmp_path: Path) -> None:
    kinds = {kind(check.id) for check in all_checks(under_test(recorded, tmp_path))}
    assert kinds - {kind(change.check) for change in CHANGES} == set()


def test_a_node_that_does_not_answer_is_inconclusive(recorded: RecordedLab, tmp_path: Path) -> None:
    """Each check asks something, and no answer is neither a pass nor a fail."""
    recorded.silent = {"kubernetes", "master", "node01", "node02", "leaf2101", "leaf2102"}
    found = judged(recorded, tmp_path)
    assert {row.verdict for row in found.values()} == {"INCONCLUSIVE"}
    assert all("does not answer" in row.sentence for row in found.values())


def test_a_node_without_json_is_inconclusive(recorded: RecordedLab, tmp_path: Path) -> None:
    recorded.nodes["node01", "ip -j -4 route show"] = ""
    found = judged(recorded, tmp_path, "cluster.route.*.node01")
    assert {row.verdict for row in found.values()} == {"INCONCLUSIVE"}


def test_a_bird_that_says_nothing_is_inconclusive(recorded: RecordedLab, tmp_path: Path) -> None:
    recorded.birds["node01"] = ""
    found = judged(recorded, tmp_path, "cluster.session.node01.*")
    assert {row.verdict for row in found.values()} == {"INCONCLUSIVE"}
    assert len(found) == 4


def test_what_must_not_be_passes_only_after_what_must_be(recorded: RecordedLab, tmp_path: Path) -> None:
    not_ready(recorded)
    lab = under_test(recorded, tmp_path)
    found = lab.poll(cluster.checks(lab), Deadline(0))
    held = lab.hold(cluster.negatives(lab), 0.0, found)
    assert {row.verdict for row in held} == {"INCONCLUSIVE"}
    assert all("cannot be told while cluster.node.node01 is FAIL" in row.sentence for row in held)
    route("node01", "10.96.0.0/16", gateway="192.168.1.1", dev="bond0")(recorded)
    held = lab.hold(cluster.negatives(lab), 0.0, found)
    assert {row.id for row in held if row.verdict == "FAIL"} == {"cluster.absent.services.node01"}
