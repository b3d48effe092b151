"""Where a node's address blocks lie, the names of host interfaces, and the order of addresses in a block."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.standin.cluster.calico.blocks import (
    Pool,
    addresses_of,
    assign,
    candidates,
    handles,
    interface_name,
    nearest,
    new_block,
    object_name,
    release,
)
from labctl.standin.cluster.calico.gorand import GoRand, compute_start_words, fnv1_32

PAPER = (  # the eight blocks that the white paper shows
    ("master", "10.244.0.0/16", "10.244.219.64/26"),
    ("node01", "10.244.0.0/16", "10.244.196.128/26"),
    ("node02", "10.244.0.0/16", "10.244.140.64/26"),
    ("node01", "2001:db8:42::/56", "2001:db8:42:ae:fe9b:5aae:bdcd:3700/122"),
    ("node02", "2001:db8:42::/56", "2001:db8:42:7d:a5ca:9fd7:bc1f:b9c0/122"),
    ("node1", "10.233.64.0/18", "10.233.102.128/26"),
    ("node2", "10.233.64.0/18", "10.233.75.0/26"),
    ("node3", "10.233.64.0/18", "10.233.71.0/26"),
)
OTHERS = (
    ("master", "2001:db8:42::/56", "2001:db8:42:f1:7708:132e:83eb:cd80/122"),
    ("master", "10.233.64.0/18", "10.233.97.128/26"),
    ("node1", "10.244.0.0/16", "10.244.166.128/26"),
    ("node2", "2001:db8:42::/56", "2001:db8:42:74:d03b:4785:4379:9540/122"),
    ("labctl-control-plane", "10.244.0.0/16", "10.244.56.192/26"),
    ("labctl-control-plane", "2001:db8:42::/56", "2001:db8:42:c1:f078:b2d4:e697:8bc0/122"),
    ("labctl-worker", "2001:db8:42::/56", "2001:db8:42:b:3980:3382:f7:6100/122"),
    ("labctl-worker2", "10.233.64.0/18", "10.233.106.64/26"),
    ("kind-control-plane", "10.244.0.0/16", "10.244.82.0/26"),
    ("kind-worker3", "10.244.0.0/16", "10.244.195.192/26"),
    ("k8sfab-worker2", "2001:db8:42::/56", "2001:db8:42:f:d6bb:7930:e2a2:64c0/122"),
    ("k8sfab-worker3", "10.233.64.0/18", "10.233.122.64/26"),
)


def pool(cidr: str, size: int | None = None) -> Pool:
    return Pool.of({"metadata": {"name": "p"}, "spec": {"cidr": cidr, "blockSize": size}})


@pytest.mark.parametrize(("node", "cidr", "block"), PAPER + OTHERS)
def test_a_nodes_first_block(node: str, cidr: str, block: str) -> None:
    assert str(next(candidates(pool(cidr), node))) == block


def test_gos_generator() -> None:
    """Go's documented start word 0, and rand.New(rand.NewSource(1)).Uint32() as Go prints it."""
    words = compute_start_words()
    assert len(words) == 607
    assert words[0] - (1 << 64) == -4181792142133755926
    source = GoRand(1)
    assert [source.uint32() for _ in range(3)] == [2596996162, 4039455774, 2854263694]


@pytest.mark.parametrize(("text", "value"), [("", 0x811C9DC5), ("a", 0x050C5D7E), ("foobar", 0x31F0B262)])
def test_fnv(text: str, value: int) -> None:
    assert fnv1_32(text) == value


@given(st.integers(min_value=1, max_value=1 << 70), st.integers(min_value=0, max_value=(1 << 32) - 1))
def test_a_draw_is_below_its_limit(limit: int, seed: int) -> None:
    assert 0 <= GoRand(seed).below(limit) < limit


@pytest.mark.parametrize(
    ("cidr", "size", "start", "last"),
    [
        ("10.9.0.0/24", 26, None, None),
        ("10.9.0.0/26", 26, "10.9.0.0/26", "10.9.0.0/26"),
        ("fd00::/120", 122, None, None),
    ],
)
def test_every_block_is_tried_once_upwards_and_around(
    cidr: str, size: int, start: str | None, last: str | None
) -> None:
    tried = list(candidates(pool(cidr, size), "node01"))
    assert sorted(tried) == list(ip_network(cidr).subnets(new_prefix=size))
    first = sorted(tried).index(tried[0])
    assert tried == [*sorted(tried)[first:], *sorted(tried)[:first]]
    assert start is None or (str(tried[0]), str(tried[-1])) == (start, last)


@given(st.sets(st.integers(min_value=0, max_value=1023), max_size=6), st.text("abc", min_size=1, max_size=4))
def test_existing_blocks_are_in_the_order_of_the_candidates(numbers: set[int], node: str) -> None:
    whole = pool("10.244.0.0/16")
    blocks = [ip_network((int(whole.cidr.network_address) + 64 * number, 26)) for number in numbers]
    order = list(candidates(whole, node))
    outside = [ip_network("10.9.0.0/26"), ip_network("fd00::/122")]
    assert nearest(whole, node, [*blocks, *outside]) == sorted(blocks, key=order.index)


