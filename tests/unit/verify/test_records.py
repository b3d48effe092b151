"""What a verification leaves behind and comes back to: changes in the journal, the evidence folder, its inputs."""

from __future__ import annotations

import json
import shutil
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import InconclusiveError, LabError, SpecError, UsageError
from labctl.journal import Journal
from labctl.restore.changes import Change, Changes, NotHealed, change, heal_left_over, open_changes, write
from labctl.verify.evidence import Evidence, redact
from labctl.verify.inputs import load_checks
from labctl.verify.scenarios import ORDER, chosen
from labctl.verify.values import BlockOf, ClusterIpOf, EndpointsOf, PortChannelOf
from labctl.verify.verdict import CheckResult, Report, ScenarioResult
from tests.rendered import LABS, rendered_folder

# --- changes ----------------------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def states(journal: Path) -> list[str]:
    return [json.loads(line)["state"] for line in journal.read_text().splitlines()]


MODE = Change("mode", "undo", {"back": 1})


def names(journal: Path) -> list[str]:
    return [change.name for change in open_changes(journal)]


def client() -> Any:
    """The healers of these tests look at the data alone."""
    return None


def test_a_change_is_written_down_made_and_healed(journal: Path) -> None:
    done: list[object] = []

    def make() -> None:
        assert open_changes(journal) == [MODE], "on disk before it is made, with what undoes it"
        done.append("make")

    with change(journal, MODE, make, client(), {"undo": lambda _client, data: done.append(data["back"])}):
        done.append("body")
    assert done == ["make", "body", 1]
    assert states(journal) == ["begun", "healed"]
    assert open_changes(journal) == []
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), SystemExit(1)])
@pytest.mark.parametrize("where", ["make", "body"])
def test_it_is_healed_whatever_happened(journal: Path, error: BaseException, where: str) -> None:
    healed: list[str] = []

    def step(name: str) -> None:
        if name == where:
            raise error

    with (
        pytest.raises(type(error)),
        change(journal, MODE, lambda: step("make"), client(), {"undo": lambda _client, _data: healed.append("yes")}),
    ):
        step("body")
    assert healed == ["yes"]
    assert open_changes(journal) == []


def test_a_healing_that_fails_leaves_it_open(journal: Path) -> None:
    def fail(_client: object, _data: object) -> None:
        raise LabError("no API")

    with pytest.raises(NotHealed, match="mode: no API"), change(journal, MODE, lambda: None, client(), {"undo": fail}):
        pass
    assert names(journal) == ["mode"]
    write(journal, MODE, "healed")
    assert open_changes(journal) == []


def test_a_node_that_is_silent_for_a_moment_is_asked_again(journal: Path) -> None:
    answers = iter([InconclusiveError("leaf1: no answer"), None])

    def at_second(_client: object, _data: object) -> None:
        if (error := next(answers)) is not None:
            raise error

    with change(journal, MODE, lambda: None, client(), {"undo": at_second}):
        pass
    assert open_changes(journal) == []


def test_several_are_healed_in_reverse_and_one_that_cannot_be_stops_no_other(journal: Path) -> None:
    done: list[str] = []

    def undo(_client: object, data: Any) -> None:
        if data["name"] == "b":
            raise LabError("gone")
        done.append(data["name"])

    changes = Changes(journal, client(), {"undo": undo})
    for name in "abc":
        changes.make(Change(name, "undo", {"name": name}), lambda: None)
    with pytest.raises(NotHealed, match="b: gone"):
        changes.heal_all()
    assert done == ["c", "a"]
    assert names(journal) == ["b"]


def test_what_a_killed_labctl_left_is_healed_by_the_next_one(journal: Path) -> None:
    write(journal, Change("a", "undo", {"n": 1}), "begun")
    write(journal, Change("b", "undo", {"n": 2}), "begun")
    done: list[int] = []
    told: list[str] = []
    healers = {"undo": lambda _client, data: done.append(data["n"])}
    assert heal_left_over(journal, client(), healers, told.append) == ["b", "a"] == told
    assert done == [2, 1]
    assert heal_left_over(journal, client(), healers, told.append) == []


