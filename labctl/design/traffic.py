"""What the scenarios send, pings and pages: as the spec says, else between the built-in workloads."""

from __future__ import annotations

from collections.abc import Collection

from labctl.design.model import Curl, Node, Ping, PodEnd
from labctl.spec.model import PodEnd as PodEndSpec
from labctl.spec.model import Traffic

PAGE = "Welcome to nginx!"


def pings(
    traffic: Traffic, nodes: tuple[Node, ...], versions: tuple[int, ...], workloads: Collection[str]
) -> tuple[Ping, ...]:
    """``versions``: IP versions that pods have addresses of."""
    families = tuple(sorted({version for version in versions if version == 4 or nodes[0].address6 is not None}))
    if traffic.pings:
        return tuple(Ping(_end(row.sender, nodes), _end(row.target, nodes), families) for row in traffic.pings)
    workers = _workers(nodes)
    if "pingtest" not in workloads or len(workers) < 2:
        return ()
    sender, target = (PodEnd(node, selector="app=pingtest") for node in workers[:2])
    return (Ping(sender, target, families),)


def curls(traffic: Traffic, nodes: tuple[Node, ...], workloads: Collection[str]) -> tuple[Curl, ...]:
    """The built-in one is fetched by the control plane from the pods of the first worker."""
    if traffic.curls:
        return tuple(
            Curl(
                _named(nodes, row.sender),
                row.namespace,
                row.service,
                _named(nodes, row.backends),
                row.endpoint,
                row.contains,
            )
            for row in traffic.curls
        )
    if "nginx" not in workloads:
        return ()
    control = next(node for node in nodes if node.role == "control-plane")
    return (Curl(control, "default", "nginx-service", _workers(nodes)[0], None, PAGE),)


def _workers(nodes: tuple[Node, ...]) -> list[Node]:
    return [node for node in nodes if node.role == "worker"]


def _named(nodes: tuple[Node, ...], name: str) -> Node:
    return next(node for node in nodes if node.name == name)


def _end(row: PodEndSpec, nodes: tuple[Node, ...]) -> PodEnd:
    return PodEnd(_named(nodes, row.node), row.namespace, pod=row.pod)
