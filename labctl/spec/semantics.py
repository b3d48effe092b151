"""What the types cannot say: names that clash, addresses that overlap, things that do not exist. All at once.

Each rule names the parts that it reads: where one of them is not even well-formed, the rule would judge what nobody
wrote, and waits for the next run; all others speak up at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from labctl.errors import Problem
from labctl.spec import rules_cluster as cluster
from labctl.spec import rules_fabric as fabric
from labctl.spec.judging import Judge
from labctl.spec.model import Cluster, Spec
from labctl.yamldoc import Document, Path

SWITCHES: tuple[Path, ...] = (("fabric", "spines"), ("fabric", "leaf_pairs"), ("fabric", "borders"))
NODES: tuple[Path, ...] = (("cluster", "nodes"),)
VRF: tuple[Path, ...] = (("fabric", "vrfs"),)


def names(it: Judge) -> None:
    """Switches, nodes, hosts and containers share one space of names."""
    seen: dict[str, str] = {}

    def take(name: str, what: str, path: Path) -> None:
        if name.lower() in seen:
            it.say("duplicate-name", f"{name} is {seen[name.lower()]} already", path)
        seen.setdefault(name.lower(), what)

    for name, path in fabric.switch_names(it.spec):
        take(name, f"the switch {name}", path)
    for name in fabric.all_switches(it.spec):
        seen.setdefault(name.lower(), f"the switch {name}, which the plan names,")
    if isinstance(it.spec.cluster, Cluster) and not isinstance(it.spec.cluster.nodes, int):
        for index, node in enumerate(it.spec.cluster.nodes):
            take(node.name, f"the node {node.name}", ("cluster", "nodes", index, "name"))
    for index, external in enumerate(it.spec.external):
        take(external.name, f"the external host {external.name}", ("external", index, "name"))


def boxes(it: Judge) -> None:
    """kind names its containers after the lab, and the cluster itself has a box of that name in the topology."""
    if it.spec.cluster == "none":
        return
    lab = it.spec.name
    others = [*fabric.all_switches(it.spec), *(external.name for external in it.spec.external)]
    for name in others:
        if name == lab or name.startswith((f"{lab}-control-plane", f"{lab}-worker")):
            why = f"{name} is a switch or host, and the cluster of a lab {lab} has boxes {lab}, {lab}-worker, …"
            it.say("duplicate-name", why, ("name",), "another name for one of them")


RULES: tuple[tuple[Callable[[Judge], None], tuple[Path, ...]], ...] = (
    (names, (*SWITCHES, *NODES, ("external",))),
    (boxes, (("name",), *SWITCHES, ("external",))),
    (fabric.numbers, VRF),
    (fabric.images, (("images",),)),
    (fabric.as_numbers, (("fabric", "asn"), ("cluster", "asn"))),
    (fabric.gateway, VRF),
    (fabric.switches, (*SWITCHES, ("fabric", "peer_link"), ("fabric", "nxos"), ("target",))),
    (fabric.addresses, (*SWITCHES, ("fabric", "addresses"))),
    (fabric.loopbacks, (*SWITCHES, *VRF)),
    (cluster.nodes, (*NODES, *VRF, ("fabric", "leaf_pairs"))),
    (cluster.target_versions, (("cluster", "kubernetes"), ("cluster", "calico"), ("target",))),
    (cluster.ranges, (*VRF, ("cluster", "calico"), ("cluster", "services"), ("target",))),
    (cluster.externals, (*SWITCHES, *VRF, ("external",))),
    (cluster.workloads, (*NODES, ("workloads",), ("scenarios",), ("traffic",))),
    (cluster.traffic, (*NODES, ("cluster", "calico"), ("traffic",))),
    (cluster.management, (*SWITCHES, ("external",), ("management",))),
)


def judge(spec: Spec, found: Document, target: tuple[str, str] | None, unsound: Iterable[Path] = ()) -> list[Problem]:
    """Every semantic problem.

    ``target``: (switch, cluster) when the command line or the runtime decides it; ``unsound``: parts of the document
    that ``spec`` has labctl's defaults for, since what is written there is malformed.
    """
    it = Judge(spec, found, target or (spec.target.switch, spec.target.cluster))
    bad = tuple(unsound)
    for rule, parts in RULES:
        if not any(_meet(part, path) for part in parts for path in bad):
            rule(it)
    return it.problems


def _meet(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