def test_a_kind_of_change_that_this_labctl_does_not_know_stays(journal: Path) -> None:
    write(journal, Change("a", "by-magic"), "begun")
    with pytest.raises(NotHealed, match="a: this labctl does not know how to heal by-magic"):
        heal_left_over(journal, client(), {}, lambda _name: None)
    assert names(journal) == ["a"]


def test_only_changes_that_are_open_now(journal: Path) -> None:
    assert open_changes(journal) == []
    for name, state in (
        ("a", "begun"),
        ("b", "begun"),
        ("a", "healed"),
        ("c", "begun"),
        ("c", "healed"),
        ("c", "begun"),
    ):
        write(journal, Change(name, "undo"), state)
    Journal(journal).step("push", "started")
    assert names(journal) == ["b", "c"]


def test_a_half_written_last_line_is_passed_over(journal: Path) -> None:
    write(journal, MODE, "begun")
    with journal.open("a") as handle:
        handle.write('{"entry": "change", "na')
    assert names(journal) == ["mode"]


def test_what_follows_a_half_written_line_counts(journal: Path) -> None:
    journal.write_text('{"entry": "change", "na')
    write(journal, MODE, "begun")
    assert names(journal) == ["mode"]


@pytest.mark.parametrize("line", ["5", "[]", '"text"', '{"entry": "change"}'])
def test_a_line_that_is_no_entry_is_passed_over(journal: Path, line: str) -> None:
    journal.write_text(f"{line}\n")
    assert open_changes(journal) == []


# --- evidence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "blanked"),
    [
        ("  password 3 9125d59c18a9b015", "  password 3 <redacted>"),
        (
            "username admin password 5 $5$abc role network-admin",
            "username admin password 5 <redacted> role network-admin",
        ),
        ("snmp-server community public group x", "snmp-server community <redacted> group x"),
        ("key-string 7 070c285f4d06", "key-string 7 <redacted>"),
        ("PASSWORD hello", "PASSWORD <redacted>"),
        ("neighbor 10.0.0.1 remote-as 65102", "neighbor 10.0.0.1 remote-as 65102"),
        ("a\npassword one\nb\npassword two\n", "a\npassword <redacted>\nb\npassword <redacted>\n"),
        (
            "x\n-----BEGIN EC PRIVATE KEY-----\nabc\ndef\n-----END EC PRIVATE KEY-----\ny",
            "x\n<redacted>\ny",
        ),
        ("-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----", None),
    ],
)
def test_secrets_are_blanked(text: str, blanked: str | None) -> None:
    assert redact(text.encode()).decode() == (text if blanked is None else blanked)


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(tmp_path / "evidence")


def test_commands_and_captures_are_the_owners_alone(evidence: Evidence) -> None:
    path = evidence.command("leaf2101", "show ip route vrf vrf-001 | json", b"password 3 secret\n")
    assert path == "commands/leaf2101__show-ip-route-vrf-vrf-001-json.txt"
    lines = (evidence.folder / path).read_text().splitlines()
    assert lines[0] == "# leaf2101: show ip route vrf vrf-001 | json"
    assert lines[2] == "password 3 <redacted>"
    capture = evidence.capture("ping.v4.leaf2101", b"\xd4\xc3\xb2\xa1 password x")
    assert (evidence.folder / capture).read_bytes() == b"\xd4\xc3\xb2\xa1 password x", "a pcap stays as it was"
    for file in evidence.folder.rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "ping -c 5 2001:db8::1", "x" * 500, ""])
def test_no_name_leaves_the_folder(evidence: Evidence, name: str) -> None:
    for path in (evidence.command("n", name, b""), evidence.capture(name, b"")):
        file = (evidence.folder / path).resolve()
        assert file.parent.parent == evidence.folder.resolve()
        assert file.is_file()


def outputs(evidence: Evidence) -> list[str]:
    return sorted(path.read_text().splitlines()[-1] for path in evidence.folder.glob("commands/*"))


