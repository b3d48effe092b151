"""Scenarios against nodes that answer what a test says: BGP, links, captures, curl, the way to IPIP and back."""

from __future__ import annotations

import json
import struct
import threading
from dataclasses import replace
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest

from labctl.errors import InconclusiveError
from labctl.guest.api import Completed
from labctl.verify.capturing import bond_mac, capturing, gateway_macs, judge, resolve
from labctl.verify.checks import poll
from labctl.verify.expectation import KINDS
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Unanswered
from labctl.verify.topics import bgp, curl, links, ping
from labctl.verify.values import BlockOf, CaptureInput, ClusterIpOf, PortChannelOf
from labctl.verify.verdict import CheckResult
from labctl.waiting import Cancelled, Deadline

NODE_MAC, LEAF_MAC = "fe:f8:86:b8:5f:7e", "6c:31:0e:b3:7c:47"


def pcap(source: str, target: str, *, protocol: int = 6, vlan: int = 3001, port: int = 80) -> bytes:
    inner = struct.pack(">HHIIBBHHH", 40000, port, 1, 1, 0x50, 0x18, 500, 0, 0)
    if protocol == 1:
        inner = struct.pack(">BBHHH", 8, 0, 0, 7, 1)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(inner), 1, 0, 63, protocol, 0)
    ip += ip_address(source).packed + ip_address(target).packed + inner
    frame = bytes.fromhex((NODE_MAC + LEAF_MAC).replace(":", "")) + struct.pack(">HHH", 0x8100, vlan, 0x0800) + ip
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    return head + struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame


def kube_node(name: str, number: int) -> dict[str, Any]:
    annotations = {"projectcalico.org/IPv4Address": f"192.168.1.{number}/24"}
    return {"metadata": {"name": name, "annotations": annotations}}


def service(name: str, ip: str) -> dict[str, Any]:
    spec = {"type": "NodePort", "clusterIP": ip, "clusterIPs": [ip], "externalTrafficPolicy": "Local"}
    return {"metadata": {"namespace": "default", "name": name}, "spec": spec}


def slice_of(name: str, *rows: tuple[str, str]) -> dict[str, Any]:
    found = [{"addresses": [address], "nodeName": node} for address, node in rows]
    meta = {"namespace": "default", "labels": {"kubernetes.io/service-name": name}}
    return {"metadata": meta, "addressType": "IPv4", "endpoints": found}


@pytest.fixture
def objects(scripted: Any, lab: LabUnderTest) -> dict[str, list[Any]]:
    """The cluster's objects as the scenarios need them."""
    curls = {row.service.partition("/")[2] for row in lab.checks.mode(lab.folder.lab.mode).curl}
    routed = {
        row.prefix.cluster_ip_of.partition("/")[2]
        for row in lab.checks.mode(lab.folder.lab.mode).bgp.all_routes
        if isinstance(row.prefix, ClusterIpOf)
    }
    names = sorted(curls | routed)
    scripted.objects = {
        "nodes": [kube_node("master", 10), kube_node("node01", 11), kube_node("node02", 13)],
        "services": [service(name, f"10.96.0.{number}") for number, name in enumerate(names, 1)],
        "endpointslices": [slice_of(name, ("10.244.196.130", "node01"), ("10.244.140.70", "node02")) for name in names],
        "blockaffinities": [
            {"spec": {"node": name, "cidr": cidr, "state": "confirmed"}}
            for name, cidr in (("node01", "10.244.196.128/26"), ("node02", "10.244.140.64/26"))
        ],
    }
    return scripted.objects


def verdicts(results: Any) -> set[str]:
    return {row.verdict for row in results}


# --- BGP and links ----------------------------------------------------------------------------------------------


def test_a_fabric_that_does_not_answer_is_inconclusive(lab: LabUnderTest, scripted: Any) -> None:
    found = poll(bgp.checks(lab), lab.observer, Deadline(0), lab.cancel, lab.told)
    assert found
    assert verdicts(found) == {"INCONCLUSIVE"}
    assert all("is not up" in row.sentence for row in found)


