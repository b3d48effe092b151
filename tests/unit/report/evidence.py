"""An evidence folder as a verification writes it, with something of everything that a report shows."""

from __future__ import annotations

from pathlib import Path

from labctl.folder import load_folder
from labctl.verify.capture.match import ExpectedPacket, ExpectedStack
from labctl.verify.evidence import Evidence
from labctl.verify.verdict import CheckResult, Report, ScenarioResult
from tests.frames import LEAF, NODE, echo, ethernet, ip4, pcap, tcp
from tests.rendered import rendered_folder

LAB = rendered_folder("whitepaper-standin-fabric")
ENVIRONMENT = {
    "labctl": "0.1.0", "target": {"switch": "standin", "cluster": "standin"}, "mode": "routed",
    "versions": {"kubernetes": "1.34.3", "calico": "3.20.0", "nxos": "10.5(4)"}, "python": "3.11.7",
    "kernel": "6.1.0", "edited": ["checks.yaml"], "time": "2025-06-01T10:00:20Z", "runtime": "embedded",
    "launcher": "uml",
}  # fmt: skip
PODS = frozenset({"10.244.196.129"}), frozenset({"10.244.140.65"})
TUNNEL = ExpectedPacket(
    ExpectedStack(*PODS), ExpectedStack(frozenset({"192.168.1.11"}), frozenset({"192.168.1.13"}), "ipip")
)
PAGE = ExpectedPacket(
    ExpectedStack(frozenset({"192.168.1.10"}), PODS[0], "tcp", 80), vlan=3001, source_macs=frozenset({LEAF}),
    encapsulated=False, macs=frozenset({NODE}),
)  # fmt: skip
REQUEST = b"GET / HTTP/1.1\r\nHost: 10.96.3.42\r\n\r\n"
PINGED = ethernet(ip4("192.168.1.11", "192.168.1.13", 4, ip4("10.244.196.129", "10.244.140.65", 1, echo(8))))
SYN = ethernet(ip4("192.168.1.10", "10.244.196.129", 6, tcp(22996, 80)), vlan=3001)
FETCHED = ethernet(ip4("192.168.1.10", "10.244.196.129", 6, tcp(22996, 80, REQUEST)), vlan=3001)
UNTAGGED = ethernet(ip4("192.168.1.10", "10.244.196.129", 6, tcp(22996, 80, REQUEST)))


def write_evidence(path: Path, *, lab: str = "whitepaper", output: bytes = b'{"TABLE_channel": {}}\n') -> Path:
    """FAIL and INCONCLUSIVE and PASS, commands, captures with and without a fitting packet."""
    evidence = Evidence(path)
    files = evidence.lab(load_folder(LAB))
    shown = evidence.command("leaf2101", "show port-channel summary | json", output)
    pcaps = {
        name: evidence.capture(name, pcap(*frames))
        for name, frames in {
            "ping-ipip.v4.node01": (PINGED, PINGED),
            "curl.web.leaf2101": (),
            "curl.web.leaf2102": (SYN, FETCHED),
            "curl.bare.leaf2102": (UNTAGGED,),
        }.items()
    }
    links = ScenarioResult(
        "links", "LACP and vPC", 5.25,
        (
            CheckResult("links.lacp.node01", "bond0 of node01 distributes on every member", "PASS",
                        "node01: eth1 and eth2 distribute", {"distributing": ["eth1", "eth2"]}, {"eth1": {"up": True}},
                        commands=(shown,), seconds=0.5),
            CheckResult("links.port-channel.leaf2101.13", "port-channel13 of leaf2101 is bundled", "FAIL",
                        "leaf2101: port-channel13: Ethernet1/3 is down (D)", {"Ethernet1/3": "P"},
                        {"Ethernet1/3": "D"}, 9, (shown,), seconds=5.2),
            CheckResult("links.vpc.leaf2102", "vPC domain 1 of leaf2102 is consistent", "INCONCLUSIVE",
                        "leaf2102: show vpc brief: the session ended"),
        ),
    )  # fmt: skip
    ping = ScenarioResult(
        "ping-ipip", "pod ping over IPIP", 2.5,
        (
            CheckResult("ping-ipip.v4.capture.node01", "packets at bond0 of node01", "PASS", "node01: 2 packets",
                        TUNNEL.as_json(), {"at": "node01", "packets": 2}, captures=(pcaps["ping-ipip.v4.node01"],)),
        ), 5.3,
    )  # fmt: skip
    curl = ScenarioResult(
        "curl", "curl of a ClusterIP", 1.5,
        (
            CheckResult("curl.web.capture.leaf2101-leaf2102", "packets at the port-channel", "PASS", "leaf2102: 2",
                        PAGE.as_json(), {"at": "leaf2102", "packets": 2},
                        captures=(pcaps["curl.web.leaf2101"], pcaps["curl.web.leaf2102"])),
            CheckResult("curl.bare.capture.leaf2102", "packets at the port-channel, tagged", "FAIL",
                        "no packet is as expected", PAGE.as_json(), ["leaf2102: VLAN None, not 3001"],
                        captures=(pcaps["curl.bare.leaf2102"],)),
        ), 0.1,
    )  # fmt: skip
    report = Report(lab, (links, ping, curl), 7.9, ENVIRONMENT, {"links": 5.25}, files)
    evidence.report(report)
    return path