def test_another_answer_does_not_replace_one_that_a_check_was_judged_by(evidence: Evidence) -> None:
    paths = [evidence.command("n", "cat x", text) for text in (b"old", b"new", b"old")]
    assert paths == ["commands/n__cat-x.txt", "commands/n__cat-x.2.txt", "commands/n__cat-x.txt"]
    assert outputs(evidence) == ["new", "old"]


def test_the_copy_of_the_lab_and_the_hashes_of_its_folder(evidence: Evidence, whitepaper: Any, tmp_path: Path) -> None:
    shutil.copytree(whitepaper[0].path, tmp_path / "folder")
    (tmp_path / "folder" / "nxos" / "leaf2101.cfg").write_text("neighbor 10.0.0.1\n  password 3 1a2b3c\n")
    (tmp_path / "folder" / "nxos" / "leaf2102.cfg").unlink()
    files = evidence.lab(replace(whitepaper[0], path=tmp_path / "folder"))
    copied = {str(path.relative_to(evidence.folder / "lab")) for path in evidence.folder.rglob("lab/**/*.*")}
    switches = {f"nxos/{name}.cfg" for name in whitepaper[0].lab.switches} - {"nxos/leaf2102.cfg"}
    assert copied == {"lab.json", "topology.clab.yml", "checks.yaml", "kind/cluster.yaml", *switches}
    assert "password 3 <redacted>" in (evidence.folder / "lab" / "nxos" / "leaf2101.cfg").read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in evidence.folder.rglob("lab/**/")} == {0o700}
    assert set(files) == {"lab.json", *whitepaper[0].lab.files}
    changed = {name for name, hashes in files.items() if hashes.sha256 != hashes.rendered}
    assert changed == {"lab.json", "nxos/leaf2101.cfg", "nxos/leaf2102.cfg"}
    assert files["nxos/leaf2102.cfg"].sha256 is None
    assert files["lab.json"].rendered is None, "the file that holds the hashes has none"


