"""IPAM on the API: blocks, affinities and handles as Calico keeps them, changed by compare-and-swap."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from ipaddress import ip_network

from labctl.errors import LabError
from labctl.kube.api import Api, ApiError, Json
from labctl.kube.resources import BLOCK_AFFINITIES, IP_POOLS, IPAM_BLOCKS, IPAM_HANDLES, NODES
from labctl.standin.cluster.calico.blocks import (
    Address,
    Network,
    Pool,
    addresses_of,
    assign,
    assign_given,
    block_at,
    candidates,
    nearest,
    new_block,
    object_name,
    release,
)
from labctl.standin.cluster.calico.selectors import matches

MAX_BLOCKS_PER_HOST = 20
RETRIES = 20


class NoAddress(LabError):
    """No pool, every block is full, or the address that was asked for cannot be had."""

    code = "no-address"


class Ipam:
    """Allocation for all nodes of one agents process. One lock: the conflicts of a real cluster are with others."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()

    def assign(
        self, node: str, version: int, handle: str, attributes: Mapping[str, str], use: str = "Workload"
    ) -> Address | None:
        """An address of a family; None when there is no pool of that family. Raises `NoAddress` when all is full."""
        with self._lock:
            pools = self._pools(node, version, use)
            if not pools:
                return None
            held = self._held(handle, version)
            if held:
                return held[0]
            for _ in range(RETRIES):
                try:
                    return self._assign(pools, node, handle, attributes)
                except ApiError as error:
                    if error.status != 409:
                        raise
            raise NoAddress(f"no address for {handle}: the blocks changed {RETRIES} times under our hands")

    def assign_address(self, node: str, address: Address, handle: str, attributes: Mapping[str, str]) -> None:
        """One certain address, out of any enabled pool; a block that nobody has becomes the node's, in another node's
        the address is borrowed. Raises `NoAddress` in Calico's words (libcalico-go/lib/ipam, AssignIP).
        """
        with self._lock:
            if address in self._held(handle, address.version):
                return None
            pools = [Pool.of(item) for item in self._api.list(IP_POOLS) if not item["spec"].get("disabled")]
            pool = next((pool for pool in pools if address.version == pool.cidr.version and address in pool.cidr), None)
            if pool is None:
                raise NoAddress("The provided IP address is not in a configured pool")
            for _ in range(RETRIES):
                try:
                    return self._assign_address(pool, node, address, handle, attributes)
                except ApiError as error:
                    if error.status != 409:
                        raise
            raise NoAddress(f"no address for {handle}: the block changed {RETRIES} times under our hands")

    def _assign_address(
        self, pool: Pool, node: str, address: Address, handle: str, attributes: Mapping[str, str]
    ) -> None:
        network = block_at(pool, address)
        path = IPAM_BLOCKS.path(name=object_name(network))
        block = self._api.find(path) or self._claim_block(network, node)
        changed = assign_given(block or self._api.get(path), address, handle, attributes)
        if changed is None:
            raise NoAddress("Address already assigned in block")
        self._count(handle, str(network))
        self._api.update(path, changed)

    def release(self, handle: str) -> None:
        """Give back everything that a handle holds."""
        with self._lock:
            path = IPAM_HANDLES.path(name=handle.lower())
            found = self._api.find(path)
            if found is None:
                return
            for cidr in found["spec"].get("block") or {}:
                self._release_in(ip_network(cidr), handle)
            self._api.delete(path)

    def _release_in(self, network: Network, handle: str) -> None:
        for _ in range(RETRIES):
            block = self._api.find(IPAM_BLOCKS.path(name=object_name(network)))
            changed = release(block, handle) if block else None
            if changed is None:
                return
            try:
                self._api.update(IPAM_BLOCKS.path(name=object_name(network)), changed)
            except ApiError as error:
                if error.status != 409:
                    raise
            else:
                return

    def _pools(self, node: str, version: int, use: str) -> list[Pool]:
        items = [item for item in self._api.list(IP_POOLS) if not item["spec"].get("disabled")]
        pools = [Pool.of(item) for item in items]
        labels = (self._api.get(NODES.path(name=node))["metadata"].get("labels")) or {}
        return [
            pool
            for pool in pools
            if pool.cidr.version == version and use in pool.allowed_uses and matches(pool.node_selector, labels)
        ]

    def _held(self, handle: str, version: int) -> list[Address]:
        found = self._api.find(IPAM_HANDLES.path(name=handle.lower()))
        held: list[Address] = []
        for cidr in (found or {"spec": {}})["spec"].get("block") or {}:
            network = ip_network(cidr)
            block = self._api.find(IPAM_BLOCKS.path(name=object_name(network))) if network.version == version else None
            held += addresses_of(block, handle) if block else []
        return held

    def _assign(self, pools: list[Pool], node: str, handle: str, attributes: Mapping[str, str]) -> Address:
        own = self._affine(node)
        for pool in pools:
            for network in own:
                if network.version == pool.cidr.version and network.subnet_of(pool.cidr):  # type: ignore[arg-type]
                    block = self._api.find(IPAM_BLOCKS.path(name=object_name(network)))
                    address = self._take(block, handle, attributes) if block else None
                    if address:
                        return address
        for pool in pools:
            mine = [network for network in own if network.version == pool.cidr.version]
            if len(mine) < MAX_BLOCKS_PER_HOST:
                block = self._claim(pool, node)
                address = self._take(block, handle, attributes) if block else None
                if address:
                    return address
        return self._borrow(pools, node, handle, attributes)

    def _borrow(self, pools: list[Pool], node: str, handle: str, attributes: Mapping[str, str]) -> Address:
        blocks = {ip_network(block["spec"]["cidr"]): block for block in self._api.list(IPAM_BLOCKS)}
        for pool in pools:
            for network in nearest(pool, node, blocks):
                address = self._take(blocks[network], handle, attributes)
                if address:
                    return address
        raise NoAddress(f"no free address in {', '.join(str(pool.cidr) for pool in pools)}")

    def _affine(self, node: str) -> list[Network]:
        return [
            ip_network(item["spec"]["cidr"])
            for item in self._api.list(BLOCK_AFFINITIES)
            if item["spec"]["node"] == node and item["spec"]["state"] == "confirmed"
        ]

    def _claim(self, pool: Pool, node: str) -> Json | None:
        """Claim the first block that nobody has."""
        taken = {item["spec"]["cidr"] for item in self._api.list(BLOCK_AFFINITIES)}
        for network in candidates(pool, node):
            if str(network) in taken:
                continue
            block = self._claim_block(network, node)
            if block is not None:
                return block
        return None

    def _claim_block(self, network: Network, node: str) -> Json | None:
        """A block that is not there yet, for a node: affinity pending, block, affinity confirmed. None when another
        node was quicker."""
        name = f"{node}-{object_name(network)}"
        affinity: Json = {
            "apiVersion": "crd.projectcalico.org/v1",
            "kind": "BlockAffinity",
            "metadata": {"name": name},
            "spec": {"cidr": str(network), "node": node, "state": "pending", "deleted": "false", "type": "host"},
        }
        made = self._api.create(BLOCK_AFFINITIES.path(), affinity)
        try:
            block = self._api.create(IPAM_BLOCKS.path(), new_block(network, node))
        except ApiError as error:
            if error.status != 409:
                raise
            self._api.delete(BLOCK_AFFINITIES.path(name=name))
            return None
        made["spec"]["state"] = "confirmed"
        self._api.update(BLOCK_AFFINITIES.path(name=name), made)
        return block

    def _take(self, block: Json, handle: str, attributes: Mapping[str, str]) -> Address | None:
        result = assign(block, handle, attributes)
        if result is None:
            return None
        changed, address = result
        self._count(handle, changed["spec"]["cidr"])
        self._api.update(IPAM_BLOCKS.path(name=changed["metadata"]["name"]), changed)
        return address

    def _count(self, handle: str, cidr: str) -> None:
        path = IPAM_HANDLES.path(name=handle.lower())
        found = self._api.find(path)
        if found is None:
            body = {
                "apiVersion": "crd.projectcalico.org/v1",
                "kind": "IPAMHandle",
                "metadata": {"name": handle.lower()},
                "spec": {"handleID": handle, "block": {cidr: 1}, "deleted": False},
            }
            self._api.create(IPAM_HANDLES.path(), body)
            return
        found["spec"].setdefault("block", {})[cidr] = found["spec"]["block"].get(cidr, 0) + 1
        self._api.update(path, found)
