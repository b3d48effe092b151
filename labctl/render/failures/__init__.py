"""``scenarios/<name>.yaml``: the built-in failures of a lab, in the format that a person writes (docs/scenarios.md).

Each is rendered where the design has what it needs. The limits of loss belong to the platform: those of ``standin`` are
measured on labctl's own labs, with a margin for a busy host; those of ``n9kv`` follow from NX-OS's timers and were not
measured (docs/scenarios.md has both).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labctl.design.design import Design
from labctl.render.failures import cluster, fabric
from labctl.render.failures.parts import Facts, Step, facts_of
from labctl.render.yamltext import dump

SCHEMA = "labctl.scenario/v1"


def files(design: Design) -> dict[str, str]:
    """Path inside the folder → text."""
    facts = facts_of(design)
    if facts is None:
        return {}
    found = {name: make(facts) for name, make in BUILT_IN.items()}
    return {f"scenarios/{name}.yaml": _text(name, body) for name, body in found.items() if body is not None}


def _text(name: str, body: Mapping[str, Any]) -> str:
    head = f"# labctl verify LAB --scenario {name} --disruptive; the words are explained in docs/scenarios.md\n"
    return head + dump({"schema": SCHEMA, "name": name, **body})


BUILT_IN: Mapping[str, Callable[[Facts], Step | None]] = {
    "bond-member": fabric.bond_member,
    "leaf": fabric.leaf,
    "leaf-uplink": fabric.leaf_uplink,
    "spine": fabric.spine,
    "peer-link": fabric.peer_link,
    "keepalive": fabric.keepalive,
    "node": cluster.node,
    "pod-moved": cluster.pod_moved,
    "endpoints-moved": cluster.endpoints_moved,
    "calico-node-restart": cluster.calico_node_restart,
    "bgp-cleared": cluster.bgp_cleared,
}
"""In the order in which they run."""
