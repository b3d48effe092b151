"""The white paper's lab as rendered: its services, workloads and prefixes; and the colour of duplicated loopbacks."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from labctl.design.design import Target
from labctl.design.plan import design
from labctl.render.folder import render_folder
from labctl.spec.load import loads

PAPER = (Path(__file__).parents[3] / "topologies" / "whitepaper.yaml").read_text(encoding="utf-8")
PREFIXES = ("12.0.0.0/8", "13.0.0.0/8", "14.0.0.0/8", "199.101.101.0/24", "200.200.200.200/32")


@cache
def rendered(text: str) -> dict[str, str]:
    return render_folder(design(loads("lab.yaml", text), Target()))


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return rendered(PAPER)


def objects(files: dict[str, str], workload: str) -> dict[str, Any]:
    found = list(yaml.safe_load_all(files[f"k8s/{workload}.yaml"]))
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in found}


@pytest.mark.parametrize(
    ("name", "address", "port"),
    [("my-service-ipv4", "10.96.120.215", 32558), ("my-service-ipv6", "10.96.214.77", 31894)],
)
def test_services_are_the_papers(files: dict[str, str], name: str, address: str, port: int) -> None:
    spec = objects(files, "nginx-dual")[f"Service/{name}"]["spec"]
    assert (spec["type"], spec["externalTrafficPolicy"], spec["clusterIP"]) == ("NodePort", "Local", address)
    assert spec["ports"][0]["nodePort"] == port
    assert spec["ipFamilyPolicy"] == "PreferDualStack"


def test_their_pods_are_on_both_workers_by_required_anti_affinity(files: dict[str, str]) -> None:
    deployment = objects(files, "nginx-dual")["Deployment/nginx-dual"]["spec"]
    pod = deployment["template"]["spec"]
    (term,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    assert deployment["replicas"] == 2  # and the control plane is tainted: node01 and node02
    assert "tolerations" not in pod


def test_the_curls_backends_are_both_on_node01_behind_a_clusterip_of_one_family(files: dict[str, str]) -> None:
    found = objects(files, "nginx")
    deployment, service = found["Deployment/nginx-deployment3"]["spec"], found["Service/nginx-service"]["spec"]
    affinity = deployment["template"]["spec"]["affinity"]["nodeAffinity"]
    term = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0]
    assert term["matchExpressions"][0]["values"] == ["node01"]
    assert deployment["replicas"] == 2
    assert (service["type"], service["ipFamilyPolicy"]) == ("ClusterIP", "SingleStack")


def test_one_external_range_and_both_cluster_ranges_are_advertised(files: dict[str, str]) -> None:
    spec = yaml.safe_load(files["calico/bgpconfiguration.yaml"])["spec"]
    assert [row["cidr"] for row in spec["serviceExternalIPs"]] == ["203.0.113.0/24"]
    assert [row["cidr"] for row in spec["serviceClusterIPs"]] == ["10.96.0.0/16", "2001:db8:42:1::/112"]


def test_the_papers_prefixes_are_behind_the_border_leaf(files: dict[str, str]) -> None:
    routes = [line.split()[2] for line in files["nxos/leaf2999.cfg"].splitlines() if line.startswith("  ip route ")]
    for outer in PREFIXES:
        assert any(ip_network(route).subnet_of(ip_network(outer)) for route in routes), outer  # type: ignore[arg-type]
    for route in routes:
        assert f"permit {route}\n" in files["nxos/leaf2101.cfg"]


def test_nodes_learn_neither_peering_loopbacks_nor_a_default(files: dict[str, str]) -> None:
    """A node that learns the loopbacks by BGP turns its BGP routes unreachable (errata E11)."""
    lines = files["nxos/leaf2101.cfg"].splitlines()
    out = [line for line in lines if "PL-K8S" in line and "-OUT " in line and "prefix-list" in line.split()[1]]
    assert out
    permitted = [line.split(" permit ")[1].split()[0] for line in out]
    assert not any(ip_network(p).overlaps(ip_network("192.168.100.0/24")) for p in permitted if ":" not in p)
    assert not any(ip_network(p).prefixlen == 0 for p in permitted)


PAIRS = "name: lab\nfabric:\n  leaf_pairs: [{leafs: [leaf11, leaf12]}, {leafs: [leaf21, leaf22]}]\n"
DUPLICATED = (
    PAIRS
    + """\
  vrfs:
    - peering_loopbacks:
        leaf11: [192.168.100.1, "2001:193:168:1::4"]
        leaf12: [192.168.100.2, "2001:193:168:1::5"]
        leaf21: [192.168.100.1, "2001:193:168:1::4"]
        leaf22: [192.168.100.2, "2001:193:168:1::5"]
