"""What all nodes' functions watch: one informer a kind, shared by the nodes of the process."""

from __future__ import annotations

import threading
from functools import partial

from labctl.kube.api import Api, Json
from labctl.kube.informer import Informer
from labctl.kube.resources import (
    BGP_CONFIGURATIONS,
    BGP_PEERS,
    BLOCK_AFFINITIES,
    ENDPOINT_SLICES,
    IP_POOLS,
    IPAM_BLOCKS,
    NODES,
    SERVICES,
)

KINDS = {
    "nodes": NODES,
    "services": SERVICES,
    "slices": ENDPOINT_SLICES,
    "pools": IP_POOLS,
    "configurations": BGP_CONFIGURATIONS,
    "peers": BGP_PEERS,
    "affinities": BLOCK_AFFINITIES,
    "blocks": IPAM_BLOCKS,
}


class ClusterState:
    """Local copies, begun with the first function that needs them."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._informers: dict[str, Informer] = {}
        self._wakes: list[tuple[frozenset[str], threading.Event]] = []
        self._lock = threading.Lock()

    def watch(self, kinds: set[str], wake: threading.Event) -> None:
        """Set ``wake`` at every change of those kinds."""
        with self._lock:
            self._wakes.append((frozenset(kinds), wake))
            for kind in kinds - set(self._informers):
                self._informers[kind] = Informer(self._api, KINDS[kind].path(), partial(self._tell, kind))
                self._informers[kind].start()

    def forget(self, wake: threading.Event) -> None:
        with self._lock:
            self._wakes = [row for row in self._wakes if row[1] is not wake]

    def unsynced(self, kinds: set[str]) -> list[str]:
        """Kinds of which the first list has not come yet."""
        return sorted(kind for kind in kinds if not self._informers[kind].synced.is_set())

    def items(self, kind: str) -> list[Json]:
        return self._informers[kind].items()

    def _tell(self, kind: str, *_change: object) -> None:
        with self._lock:
            wakes = [wake for kinds, wake in self._wakes if kind in kinds]
        for wake in wakes:
            wake.set()