def test_writers_do_not_disturb_each_other(evidence: Evidence) -> None:
    threads = [threading.Thread(target=evidence.command, args=(f"n{n}", "cat x", b"y" * 1000)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.name for path in evidence.folder.rglob("*.txt")} == {f"n{n}__cat-x.txt" for n in range(8)}
    assert list(evidence.folder.glob(".new-*")) == []


def test_the_report(evidence: Evidence, golden: Any) -> None:
    checks = (
        CheckResult("bgp.session.leaf1.n", "session", "PASS", "Established", "Established", "Established"),
        CheckResult(
            "bgp.route.leaf1.x", "route", "FAIL", "no route to x", {"next_hops": []}, None, 3, ("commands/a.txt",)
        ),
    )
    report = Report(
        "demo", (ScenarioResult("bgp", "BGP", 1.25, checks, 0.5), ScenarioResult("ping", "Ping", 0.0, ())), 2.0,
        {"labctl": "1"}, {"bgp": 1.25},
    )  # fmt: skip
    path = evidence.report(report)
    golden("verify/summary.txt", (evidence.folder / "summary.txt").read_text())
    golden("verify/evidence.json", path.read_text())


# --- inputs -----------------------------------------------------------------------------------------------------

TEXT = """\
schema: labctl.checks/v2
links:
  lacp:
    - {node: node01, bond: bond0, members: [eth1, eth2]}
modes:
  routed:
    bgp:
      nodes:
        vrf: v
        asn: 65531
        pairs:
          - leafs: {leaf1: 10.2.0.3, leaf2: 10.2.0.1}
            nodes: {node01: [192.168.1.11, "2001:db8::11"]}
          - leafs: {leaf3: 10.2.0.5}
            nodes: {node02: [192.168.1.12]}
        heard: {preference: 20, blocks: true, ranges: [10.96.0.0/16], services: [default/web]}
      routes:
        - switch: leaf1
          vrf: v
          prefix: {cluster_ip_of: default/web}
          next_hops: {endpoints_of: default/web}
        - {switch: leaf1, vrf: v, prefix: 10.0.0.0/24, next_hops: [192.168.1.11], segment: 90001}
    ping:
      - name: v4
        family: ipv4
        from: {node: node01, selector: app=ping, namespace: default}
        to: {node: node02, selector: app=ping, namespace: default}
        count: 5
        ttl: 61
        captures:
          - at: [leaf1, leaf2]
            interface: {port_channel_of: node01}
            expect: {inner: {source: {pod: from}, target: {pod: to}, protocol: icmp}}
"""


def folder_of(tmp_path: Path, text: str) -> Path:
    (tmp_path / "checks.yaml").write_text(text)
    return tmp_path


def test_inputs_are_read(tmp_path: Path) -> None:
    checks = load_checks(folder_of(tmp_path, TEXT))
    routed = checks.mode("routed")
    assert [(row.switch, row.neighbor, row.family, row.node) for row in routed.bgp.sessions] == [
        ("leaf1", "192.168.1.11", "ipv4", "node01"), ("leaf1", "2001:db8::11", "ipv6", "node01"),
        ("leaf2", "192.168.1.11", "ipv4", "node01"), ("leaf2", "2001:db8::11", "ipv6", "node01"),
        ("leaf3", "192.168.1.12", "ipv4", "node02"),
    ]  # fmt: skip
    assert routed.bgp.routes[0].prefix == ClusterIpOf(cluster_ip_of="default/web")
    assert routed.bgp.routes[0].next_hops == EndpointsOf(endpoints_of="default/web")
    assert (routed.bgp.routes[1].next_hops, routed.bgp.routes[1].segment) == (("192.168.1.11",), 90001)
    capture = routed.ping[0].captures[0]
    assert capture.at == ("leaf1", "leaf2")
    assert capture.interface == PortChannelOf(port_channel_of="node01")
    assert checks.mode("ipip").ping == ()


def test_what_a_leaf_hears_of_the_nodes_of_its_pair(tmp_path: Path) -> None:
    bgp = load_checks(folder_of(tmp_path, TEXT)).mode("routed").bgp
    service, block, network = (row for row in bgp.all_routes if row.switch == "leaf3")
    assert (service.prefix, service.next_hops) == (
        ClusterIpOf(cluster_ip_of="default/web"), EndpointsOf(endpoints_of="default/web"),
    )  # fmt: skip
    assert service.behind == {"node01": ("10.2.0.3", "10.2.0.1")}
    assert (service.preference, service.tag) == (None, None)  # it may come over the fabric
    assert (block.prefix, block.next_hops) == (BlockOf(block_of="node02"), ("192.168.1.12",))
    assert (network.prefix, network.next_hops) == ("10.96.0.0/16", ("192.168.1.12",))
    assert {(row.preference, row.tag) for row in (block, network)} == {(20, 65531)}


def test_where_one_pair_has_all_nodes_a_service_is_marked_as_heard_from_them(tmp_path: Path) -> None:
    text = TEXT.replace("          - leafs: {leaf3: 10.2.0.5}\n            nodes: {node02: [192.168.1.12]}\n", "")
    bgp = load_checks(folder_of(tmp_path, text)).mode("routed").bgp
    service = next(bgp.nodes.routes())
    assert (service.behind, service.preference, service.tag) == ({}, 20, 65531)


def test_with_the_mesh_on_nothing_is_said_of_what_is_heard(tmp_path: Path) -> None:
    text = TEXT.replace(
        "        heard: {preference: 20, blocks: true, ranges: [10.96.0.0/16], services: [default/web]}\n", ""
    )
    bgp = load_checks(folder_of(tmp_path, text)).mode("routed").bgp
    assert (len(bgp.sessions), bgp.all_routes) == (5, bgp.routes)


def test_every_rendered_folder_is_read() -> None:
    for name in LABS:
        load_checks(rendered_folder(name))


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("labctl.checks/v2", "labctl.checks/v1", 1, "it is labctl.checks/v1, and this labctl reads labctl.checks/v2"),
        ("labctl.checks/v2", "labctl.other/v2", 1, "schema"),
        ("bond: bond0, ", "", 4, "links.lacp.0.bond: Field required"),
        ("asn: 65531", "asn: many", 10, "modes.routed.bgp.nodes.asn: Input should be a valid integer"),
        ("family: ipv4", "family: ipv5", 25, "Input should be 'ipv4' or 'ipv6'"),
        ("count: 5", "count: 5\n        cuont: 6", 29, "cuont: Extra inputs are not permitted"),
        ("heard: {preference", "heard: {preferrence", 16, "preferrence: Extra inputs are not permitted"),
        ("protocol: icmp", "protocol: igmp", 33, "protocol"),
        ("ttl: 61", "ttl: [61", 0, ""),
        ("  routed:", "  routed: {}\n  routed:", 0, "routed"),
    ],
)
def test_a_bad_input_is_refused_at_its_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(SpecError) as caught:
        load_checks(folder_of(tmp_path, TEXT.replace(old, new)))
    problems = caught.value.problems
    assert all(problem.place.file == "checks.yaml" and problem.place.line for problem in problems)
    assert any(message in problem.message for problem in problems)
    assert line == 0 or line in {problem.place.line for problem in problems}


