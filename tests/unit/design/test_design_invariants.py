"""What holds for a lab of any size: nothing has two owners, every link has two ends of its own."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.design.design import Design, Target
from labctl.design.plan import design
from labctl.errors import SpecError
from labctl.spec.load import loads


@st.composite
def labs(draw: st.DrawFn) -> Design:
    """Any size that a spec may ask for, with planned addresses."""
    pairs, borders = draw(st.integers(1, 16)), draw(st.integers(0, 4))
    links = [draw(st.sampled_from(["fabric", "physical"])) for _ in range(pairs)]
    rows = "".join(
        f"    - {{leafs: [l{2 * i + 1:02d}, l{2 * i + 2:02d}], peer_link: {k}}}\n" for i, k in enumerate(links)
    )
    text = f"name: lab\nfabric:\n  spines: {draw(st.integers(1, 8))}\n  borders: {borders}\n  leaf_pairs:\n{rows}"
    text += f"cluster: {{nodes: {draw(st.integers(2, min(64, 54 * pairs)))}}}\n"  # 64 ports a leaf
    externals = draw(st.integers(0, 5)) if borders else 0
    if externals:
        text += "external:\n"
        for index in range(externals):
            border = draw(st.integers(1, borders))
            text += f"  - {{name: ext{index + 1}, attach: border{border}, announces: [20.{index}.0.0/16]}}\n"
    return design(loads("lab.yaml", text), Target())


def underlay_addresses(lab: Design) -> list[IPv4Address]:
    found = [switch.loopback0 for switch in lab.switches]
    found += [switch.vtep for switch in lab.switches if switch.vtep]
    found += [uplink.address.ip for switch in lab.switches for uplink in switch.uplinks]
    found += [s.vpc.backup.ip for s in lab.switches if s.vpc and s.vpc.backup]
    return found + sorted({switch.vpc.vip for switch in lab.switches if switch.vpc})


def tenant_addresses(lab: Design) -> list[IPv4Address | IPv6Address]:
    assert lab.cluster
    found: list[IPv4Address | IPv6Address] = [lab.vrf.gateway.ip]
    found += [lab.vrf.gateway6.ip] if lab.vrf.gateway6 else []
    for node in lab.cluster.nodes:
        found += [node.address.ip, *([node.address6.ip] if node.address6 else [])]
    for switch in lab.by_role("leaf"):
        assert switch.peering
        assert switch.peering6
        found += [switch.peering, switch.peering6]
    for external in lab.externals:
        port = external.port
        found += [port.address.ip, port.host_address.ip, port.address6.ip, port.host_address6.ip]
    return found


@settings(max_examples=40)
@given(labs())
def test_no_address_has_two_owners(lab: Design) -> None:
    management = [switch.management.ip for switch in lab.switches] + [host.management.ip for host in lab.externals]
    for addresses in (underlay_addresses(lab), tenant_addresses(lab), management):
        assert [address for address, count in Counter(addresses).items() if count > 1] == []


@settings(max_examples=40)
@given(labs())
def test_both_ends_of_an_uplink_share_a_31_and_no_two_links_overlap(lab: Design) -> None:
    ends = {(s.name, u.interface): u for s in lab.switches for u in s.uplinks}
    networks = Counter(uplink.address.network for uplink in ends.values())
    assert set(networks.values()) <= {2}
    assert all(network.prefixlen == 31 for network in networks)
    for (name, interface), uplink in ends.items():
        other = ends[(uplink.peer, uplink.peer_interface)]
        assert (other.peer, other.peer_interface) == (name, interface)
        assert other.address.network == uplink.address.network


@settings(max_examples=40)
@given(labs())
def test_every_interface_has_one_link_and_numbers_without_gaps(lab: Design) -> None:
    ends = [end for link in lab.links for end in (link.a, link.b)]
    assert len(set(ends)) == len(ends)
    for switch in lab.switches:
        numbers = sorted(int(interface.rpartition("/")[2]) for name, interface in ends if name == switch.name)
        assert numbers == list(range(1, len(numbers) + 1))


@settings(max_examples=40)
@given(labs())
def test_both_leafs_of_a_pair_agree(lab: Design) -> None:
    for leaf in lab.by_role("leaf"):
        assert leaf.vpc
        peer = lab.switch(leaf.vpc.peer)
        assert peer.vpc
        assert (peer.vpc.peer, peer.vpc.domain, peer.vpc.vip) == (leaf.name, leaf.vpc.domain, leaf.vpc.vip)
        assert (peer.vpc.keepalive, peer.vpc.keepalive_peer) == (leaf.vpc.keepalive_peer, leaf.vpc.keepalive)
        assert peer.vpc.role_priority != leaf.vpc.role_priority
        assert [port.channel for port in peer.node_ports] == [port.channel for port in leaf.node_ports]


def planned(text: str) -> Design | None:
    """None: refused."""
    try:
        return design(loads("lab.yaml", text), Target())
    except SpecError:
        return None


@settings(max_examples=60)
@given(st.integers(8, 30), st.integers(0, 2**22), st.integers(2, 64))
def test_a_network_of_any_size_is_planned_or_refused_but_never_breaks(length: int, host: int, nodes: int) -> None:
    from ipaddress import ip_interface, ip_network

    network = ip_network(f"100.64.0.0/{length}", strict=False)
    gateway = ip_interface(f"{network[host % network.num_addresses]}/{length}")
    text = f"name: lab\nfabric: {{vrfs: [{{networks: [{{gateway: {gateway}}}]}}]}}\ncluster: {{nodes: {nodes}}}\n"
    lab = planned(text)
    if lab is None:
        return
    assert lab.cluster
    hosts = [node.address.ip for node in lab.cluster.nodes]
    assert all(address in network and address != gateway.ip for address in hosts)