FIGURE = """\
nginx-6799fc88d8-9c5s7 calid1bb92b4a51   nginx-dual-745fc4dc4c-46pxk calif8acddec125
nginx-dual-745fc4dc4c-47jlr calif4fbd1e58c4   nginx-dual-745fc4dc4c-4qcht calia646b5f94b9
nginx-dual-745fc4dc4c-5nzr5 calie55fceb8bee   nginx-dual-745fc4dc4c-6zpv5 cali9b3d20b6185
nginx-dual-745fc4dc4c-845zx calia97bd5c5533   nginx-dual-745fc4dc4c-85tr2 cali68f4c2b7c47
nginx-dual-745fc4dc4c-92gsv cali5a47ddf626c   nginx-dual-745fc4dc4c-9mtlp calic20849212b5
nginx-dual-745fc4dc4c-bv6bm cali41fc528c766   nginx-dual-745fc4dc4c-dgxxq cali67fa026878d
nginx-dual-745fc4dc4c-ffv46 caliaf54dd47ed7   nginx-dual-745fc4dc4c-lb9vz cali9b23290f8a2
nginx-dual-745fc4dc4c-ld9pv calie8891c47772   nginx-dual-745fc4dc4c-mnswc cali8e5f5aa610f
nginx-dual-745fc4dc4c-rchbj cali883656104f5   nginx-dual-745fc4dc4c-sjbv5 cali80ee495478c
nginx-dual-745fc4dc4c-srlsp cali85a36d5b3a8   nginx-dual-745fc4dc4c-w7t4f cali978be70f285
nginx-dual-745fc4dc4c-wztxj calibb148dec430   ping cali19697d18bb9
pingtest-8547ccd6f-rpjrx cali80de97cfe2d   nginx-deployment3-5c7959dc4f-tk9t6 calic3fd4f12902
nginx-deployment3-5c7959dc4f-65k84 cali3f71f08da19
"""
"""Figure 12's 22 rows, and three of the host route table."""
PODS = FIGURE.split()


@pytest.mark.parametrize(("pod", "interface"), list(zip(PODS[::2], PODS[1::2], strict=True)))
def test_host_interfaces_of_the_paper(pod: str, interface: str) -> None:
    assert interface_name("default", pod) == interface


@pytest.mark.parametrize(
    ("network", "name"),
    [("10.244.196.128/26", "10-244-196-128-26"), ("2001:db8:42:ae::/122", "2001-db8-42-ae---122")],
)
def test_object_names(network: str, name: str) -> None:
    assert object_name(ip_network(network)) == name


def test_addresses_come_in_order_and_released_ones_last() -> None:
    block = new_block(ip_network("10.0.0.0/30"), "node01")
    given_out = []
    for handle in ("a", "b", "c", "d"):
        block, address = assign(block, handle, {})
        given_out.append(str(address))
    assert given_out == ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"], "network and broadcast are addresses too"
    assert assign(block, "e", {}) is None
    for handle in ("c", "a"):
        block = release(block, handle)
    assert [str(assign(block, "e", {})[1])] == ["10.0.0.2"], "the one that is free longest"
    assert str(assign(assign(block, "e", {})[0], "f", {})[1]) == "10.0.0.0"


def test_a_block_knows_whose_addresses_it_holds() -> None:
    block = new_block(ip_network("10.0.0.0/29"), "node01")
    for handle in ("a", "b", "a"):
        block, _ = assign(block, handle, {"pod": handle})
    assert addresses_of(block, "a") == [ip_address("10.0.0.0"), ip_address("10.0.0.2")]
    assert handles(block) == {"a": {"pod": "a"}, "b": {"pod": "b"}}
    freed = release(block, "a")
    assert handles(freed) == {"b": {"pod": "b"}}
    assert addresses_of(freed, "b") == [ip_address("10.0.0.1")]
    assert release(freed, "a") is None
    assert handles(block).keys() == {"a", "b"}, "a block is never changed in place"


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcde")), max_size=60))
def test_no_address_has_two_owners(steps: list[tuple[bool, str]]) -> None:
    block, owners = new_block(ip_network("fd00::/125"), "n"), {}
    for take, handle in steps:
        if take:
            result = assign(block, handle, {"of": handle})
            assert (result is None) == (len(owners) == 8)
            if result:
                block, address = result
                assert address not in owners
                owners[address] = handle
        else:
            block = release(block, handle) or block
            owners = {address: owner for address, owner in owners.items() if owner != handle}
        spec = block["spec"]
        assert len(spec["unallocated"]) + len(owners) == 8
        for name in "abcde":
            assert set(addresses_of(block, name)) == {a for a, owner in owners.items() if owner == name}


def test_pool_defaults() -> None:
    assert (pool("10.0.0.0/16").block_size, pool("fd00::/56").block_size) == (26, 122)
    assert pool("10.0.0.0/16").node_selector == "all()"
    assert pool("10.0.0.0/16").allowed_uses == ("Workload", "Tunnel")
    assert len(list(islice(candidates(pool("fd00::/56"), "n"), 3))) == 3, "2^66 blocks are not all made"