"""
)
DUPLICATED6 = (
    PAIRS
    + """\
  vrfs:
    - peering_loopbacks:
        leaf11: ["2001:193:168:1::4"]
        leaf12: ["2001:193:168:1::5"]
        leaf21: ["2001:193:168:1::4"]
        leaf22: ["2001:193:168:1::5"]
"""
)


@pytest.mark.parametrize("text", [DUPLICATED, DUPLICATED6], ids=["both", "ipv6"])
@pytest.mark.parametrize(("leaf", "colour", "last"), [("leaf11", "11:12", 4), ("leaf22", "21:22", 5)])
def test_duplicated_loopbacks_are_coloured_in_both_families(text: str, leaf: str, colour: str, last: int) -> None:
    config = rendered(text)[f"nxos/{leaf}.cfg"]
    assert f"ipv6 prefix-list dup_ip6_avoidance seq 5 permit 2001:193:168:1::{last}/128\n" in config
    for name, family, prefixes in (
        ("loopback", "ip", "dup_ip_avoidance"),
        ("loopback-v6", "ipv6", "dup_ip6_avoidance"),
    ):
        clause = f"route-map {name} permit 10\n  match {family} address prefix-list {prefixes}\n"
        # without 'additive', so that the colour replaces the VRF's own target; permit 20 for what does not match
        assert f"{clause}  set extcommunity rt {colour}\nroute-map {name} permit 20\n" in config
    vrf = config[config.index("vrf context vrf-001") : config.index("vpc domain")]
    ipv4, ipv6 = vrf.split("address-family ipv6 unicast")
    for part, name in ((ipv4, "loopback"), (ipv6, "loopback-v6")):
        assert f"    route-target import {colour} evpn\n    export map {name}\n" in part
    assert config.index("route-map loopback-v6 permit 20") < config.index("export map loopback-v6")


def test_one_set_of_peers_serves_all_nodes_where_loopbacks_are_the_same() -> None:
    peers = list(yaml.safe_load_all(rendered(DUPLICATED)["calico/bgppeers.yaml"]))
    assert [peer["spec"]["peerIP"] for peer in peers] == [
        "192.168.100.1", "2001:193:168:1::4", "192.168.100.2", "2001:193:168:1::5",
    ]  # fmt: skip
    assert not any("nodeSelector" in peer["spec"] for peer in peers)


def test_where_one_family_is_the_same_the_other_still_has_peers_of_each_pair() -> None:
    peers = list(yaml.safe_load_all(rendered(DUPLICATED6)["calico/bgppeers.yaml"]))
    selected = {peer["spec"]["peerIP"]: peer["spec"].get("nodeSelector") for peer in peers}
    assert selected == {
        "192.168.100.1": "kubernetes.io/hostname in { 'master', 'node02' }",
        "192.168.100.2": "kubernetes.io/hostname in { 'master', 'node02' }",
        "192.168.100.3": "kubernetes.io/hostname in { 'node01' }",
        "192.168.100.4": "kubernetes.io/hostname in { 'node01' }",
        "2001:193:168:1::4": None,
        "2001:193:168:1::5": None,
    }


def test_a_pair_without_nodes_has_no_peers() -> None:
    peers = list(yaml.safe_load_all(rendered("name: lab\nfabric: {leaf_pairs: 4}\n")["calico/bgppeers.yaml"]))
    assert {peer["metadata"]["name"].split("-")[0] for peer in peers} == {f"leaf10{n}" for n in range(1, 7)}


@pytest.mark.parametrize("text", [PAPER, PAIRS])
def test_unique_loopbacks_have_no_colour(text: str) -> None:
    for path, config in rendered(text).items():
        if path.startswith("nxos/"):
            assert not any(word in config for word in ("export map", "extcommunity", "dup_ip", "route-map loopback"))
            assert "route-target import" not in config.replace("route-target import auto", "")


def test_no_name_of_a_vlan_is_longer_than_nx_os_takes() -> None:
    text = f"name: lab\nfabric: {{vrfs: [{{name: {'v' * 32}, networks: [{{name: {'n' * 32}}}]}}]}}\n"
    config = rendered(text)["nxos/leaf101.cfg"]
    names = [line.removeprefix("  name ") for line in config.splitlines() if line.startswith("  name ")]
    assert sorted(map(len, names)) == [32, 32]
