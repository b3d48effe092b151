"""The white paper's second cluster: its route table, both use cases with their captures, and tables of its size."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.harness import ROOT, Done, Labctl, tshark_fields
from tests.integration.patience import patient

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(240))]
LAB = "whitepaper-usecases"
PINGING, PINGED = "10.233.102.136", "10.233.75.7"
PRINTED = {
    "pingtest-8547ccd6f-rpjrx": (PINGING, "node1", "cali80de97cfe2d"),
    "pingtest-8547ccd6f-ghbqs": (PINGED, "node2", "caliab99c9104da"),
    "pingtest-8547ccd6f-nwcrc": ("10.233.71.3", "node3", "cali9bd1b905e10"),
    "nginx-deployment3-5c7959dc4f-65k84": ("10.233.102.141", "node1", "cali3f71f08da19"),
    "nginx-deployment3-5c7959dc4f-tk9t6": ("10.233.102.140", "node1", "calic3fd4f12902"),
}
"""Pod → address, node, interface (errata 4.5)."""


@pytest.fixture(scope="module")
def lab(labctl: Labctl) -> Iterator[Done]:
    with labctl.lab(ROOT / "topologies" / f"{LAB}.yaml") as done:
        yield done


def kubectl(labctl: Labctl, *arguments: str, stdin: str = "") -> str:
    return labctl("kubectl", LAB, "--", *arguments, stdin=stdin, timeout=60).expect(0).out


def checks(labctl: Labctl) -> dict[str, dict[str, Any]]:
    return {check["id"]: check for row in labctl.evidence(LAB)["scenarios"] for check in row["checks"]}


def pcap(labctl: Labctl, name: str) -> Path:
    return labctl.lab_state(LAB) / "evidence" / "captures" / f"{name}.pcap"


def test_all_scenarios_pass(lab: Done, labctl: Labctl) -> None:
    found = {row["id"]: row["verdict"] for row in labctl.evidence(LAB)["scenarios"]}
    assert {"links", "bgp", "ping", "curl", "ping-ipip"} <= found.keys()
    assert set(found.values()) == {"PASS"}, found


def test_the_printed_pods_have_the_printed_addresses(lab: Done, labctl: Labctl) -> None:
    pods = json.loads(kubectl(labctl, "get", "pods", "-o", "json"))["items"]
    seen = {pod["metadata"]["name"]: (pod["status"]["podIP"], pod["spec"]["nodeName"]) for pod in pods}
    assert seen == {name: row[:2] for name, row in PRINTED.items()}


def test_the_route_table_of_node1_is_the_papers(lab: Done, labctl: Labctl) -> None:
    """Errata 4.7: blocks with one next hop, pods, 60 prefixes and three /32, no service, no tunnel, no metric."""
    rows = json.loads(labctl("exec", LAB, "node1", "--", "ip", "-j", "-4", "route", "show").expect(0).out)
    outside = [f"{first}.{second}.0.0/16" for first in (12, 13, 14) for second in range(1, 21)]
    outside += ["199.101.101.101", "199.101.101.102", "200.200.200.200"]
    over_the_leafs = [*outside, "10.233.71.0/26", "10.233.75.0/26", "192.168.100.0/24"]
    seen = {row["dst"]: (row.get("type"), row.get("gateway"), row.get("dev")) for row in rows}
    assert len(seen) == len(rows)
    default = seen.pop("default")
    assert default[2] == "eth0"
    management = [dst for dst, (_, _, device) in seen.items() if device == "eth0"]
    assert len(management) == 1
    del seen[management[0]]
    own = json.loads(kubectl(labctl, "get", "pods", "-A", "-o", "json", "--field-selector=spec.nodeName=node1"))[
        "items"
    ]
    pods = {
        pod["status"]["podIP"]: interface(pod["metadata"]["namespace"], pod["metadata"]["name"])
        for pod in own
        if not pod["spec"].get("hostNetwork")
    }
    assert {address: device for address, node, device in PRINTED.values() if node == "node1"}.items() <= pods.items()
    assert seen == {
        **dict.fromkeys(over_the_leafs, (None, "192.168.1.1", "bond0")),
        "192.168.1.0/24": (None, None, "bond0"),
        "10.233.102.128/26": ("blackhole", None, None),
        **{address: (None, None, device) for address, device in pods.items()},
    }
    assert not any("metric" in row or "nexthops" in row for row in rows if row.get("protocol") == "bird")


def interface(namespace: str, pod: str) -> str:
    return "cali" + hashlib.sha1(f"{namespace}.{pod}".encode(), usedforsecurity=False).hexdigest()[:11]


def test_the_ping_is_the_papers(lab: Done, labctl: Labctl) -> None:
    """IPIP between the nodes' addresses: the request at bond0 of node1, the reply at the leafs' port-channel."""
    ping = "ping-ipip.node1-node2-ipv4"
    assert checks(labctl)[f"{ping}.answered"]["seen"] == {"sent": 5, "received": 5, "ttl": [62]}
    fields = ("ip.src", "ip.dst", "ip.proto", "icmp.type")
    requests = tshark_fields(pcap(labctl, f"{ping}.node1"), "icmp.type == 8", *fields)
    assert [f"192.168.1.10,{PINGING}", f"192.168.1.11,{PINGED}", "4,1", "8"] in requests
    replies = [
        row
        for leaf in ("leaf2101", "leaf2102")
        for row in tshark_fields(pcap(labctl, f"{ping}.{leaf}"), "icmp.type == 0", *fields)
    ]
    assert [f"192.168.1.11,{PINGED}", f"192.168.1.10,{PINGING}", "4,1", "0"] in replies


def test_the_curl_is_the_papers(lab: Done, labctl: Labctl) -> None:
    """192.168.1.13 → 10.233.102.141, VLAN 3001, not encapsulated, a GET of the ClusterIP's host."""
    fields = ("vlan.id", "ip.src", "ip.dst", "tcp.payload")
    rows = [
        row
        for leaf in ("leaf2101", "leaf2102")
        for row in tshark_fields(
            pcap(labctl, f"curl.node3-nginx-service.{leaf}"), "tcp.dstport == 80 && tcp.len > 0", *fields
        )
    ]
    fitting = [row for row in rows if row[:3] == ["3001", "192.168.1.13", "10.233.102.141"]]
    assert fitting, rows
    assert bytes.fromhex(fitting[0][3]).startswith(b"GET / HTTP/1.1\r\nHost: 10.233.0.100")


