"""Every check can fail: labs booted from edited folders, each with one fault, each failing for the right reason."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import Labctl, await_event, edit_deadlines, replace, step
from tests.integration.launchers import soon
from tests.integration.patience import patient

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(240))]
LAB = "whitepaper"
Folder = Callable[..., Path]


def verdicts(labctl: Labctl) -> dict[str, str]:
    return {row["id"]: row["verdict"] for row in labctl.evidence(LAB)["scenarios"]}


def sentences(labctl: Labctl, scenario: str, verdict: str) -> list[str]:
    rows = [row for row in labctl.evidence(LAB)["scenarios"] if row["id"] == scenario]
    return [check["sentence"] for check in rows[0]["checks"] if check["verdict"] == verdict]


def without_scenarios(folder: Path, *names: str) -> None:
    """Leave scenarios out that the fault is not about; those of `tests/integration/sabotages.py` always."""
    import json

    path = folder / "lab.json"
    body: dict[str, Any] = json.loads(path.read_text())
    body["scenarios"] = [name for name in body["scenarios"] if name not in (*names, "cluster", "leafs")]
    path.write_text(json.dumps(body, indent=2))


def test_ping_without_as_override_and_curl_without_backend(labctl: Labctl, folder: Folder) -> None:
    """Without as-override and disable-peer-as-check no node learns another's block: they share an AS (errata E8)."""
    path = folder(converged=15)
    without_scenarios(path, "ping-ipip")
    for leaf in ("leaf2101", "leaf2102"):
        text = (path / "nxos" / f"{leaf}.cfg").read_text()
        kept = [line for line in text.splitlines() if line.strip() not in ("as-override", "disable-peer-as-check")]
        (path / "nxos" / f"{leaf}.cfg").write_text("\n".join(kept) + "\n")
    replace(path / "k8s" / "nginx.yaml", "replicas: 2", "replicas: 0")
    with labctl.lab(path, code=1) as done:
        assert verdicts(labctl) == {"links": "PASS", "bgp": "PASS", "ping": "FAIL", "curl": "FAIL"}
        assert any("no route to the other node's block" in text for text in sentences(labctl, "ping", "FAIL"))
        assert all("has 0 endpoints" in text for text in sentences(labctl, "curl", "FAIL"))
        assert "nxos/leaf2101.cfg differs from what was rendered" in done.err


def test_bgp_with_a_wrong_remote_as_and_without_a_route_to_the_loopbacks(labctl: Labctl, folder: Folder) -> None:
    """leaf2102 has another AS for all nodes, node02 has no way to the leafs: leaf2101 misses node02 alone."""
    path = folder(converged=15)
    without_scenarios(path, "ping-ipip", "ping", "curl")
    replace(path / "nxos" / "leaf2102.cfg", "remote-as 65531", "remote-as 65530")
    script = path / "nodes" / "node02.sh"
    kept = [line for line in script.read_text().splitlines() if not line.startswith("route replace")]
    script.write_text("\n".join(kept) + "\n")
    with labctl.lab(path, code=1):
        assert verdicts(labctl) == {"links": "PASS", "bgp": "FAIL"}
        failed = sentences(labctl, "bgp", "FAIL")
        assert any(re.search(r"leaf2102: neighbor 192\.168\.1\.11 ", text) for text in failed), failed
        assert any(re.search(r"leaf2101: neighbor 192\.168\.1\.13 ", text) for text in failed), failed
        assert not any(re.search(r"leaf2101: neighbor 192\.168\.1\.1[01] ", text) for text in failed), failed


def test_one_member_down_on_each_of_two_nodes_crossed(labctl: Labctl, folder: Folder) -> None:
    """node01 has leaf2102 alone and node02 leaf2101, from the start: what they say to each other crosses the fabric."""
    path = folder(bond=10)
    without_scenarios(path, "ping-ipip")
    for node, member in (("node01", "eth1"), ("node02", "eth2")):
        with (path / "nodes" / f"{node}.sh").open("a") as script:
            script.write(f"ip link set {member} down\n")
    with labctl.lab(path, code=1):
        assert verdicts(labctl) == {"links": "FAIL", "bgp": "PASS", "ping": "PASS", "curl": "PASS"}
        failed = sentences(labctl, "links", "FAIL")
        assert any("node01: eth1 is down" in text for text in failed), failed
        assert any("node02: eth2 is down" in text for text in failed), failed


def test_a_misspelt_line_fails_the_push_with_its_place(labctl: Labctl, folder: Folder) -> None:
    """And the lab stays for a look: a second up with the line mended goes on from there."""
    path = folder()
    without_scenarios(path, "ping-ipip", "ping", "curl", "bgp")
    config = path / "nxos" / "leaf2101.cfg"
    replace(config, "  vn-segment 30001", "  vn-segmnt 30001")
    number = config.read_text().splitlines().index("  vn-segmnt 30001") + 1
    with labctl.lab(path, code=1) as done:
        assert f"nxos/leaf2101.cfg:{number}" in done.err
        assert "vn-segmnt 30001" in done.err
        assert "Invalid command" in done.err
        assert [row["state"] for row in labctl("status", "--all", "--json").json()] == ["running"]
        replace(config, "  vn-segmnt 30001", "  vn-segment 30001")
        again = labctl("up", path).expect(0)
        assert "going on with it" in again.err
        assert verdicts(labctl) == {"links": "PASS"}


def test_a_switch_that_does_not_answer_is_inconclusive(labctl: Labctl, folder: Folder, tmp_path: Path) -> None:
    """Its front end is stopped (SIGSTOP) once it exists: neither a pass nor a fail can be said."""
    path = folder()
    edit_deadlines(path, ssh=soon(6), push=soon(6))
    log = tmp_path / "events"
    process: subprocess.Popen[bytes] = labctl.start("up", path, "--events", "json", log=log)
    try:
        await_event(log, step("create", "step-done"))
        pid = labctl.pids(LAB)["switch:leaf2102"]
        import os

        os.kill(pid, signal.SIGSTOP)
        assert process.wait(patient(60)) == 3
        assert "leaf2102" in log.with_suffix(".err").read_text()
    finally:
        labctl("down", "--all").expect(0)
