"""The white paper's lab on every launcher that this host has: proven, used by stock clients, taken down."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from jsonschema import Draft202012Validator

from labctl.design.limits import LIMITS
from labctl.report.evidencefolder import EvidenceDocument, read_evidence
from labctl.report.page import CURL_AT_LEAF, PING_AT_LEAF, PING_AT_NODE, captures_shown
from labctl.waiting import Deadline, NotYet, wait_for
from tests.chromium import chromium, needs_chromium
from tests.evidencekeys import unknown_keys
from tests.integration.harness import ROOT, WHITEPAPER, Done, Labctl, await_event, end, tshark_fields
from tests.integration.launchers import need
from tests.integration.patience import patient
from tests.integration.refusals import refused_objects
from tests.tshark import disagreements

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(300))]
LAB = "whitepaper"
AT_MOST = f"--timeout={patient(60):.0f}s"
"""kubectl's patience."""


@pytest.fixture(scope="module", params=["qemu-kvm", "qemu-tcg", "uml"])
def lab(request: pytest.FixtureRequest, labctl: Labctl) -> Iterator[Done]:
    """Up on a launcher; the tests below see it one after the other."""
    with labctl.lab(WHITEPAPER, "--launcher", need(request.param)) as done:
        assert request.param in labctl("status", LAB).out
        yield done


@pytest.fixture
def kubectl(lab: Done, labctl: Labctl) -> Any:
    """Stock kubectl on the printed kubeconfig."""

    def run(*arguments: str, stdin: str = "", code: int = 0) -> str:
        done = labctl("kubectl", LAB, "--", *arguments, stdin=stdin, timeout=60)
        assert done.code == code, done.err
        return done.out

    return run


def scenarios(labctl: Labctl) -> dict[str, str]:
    return {row["id"]: row["verdict"] for row in labctl.evidence(LAB)["scenarios"]}


def checks(labctl: Labctl) -> dict[str, dict[str, Any]]:
    return {check["id"]: check for row in labctl.evidence(LAB)["scenarios"] for check in row["checks"]}


def drawn_as_down(labctl: Labctl) -> set[str]:
    """What `labctl graph --live` draws as anything but up."""
    root = ElementTree.fromstring(labctl("graph", LAB, "--live").expect(0).out)
    parts = [
        (element.get(f"data-{kind}"), set((element.get("class") or "").split()))
        for element in root.iter()
        for kind in ("node", "port", "bundle", "pair", "session")
    ]
    assert len([name for name, _ in parts if name]) > 50
    return {name for name, state in parts if name and "up" not in state}


def test_all_scenarios_pass(lab: Done, labctl: Labctl) -> None:
    names = ("links", "bgp", "ping", "curl", "cluster", "leafs", "ping-ipip")
    assert scenarios(labctl) == dict.fromkeys(names, "PASS")
    assert "PASS" in lab.out


def test_the_guest_has_the_processors_of_its_launcher(
    lab: Done, labctl: Labctl, request: pytest.FixtureRequest
) -> None:
    """An emulated guest boots with one and switches the second on; User-mode Linux has one."""
    wanted = 1 if request.node.callspec.params["lab"] == "uml" else min(2, len(os.sched_getaffinity(0)))
    assert labctl("exec", LAB, "node01", "--", "nproc").expect(0).out.strip() == str(wanted)


def test_every_row_that_the_lab_can_show_passes(lab: Done, labctl: Labctl) -> None:
    """The catalogue in the evidence of `up`: figures, tables and claims; the rest is of other topologies or faults."""
    from labctl.paper.catalogue import ROWS

    verdicts = {row["id"]: row["verdict"] for row in labctl.evidence(LAB)["catalogue"]}
    assert set(verdicts) == {row.id for row in ROWS}
    able = [row for row in ROWS if row.checks and row.lab != "coloured-pairs"]
    own = {row.id for row in able if {pattern.partition(".")[0] for pattern in row.checks} <= HERE}
    assert {name for name, verdict in verdicts.items() if verdict == "PASS"} == own
    assert {verdict for name, verdict in verdicts.items() if name not in own} == {None}


HERE = {"links", "bgp", "ping", "curl", "cluster", "leafs", "ping-ipip"}


