"""What `up` does for each target, as a plan: the order in which steps need each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labctl.engine.steps import Step
from labctl.engine.up import Placing, Up, UpRequest, default_limit
from labctl.folder import Folder, Topology
from labctl.restore.changes import Change, write
from labctl.runtime.select import runtime_class
from labctl.state import LabState
from labctl.waiting import Deadline
from tests.unit.folder.labs import a_lab, node


def plan(tmp_path: Path, cluster: str, *, running: bool = False) -> dict[str, Step]:
    nodes = {"leaf1": node("switch", "leaf", "leaf1")}
    if cluster != "none":
        nodes["master"] = node("kube-node", "control-plane", "lab-control-plane")
    lab = a_lab(target={"switch": "n9kv", "cluster": cluster}, versions={"calico": "3.32.1"}, nodes=nodes)
    state = LabState("lab", tmp_path)
    nothing: Any = None
    request = UpRequest(state, nothing, nothing, nothing)
    placing = Placing(Folder(tmp_path, lab, Topology()), running=running)
    steps = Up(request, placing, Deadline(1))._steps()
    found: dict[str, Step] = {}
    for step in steps:
        assert step.name not in found
        assert set(step.needs) <= found.keys(), "what a step needs stands before it"
        found[step.name] = step
    return found


def before(steps: dict[str, Step], name: str) -> set[str]:
    """All that is done when a step begins."""
    needs = set(steps[name].needs)
    return needs.union(*(before(steps, need) for need in needs)) if needs else needs


@pytest.mark.parametrize("cluster", ["kind", "standin"])
def test_gates_stand_before_what_needs_them(tmp_path: Path, cluster: str) -> None:
    steps = plan(tmp_path, cluster)
    assert {"create", "ssh", "ports"} <= before(steps, "push")
    assert {"nodes", "push", "api", "names"} <= before(steps, "calico")
    assert "calico" in before(steps, "workloads")
    assert {"calico", "addresses", "workloads", "bonds"} <= before(steps, "verify")


def test_a_real_cluster_has_its_manifest_before_anything_boots(tmp_path: Path) -> None:
    assert before(plan(tmp_path, "kind"), "create") == {"inputs"}
    assert "inputs" not in plan(tmp_path, "standin")


def test_a_fabric_alone_waits_for_no_cluster(tmp_path: Path) -> None:
    assert list(plan(tmp_path, "none")) == ["create", "nodes", "ssh", "ports", "push", "verify", "first-state"]


def test_every_gate_is_looked_at_again_by_a_second_up(tmp_path: Path) -> None:
    steps = plan(tmp_path, "kind")
    again = {name for name, step in steps.items() if not step.resumable}
    assert {"ssh", "ports", "api", "names", "addresses", "bonds"} <= again


@pytest.mark.parametrize("cluster", ["none", "standin"])
def test_what_a_killed_labctl_left_is_healed_before_a_gate_stumbles_over_it(tmp_path: Path, cluster: str) -> None:
    assert "heal" not in plan(tmp_path, cluster, running=True)
    write(LabState("lab", tmp_path).journal, Change("leaf.leaf", "switch-lines"), "begun")
    assert "heal" not in plan(tmp_path, cluster), "the nodes of another lab: there is nothing to heal in new ones"
    steps = plan(tmp_path, cluster, running=True)
    assert not steps["heal"].resumable
    assert "heal" in before(steps, "push")
    assert "ports" in before(steps, "heal")
    if cluster != "none":
        assert "heal" in before(steps, "bonds")
        assert "api" in before(steps, "heal")


@pytest.mark.parametrize(
    ("runtime", "target", "seconds"),
    [
        ("embedded", {"switch": "standin", "cluster": "standin"}, 600),
        ("containerlab", {"switch": "standin", "cluster": "standin"}, 1800),
        ("containerlab", {"switch": "standin", "cluster": "kind"}, 1800),
        ("containerlab", {"switch": "n9kv", "cluster": "none"}, 5400),
    ],
)
def test_limits_by_target(runtime: str, target: dict[str, str], seconds: float) -> None:
    assert default_limit(runtime_class(runtime), target) == seconds