def test_sessions_without_an_api_are_judged_and_prefixes_are_not(lab: LabUnderTest, scripted: Any) -> None:
    scripted.objects = None
    row = next(row for row in lab.checks.mode(lab.folder.lab.mode).bgp.sessions if row.family == "ipv4")
    neighbor = {"neighborid": row.neighbor, "neighboras": str(row.asn), "state": "Established", "prefixreceived": "3"}
    saf = {"TABLE_neighbor": {"ROW_neighbor": neighbor}}
    body = {"TABLE_vrf": {"ROW_vrf": {"TABLE_af": {"ROW_af": {"TABLE_saf": {"ROW_saf": saf}}}}}}
    scripted.switches[row.switch] = {f"show ip bgp summary vrf {row.vrf}": body}
    asked = [check for check in bgp.checks(lab) if check.id.endswith(f".{row.switch}.{row.neighbor}")]
    found = {result.id: result for result in poll(asked, lab.observer, Deadline(0), lab.cancel, lab.told)}
    assert found[f"bgp.session.{row.switch}.{row.neighbor}"].verdict == "PASS"
    prefixes = found[f"bgp.prefixes.{row.switch}.{row.neighbor}"]
    silent = "kubernetes: /api/v1/nodes: GET: Connection refused"
    assert (prefixes.verdict, prefixes.sentence) == ("INCONCLUSIVE", silent)


def route_body(prefix: str, *hops: str) -> dict[str, Any]:
    paths = [{"ipnexthop": hop, "ubest": "true", "pref": "20", "tag": "65531"} for hop in hops]
    row = {"ipprefix": prefix, "TABLE_path": {"ROW_path": paths}}
    return {"TABLE_vrf": {"ROW_vrf": {"TABLE_addrf": {"ROW_addrf": {"TABLE_prefix": {"ROW_prefix": [row]}}}}}}


@pytest.mark.parametrize(
    ("hops", "verdict"),
    [(("192.168.1.11", "192.168.1.13"), "PASS"), (("192.168.1.10", "192.168.1.11", "192.168.1.13"), "FAIL")],
)
def test_a_service_route_has_the_nodes_with_endpoints_as_next_hops(
    lab: LabUnderTest, objects: Any, hops: tuple[str, ...], verdict: str
) -> None:
    row = next(
        row for row in lab.checks.mode(lab.folder.lab.mode).bgp.all_routes if isinstance(row.prefix, ClusterIpOf)
    )
    name = row.prefix.cluster_ip_of.partition("/")[2]
    ip = next(item["spec"]["clusterIP"] for item in objects["services"] if item["metadata"]["name"] == name)
    assert bgp.judge_route(lab.kube_name, row, lab.cluster(*KINDS), route_body(f"{ip}/32", *hops)).verdict == verdict
    objects["services"].clear()
    gone = bgp.judge_route(lab.kube_name, row, lab.cluster(*KINDS), {})
    assert (gone.verdict, gone.sentence) == ("FAIL", f"there is no Service {row.prefix.cluster_ip_of}")


def test_links_ask_every_node_and_switch(lab: LabUnderTest) -> None:
    found = list(links.checks(lab))
    assert {check.commands[0].text for check in found} == {
        "cat /proc/net/bonding/bond0", "show port-channel summary", "show vpc brief", "show interface",
    }  # fmt: skip
    assert len({check.id for check in found}) == len(found)
    assert verdicts(poll(found, lab.observer, Deadline(0), lab.cancel, lab.told)) == {"INCONCLUSIVE"}


# --- captures ---------------------------------------------------------------------------------------------------

EXPECT = {"inner": {"source": "192.168.1.13", "target": {"endpoints_of": "default/web"}, "protocol": "tcp", "port": 80}}
ENDPOINTS = {"endpoints": frozenset({"10.244.196.130"})}


def capture_input(**fields: Any) -> CaptureInput:
    return CaptureInput.model_validate(
        {"at": ["leaf2101", "leaf2102"], "interface": "bond0", "expect": EXPECT} | fields
    )


GOOD, OTHER = pcap("192.168.1.13", "10.244.196.130"), pcap("192.168.1.13", "10.244.196.130", port=443)