def test_calico_status_is_the_papers(lab: Done, labctl: Labctl) -> None:
    """Figure 10: both leafs, both families, on each node."""
    out = labctl("status", LAB, "node01", "--bgp").expect(0).out
    table = re.compile(r"^\| (\S+) +\| (\S+) +\| up    \| \d\d:\d\d:\d\d \| Established \|$", re.MULTILINE)
    addresses = ["192.168.100.1", "192.168.100.2", "2001:193:168:1::4", "2001:193:168:1::5"]
    assert table.findall(out) == [(address, "global") for address in addresses], out
    assert "| PEER ADDRESS  | PEER TYPE | STATE |" in out
    every = labctl("status", LAB, "--bgp", "--json").expect(0).json()
    assert {node: len(rows) for node, rows in every.items()} == {"master": 4, "node01": 4, "node02": 4}


def test_prefixes_are_the_papers(lab: Done, labctl: Labctl) -> None:
    """Figure 16 by errata 4.3: 3/5/5 in IPv4 and 2/2/2 in IPv6, read from the leafs' own summaries."""
    for leaf in ("leaf2101", "leaf2102"):
        for words, table in (
            ("show ip bgp summary vrf vrf-001", {"192.168.1.10": "3", "192.168.1.11": "5", "192.168.1.13": "5"}),
            (
                "show ipv6 bgp summary vrf vrf-001",
                {"2001:192:168:1::10": "2", "2001:192:168:1::11": "2", "2001:192:168:1::13": "2"},
            ),
        ):
            out = labctl("ssh", LAB, leaf, "--", words).expect(0).out
            seen = {}
            for neighbor in table:
                found = re.search(rf"^{re.escape(neighbor)}\s+4 65531\s+.*\s(\d+)\s*$", out, re.MULTILINE)
                seen[neighbor] = found[1] if found else out
            assert seen == table


def test_blocks_are_the_papers(kubectl: Any) -> None:
    """Calico's host-seeded blocks (errata 4.4)."""
    rows = json.loads(kubectl("get", "blockaffinities.crd.projectcalico.org", "-o", "json"))["items"]
    found = {(row["spec"]["node"], row["spec"]["cidr"]) for row in rows}
    assert found >= {
        ("master", "10.244.219.64/26"),
        ("node01", "10.244.196.128/26"),
        ("node02", "10.244.140.64/26"),
        ("node01", "2001:db8:42:ae:fe9b:5aae:bdcd:3700/122"),
        ("node02", "2001:db8:42:7d:a5ca:9fd7:bc1f:b9c0/122"),
    }


