"""What the types cannot say: names that clash, addresses that overlap, things that do not exist. All at once.

Each rule names the parts that it cannot do without: where one of them is not even well-formed, the rule would judge
what nobody wrote, and is not heard until the next run; all others speak up at once, of all rows that somebody wrote.
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
    if not nodes or not it.sound(("cluster", "nodes")):
        return
    others = {name.lower(): what for name, what, path in [*switches, *hosts] if it.sound(path)}
    for box in (it.spec.name, *container_names(it.spec, it.spec.name)):
        if box in others:
            why = f"{box} is {others[box]} already, and the cluster of a lab {it.spec.name} has a box of that name"
            it.say("duplicate-name", why, ("name",), "another name for one of them")


RULES: tuple[tuple[Callable[[Judge], None], tuple[Path, ...]], ...] = (
    (names, ()),
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
    (overlaps, ()),
    (cluster.ranges, (*VRF, ("cluster", "calico"), ("cluster", "services"), ("target",))),
    (cluster.externals, (*SWITCHES, *VRF, ("external",))),
    (cluster.workloads, (*NODES, ("workloads",), ("scenarios",), ("traffic",))),
    (cluster.traffic, (*NODES, ("cluster", "calico"), ("traffic",))),
    (cluster.management, (*SWITCHES, ("external",), ("management",))),
)


PLANNED: tuple[tuple[Callable[[Judge], None], tuple[Path, ...]], ...] = (
    (clashes.room, (*NODES, *VRF)),
    (clashes.underlay, SWITCHES),
    (clashes.tenant, (("fabric", "leaf_pairs"), *VRF)),
    (clashes.ports, (*SWITCHES, *NODES, ("external",))),
)
"""Rules that ask the plan: in their turn, and only while nothing was found that leaves a lab without one."""
NO_PLAN = frozenset({
    "bad-gateway", "duplicate-name", "management", "no-ipv4-gateway", "no-leafs", "no-room", "no-spines", "same-leaf",
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
    bad = frozenset(malformed)
    it = Judge(spec, found, target or (spec.target.switch, spec.target.cluster), unsound | bad, containerlab)
    for rule, parts in (*RULES, *PLANNED):
        if (rule, parts) in PLANNED and it.codes & NO_PLAN:
            continue
        said = list(it.problems)
        rule(it)
        if any(_meet(part, path) for part in parts for path in bad):
            it.problems = said  # it was run for its codes alone
    return it.problems


def _meet(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
