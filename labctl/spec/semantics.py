"""What the types cannot say: names that clash, addresses that overlap, things that do not exist. All at once.

Each rule names the parts that it reads: where one of them is not even well-formed, the rule would judge what nobody
wrote, and waits for the next run; all others speak up at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from labctl.design.plan import container_names, node_specs
from labctl.errors import Problem
from labctl.spec import clashes
from labctl.spec import rules_cluster as cluster
from labctl.spec import rules_fabric as fabric
from labctl.spec.judging import Judge
from labctl.spec.model import Spec
from labctl.spec.ranges import overlaps
from labctl.spec.rules_versions import judge_versions
from labctl.yamldoc import Document, Path

SWITCHES: tuple[Path, ...] = (("fabric", "spines"), ("fabric", "leaf_pairs"), ("fabric", "borders"))
NODES: tuple[Path, ...] = (("cluster", "nodes"),)
VRF: tuple[Path, ...] = (("fabric", "vrfs"),)


def names(it: Judge) -> None:
    """Switches, nodes and hosts share one space of names; kind's containers and its cluster another with those two."""
    switches = [(name, f"the switch {name}", path) for name, path in fabric.switch_names(it.spec)]
    hosts = [(e.name, f"the external host {e.name}", ("external", i, "name")) for i, e in enumerate(it.spec.external)]
    nodes = [(n.name, f"the node {n.name}", ("cluster", "nodes", i, "name")) for i, n in enumerate(node_specs(it.spec))]
    it.taken_once([*switches, *nodes, *hosts], "duplicate-name")
    if not nodes:
        return
    others = {name.lower(): what for name, what, _ in [*switches, *hosts]}
    for box in (it.spec.name, *container_names(it.spec, it.spec.name)):
        if box in others:
            why = f"{box} is {others[box]} already, and the cluster of a lab {it.spec.name} has a box of that name"
            it.say("duplicate-name", why, ("name",), "another name for one of them")


RULES: tuple[tuple[Callable[[Judge], None], tuple[Path, ...]], ...] = (
    (names, (("name",), *SWITCHES, *NODES, ("external",))),
    (fabric.numbers, (*VRF, ("fabric", "anycast_mac"))),
    (fabric.images, (("images",),)),
    (fabric.as_numbers, (("fabric", "asn"), ("cluster", "asn"))),
    (fabric.gateway, VRF),
    (fabric.switches, (*SWITCHES, ("fabric", "peer_link"), ("fabric", "nxos"), ("target",))),
    (fabric.addresses, (*SWITCHES, ("fabric", "addresses"))),
    (fabric.loopbacks, (*SWITCHES, *VRF)),
    (cluster.nodes, (*NODES, *VRF, ("fabric", "leaf_pairs"))),
    (
        judge_versions,
        (("cluster", "kubernetes"), ("cluster", "calico"), ("fabric", "nxos"), ("images",), ("target",)),
    ),
    (
        overlaps,
        (
            *SWITCHES,
            *VRF,
            ("fabric", "addresses"),
            ("cluster", "calico"),
            ("cluster", "services"),
            ("external",),
            ("management",),
            ("target",),
        ),
    ),
    (cluster.ranges, (*VRF, ("cluster", "calico"), ("cluster", "services"), ("target",))),
    (cluster.externals, (*SWITCHES, *VRF, ("external",))),
    (cluster.workloads, (*NODES, ("workloads",), ("scenarios",), ("traffic",))),
    (cluster.traffic, (*NODES, ("cluster", "calico"), ("traffic",))),
    (cluster.management, (*SWITCHES, ("external",), ("management",))),
)


PLANNED: tuple[tuple[Callable[[Judge], None], tuple[Path, ...]], ...] = (
    (clashes.room, (*NODES, *VRF)),
    (clashes.clashes, (*SWITCHES, *NODES, *VRF, ("fabric", "addresses"), ("external",), ("management",))),
)
"""Rules that ask the plan: in their turn, and only while nothing has been said that leaves a lab without one."""
NO_PLAN = frozenset({
    "bad-gateway", "duplicate-name", "management", "no-ipv4-gateway", "no-leafs", "no-room", "no-spines",
    "no-such-border", "no-such-pair", "same-leaf", "too-few-nodes",
})  # fmt: skip


def judge(
    spec: Spec,
    found: Document,
    target: tuple[str, str] | None,
    malformed: Iterable[Path] = (),
    unsound: AbstractSet[Path] = frozenset(),
    containerlab: str | None = None,
) -> list[Problem]:
    """Every semantic problem.

    ``target``: (switch, cluster) when the command line or the runtime decides it; ``malformed``: parts of the document
    that ``spec`` has labctl's defaults for; ``unsound``: single values in it that stand in for malformed ones.
    """
    it = Judge(spec, found, target or (spec.target.switch, spec.target.cluster), unsound, containerlab)
    bad = tuple(malformed)
    for rule, parts in (*RULES, *PLANNED):
        without = (rule, parts) in PLANNED and it.codes & NO_PLAN
        if not without and not any(_meet(part, path) for part in parts for path in bad):
            rule(it)
    return it.problems


def _meet(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