def test_stock_ssh_logs_in_on_the_printed_port(lab: Done, labctl: Labctl) -> None:
    config = labctl.lab_state(LAB) / "ssh_config"
    done = subprocess.run(
        ("ssh", "-F", str(config), "leaf2101", "show version"),
        capture_output=True,
        text=True,
        timeout=patient(30),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Device name: leaf2101" in done.stdout
    assert config.stat().st_mode & 0o077 == 0


def test_unknown_command_is_refused_with_a_caret(lab: Done, labctl: Labctl) -> None:
    out = labctl("ssh", LAB, "leaf2101", "--", "show ip bogus").out
    assert re.search(r"\^\n% Invalid command at '\^' marker\.", out.replace("\r", "")), out


def test_running_configuration_is_what_was_pushed(lab: Done, labctl: Labctl) -> None:
    from labctl.nxos.tree import compare, parse

    for switch in ("spine1", "leaf2101", "leaf2999"):
        running = labctl("ssh", LAB, switch, "--", "show running-config").expect(0).out
        pushed = (labctl.lab_state(LAB) / "folder" / "nxos" / f"{switch}.cfg").read_text()
        assert [row for row in compare(parse(pushed), parse(running)) if row.kind == "missing"] == []


class TestCapturesReadByTshark:
    """Errata 4.8, as Wireshark's dissectors see it."""

    def rows(self, labctl: Labctl, name: str, filter_text: str, *fields: str) -> list[list[str]]:
        path = labctl.lab_state(LAB) / "evidence" / "captures" / f"{name}.pcap"
        return tshark_fields(path, filter_text, *fields)

    def addresses(self, labctl: Labctl) -> tuple[str, str]:
        """Of the two pods that pinged, from the sentence of the check."""
        seen = checks(labctl)["ping-ipip.node01-node02-ipv4.capture.node01"]["expected"]["inner"]
        return seen["source"][0], seen["target"][0]

    def test_ipip_at_bond0(self, lab: Done, labctl: Labctl) -> None:
        source, target = self.addresses(labctl)
        rows = self.rows(
            labctl,
            "ping-ipip.node01-node02-ipv4.node01",
            "ip.proto == 4 && icmp.type == 8",
            "ip.src",
            "ip.dst",
            "ip.proto",
        )
        assert ["192.168.1.11," + source, "192.168.1.13," + target, "4,1"] in rows

    def test_ipip_at_the_leafs_port_channel(self, lab: Done, labctl: Labctl) -> None:
        source, target = self.addresses(labctl)
        rows = [
            row
            for leaf in ("leaf2101", "leaf2102")
            for row in self.rows(
                labctl, f"ping-ipip.node01-node02-ipv4.{leaf}", "icmp.type == 8", "ip.src", "ip.dst", "vlan.id"
            )
        ]
        assert ["192.168.1.11," + source, "192.168.1.13," + target, "3001"] in rows

    def test_routed_ping_is_not_encapsulated(self, lab: Done, labctl: Labctl) -> None:
        rows = self.rows(labctl, "ping.node01-node02-ipv4.node01", "icmp.type == 0", "ip.proto", "ip.ttl")
        assert ["1", "62"] in rows  # at bond0 two hops have routed it: the other node and the leaf
        assert all(row[0] == "1" for row in rows)

    def test_curl_is_the_papers_packet(self, lab: Done, labctl: Labctl) -> None:
        """Node address → pod address, VLAN 3001, not encapsulated, from a MAC of the leaf, an HTTP request in it."""
        pods = checks(labctl)["curl.master-nginx-service.capture.leaf2101-leaf2102"]["expected"]["inner"]["target"]
        macs = checks(labctl)["curl.master-nginx-service.capture.leaf2101-leaf2102"]["expected"]["source_mac"]
        fields = ("eth.src", "vlan.id", "ip.src", "ip.dst", "tcp.payload")
        rows = [
            row
            for leaf in ("leaf2101", "leaf2102")
            for row in self.rows(
                labctl, f"curl.master-nginx-service.{leaf}", "tcp.dstport == 80 && tcp.len > 0 && ip", *fields
            )
        ]
        fitting = [row for row in rows if row[0] in macs]
        assert fitting, rows
        assert all(row[1:3] == ["3001", "192.168.1.10"] and row[3] in pods for row in fitting)
        assert bytes.fromhex(fitting[0][4]).startswith(b"GET / HTTP/1.1\r\nHost: 10.96.")


class TestReport:
    """What people get to read of a real run."""

    def test_tshark_confirms_what_is_said_of_every_capture(self, lab: Done, labctl: Labctl) -> None:
        folder = read_evidence(labctl.lab_state(LAB) / "evidence")
        drawn = [shown for check in folder.checks for shown in captures_shown(folder, check) if shown.layers]
        assert len(drawn) >= 7  # two pings routed and one tunnelled, each at a node and at a leaf; the page at a leaf
        assert {shown.printed for shown in drawn} >= {PING_AT_NODE, PING_AT_LEAF, CURL_AT_LEAF}
        assert disagreements(folder) == []

    def test_the_evidence_is_as_its_schema_says(self, lab: Done, labctl: Labctl) -> None:
        """By the model that reads it, and by the published schema with somebody else's validator."""
        evidence = labctl.evidence(LAB)
        assert unknown_keys(EvidenceDocument.model_validate(evidence)) == []
        schema = json.loads((ROOT / "docs" / "evidence.schema.json").read_text())
        Draft202012Validator.check_schema(schema)
        assert [error.message for error in Draft202012Validator(schema).iter_errors(evidence)] == []
        assert not Draft202012Validator(schema).is_valid({**evidence, "verdict": "MAYBE"})

    def test_a_check_leads_to_the_answer_that_it_was_judged_by(self, lab: Done, labctl: Labctl) -> None:
        """The node's routes were asked in both modes: neither answer has replaced the other."""
        found = checks(labctl)
        tunnelled, routed = (
            (
                labctl.lab_state(LAB) / "evidence" / found[f"ping-ipip.node01-node02-ipv4.{name}"]["commands"][0]
            ).read_text()
            for name in ("tunnelled", "routed-again")
        )
        assert '"dev":"tunl0"' in tunnelled.replace(" ", "")
        assert '"dev":"tunl0"' not in routed.replace(" ", "")

    @needs_chromium
    def test_the_page_in_a_browser(self, lab: Done, labctl: Labctl, tmp_path: Path) -> None:
        page = tmp_path / "page.html"
        labctl("report", LAB, "-o", page).expect(0)
        with chromium() as browser:
            for width in (380, 1280):
                browser.open(page, width=width)
                assert browser.value("document.scrollingElement.scrollWidth") <= width
                assert browser.complaints == []
                assert browser.requests == [page.as_uri()]
            assert browser.value("document.querySelector('.verdict').innerText") == "PASS"


def test_one_figure_runs_its_checks_alone(lab: Done, labctl: Labctl) -> None:
    done = labctl("verify", LAB, "--figure", "15", "--json").expect(0)
    found = {check["id"] for row in done.json()["scenarios"] for check in row["checks"]}
    service = "default/my-service-ipv4"
    assert found == {
        *(f"bgp.route.{leaf}.{service}" for leaf in ("leaf2101", "leaf2102")),
        *(f"leafs.next-hops.{leaf}.{service}" for leaf in ("leaf2101", "leaf2102")),
    }
    assert "figure-15                        PASS" in labctl("report", "--paper", LAB).expect(0).out
    before = labctl.evidence(LAB)
    assert "changes the lab for a while" in labctl("verify", LAB, "--figure", "claim-ipip-always").expect(2).err
    assert labctl.evidence(LAB) == before, "a command that is refused replaces no evidence"


class TestStockKubectl:
    def test_nodes_and_pods(self, kubectl: Any) -> None:
        nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
        assert [row["metadata"]["name"] for row in nodes] == ["master", "node01", "node02"]
        assert "node01" in kubectl("describe", "node", "node01")
        pods = json.loads(kubectl("get", "pods", "-l", "app=nginx-dual", "-o", "json"))["items"]
        assert {row["spec"]["nodeName"] for row in pods} == {"node01", "node02"}

    def test_exec_gives_the_exit_code(self, kubectl: Any) -> None:
        assert kubectl("exec", "deploy/pingtest", "--", "sh", "-c", "echo out; cat") == "out\n"  # no -i: no input
        kubectl("exec", "deploy/pingtest", "--", "sh", "-c", "exit 7", code=7)
        assert kubectl("exec", "-i", "deploy/pingtest", "--", "cat", stdin="over stdin") == "over stdin"

    def test_exec_with_a_terminal(self, lab: Done, labctl: Labctl) -> None:
        ours, theirs = pty.openpty()
        inside = ("sh", "-c", "tty; echo size $(stty size)")
        child = subprocess.Popen(
            (*labctl.program, "kubectl", LAB, "--", "exec", "-ti", "deploy/pingtest", "--", *inside),
            env=labctl.environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True,
        )  # fmt: skip
        os.close(theirs)
        text = b""
        try:
            while piece := os.read(ours, 4096):
                text += piece
        except OSError:
            pass  # the other end of a terminal is closed: that is its end
        assert child.wait(patient(20)) == 0
        assert b"/dev/pts/" in text

    def test_logs(self, kubectl: Any) -> None:
        assert "BIRD started" in kubectl("logs", "-n", "kube-system", "ds/calico-node")
        pod = kubectl("get", "pods", "-l", "app=nginx3", "-o", "jsonpath={.items[0].metadata.name}")
        kubectl("exec", pod, "--", "curl", "-s", "http://localhost/")
        assert "GET / HTTP/1.1" in kubectl("logs", pod)

    def test_port_forward(self, lab: Done, labctl: Labctl) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        child = subprocess.Popen(
            (*labctl.program, "kubectl", LAB, "--", "port-forward", "svc/nginx-service", f"{port}:80"),
            env=labctl.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:

            def page() -> str | NotYet:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=patient(5)) as answer:
                        return str(answer.read().decode())
                except OSError as error:
                    return NotYet(str(error))

            assert "Welcome to nginx!" in wait_for(page, Deadline(patient(20)))
        finally:
            child.terminate()
            child.wait(patient(10))

    def test_apply_and_delete(self, kubectl: Any, tmp_path: Path) -> None:
        manifest = tmp_path / "pod.yaml"
        manifest.write_text(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: once}\nspec:\n  restartPolicy: Never\n"
            "  containers: [{name: c, image: busybox, command: [sh, -c, 'echo done; exit 3']}]\n"
        )
        kubectl("apply", "-f", str(manifest))
        kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/once", AT_MOST)
        assert kubectl("logs", "once") == "done\n"
        kubectl("delete", "-f", str(manifest), AT_MOST)

    def test_what_the_nodes_do_not_do_is_refused(self, lab: Done, labctl: Labctl, tmp_path: Path) -> None:
        """Every limit, each by an object that breaks that one alone."""
        manifest = tmp_path / "refused.yaml"
        manifest.write_text(yaml.safe_dump_all(refused_objects()))
        done = labctl("kubectl", LAB, "--", "apply", "--dry-run=server", "-f", str(manifest), timeout=60).expect(1)
        said = set(re.findall(r"denied request: labctl's stand-in nodes (.+)", done.err))
        assert said == {limit.reason for limits in LIMITS.values() for limit in limits}
        assert done.out == "", "none is taken"

    def test_an_unknown_image_says_which_are_known(self, kubectl: Any) -> None:
        kubectl("run", "unknown", "--image=registry.example/none:1")
        kubectl("wait", "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff",
                "pod/unknown", AT_MOST)  # fmt: skip
        assert "busybox" in kubectl("describe", "pod", "unknown")
        kubectl("delete", "pod", "unknown", "--now")

    def test_drain_moves_the_advertised_route(self, kubectl: Any, labctl: Labctl) -> None:
        """A drained node has no endpoint: its leafs lose it as next hop of the service, and get it back."""

        def hops() -> set[str]:
            out = labctl("ssh", LAB, "leaf2101", "--", "show ip route 10.96.120.215 vrf vrf-001").out
            return set(re.findall(r"\*via (192\.168\.1\.\d+)", out))

        def await_hops(wanted: set[str]) -> None:
            wait_for(
                lambda: (seen := hops()) == wanted or NotYet(f"next hops {seen}"), Deadline(patient(60)), every=0.5
            )

        await_hops({"192.168.1.11", "192.168.1.13"})
        kubectl("cordon", "node02")
        kubectl("drain", "node02", "--ignore-daemonsets", "--delete-emptydir-data", AT_MOST)
        try:
            await_hops({"192.168.1.11"})
        finally:
            kubectl("uncordon", "node02")
        kubectl("rollout", "status", "deploy/nginx-dual", AT_MOST)
        await_hops({"192.168.1.11", "192.168.1.13"})


