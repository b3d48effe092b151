"""Split horizon of a leaf pair, driven by what EVPN says at the moment.

What the peer sent over VXLAN to many must not go out of a leg that the peer serves itself. The filter is there only
while FRR lists the peer's VTEP for that ethernet segment: with a dead leg on the peer's side, this leaf is the only
way to the node, and a static filter would cut it off.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping

from labctl.guest.api import AgentError
from labctl.guest.client import Agent
from labctl.standin.switch.dataplane.linux import horizon, peer_mark

EVERY = 0.25


class SplitHorizon:
    """Polls zebra's ethernet segments and keeps the filters of one switch."""

    def __init__(self, agent: Agent, namespace: str | None, ask: Callable[[], str], log: Callable[[str], None]) -> None:
        self._agent = agent
        self._namespace = namespace
        self._ask = ask
        self._log = log
        self._uplinks: list[str] = []
        self._ports: frozenset[str] = frozenset()
        self._closed: set[str] = set()
        self._marked: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def configure(self, ports: frozenset[str], uplinks: list[str], fresh: frozenset[str]) -> None:
        """The legs to keep and the underlay's ports; starts the poll at the first leg.

        ``fresh``: legs that were just made (anew): they have no filter.
        """
        self._ports, self._uplinks = ports, uplinks
        self._closed &= ports - fresh
        self._marked = None
        if ports and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="split-horizon", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        told = ""
        while not self._stop.wait(EVERY):
            try:
                self.look()
            except (AgentError, ValueError) as error:
                if str(error) != told:
                    told = str(error)
                    self._log(f"split horizon: {told}")

    def look(self) -> None:
        """Ask once, change what has to change."""
        text = self._ask()
        if not text.strip():
            return
        peers = peers_by_port(json.loads(text))
        ops = []
        vtep = next((vtep for vteps in peers.values() for vtep in vteps), None)
        if vtep is not None and vtep != self._marked:
            ops += peer_mark(self._uplinks, vtep)
            self._marked = vtep
        for port in sorted(self._ports):
            wanted = bool(peers.get(port))
            if wanted != (port in self._closed):
                ops += horizon(port, closed=wanted)
                self._closed ^= {port}
        if ops:
            for failure in self._agent.batch(self._namespace, ops):
                self._log(f"split horizon: {failure.text}: {failure.message}")


def peers_by_port(segments: object) -> Mapping[str, tuple[str, ...]]:
    """Port → VTEPs of the other leafs that serve it, from ``show evpn es json``."""
    rows = segments if isinstance(segments, list) else list(segments.values()) if isinstance(segments, dict) else []
    result: dict[str, tuple[str, ...]] = {}
    for row in rows:
        port = row.get("accessPort") if isinstance(row, dict) else None
        if port:
            result[port] = tuple(entry["vtep"] for entry in row.get("vteps") or [] if "vtep" in entry)
    return result
