"""IPAM on the API: claims, conflicts, borrowing, release, the tunnel's address."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labctl.kube.api import ApiError
from labctl.kube.resources import BLOCK_AFFINITIES, IP_POOLS, IPAM_BLOCKS, IPAM_HANDLES, NODES
from labctl.standin.cluster.calico import ipam as ipam_module
from labctl.standin.cluster.calico.blocks import borrowed
from labctl.standin.cluster.calico.ipam import Ipam, NoAddress

NODE_NAMES = ("master", "node01", "node02")


@pytest.fixture
def ipam(api: Any) -> Ipam:
    for name in NODE_NAMES:
        api.add(NODES, name, metadata={"labels": {"kubernetes.io/hostname": name}})
    return Ipam(api)


def add_pool(api: Any, cidr: str, name: str = "pool", **spec: Any) -> None:
    api.add(IP_POOLS, name, spec={"cidr": cidr, **spec})


def take(ipam: Ipam, node: str, handle: str, version: int = 4, use: str = "Workload") -> str | None:
    address = ipam.assign(node, version, handle, {"node": node}, use)
    return None if address is None else str(address)


def affinities(api: Any) -> dict[str, tuple[str, str]]:
    return {item["spec"]["cidr"]: (item["spec"]["node"], item["spec"]["state"]) for item in api.list(BLOCK_AFFINITIES)}


def test_the_papers_blocks_are_claimed_at_the_first_allocation(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.244.0.0/16", "four")
    add_pool(api, "2001:db8:42::/56", "six")
    assert affinities(api) == {}
    assert take(ipam, "node01", "p1") == "10.244.196.128"
    assert take(ipam, "node01", "p2") == "10.244.196.129"
    assert take(ipam, "node01", "p1", 6) == "2001:db8:42:ae:fe9b:5aae:bdcd:3700"
    assert affinities(api) == {
        "10.244.196.128/26": ("node01", "confirmed"),
        "2001:db8:42:ae:fe9b:5aae:bdcd:3700/122": ("node01", "confirmed"),
    }


def test_asking_twice_gives_the_same_address(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.244.0.0/16")
    assert take(ipam, "node01", "p") == take(ipam, "node01", "p")


def test_release_gives_everything_back_and_twice_is_fine(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.244.0.0/16", "four")
    add_pool(api, "2001:db8:42::/56", "six")
    first = take(ipam, "node01", "K8s-Pod.X"), take(ipam, "node01", "K8s-Pod.X", 6)
    ipam.release("K8s-Pod.X")
    ipam.release("K8s-Pod.X")
    assert api.list(IPAM_HANDLES) == []
    again = take(ipam, "node01", "q"), take(ipam, "node01", "q", 6)
    assert all(first)
    assert again == ("10.244.196.129", "2001:db8:42:ae:fe9b:5aae:bdcd:3701"), "the released one waits at the end"


@pytest.mark.parametrize(
    ("spec", "node", "use", "served"),
    [
        ({}, "node01", "Workload", True),
        ({"disabled": True}, "node01", "Workload", False),
        ({"nodeSelector": "kubernetes.io/hostname == 'node02'"}, "node01", "Workload", False),
        ({"nodeSelector": "kubernetes.io/hostname == 'node02'"}, "node02", "Workload", True),
        ({"allowedUses": ["Tunnel"]}, "node01", "Workload", False),
        ({"allowedUses": ["Tunnel"]}, "node01", "Tunnel", True),
    ],
)
def test_which_pools_serve(api: Any, ipam: Ipam, spec: dict[str, Any], node: str, use: str, served: bool) -> None:
    add_pool(api, "10.244.0.0/16", **spec)
    assert (take(ipam, node, "p", use=use) is not None) is served
    assert take(ipam, node, "p", 6, use) is None, "no pool of that family is no error"


def test_the_tunnel_has_the_first_address_when_it_comes_first(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.244.0.0/16", ipipMode="Always")
    assert take(ipam, "node01", "ipip-tunnel-addr-node01", use="Tunnel") == "10.244.196.128"
    assert take(ipam, "node01", "p") == "10.244.196.129"
    ipam.release("ipip-tunnel-addr-node01")
    assert take(ipam, "node01", "ipip-tunnel-addr-node01", use="Tunnel") == "10.244.196.130", "later it has another"


def test_a_block_that_somebody_else_claims_at_the_same_moment(api: Any, ipam: Ipam) -> None:
    """The compare-and-swap: the block's object is there when we create it, so the next block is ours."""
    add_pool(api, "10.244.0.0/16")
    api.conflict_once("POST", "ipamblocks")
    assert take(ipam, "node01", "p") == "10.244.196.192"
    assert affinities(api) == {"10.244.196.192/26": ("node01", "confirmed")}, "no pending claim is left"