class TestVerbs:
    def test_list_and_status(self, lab: Done, labctl: Labctl) -> None:
        assert [(row["name"], row["state"]) for row in labctl("status", "--all", "--json").json()] == [(LAB, "running")]
        nodes = labctl("status", LAB, "--json").json()["nodes"]
        assert {row["state"] for row in nodes} == {"running"}
        assert len(nodes) == 9

    def test_exec(self, lab: Done, labctl: Labctl) -> None:
        assert "bond0" in labctl("exec", LAB, "node01", "--", "ip", "-br", "link").expect(0).out
        labctl("exec", LAB, "ext1", "--", "sh", "-c", "exit 5").expect(5)

    def test_capture(self, lab: Done, labctl: Labctl, tmp_path: Path) -> None:
        target = tmp_path / "bond0.pcap"
        labctl("capture", LAB, "node01:bond0", "-w", target, "-c", "3", timeout=60).expect(0)
        from labctl.verify.capture.packet import decode

        assert len(decode(target.read_bytes())) == 3

    def test_graph_shows_what_is_shut_and_only_that(self, lab: Done, labctl: Labctl) -> None:
        shut = {"leaf2102:Ethernet1/2", "node01:eth2", "node01 bond0", "leaf2102 port-channel12"}

        def await_drawn(wanted: set[str]) -> None:
            wait_for(
                lambda: (seen := drawn_as_down(labctl)) == wanted or NotYet(f"down: {seen}"),
                Deadline(patient(60)),
                every=0.5,
            )

        def configure(line: str) -> None:
            labctl("ssh", LAB, "leaf2102", "--", f"configure terminal ; interface Ethernet1/2 ; {line}").expect(0)

        await_drawn(set())
        configure("shutdown")
        try:
            await_drawn(shut)
        finally:
            configure("no shutdown")
        await_drawn(set())

    def test_verify_is_read_only_and_writes_junit(self, lab: Done, labctl: Labctl, tmp_path: Path) -> None:
        junit = tmp_path / "junit.xml"
        started = time.monotonic()
        labctl("verify", LAB, "--junit", junit).expect(0)
        assert set(scenarios(labctl)) == {"links", "bgp", "ping", "curl", "cluster", "leafs"}
        assert time.monotonic() - started < patient(60)
        assert "testsuites" in junit.read_text()
        refused = labctl("verify", LAB, "--scenario", "ping-ipip").expect(2)
        assert "--disruptive" in refused.err

    def test_logs_of_a_switch_and_of_the_cluster(self, lab: Done, labctl: Labctl) -> None:
        assert "==> node-agents.log <==" in labctl("logs", LAB).expect(0).out
        assert "did you mean leaf2" in labctl("logs", LAB, "leafs").expect(2).err
        assert labctl("logs", LAB, "kube-apiserver").expect(0).out

    def test_a_second_up_is_refused(self, lab: Done, labctl: Labctl) -> None:
        refused = labctl("up", WHITEPAPER).expect(2)
        assert "runs already" in refused.err

    def test_listeners_are_on_loopback_only(self, lab: Done, labctl: Labctl) -> None:
        pids = set(labctl.pids(LAB).values())
        listening = subprocess.run(
            ("ss", "-Hltnp"), capture_output=True, text=True, timeout=patient(20), check=True
        ).stdout
        ours = [row for row in listening.splitlines() if any(f"pid={pid}," in row for pid in pids)]
        assert ours
        assert [row for row in ours if not re.search(r"\s(127\.0\.0\.1|\[::1\]):\d+\s", row)] == []

    def test_no_secret_in_process_titles_or_logs(self, lab: Done, labctl: Labctl) -> None:
        state = labctl.lab_state(LAB)
        password = (state / "secrets" / "switch_password").read_text().strip()
        assert [line for line in labctl.processes().values() if password in line] == []
        texts = [*(state / "logs").glob("*"), *(state / "evidence").rglob("*.txt"), state / "journal.jsonl"]
        assert [path.name for path in texts if password in path.read_text(errors="replace")] == []
        loose = [
            path
            for path in state.rglob("*")
            if path.is_file() and path.stat().st_mode & 0o077 and not {"folder", "kubectl-cache"} & set(path.parts)
        ]
        assert [str(path.relative_to(state)) for path in loose] == []