def test_an_address_that_cannot_be_had_is_said_in_calicos_words(lab: Done, labctl: Labctl) -> None:
    refused = {
        "taken": ("10.233.102.141", "Address already assigned in block"),
        "outside": ("10.99.0.1", "The provided IP address is not in a configured pool"),
    }
    pods = [
        {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "annotations": {"cni.projectcalico.org/ipAddrs": json.dumps([address])}},
            "spec": {"containers": [{"name": "c", "image": "busybox", "command": ["sleep", "infinity"]}]},
        }
        for name, (address, _) in refused.items()
    ]  # fmt: skip
    kubectl(labctl, "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))

    def events() -> str | NotYet:
        text = kubectl(labctl, "get", "events", "--field-selector=reason=FailedCreatePodSandBox")
        missing = [name for name, (_, words) in refused.items() if not re.search(f"pod/{name} .*{words}", text)]
        return NotYet(f"no event of {missing}: {text}") if missing else text

    try:
        wait_for(events, Deadline(patient(20)))
    finally:
        kubectl(labctl, "delete", "pod", *refused, "--now")


def test_tables_as_large_as_the_papers_disturb_nothing(lab: Done, labctl: Labctl) -> None:
    """Errata 4.9; the scenarios pass meanwhile, and the tables are as before afterwards."""
    done = labctl("verify", LAB, "--scenario", "scale", "--disruptive", timeout=200).expect(0)
    assert "PASS" in done.out
    found = checks(labctl)
    for leaf in ("leaf2101", "leaf2102"):
        for family, least in (("ipv4", 5743), ("ipv6", 2269)):
            seen = found[f"scale.networks.{leaf}.{family}"]["seen"]
            assert seen["networks"] >= seen["before"] + least
            assert seen["paths"] >= seen["networks"]
            assert found[f"scale.gone.{leaf}.{family}"]["seen"] <= seen["before"]
    kinds = {name.split(".")[1] for name in found if name.startswith("scale.")}
    assert kinds == {"networks", "route", "ping", "curl", "filtered", "sessions", "gone"}
    running = labctl("ssh", LAB, "leaf2999", "--", "show running-config").expect(0).out
    assert "198.19." not in running


def test_a_filter_that_lets_them_out_is_seen(lab: Done, labctl: Labctl) -> None:
    """The same with a few prefixes, while leaf2101 lets them out to the nodes."""
    inputs = labctl.lab_state(LAB) / "folder" / "checks.yaml"
    text = inputs.read_text()
    entry = "ip prefix-list PL-K8S-OUT seq 900"
    try:
        inputs.write_text(text.replace("count: 5743", "count: 64").replace("count: 2269", "count: 64"))
        permit = f"configure terminal ; {entry} permit 198.19.0.0/16 le 32"
        labctl("ssh", LAB, "leaf2101", "--", permit).expect(0)
        labctl("verify", LAB, "--scenario", "scale", "--disruptive").expect(1)
        failed = {name: row["sentence"] for name, row in checks(labctl).items() if row["verdict"] == "FAIL"}
        assert set(failed) == {f"scale.filtered.{node}.ipv4" for node in ("node1", "node2", "node3")}
        assert "node2 has 64 routes of 198.19.0.0/16" in failed["scale.filtered.node2.ipv4"]
    finally:
        inputs.write_text(text)
        labctl("ssh", LAB, "leaf2101", "--", f"configure terminal ; no {entry}")