@pytest.mark.parametrize(
    ("captures", "refused", "verdict", "message"),
    [
        ({"leaf2101": OTHER, "leaf2102": GOOD}, {}, "PASS", "leaf2102: 1 packets as expected"),
        ({"leaf2101": GOOD, "leaf2102": GOOD}, {}, "PASS", "leaf2101: 1 packets as expected"),
        ({"leaf2101": OTHER, "leaf2102": b""}, {}, "FAIL", "leaf2101: port 443"),
        ({"leaf2101": b"", "leaf2102": b""}, {}, "FAIL", "leaf2102: no packet at all (0 packets)"),
        ({"leaf2102": GOOD}, {"leaf2101"}, "PASS", "leaf2102: 1 packets as expected"),
        ({"leaf2102": OTHER}, {"leaf2101"}, "INCONCLUSIVE", "not every place of bond0 of leaf2101 or leaf2102"),
        ({}, {"leaf2101", "leaf2102"}, "INCONCLUSIVE", "nothing was captured at bond0 of leaf2101 or leaf2102: gone"),
    ],
)
def test_one_fitting_packet_at_one_of_its_places(
    lab: LabUnderTest, scripted: Any, captures: Any, refused: set[str], verdict: str, message: str
) -> None:
    scripted.captures = captures
    scripted.refused_captures = {name: InconclusiveError("gone") for name in refused}
    row = capture_input()
    with capturing(lab, [row]) as taken:
        assert len([text for _, text in scripted.asked if text == "capture bond0"]) == 2, "before the body runs"
    found = judge(lab, "curl.host", row, taken[0], ENDPOINTS)
    assert found.verdict == verdict
    assert message in found.sentence
    assert found.id == "curl.host.capture.leaf2101-leaf2102"
    assert len(found.captures) == len(captures)
    for path in found.captures:
        assert (lab.observer.evidence.folder / path).is_file()


def test_a_capture_that_breaks_at_its_end(lab: LabUnderTest, scripted: Any) -> None:
    scripted.captures = {"leaf2101": InconclusiveError("the channel is closed"), "leaf2102": GOOD}
    with capturing(lab, [capture_input()]) as taken:
        pass
    assert taken[0].troubles == {"leaf2101": "the channel is closed"}
    assert list(taken[0].pcaps) == ["leaf2102"]


def test_captures_are_stopped_when_the_body_fails(lab: LabUnderTest, scripted: Any) -> None:
    stopped = threading.Semaphore(0)

    class Counting:
        def stop(self) -> bytes:
            stopped.release()
            return b""

    scripted.capture = lambda *_args: Counting()
    with pytest.raises(KeyboardInterrupt), capturing(lab, [capture_input()]):
        raise KeyboardInterrupt
    assert all(stopped.acquire(timeout=0) for _ in range(2))


def test_the_port_channel_towards_a_node_is_found_by_its_links(lab: LabUnderTest, scripted: Any) -> None:
    scripted.captures = {"leaf2101": GOOD}
    for node, channel in (("master", 11), ("node01", 12), ("node02", 13)):
        scripted.asked.clear()
        with capturing(lab, [capture_input(at="leaf2101", interface={"port_channel_of": node})]):
            pass
        assert scripted.asked == [("leaf2101", f"capture port-channel{channel}")]


MACS = {
    "TABLE_mac_address": {
        "ROW_mac_address": [
            {"disp_mac_addr": "6c31.0eb3.7c47", "disp_type": "G"},
            {"disp_mac_addr": "fef8.86b8.5f7e", "disp_type": "*"},
        ]
    }
}


def test_rules_are_resolved_by_what_the_nodes_say_now(lab: LabUnderTest, scripted: Any, done: Any) -> None:
    row = capture_input(
        at="leaf2101", interface={"port_channel_of": "node01"},
        expect=EXPECT | {"vlan": 3001, "source_mac": {"reported_by": "leaf"}, "encapsulated": False},
    )  # fmt: skip
    scripted.switches["leaf2101"] = {"show mac address-table": MACS}
    scripted.nodes["node01", "ip -j link show dev bond0"] = done(json.dumps([{"address": NODE_MAC}]))
    expected = resolve(lab, row, ENDPOINTS)
    assert expected.source_macs == frozenset({LEAF_MAC})
    assert expected.macs == frozenset({NODE_MAC})
    assert expected.inner.targets == frozenset({"10.244.196.130"})
    scripted.captures = {"leaf2101": GOOD}
    with capturing(lab, [row]) as taken:
        pass
    assert judge(lab, "x", row, taken[0], ENDPOINTS).verdict == "PASS"
    del scripted.nodes["node01", "ip -j link show dev bond0"]
    silent = judge(lab, "x", row, taken[0], ENDPOINTS)
    assert (silent.verdict, "node01" in silent.sentence) == ("INCONCLUSIVE", True)


