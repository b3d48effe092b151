"""IPAM blocks, pure: where a node starts, which address comes next (projectcalico/calico, libcalico-go/lib/ipam)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha1
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from labctl.kube.api import Json
from labctl.standin.cluster.calico.gorand import GoRand, fnv1_32

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Pool:
    """An enabled IPPool, as allocation needs it."""

    name: str
    cidr: Network
    block_size: int
    node_selector: str
    allowed_uses: tuple[str, ...]

    @staticmethod
    def of(item: Json) -> Pool:
        spec = item["spec"]
        cidr = ip_network(spec["cidr"])
        return Pool(
            item["metadata"]["name"],
            cidr,
            int(spec.get("blockSize") or (26 if cidr.version == 4 else 122)),
            spec.get("nodeSelector") or "all()",
            tuple(spec.get("allowedUses") or ("Workload", "Tunnel")),
        )


def interface_name(namespace: str, pod: str) -> str:
    """The host end of a pod's veth: ``cali`` and 11 hex digits of SHA-1 over ``namespace.pod``."""
    return "cali" + sha1(f"{namespace}.{pod}".encode(), usedforsecurity=False).hexdigest()[:11]


def object_name(network: Network) -> str:
    """The name of a block's object: ``10-244-196-128-26``."""
    return str(network).replace(".", "-").replace(":", "-").replace("/", "-")


def candidates(pool: Pool, node: str) -> Iterator[Network]:
    """The pool's blocks in the order in which a node tries them: from a start drawn for its name, upwards, around."""
    count = 1 << (pool.block_size - pool.cidr.prefixlen)
    start = _start(pool, node)
    step = 1 << (pool.cidr.max_prefixlen - pool.block_size)
    base = int(pool.cidr.network_address)
    family: type[IPv4Network | IPv6Network] = IPv4Network if pool.cidr.version == 4 else IPv6Network
    for offset in range(count):
        index = (start + offset) % count
        yield family((base + index * step, pool.block_size))


def nearest(pool: Pool, node: str, existing: Iterable[Network]) -> list[Network]:
    """The existing blocks of a pool in the order of `candidates`: a pool may have 2^66, few of them are there."""
    count = 1 << (pool.block_size - pool.cidr.prefixlen)
    start, first = _start(pool, node), int(pool.cidr.network_address)
    size = 1 << (pool.cidr.max_prefixlen - pool.block_size)
    inside = [network for network in existing if _inside(network, pool.cidr)]
    return sorted(inside, key=lambda network: ((int(network.network_address) - first) // size - start) % count)


def _start(pool: Pool, node: str) -> int:
    return GoRand(fnv1_32(node)).below(1 << (pool.block_size - pool.cidr.prefixlen))


def _inside(network: Network, cidr: Network) -> bool:
    return network.version == cidr.version and network.network_address in cidr


def new_block(network: Network, node: str) -> Json:
    """An empty block that belongs to a node."""
    size = network.num_addresses
    return {
        "apiVersion": "crd.projectcalico.org/v1",
        "kind": "IPAMBlock",
        "metadata": {"name": object_name(network)},
        "spec": {
            "cidr": str(network),
            "affinity": f"host:{node}",
            "strictAffinity": False,
            "allocations": [None] * size,
            "unallocated": list(range(size)),
            "attributes": [],
            "deleted": False,
        },
    }


def assign(block: Json, handle: str, attributes: Mapping[str, str]) -> tuple[Json, Address] | None:
    """The longest-free address of a block, and the block with it taken; None when it is full."""
    spec = block["spec"]
    if not spec["unallocated"]:
        return None
    changed = copy.deepcopy(block)
    spec = changed["spec"]
    ordinal = spec["unallocated"].pop(0)
    _allocate(spec, ordinal, handle, attributes)
    return changed, ip_network(spec["cidr"]).network_address + ordinal


def assign_given(block: Json, address: Address, handle: str, attributes: Mapping[str, str]) -> Json | None:
    """The block with a certain address taken; None when somebody has it."""
    ordinal = int(address) - int(ip_network(block["spec"]["cidr"]).network_address)
    if block["spec"]["allocations"][ordinal] is not None:
        return None
    changed = copy.deepcopy(block)
    changed["spec"]["unallocated"].remove(ordinal)
    _allocate(changed["spec"], ordinal, handle, attributes)
    return changed


def _allocate(spec: Json, ordinal: int, handle: str, attributes: Mapping[str, str]) -> None:
    row = {"handle_id": handle, "secondary": dict(attributes)}
    if row not in spec["attributes"]:
        spec["attributes"].append(row)
    spec["allocations"][ordinal] = spec["attributes"].index(row)


def block_at(pool: Pool, address: Address) -> Network:
    """The block of a pool that an address is in."""
    family: type[IPv4Network | IPv6Network] = IPv4Network if address.version == 4 else IPv6Network
    return family((int(address), pool.block_size), strict=False)


def addresses_of(block: Json, handle: str) -> list[Address]:
    """What a handle holds in a block."""
    return [address for address, row in _allocated(block) if row["handle_id"] == handle]


def release(block: Json, handle: str) -> Json | None:
    """The block without a handle's addresses (they go to the end of the queue); None when it holds none."""
    held = addresses_of(block, handle)
    if not held:
        return None
    changed = copy.deepcopy(block)
    spec = changed["spec"]
    first = ip_network(spec["cidr"]).network_address
    for address in held:
        ordinal = int(ip_address(address)) - int(first)
        spec["allocations"][ordinal] = None
        spec["unallocated"].append(ordinal)
    used = sorted({index for index in spec["allocations"] if index is not None})
    spec["attributes"] = [spec["attributes"][index] for index in used]
    spec["allocations"] = [None if index is None else used.index(index) for index in spec["allocations"]]
    return changed


def handles(block: Json) -> dict[str, Mapping[str, str]]:
    """Handle → its attributes, of everything that is allocated in a block."""
    return {row["handle_id"]: row.get("secondary") or {} for _, row in _allocated(block)}


def borrowed(block: Json, node: str) -> list[Address]:
    """The addresses that a node uses in a block which is not (or no longer) its own."""
    if block["spec"].get("affinity") == f"host:{node}":
        return []
    return [address for address, row in _allocated(block) if (row.get("secondary") or {}).get("node") == node]


def _allocated(block: Json) -> Iterator[tuple[Address, Json]]:
    """Each address in use with its attributes."""
    spec = block["spec"]
    first = ip_network(spec["cidr"]).network_address
    for ordinal, index in enumerate(spec["allocations"]):
        if index is not None:
            yield first + ordinal, spec["attributes"][index]
