"""The white paper's lab, number by number, and what the plan decides where it says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.design.design import Design, Target
from labctl.design.plan import design
from labctl.spec.load import load, loads

REAL = Target("n9kv", "kind")


@pytest.fixture
def paper(topologies: Path) -> Design:
    return design(load(topologies / "whitepaper.yaml"), Target())


def lab(text: str, target: Target = Target()) -> Design:  # noqa: B008 - frozen
    return design(loads("lab.yaml", text, target=(target.switch, target.cluster)), target)


def test_addresses_are_the_papers(paper: Design) -> None:
    leaf = paper.switch("leaf2101")
    assert leaf.vpc
    assert [str(a) for a in (leaf.loopback0, leaf.vtep, leaf.vpc.vip, leaf.peering, leaf.peering6)] == [
        "10.2.1.1", "10.2.0.3", "10.2.0.100", "192.168.100.1", "2001:193:168:1::4",
    ]  # fmt: skip
    assert paper.cluster
    assert [str(node.address) for node in paper.cluster.nodes] == [
        "192.168.1.10/24", "192.168.1.11/24", "192.168.1.13/24",
    ]  # fmt: skip


def test_nodes_hang_on_both_leafs_in_one_channel(paper: Design) -> None:
    first, second = paper.switch("leaf2101"), paper.switch("leaf2102")
    assert [(p.node, p.node_interface, p.channel) for p in first.node_ports] == [
        ("master", "eth1", 11), ("node01", "eth1", 12), ("node02", "eth1", 13),
    ]  # fmt: skip
    assert [(p.node, p.node_interface, p.channel) for p in second.node_ports] == [
        ("master", "eth2", 11), ("node01", "eth2", 12), ("node02", "eth2", 13),
    ]  # fmt: skip


def test_kind_names_its_containers_after_the_lab(paper: Design) -> None:
    assert paper.cluster
    names = {node.name: node.container for node in paper.cluster.nodes}
    assert names == {
        "master": "whitepaper-control-plane",
        "node01": "whitepaper-worker",
        "node02": "whitepaper-worker2",
    }


def test_calico_peers_with_each_leaf_in_each_family(paper: Design) -> None:
    assert paper.cluster
    assert [(peer.name, str(peer.address), peer.nodes) for peer in paper.cluster.peers] == [
        ("leaf2101-calico-v4", "192.168.100.1", None),
        ("leaf2101-calico-v6", "2001:193:168:1::4", None),
        ("leaf2102-calico-v4", "192.168.100.2", None),
        ("leaf2102-calico-v6", "2001:193:168:1::5", None),
    ]


def test_two_pairs_with_loopbacks_of_their_own_select_their_nodes() -> None:
    wanted = lab("name: lab\nfabric: {leaf_pairs: 2}\ncluster: {nodes: 4}\n")
    assert wanted.cluster
    assert {peer.name.split("-")[0]: peer.nodes for peer in wanted.cluster.peers} == {
        "leaf101": ("master", "node02"),
        "leaf102": ("master", "node02"),
        "leaf103": ("node01", "node03"),
        "leaf104": ("node01", "node03"),
    }
    assert all(leaf.colour is None for leaf in wanted.by_role("leaf"))


def test_shared_loopbacks_are_coloured_by_pair() -> None:
    wanted = lab(
        "name: lab\nfabric:\n  leaf_pairs: [{leafs: [leaf1, leaf2]}, {leafs: [leaf3, leaf4]}]\n  vrfs:\n"
        "    - peering_loopbacks:\n"
        '        leaf1: [192.168.100.1, "2001:db8::1"]\n        leaf2: [192.168.100.2, "2001:db8::2"]\n'
        '        leaf3: [192.168.100.1, "2001:db8::1"]\n        leaf4: [192.168.100.2, "2001:db8::2"]\n'
    )
    assert [leaf.colour for leaf in wanted.by_role("leaf")] == ["1:2", "1:2", "3:4", "3:4"]
    assert wanted.cluster
    assert {peer.name.split("-")[0] for peer in wanted.cluster.peers} == {"leaf1", "leaf2"}
    assert all(peer.nodes is None for peer in wanted.cluster.peers)


def test_a_lab_without_cluster_proves_its_sessions() -> None:
    wanted = lab("name: lab\ncluster: none\n")
    assert wanted.cluster is None
    assert wanted.scenarios == ("bgp", "leafs")
    assert wanted.by_role("leaf")[0].node_ports == ()


def test_a_physical_peer_link_has_two_links_and_an_underlay_vlan() -> None:
    leafs = "{leafs: [a1, a2], peer_link: physical}"
    leaf = lab(f"name: lab\nfabric: {{leaf_pairs: [{leafs}]}}\ncluster: none\n").switch("a1")
    assert leaf.vpc
    assert len(leaf.vpc.members) == 2
    assert str(leaf.vpc.backup) == "10.4.255.0/31"


def test_only_ipv4() -> None:
    wanted = lab("name: lab\nfabric: {vrfs: [{networks: [{gateway: 192.168.7.1/24}]}]}\n")
    assert wanted.vrf.gateway6 is None
    assert wanted.cluster
    assert all(node.address6 is None for node in wanted.cluster.nodes)
    assert all(peer.address.version == 4 for peer in wanted.cluster.peers)


def test_small_network_with_written_addresses() -> None:
    wanted = lab(
        "name: lab\nfabric: {vrfs: [{networks: [{gateway: 192.168.7.1/29}]}]}\n"
        "cluster: {nodes: [{name: m1, address: 192.168.7.2}, {name: w1, address: 192.168.7.3}]}\n"
    )
    assert wanted.cluster
    assert [str(node.address) for node in wanted.cluster.nodes] == ["192.168.7.2/29", "192.168.7.3/29"]


def test_versions_belong_to_the_target() -> None:
    text = "name: lab\n"
    standin, real = lab(text), lab(text, REAL)
    assert standin.cluster
    assert real.cluster
    assert (standin.cluster.kubernetes, standin.cluster.calico) == ("1.34.3", "3.20.0")
    assert (real.cluster.kubernetes, real.cluster.calico) == ("1.37.0", "3.33.0")
    assert real.images.leaf.tagged == "vrnetlab/cisco_n9kv:10.5.4"
    assert real.images.node.tagged == "kindest/node:v1.37.0"
