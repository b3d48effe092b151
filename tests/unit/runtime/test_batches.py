"""Boot batches: how many 9000v start at once, and how the seconds reach the containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from labctl.design.design import Target
from labctl.design.plan import design
from labctl.folder import Topology, load_folder
from labctl.render.folder import render_folder, write_folder
from labctl.runtime.containerlab.clab import BATCH_SECONDS, boot_delays, boot_environment, memory_of
from labctl.spec.load import loads

GIB = 1 << 30


@pytest.mark.parametrize(
    ("free", "steps"),
    [
        (96, [0, 0, 0, 0, 0, 0]),  # twice what they need: all at once
        (95, [0, 0, 0, 0, 0, 1]),
        (64, [0, 0, 0, 0, 1, 1]),
        (32, [0, 0, 1, 1, 2, 2]),
        (16, [0, 1, 2, 3, 4, 5]),
        (1, [0, 1, 2, 3, 4, 5]),  # does not fit: that is for doctor to say
    ],
)
def test_batches_by_memory(free: int, steps: list[int]) -> None:
    names = [f"s{index}" for index in range(6)]
    found = boot_delays(names, free * GIB, 8 * GIB)
    assert list(found) == names
    assert [seconds // BATCH_SECONDS for seconds in found.values()] == steps


def test_no_switch_and_no_memory_break_nothing() -> None:
    assert boot_delays([], 0, 0) == {}
    assert boot_delays(["a"], 0, 0) == {"a": 0}


def topology(tmp_path: Path, target: Target, edit: tuple[str, str] | None = None) -> Topology:
    text = "name: lab\nfabric: {spines: [core-1], leaf_pairs: 1}\n"
    write_folder(render_folder(design(loads("x.yaml", text, target=("n9kv", "kind")), target)), tmp_path)
    if edit:
        path = tmp_path / "topology.clab.yml"
        assert edit[0] in path.read_text()
        path.write_text(path.read_text().replace(*edit))
    return load_folder(tmp_path).topology


def test_the_folders_own_variables_are_set(tmp_path: Path) -> None:
    found = boot_environment(topology(tmp_path, Target("n9kv", "kind")), 16 * GIB)
    assert found == {
        "LABCTL_BOOT_DELAY_CORE_1": "0", "LABCTL_BOOT_DELAY_LEAF101": "300", "LABCTL_BOOT_DELAY_LEAF102": "600",
    }  # fmt: skip


def test_seconds_that_a_person_wrote_are_left_alone(tmp_path: Path) -> None:
    edited = topology(tmp_path, Target("n9kv", "kind"), ("'${LABCTL_BOOT_DELAY_CORE_1:=0}'", "'77'"))
    assert list(boot_environment(edited, 64 * GIB)) == ["LABCTL_BOOT_DELAY_LEAF101", "LABCTL_BOOT_DELAY_LEAF102"]


def test_standins_boot_at_once(tmp_path: Path) -> None:
    assert boot_environment(topology(tmp_path, Target("standin", "kind")), GIB) == {}


def test_memory_of_a_switch() -> None:
    assert memory_of({"QEMU_MEMORY": "6144"}) == 6 * GIB
    assert memory_of({}) == memory_of({"QEMU_MEMORY": "${X}"}) == 10 * GIB
