"""The API objects that a check's judge needs, asked as commands are: once in a round for all checks, and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labctl.kube.api import Json, Resource
from labctl.kube.resources import (
    BGP_CONFIGURATIONS,
    BLOCK_AFFINITIES,
    ENDPOINT_SLICES,
    NODES,
    PODS,
    SERVICES,
)
from labctl.verify.checks import Check
from labctl.verify.expectation import Cluster
from labctl.verify.observer import Command
from labctl.verify.verdict import Judgement

KINDS = {
    NODES: "nodes", SERVICES: "services", ENDPOINT_SLICES: "slices", BLOCK_AFFINITIES: "affinities",
    BGP_CONFIGURATIONS: "configurations", PODS: "pods",
}  # fmt: skip
"""Kind of object → its field of `Cluster`."""
ADVERTISED = (NODES, SERVICES, ENDPOINT_SLICES, BLOCK_AFFINITIES, BGP_CONFIGURATIONS)
"""What decides which prefixes a node advertises."""


def view(calico: str, objects: Mapping[Resource, Sequence[Json]]) -> Cluster:
    """A `Cluster` of what was listed."""
    return Cluster(calico, **{KINDS[kind]: items for kind, items in objects.items()})


def cluster_check(
    identity: str,
    title: str,
    commands: Sequence[Command],
    judge: Callable[..., Judgement],
    *,
    calico: str,
    kinds: Sequence[Resource],
) -> Check:
    """A check whose judge gets a `Cluster` of some kinds of object before the commands' observations."""
    listed = tuple(Command("kube", "kubernetes", kind.path()) for kind in kinds)

    def judged(*seen: Any) -> Judgement:
        asked, objects = seen[: len(commands)], seen[len(commands) :]
        return judge(view(calico, dict(zip(kinds, objects, strict=True))), *asked)

    return Check(identity, title, (*commands, *listed), judged)