class TestHealing:
    """A change of mode is undone whatever happens to the verification that made it."""

    def begin(self, labctl: Labctl, log: Path) -> subprocess.Popen[bytes]:
        process = labctl.start("verify", LAB, "--scenario", "ping-ipip", "--disruptive", "--events", "json", log=log)
        await_event(log, lambda event: event["name"].endswith(".tunnelled") and event["data"].get("verdict") == "PASS")
        return process

    def mode(self, kubectl: Any) -> str:
        return str(kubectl("get", "ippool", "default-ipv4-ippool", "-o", "jsonpath={.spec.ipipMode}"))

    def test_after_ctrl_c(self, labctl: Labctl, kubectl: Any, tmp_path: Path) -> None:
        process = self.begin(labctl, tmp_path / "events")
        assert self.mode(kubectl) == "Always"
        assert end(process, signal.SIGINT) == 130
        assert self.mode(kubectl) == "Never"

    def test_after_kill_9(self, labctl: Labctl, kubectl: Any, tmp_path: Path) -> None:
        """Nobody was there to undo it: the next verification does, and says so."""
        process = self.begin(labctl, tmp_path / "events")
        end(process, signal.SIGKILL)
        assert self.mode(kubectl) == "Always"
        healed = labctl("verify", LAB).expect(0)
        assert "was healed" in healed.err
        assert self.mode(kubectl) == "Never"