def test_macs_that_are_not_there(lab: LabUnderTest, scripted: Any, done: Any) -> None:
    scripted.nodes["node01", "ip -j link show dev bond0"] = done("", 1, "Device does not exist")
    with pytest.raises(Unanswered, match="node01: bond0 has no MAC"):
        bond_mac(lab, "node01")
    scripted.switches["leaf2101"] = {"show mac address-table": {}}
    assert gateway_macs(lab, capture_input(at="leaf2101")) == frozenset()
    assert isinstance(capture_input(interface={"port_channel_of": "node01"}).interface, PortChannelOf)


# --- ping -------------------------------------------------------------------------------------------------------


class Pods:
    """Exec in a pod; what it gives, one after the other, its last again and again."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def run(self, *_arguments: Any, **_more: Any) -> Any:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return found


REPLIES = SimpleNamespace(stdout="64 bytes: ttl=61\n5 packets transmitted, 5 packets received\n", stderr="")
AWAY = InconclusiveError("container pingtest is not running")


@pytest.mark.parametrize(
    ("answers", "seconds", "verdict", "attempts"),
    [((AWAY, AWAY, REPLIES), 30, "PASS", 3), ((AWAY,), 0, "INCONCLUSIVE", 1), ((REPLIES,), 0, "PASS", 1)],
)
def test_a_ping_whose_pod_is_just_being_started_is_tried_again(
    lab: LabUnderTest, monkeypatch: pytest.MonkeyPatch, answers: Any, seconds: float, verdict: str, attempts: int
) -> None:
    monkeypatch.setattr(ping, "EXEC_PAUSE", 0.01)
    row = lab.checks.mode(lab.folder.lab.mode).ping[0]
    found = ping._ping(lab, Pods(*answers), row, "ping.x", "pingtest-1", "10.244.0.1", Deadline(seconds))
    assert (found.verdict, found.attempts) == (verdict, attempts)


def test_a_ping_that_was_waited_for_when_it_was_cut_short_is_no_failure(lab: LabUnderTest) -> None:
    lab.cancel.set()
    lost = SimpleNamespace(stdout="5 packets transmitted, 0 packets received\n", stderr="")
    with pytest.raises(Cancelled, match="cut short, last: "):
        ping._ping(
            lab,
            Pods(lost),
            lab.checks.mode(lab.folder.lab.mode).ping[0],
            "ping.x",
            "pingtest-1",
            "10.244.0.1",
            Deadline(30),
        )


def test_a_capture_of_a_ping_that_was_not_sent_tells_nothing() -> None:
    missed = CheckResult("ping.x.capture.node01", "packets", "FAIL", "no packet is as expected")
    found = ping.unsent(missed)
    assert found.verdict == "INCONCLUSIVE"
    assert found.sentence == "the ping could not be sent; no packet is as expected"
    good = CheckResult("ping.x.capture.node01", "packets", "PASS", "1 packet")
    assert ping.unsent(good) is good


# --- curl -------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(lab: LabUnderTest, objects: Any, scripted: Any) -> Any:
    """The first curl of the lab without captures; how it is answered."""
    row = replace_model(lab.checks.mode(lab.folder.lab.mode).curl[0], captures=())
    name = row.service.partition("/")[2]
    ip = next(item["spec"]["clusterIP"] for item in objects["services"] if item["metadata"]["name"] == name)
    command = (row.sender.node, f"curl -sS -m 4 http://{ip}:{row.port}/")

    def answer(*answers: Completed | Exception) -> list[Any]:
        rest = list(answers)

        def execute(node: str, argv: list[str], **_options: Any) -> Completed:
            assert (node, " ".join(argv)) == command
            found = rest.pop(0) if len(rest) > 1 else rest[0]
            if isinstance(found, Exception):
                raise found
            return found

        scripted.exec = execute
        return curl.one(lab, row, "curl.x", Deadline(10 if len(answers) > 1 else 0))

    answer.row = row  # type: ignore[attr-defined]
    return answer


def replace_model(row: Any, **fields: Any) -> Any:
    return row.model_copy(update=fields)


def test_a_page(page: Any, done: Any) -> None:
    (found,) = page(done(f"<h1>{page.row.contains}</h1>"))
    assert (found.id, found.verdict, found.attempts) == ("curl.x.answered", "PASS", 1)
    assert found.commands


@pytest.mark.parametrize(("answering", "deadline", "verdict"), [(3, 30.0, "PASS"), (99, 0.0, "FAIL")])
def test_a_page_is_fetched_until_it_was_a_certain_pods(
    lab: LabUnderTest, objects: Any, scripted: Any, answering: int, deadline: float, verdict: str
) -> None:
    """kube-proxy chooses: the capture says which pod it was."""
    wanted, other = "10.244.140.70", "10.244.196.130"
    capture = lab.checks.mode(lab.folder.lab.mode).curl[0].captures[0].model_dump()
    capture["expect"]["inner"]["target"] = wanted
    capture["expect"]["source_mac"] = None
    row = replace_model(
        lab.checks.mode(lab.folder.lab.mode).curl[0], endpoint=wanted, captures=(CaptureInput.model_validate(capture),)
    )
    tries = []

    def execute(node: str, argv: list[str], **_options: Any) -> Completed:
        if argv[0] == "ip":
            return Completed(0, f'[{{"address": "{NODE_MAC}"}}]'.encode(), b"")
        tries.append(node)
        return Completed(0, row.contains.encode(), b"")

    def capturing_now(node: str, _interface: str, _expression: str = "") -> Any:
        data = pcap("192.168.1.10", wanted if len(tries) + 1 >= answering else other)
        return type("Taking", (), {"stop": lambda _self: data})()

    scripted.exec, scripted.capture = execute, capturing_now
    answered, captured = curl.one(lab, row, "curl.x", Deadline(deadline))
    assert (answered.verdict, captured.verdict) == ("PASS", verdict)
    assert len(tries) == (answering if verdict == "PASS" else 1)


def test_a_page_that_comes_later(page: Any, done: Any) -> None:
    (found,) = page(done("", 7), InconclusiveError("away"), done(page.row.contains))
    assert (found.verdict, found.attempts) == ("PASS", 3)


@pytest.mark.parametrize(
    ("answer", "verdict", "message"),
    [
        (Completed(7, b"", b""), "FAIL", "curl ended with 7; "),
        (InconclusiveError("the guest is gone"), "INCONCLUSIVE", "the guest is gone"),
    ],
)
def test_no_page(page: Any, answer: Any, verdict: str, message: str) -> None:
    (found,) = page(answer)
    assert found.verdict == verdict
    assert message in found.sentence


def test_a_page_that_was_waited_for_when_it_was_cut_short_is_no_failure(
    page: Any, lab: LabUnderTest, done: Any
) -> None:
    lab.cancel.set()
    with pytest.raises(Cancelled, match=r"cut short, last: .*curl ended with 7"):
        page(done("", 7), done("", 7))
    (found,) = page(done(page.row.contains), done(""))
    assert (found.verdict, found.attempts) == ("PASS", 1), "what came is there"


def test_no_service_and_no_api(page: Any, scripted: Any, done: Any) -> None:
    scripted.objects = None
    assert page(done(""))[0].verdict == "INCONCLUSIVE"
    scripted.objects = {}
    (found,) = page(done(""))
    assert (found.verdict, found.sentence) == ("FAIL", f"there is no Service {page.row.service}")


# --- ping and ipip ----------------------------------------------------------------------------------------------


def routes(dev: str, *blocks: str, protocol: str = "bird") -> str:
    return json.dumps([{"dst": block, "gateway": "192.168.1.1", "dev": dev, "protocol": protocol} for block in blocks])


def of_nodes(scripted: Any, done: Any, **tables: str) -> None:
    scripted.nodes |= {(node, "ip -j -4 route show"): done(text) for node, text in tables.items()}


ONE, TWO = "10.244.196.128/26", "10.244.140.64/26"


def ping_input(lab: LabUnderTest, mode: str = "routed") -> Any:
    row = next(row for row in lab.checks.mode(mode).ping if row.family == "ipv4")
    ends = {"sender": row.sender.model_copy(update={"node": "node01"})}
    return row.model_copy(update=ends | {"target": row.target.model_copy(update={"node": "node02"})})


@pytest.mark.parametrize(
    ("node01", "node02", "verdict", "message"),
    [
        (routes("bond0", TWO), routes("bond0", ONE), "PASS", f"{TWO} via 192.168.1.1 dev bond0"),
        (routes("bond0", TWO), routes("eth0", "default"), "FAIL", "node02 has no route to the other node's block"),
        ("", routes("bond0", ONE), "FAIL", "node01 has no route"),
    ],
)
def test_both_nodes_need_a_route_to_the_others_block(
    lab: LabUnderTest, objects: Any, scripted: Any, done: Any, node01: str, node02: str, verdict: str, message: str
) -> None:
    of_nodes(scripted, done, node01=node01, node02=node02)
    check = ping.route_check(lab, ping_input(lab), "ping.v4")
    (found,) = poll([check], lab.observer, Deadline(0), lab.cancel, lab.told)
    assert found.verdict == verdict
    assert message in found.sentence


def test_no_pod_to_ping_from(lab: LabUnderTest, objects: Any, scripted: Any) -> None:
    (found,) = ping.one(lab, ping_input(lab), "ping.v4", Deadline(0))
    assert found.verdict == "FAIL", "the API answers, and there is none"
    assert "runs on node01" in found.sentence
    scripted.objects = None
    (found,) = ping.one(lab, ping_input(lab), "ping.v4", Deadline(0))
    assert found.verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("expected", "dev", "verdict"),
    [(True, "tunl0", "PASS"), (True, "bond0", "FAIL"), (False, "bond0", "PASS"), (False, "tunl0", "FAIL")],
)
def test_whether_blocks_are_reached_through_the_tunnel(
    lab: LabUnderTest, objects: Any, scripted: Any, done: Any, expected: bool, dev: str, verdict: str
) -> None:
    of_nodes(scripted, done, node01=routes(dev, TWO), node02=routes(dev, ONE))
    check = ping.tunnelled(lab, ping_input(lab, "ipip"), expected=expected)
    (found,) = poll([check], lab.observer, Deadline(0), lab.cancel, lab.told)
    assert found.verdict == verdict
    of_nodes(scripted, done, node01="", node02=routes(dev, ONE))
    (found,) = poll([check], lab.observer, Deadline(0), lab.cancel, lab.told)
    assert found.verdict == "FAIL"
    assert "by no route" in found.sentence or not expected


@pytest.mark.parametrize(
    ("calico", "protocol", "verdict"),
    [("3.20.0", "12", "PASS"), ("3.20.0", "80", "FAIL"), ("3.33.0", "80", "PASS"), ("3.33.0", "bird", "FAIL")],
)
def test_the_routes_into_the_tunnel_are_birds_before_3_33_and_then_felixs(
    lab: LabUnderTest, objects: Any, scripted: Any, done: Any, calico: str, protocol: str, verdict: str
) -> None:
    versions = {**lab.folder.lab.versions, "calico": calico}
    other = replace(lab, folder=replace(lab.folder, lab=lab.folder.lab.model_copy(update={"versions": versions})))
    tables = {"node01": routes("tunl0", TWO, protocol=protocol), "node02": routes("tunl0", ONE, protocol=protocol)}
    of_nodes(scripted, done, **tables)
    check = ping.tunnelled(other, ping_input(other, "ipip"), expected=True)
    (found,) = poll([check], other.observer, Deadline(0), other.cancel, other.told)
    assert found.verdict == verdict
    assert (f"has routes into tunl0 of protocol {protocol}" in found.sentence) is (verdict == "FAIL")


def test_a_third_nodes_block_that_is_still_in_the_tunnel(
    lab: LabUnderTest, objects: Any, scripted: Any, done: Any
) -> None:
    """The cluster is not back while a route is left in the tunnel, whosever it is; the way there asks for the pair."""
    third = json.loads(routes("tunl0", "10.244.219.64/26"))
    left = json.dumps(json.loads(routes("bond0", TWO)) + third)
    of_nodes(scripted, done, node01=left, node02=routes("bond0", ONE))
    check = ping.tunnelled(lab, ping_input(lab, "ipip"), expected=False)
    (found,) = poll([check], lab.observer, Deadline(0), lab.cancel, lab.told)
    assert (found.verdict, found.sentence) == ("FAIL", "node01 still reaches 10.244.219.64/26 by tunl0")
    assert found.seen == {"node01": ["bond0", "tunl0"], "node02": ["bond0"]}, "a reader sees it, too"
    there = json.dumps(json.loads(routes("tunl0", TWO)) + json.loads(routes("bond0", "10.244.219.64/26")))
    of_nodes(scripted, done, node01=there, node02=routes("tunl0", ONE))
    check = ping.tunnelled(lab, ping_input(lab, "ipip"), expected=True)
    (found,) = poll([check], lab.observer, Deadline(0), lab.cancel, lab.told)
    assert found.verdict == "PASS"


def test_names_of_nodes(lab: LabUnderTest, whitepaper: Any) -> None:
    assert [lab.kube_name(name) for name in ("master", "node02", "leaf2101")] == ["master", "node02", "leaf2101"]
    folder = whitepaper[0]
    node = folder.lab.nodes["node01"].model_copy(update={"kubernetes": "w1"})
    other = replace(folder, lab=folder.lab.model_copy(update={"nodes": {**folder.lab.nodes, "node01": node}}))
    assert replace(lab, folder=other).kube_name("node01") == "w1"


@pytest.mark.parametrize(
    ("hops", "verdict", "message"),
    [
        (("192.168.1.11",), "PASS", "via 192.168.1.11"),
        (("192.168.1.13",), "FAIL", "has next hops 192.168.1.13, expected 192.168.1.11"),
        ((), "FAIL", "has next hops none"),
    ],
)
def test_a_nodes_block_is_known_from_that_node_alone(
    lab: LabUnderTest, objects: Any, hops: tuple[str, ...], verdict: str, message: str
) -> None:
    rows = [row for row in lab.checks.mode(lab.folder.lab.mode).bgp.all_routes if isinstance(row.prefix, BlockOf)]
    row = next(row for row in rows if isinstance(row.prefix, BlockOf) and row.prefix.block_of == "node01")
    found = bgp.judge_route(lab.kube_name, row, lab.cluster(*KINDS), route_body("10.244.196.128/26", *hops))
    assert (found.verdict, message in found.sentence) == (verdict, True), found.sentence
    objects["blockaffinities"].clear()
    assert bgp.judge_route(lab.kube_name, row, lab.cluster(*KINDS), {}).sentence == "node01 has no address block"


@pytest.mark.parametrize(
    ("pref", "tag", "message"),
    [
        ("20", "65531", "via 192.168.1.11"),
        ("200", "65531", "has preference 200, expected 20"),
        ("20", "65102", "has tag 65102, expected 65531"),
        (None, None, "has preference 0, expected 20"),
    ],
)
def test_an_external_route_has_its_preference_and_tag(pref: str | None, tag: str | None, message: str) -> None:
    body = route_body("10.96.0.0/16", "192.168.1.11")
    rows = body["TABLE_vrf"]["ROW_vrf"]["TABLE_addrf"]["ROW_addrf"]["TABLE_prefix"]["ROW_prefix"]
    rows[0]["TABLE_path"]["ROW_path"][0].update({"pref": pref, "tag": tag})
    marks = {"preference": 20, "tag": 65531}
    found = bgp.judge_hops("leaf2101", "10.96.0.0/16", ["192.168.1.11"], None, body, marks)
    assert message in found.sentence
    assert (found.verdict == "PASS") is message.startswith("via")