def test_all_problems_at_once(tmp_path: Path) -> None:
    text = TEXT.replace("count: 5", "count: x").replace("ttl: 61", "ttl: y")
    with pytest.raises(SpecError) as caught:
        load_checks(folder_of(tmp_path, text))
    assert len(caught.value.problems) == 2


def test_no_checks(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_checks(tmp_path)
    assert caught.value.problems[0].code == "unreadable"


# --- which scenarios --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "disruptive", "names"),
    [
        (None, False, ["bgp", "ping", "curl", "cluster", "leafs"]),
        (None, True, ["bgp", "ping", "curl", "cluster", "leafs", "ping-ipip"]),
        (["curl", "bgp"], False, ["bgp", "curl"]),
        (["links"], False, []),
        (["links", "ping"], False, ["ping"]),
        (["ping-ipip"], True, ["ping-ipip"]),
        ([], False, []),
    ],
)
def test_chosen(whitepaper: Any, wanted: list[str] | None, disruptive: bool, names: list[str]) -> None:
    assert [row.name for row in chosen(*whitepaper, wanted, disruptive=disruptive)] == names


@pytest.mark.parametrize(
    ("wanted", "code", "hint"),
    [
        (["pong"], "no-such-scenario", "did you mean ping?"),
        (
            ["xyz"],
            "no-such-scenario",
            f"it has links, bgp, ping, curl, cluster, leafs, ping-ipip, scale, {', '.join(ORDER)}",
        ),
        (["bond-member"], "disruptive", "add --disruptive"),
        (["ping-ipip"], "disruptive", "add --disruptive"),
    ],
)
def test_not_chosen(whitepaper: Any, wanted: list[str], code: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(*whitepaper, wanted, disruptive=False)
    assert (caught.value.code, caught.value.hint) == (code, hint)


def test_failures_of_a_lab_that_has_none_are_no_success(whitepaper: Any, tmp_path: Path) -> None:
    folder, checks = whitepaper
    bare = replace(folder, path=tmp_path)
    for wanted in (None, ("bgp",)):
        with pytest.raises(UsageError, match="has no failure scenarios") as caught:
            chosen(bare, checks, wanted, disruptive=True, failures=True)
        assert caught.value.code == "no-failures"
    assert len(chosen(folder, checks, (), disruptive=True, failures=True)) == len(ORDER)


def test_a_scenario_that_the_lab_does_not_have(whitepaper: Any) -> None:
    folder = replace(whitepaper[0], lab=whitepaper[0].lab.model_copy(update={"scenarios": ("bgp",)}))
    assert [row.name for row in chosen(folder, whitepaper[1], None, disruptive=True)] == ["bgp"]
    with pytest.raises(UsageError, match="has no scenario curl"):
        chosen(folder, whitepaper[1], ["curl"], disruptive=True)


def test_an_old_evidence_folder_may_be_there(tmp_path: Path) -> None:
    Evidence(tmp_path / "e").command("n", "x", b"")
    shutil.copytree(tmp_path / "e", tmp_path / "f")
    assert Evidence(tmp_path / "f").command("n", "x", b"y")