def test_two_nodes_with_the_same_start(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.9.0.0/25", blockSize=26)
    blocks = {ip_network(f"{take(ipam, node, node)}/26", strict=False) for node in ("node01", "node02")}
    assert len(blocks) == 2


def test_a_block_that_changes_under_our_hands(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.244.0.0/16")
    assert take(ipam, "node01", "p1") == "10.244.196.128"
    api.conflict_once("PUT", "ipamblocks")
    assert take(ipam, "node01", "p2") == "10.244.196.129"
    api.conflict_once("PUT", "ipamblocks")
    ipam.release("p1")
    assert take(ipam, "node01", "p3") == "10.244.196.130"


def test_it_does_not_try_for_ever(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.244.0.0/16")
    for _ in range(ipam_module.RETRIES):
        api.conflict_once("PUT", "blockaffinities")
    with pytest.raises(NoAddress, match="changed 20 times"):
        take(ipam, "node01", "p")


def test_another_error_of_the_api_is_not_retried(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.244.0.0/16")

    def forbid(method: str, path: str, _body: Any) -> None:
        raise ApiError(403, "Forbidden", f"{method} {path}")

    api.before.append(forbid)
    with pytest.raises(ApiError, match="blockaffinities"):
        take(ipam, "node01", "p")


def test_a_full_pool_is_borrowed_from(api: Any, ipam: Ipam) -> None:
    """One block of four: the second node takes addresses from the first one's, as /32s; then nothing is left."""
    add_pool(api, "10.9.0.0/30", blockSize=30)
    assert take(ipam, "node01", "a") == "10.9.0.0"
    assert [take(ipam, "node02", name) for name in "bcd"] == ["10.9.0.1", "10.9.0.2", "10.9.0.3"]
    assert affinities(api) == {"10.9.0.0/30": ("node01", "confirmed")}
    (block,) = api.list(IPAM_BLOCKS)
    assert [[str(address) for address in borrowed(block, node)] for node in ("node01", "node02")] == [
        [],
        ["10.9.0.1", "10.9.0.2", "10.9.0.3"],
    ]
    with pytest.raises(NoAddress, match=r"no free address in 10\.9\.0\.0/30"):
        take(ipam, "node02", "e")
    ipam.release("c")
    assert take(ipam, "node01", "e") == "10.9.0.2"


def test_a_node_has_at_most_twenty_blocks(api: Any, ipam: Ipam) -> None:
    """Even where the pool has 2^66 of them, borrowing looks only at blocks that exist."""
    add_pool(api, "2001:db8:42::/56", blockSize=128)
    own = [take(ipam, "node01", f"p{number}", 6) for number in range(20)]
    assert len(set(own)) == 20
    with pytest.raises(NoAddress):
        take(ipam, "node01", "p20", 6)
    ipam.release("p7")
    assert take(ipam, "node02", "other", 6) not in own
    assert take(ipam, "node01", "p20", 6) == own[7]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(NODE_NAMES), st.sampled_from("abcdefgh"), st.booleans(), st.sampled_from("-PBA")),
        max_size=40,
    )
)
def test_the_same_address_is_never_given_out_twice(
    request: pytest.FixtureRequest, steps: list[tuple[str, str, bool, str]]
) -> None:
    """Two nodes' worth of addresses for eight pods on three nodes, with conflicts thrown in."""
    api = type(request.getfixturevalue("api"))()
    for name in NODE_NAMES:
        api.add(NODES, name)
    add_pool(api, "10.9.0.0/29", blockSize=30)
    ipam, held = Ipam(api), {}
    conflicts = {"P": ("PUT", "ipamblocks"), "B": ("POST", "ipamblocks"), "A": ("PUT", "blockaffinities")}
    for node, handle, give, conflict in steps:
        api.before.clear()
        if conflict in conflicts:
            api.conflict_once(*conflicts[conflict])
        if give:
            ipam.release(handle)
            held.pop(handle, None)
            continue
        try:
            address = take(ipam, node, handle)
        except NoAddress:
            continue
        assert held.get(handle, address) == address
        held[handle] = address
        assert len(set(held.values())) == len(held)
    blocks = [item["spec"] for item in api.list(IPAM_BLOCKS)]
    assert sum(row is not None for spec in blocks for row in spec["allocations"]) == len(held)


# --- addresses that a person asks for ---------------------------------------------------------------------------


def pin(ipam: Ipam, node: str, address: str, handle: str) -> None:
    ipam.assign_address(node, ip_address(address), handle, {"node": node})


def test_a_certain_address_claims_its_block_for_the_node(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.233.64.0/18")
    pin(ipam, "node01", "10.233.102.136", "p")
    pin(ipam, "node01", "10.233.102.136", "p")
    assert affinities(api) == {"10.233.102.128/26": ("node01", "confirmed")}
    assert take(ipam, "node01", "q") == "10.233.102.128"
    handle = api.get(IPAM_HANDLES.path(name="p"))
    assert handle["spec"]["block"] == {"10.233.102.128/26": 1}


def test_an_address_in_another_nodes_block_is_borrowed(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.244.0.0/16")
    assert take(ipam, "node01", "p") == "10.244.196.128"
    pin(ipam, "node02", "10.244.196.140", "q")
    block = api.get(IPAM_BLOCKS.path(name="10-244-196-128-26"))
    assert [str(address) for address in borrowed(block, "node02")] == ["10.244.196.140"]
    assert affinities(api) == {"10.244.196.128/26": ("node01", "confirmed")}


def test_what_cannot_be_had_is_refused_in_calicos_words(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.244.0.0/16", "on")
    add_pool(api, "10.250.0.0/16", "off", disabled=True)
    pin(ipam, "node01", "10.244.1.1", "p")
    with pytest.raises(NoAddress, match=r"^Address already assigned in block$"):
        pin(ipam, "node02", "10.244.1.1", "q")
    for address in ("10.9.9.9", "10.250.0.1", "2001:db8::1"):
        with pytest.raises(NoAddress, match=r"^The provided IP address is not in a configured pool$"):
            pin(ipam, "node01", address, "q")
    assert api.find(IPAM_HANDLES.path(name="q")) is None


def test_a_released_address_can_be_asked_for_again(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.244.0.0/16")
    pin(ipam, "node01", "10.244.1.1", "p")
    ipam.release("p")
    pin(ipam, "node01", "10.244.1.1", "q")


def test_a_certain_address_of_a_block_that_changes_under_our_hands(api: Any, ipam: Ipam) -> None:
    add_pool(api, "10.244.0.0/16")
    pin(ipam, "node01", "10.244.1.1", "p")
    api.conflict_once("PUT", "ipamblocks")
    pin(ipam, "node01", "10.244.1.2", "q")
