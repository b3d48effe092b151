"""What the failures of one design speak of, and the steps that several of them have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labctl.design.design import Cluster, Design, Node
from labctl.render.failures.limits import LIMITS

PROVEN_SECONDS = 35
"""Longer than the hold time of the sessions (30 s): a session whose packets are lost is gone by then."""
LOOK_SECONDS = 4
"""For which a fault that no timer has to find is left alone."""
POD = "app=pingtest"
Step = dict[str, Any]


class Facts:
    """What the scenarios of one design speak of: two workers, the leaf pair of the first, an external host."""

    def __init__(self, design: Design, cluster: Cluster) -> None:
        self.design, self.cluster = design, cluster
        self.sender, self.target = cluster.workers[0], cluster.workers[1]
        self.leaf, self.other = (design.switch(name) for name in self.sender.leafs)
        self.host = design.externals[0].name if design.externals else None

    @property
    def nodes(self) -> list[Node]:
        """Of the leaf pair."""
        return [node for node in self.cluster.nodes if node.leafs == self.sender.leafs]

    # --- steps that several scenarios have --------------------------------------------------------------------

    def traffic(self, *, outside_to: Node | None = None) -> list[Step]:
        """Pod to pod, and from outside to a pod where there is an external host."""
        to = {"pod": POD, "node": self.target.name}
        found = [step("traffic", "pods", {"from": {"pod": POD, "node": self.sender.name}, "to": to})]
        if self.host is not None:
            end = {"pod": POD, "node": (outside_to or self.sender).name}
            found.append(step("traffic", "outside", {"from": self.host, "to": end}))
        return found

    def losses(self, scenario: str) -> list[Step]:
        names = ["pods", *(["outside"] if self.host is not None else [])]
        return [loss(name, LIMITS[scenario]) for name in names]


def facts_of(design: Design) -> Facts | None:
    """None without a cluster that has two workers to ping between."""
    cluster = design.cluster
    if cluster is None or len(cluster.workers) < 2 or "pingtest" not in cluster.workloads:
        return None
    return Facts(design, cluster)


def step(kind: str, name: str, body: Mapping[str, Any]) -> Step:
    return {kind: {"name": name, **body}}


def expect(name: str, kind: str, body: Mapping[str, Any], **timing: int) -> Step:
    return step("expect", name, {**timing, kind: body})


def fault(name: str, kind: str, body: Any) -> Step:
    return step("fault", name, {kind: body})


def loss(name: str, limit: Mapping[str, int]) -> Step:
    return expect(f"loss-{name}", "loss", {"of": name, "ms": dict(limit)})


def unbroken(name: str, *, hold: int | None = None, **which: Any) -> Step:
    return expect(name, "sessions", {**which, "are": "unbroken"}, **({"hold": hold} if hold else {}))
