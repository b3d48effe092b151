"""Every check can fail: one lab, broken in one place after the other, each time for the reason that the check tells."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.harness import Done, Labctl, as_fail, edit_deadlines, replace
from tests.integration.patience import patient
from tests.integration.sabotages import SABOTAGES, Sabotage, Step

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(240))]
LAB = "whitepaper"


@pytest.fixture(scope="module")
def gateway(lab: Done, labctl: Labctl) -> Iterator[str]:
    """Of node02's default route; the lab has little patience meanwhile."""
    folder = labctl.lab_state(LAB) / "folder"
    before = {path: path.read_text() for path in (folder / "lab.json", folder / "checks.yaml")}
    edit_deadlines(folder, converged=2, bond=2)
    replace(folder / "checks.yaml", "window: 3.0", "window: 0.5")
    route = json.loads(labctl("exec", LAB, "node02", "--", "ip", "-j", "route", "show", "default").expect(0).out)
    yield route[0]["gateway"]
    for path, text in before.items():
        path.write_text(text)


def do(labctl: Labctl, step: Step, gateway: str) -> None:
    lines = [line.replace("{gateway}", gateway) for line in step.lines]
    if step.kind == "kubectl":
        labctl("kubectl", LAB, "--", *lines).expect(0)
    elif step.kind == "node":
        labctl("exec", LAB, step.target, "--", *lines).expect(0)
    else:
        labctl("ssh", LAB, step.target, "--", " ; ".join(("configure terminal", *lines))).expect(0)


def verified(labctl: Labctl, row: str) -> dict[str, tuple[str, str]]:
    """Check → verdict and sentence."""
    done = labctl("verify", LAB, "--figure", row, "--json")
    assert done.code == 0 or done.expect(1)
    return {
        check["id"]: (check["verdict"], check["sentence"])
        for scenario in as_fail(done.json())["scenarios"]
        for check in scenario["checks"]
    }


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.title)
def test_a_sabotage_fails_its_checks(labctl: Labctl, gateway: str, sabotage: Sabotage) -> None:
    try:
        for step in sabotage.make:
            do(labctl, step, gateway)

        def failing() -> dict[str, tuple[str, str]] | NotYet:
            found = verified(labctl, sabotage.row)
            wrong = {
                name: found.get(name)
                for name, words in sabotage.fails.items()
                if name not in found or found[name][0] != "FAIL" or not re.search(words, found[name][1])
            }
            return NotYet(f"not failing as expected: {wrong}") if wrong else found

        wait_for(failing, Deadline(patient(20)))
    finally:
        for step in sabotage.undo:
            do(labctl, step, gateway)

    def passing() -> str | NotYet:
        bad = {name: row for name, row in verified(labctl, sabotage.row).items() if row[0] != "PASS"}
        return NotYet(f"after the undoing: {bad}") if bad else "passed"

    wait_for(passing, Deadline(patient(40)))


def test_the_lab_is_whole_again(labctl: Labctl, gateway: str) -> None:
    edit_deadlines(labctl.lab_state(LAB) / "folder", converged=60, bond=30)
    done = labctl("verify", LAB)
    assert done.code == 0, done.out
