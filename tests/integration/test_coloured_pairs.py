"""Several pairs with the same loopbacks: kept apart by colours, and what is seen when a pair has lost its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.harness import ROOT, Done, Labctl, edit_deadlines
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


@pytest.fixture(scope="module")
def lab(labctl: Labctl) -> Iterator[Done]:
    with labctl.lab(SPEC) as done:
        yield done


def test_each_leaf_reaches_its_own_peer_alone(lab: Done, labctl: Labctl) -> None:
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


COLOURLESS = """
    vrf context vrf-001
    address-family ipv4 unicast
    no route-target import 2101:2102 evpn
    no export map loopback
    address-family ipv6 unicast
    no route-target import 2101:2102 evpn
    no export map loopback-v6
    """


def test_a_pair_without_its_colour_is_seen(lab: Done, labctl: Labctl) -> None:
    """leaf2101 and leaf2102 export their loopbacks to all, and the others prefer them: their router IDs are lower."""
    edit_deadlines(labctl.lab_state(LAB) / "folder", converged=2)
    for leaf in ("leaf2101", "leaf2102"):
        lines = ["configure terminal", *(line.strip() for line in COLOURLESS.strip().splitlines())]
        labctl("ssh", LAB, leaf, "--", " ; ".join(lines)).expect(0)
    where = {"leaf2103": ("192.168.100.2/32", "2001:193:168:1::5/128"), "leaf2104": LOOPBACKS["leaf2101"],
             "leaf2999": (*LOOPBACKS["leaf2101"], *LOOPBACKS["leaf2102"])}  # fmt: skip
    wanted = {f"bgp.only-copy.{leaf}.{prefix}" for leaf, both in where.items() for prefix in both}

    def failing() -> dict[str, str] | NotYet:
        labctl("verify", LAB, "--scenario", "bgp")
        rows = {name: row for name, row in checks(labctl).items() if row["verdict"] != "PASS"}
        found = {name: row["sentence"] for name, row in rows.items() if row["verdict"] == "FAIL"}
        return found if wanted <= found.keys() else NotYet(f"not all copies are seen: {rows}")

    failed = wait_for(failing, Deadline(patient(30)))
    assert verdicts(labctl) == {"links": "PASS", "bgp": "FAIL"}
    copies = {name for name in failed if name.startswith("bgp.only-copy.")}
    assert not any("leaf2101" in name or "leaf2102" in name for name in copies), failed
    sentence = failed["bgp.only-copy.leaf2103.192.168.100.2/32"]
    reason = r"leaf2103: 192\.168\.100\.2/32 is duplicated: it is reached at leaf2102 \(10\.2\.0\.2\).* another pair"
    assert re.search(reason, sentence), sentence
