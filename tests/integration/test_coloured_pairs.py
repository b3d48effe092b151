"""Several pairs with the same loopbacks: kept apart by colours, and what is seen when a pair has lost its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import ROOT, Labctl
from tests.integration.patience import patient

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(200))]
LAB = "coloured-pairs"
SPEC = ROOT / "topologies" / f"{LAB}.yaml"
PEERS = {"leaf2101": "leaf2102", "leaf2102": "leaf2101", "leaf2103": "leaf2104", "leaf2104": "leaf2103"}
LOOPBACKS = {
    "leaf2101": ("192.168.100.1/32", "2001:193:168:1::4/128"),
    "leaf2102": ("192.168.100.2/32", "2001:193:168:1::5/128"),
    "leaf2103": ("192.168.100.1/32", "2001:193:168:1::4/128"),
    "leaf2104": ("192.168.100.2/32", "2001:193:168:1::5/128"),
}


def verdicts(labctl: Labctl) -> dict[str, str]:
    return {row["id"]: row["verdict"] for row in labctl.evidence(LAB)["scenarios"]}


def checks(labctl: Labctl) -> dict[str, dict[str, Any]]:
    return {check["id"]: check for row in labctl.evidence(LAB)["scenarios"] for check in row["checks"]}


def test_each_leaf_reaches_its_own_peer_alone(labctl: Labctl) -> None:
    with labctl.lab(SPEC):
        said = verdicts(labctl)
        assert {"links", "bgp", "ping", "curl", "ping-ipip"} <= said.keys()
        assert set(said.values()) == {"PASS"}, said
        found = checks(labctl)
        for leaf, peer in PEERS.items():
            for prefix in LOOPBACKS[peer]:
                assert found[f"bgp.route.{leaf}.{prefix}"]["verdict"] == "PASS"
            for prefix in {prefix for both in LOOPBACKS.values() for prefix in both}:
                assert found[f"bgp.only-copy.{leaf}.{prefix}"]["verdict"] == "PASS"
                assert found[f"bgp.only-copy.leaf2999.{prefix}"]["verdict"] == "PASS"
        target = labctl("ssh", LAB, "leaf2103", "--", "show ip route 192.168.100.2 vrf vrf-001").expect(0).out
        assert re.search(r"\*via 10\.2\.0\.4%default, .* segid: 90001 tunnelid: 0xa020004 encap: VXLAN", target), target


def test_a_pair_without_its_colour_is_seen(labctl: Labctl, folder: Callable[..., Path]) -> None:
    """leaf2101 and leaf2102 export their loopbacks to all, and the others prefer them: their router IDs are lower."""
    path = folder(SPEC, converged=12)
    for leaf in ("leaf2101", "leaf2102"):
        config = path / "nxos" / f"{leaf}.cfg"
        kept = [
            line
            for line in config.read_text().splitlines()
            if not re.search(r"export map loopback|route-target import 2101:2102", line)
        ]
        config.write_text("\n".join(kept) + "\n")
    body = json.loads((path / "lab.json").read_text())
    (path / "lab.json").write_text(json.dumps(body | {"scenarios": ["bgp"]}))
    with labctl.lab(path, code=1):
        assert verdicts(labctl) == {"links": "PASS", "bgp": "FAIL"}
        failed = {name: row["sentence"] for name, row in checks(labctl).items() if row["verdict"] == "FAIL"}
        copies = {name for name in failed if name.startswith("bgp.only-copy.")}
        where = {"leaf2103": ("192.168.100.2/32", "2001:193:168:1::5/128"), "leaf2104": LOOPBACKS["leaf2101"],
                 "leaf2999": (*LOOPBACKS["leaf2101"], *LOOPBACKS["leaf2102"])}  # fmt: skip
        assert {f"bgp.only-copy.{leaf}.{prefix}" for leaf, both in where.items() for prefix in both} <= copies, failed
        assert not any("leaf2101" in name or "leaf2102" in name for name in copies), failed
        sentence = failed["bgp.only-copy.leaf2103.192.168.100.2/32"]
        reason = (
            r"leaf2103: 192\.168\.100\.2/32 is duplicated: it is reached at leaf2102 \(10\.2\.0\.2\).* another pair"
        )
        assert re.search(reason, sentence), sentence
