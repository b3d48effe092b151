"""The HTML page: what it says, that it asks for nothing, that no text of a node becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from labctl.report.evidencefolder import EvidenceFolder, read_evidence
from labctl.report.page import LONGEST, SHOWN, html, links_from, page_view, side_by_side
from tests.rendered import rendered
from tests.unit.report.evidence import write_evidence

ALONE = {"meta", "link", "br", "img", "input", "hr"}


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return read_evidence(write_evidence(tmp_path / "evidence"))


class Outline(HTMLParser):
    """Elements, their attributes and text; refuses what is not nested well."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def words(text: str, start: str = "<body>", end: str = "</body>") -> str:
    """What a reader sees of a part of the page, in one line."""
    part = text[text.index(start) :]
    part = re.sub(r"<svg.*?</svg>|<script>.*?</script>", " ", part[: part.index(end)], flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", part)).split())


def rows(text: str, start: str) -> list[str]:
    """The rows of the table that follows."""
    table = text[text.index(start) :]
    return [words(row, "", "</tr>") for row in re.split(r"<tr\b[^>]*>", table[: table.index("</table>")])[1:]]


def test_sections_and_their_order(folder: EvidenceFolder) -> None:
    text = html(folder)
    names = ["troubles", "topology", "packets", "scenarios", "captures", "outputs", "ran"]
    assert re.findall(r'<section aria-labelledby="(.*?)">', text) == names
    assert re.findall(r'<li><a href="#(.*?)">', text[: text.index("</nav>")]) == names
    assert words(text, "<nav", "</nav>").endswith(
        "What did not pass Topology Packets Scenarios Captures Commands What ran"
    )
    assert words(text, '<p class="facts">', "</p>") == (
        "switch standin · cluster standin · mode routed · on embedded · uml · labctl 0.1.0 · 2025-06-01T10:00:20Z"
    )
    assert words(text, "<footer>", "</footer>") == (
        "Made by labctl out of evidence.json (labctl.evidence/v1). What is shown was read from the running lab."
    )


def test_what_did_not_pass_leads_to_its_check(folder: EvidenceFolder) -> None:
    text = html(folder)
    assert words(text, '<ul class="troubles">', "</ul>") == (
        "FAIL port-channel13 of leaf2101 is bundled leaf2101: port-channel13: Ethernet1/3 is down (D) "
        "FAIL packets at the port-channel, tagged no packet is as expected "
        "INCONCLUSIVE vPC domain 1 of leaf2102 is consistent leaf2102: show vpc brief: the session ended"
    )
    troubles = text[text.index('<ul class="troubles">') : text.index('id="topology"')]
    assert re.findall(r'href="#check-(.*?)"', troubles) == [
        "links.port-channel.leaf2101.13", "curl.bare.capture.leaf2102", "links.vpc.leaf2102",
    ]  # fmt: skip


def test_scenarios_and_their_checks(folder: EvidenceFolder) -> None:
    text = html(folder)
    assert rows(text, 'id="scenarios"') == [
        "verdict scenario checks time",
        "FAIL LACP and vPC links leaf2101: port-channel13: Ethernet1/3 is down (D) 1 FAIL 1 INCONCLUSIVE 1 PASS 5.2 s",
        "PASS pod ping over IPIP ping-ipip 1 check passed 1 PASS 2.5 s",
        "FAIL curl of a ClusterIP curl no packet is as expected 1 FAIL 1 PASS 1.5 s",
    ]
    assert words(text, '<article aria-labelledby="scenario-links">', "</article>") == (
        "FAIL LACP and vPC links leaf2101: port-channel13: Ethernet1/3 is down (D); 5.2 s 3 checks verdict check time "
        "PASS bond0 of node01 distributes on every member node01: eth1 and eth2 distribute 0.1 s "
        "expected beside seen, commands links.lacp.node01 , judged 1 time in 0.5 s what expected seen "
        'distributing eth1, eth2 eth1 {"up": true} leaf2101: show port-channel summary | json '
        "FAIL port-channel13 of leaf2101 is bundled leaf2101: port-channel13: Ethernet1/3 is down (D) 2.2 s "
        "expected beside seen, commands links.port-channel.leaf2101.13 , judged 9 times in 5.2 s what expected seen "
        "Ethernet1/3 P D differs leaf2101: show port-channel summary | json "
        "INCONCLUSIVE vPC domain 1 of leaf2102 is consistent leaf2102: show vpc brief: the session ended 2.2 s "
        "identity links.vpc.leaf2102 , judged 1 time"
    )
    unfolded = re.findall(r'<details class="more"( open)?>', text)
    assert [bool(word) for word in unfolded] == [False, True, True, False, False, True]  # what did not pass is open


def test_a_capture_beside_what_was_expected_and_what_the_paper_printed(folder: EvidenceFolder) -> None:
    text = html(folder)
    assert words(text, '<tbody id="check-curl.bare.capture.leaf2102">', "</tbody>") == (
        "FAIL packets at the port-channel, tagged no packet is as expected 0.4 s expected beside seen, packets "
        "curl.bare.capture.leaf2102 , judged 1 time captures/curl.bare.leaf2102.pcap : 1 packet, 0 as expected "
        "The nearest packet does not fit: VLAN None, not 3001. "
        "expected Ethernet from 6c:31:0e:b3:7c:47 one end fe:f8:86:b8:5f:7e 802.1Q VLAN 3001 "
        "IPv4 from 192.168.1.10 to 10.244.196.129 carries TCP TCP to 80 "
        "nearest packet Ethernet from 6c:31:0e:b3:7c:47 to fe:f8:86:b8:5f:7e "
        "IPv4 from 192.168.1.10 to 10.244.196.129 ttl 63 carries TCP TCP from 22996 to 80 length 36 "
        "HTTP request GET / HTTP/1.1 host 10.96.3.42 "
        "in the white paper: curl of a ClusterIP, at the leaf's port-channel "
        "Ethernet from 6c:31:0e:b3:7c:47 (Cisco) to fe:f8:86:b8:5f:7e 802.1Q VLAN 3001 "
        "IPv4 from 192.168.1.13 to 10.233.102.141 carries TCP TCP from 22996 to 80 length 76 "
        "HTTP request GET / HTTP/1.1 host 10.233.0.100"
    )
    assert "expected outer IPv4 from 192.168.1.11 to 192.168.1.13 carries IPIP (4) inner IPv4 from" in words(
        text, '<tbody id="check-ping-ipip.v4.capture.node01">', "</tbody>"
    )
    layers = text[text.index("captured here") : text.index("ICMP</b>")]
    assert re.findall(r'<li class="(.*?)"><b>(.*?)</b>', layers) == [
        ("ethernet", "Ethernet"), ("outer", "outer IPv4"), ("ip", "inner IPv4"),
    ]  # fmt: skip
    assert rows(text, 'id="captures"') == [
        "file packets bytes", "captures/ping-ipip.v4.node01.pcap 2 196", "captures/curl.web.leaf2101.pcap 0 24",
        "captures/curl.web.leaf2102.pcap 2 208", "captures/curl.bare.leaf2102.pcap 1 130",
    ]  # fmt: skip


def test_commands_and_what_ran(folder: EvidenceFolder) -> None:
    text = html(folder)
    assert re.fullmatch(
        r"leaf2101: show port-channel summary \| json \S+Z commands/leaf2101__show-port-channel-summary-json.txt "
        r'\{"TABLE_channel": \{\}\}',
        words(text, '<details class="output"', "</details>"),
    )
    assert rows(text, '<table class="facts">') == [
        "labctl 0.1.0", "python 3.11.7", "kernel 6.1.0", "runtime embedded", "launcher uml", "mode routed",
        "target switch standin", "target cluster standin", "versions kubernetes 1.34.3", "versions calico 3.20.0",
        "versions nxos 10.5(4)", "time 2025-06-01T10:00:20Z",
    ]  # fmt: skip
    assert rows(text, "<h3>Images and manifests</h3>") == [
        "name version source and SHA-256", "calico 3.20.0 calico/standin",
        "kubernetes 1.34.3 labctl/k8s-standin:latest",
    ]  # fmt: skip
    files = sorted(path for path in rendered("whitepaper-standin-fabric") if path != "lab.json")
    assert f"All {len(files) + 1} files are as rendered." in words(text)
    states = [re.sub(r"[0-9a-f]{64}", "HASH", row) for row in rows(text, "<h3>The artifact folder</h3>")]
    assert states == [
        "file SHA-256 state", "lab.json HASH not hashed", *(f"{path} HASH as rendered" for path in files),
    ]  # fmt: skip


def test_verdict_first(folder: EvidenceFolder) -> None:
    text = html(folder)
    assert "<title>FAIL: whitepaper</title>" in text
    body = re.sub(r"<[^>]+>", " ", text[text.index("<header") : text.index("</header>")])
    assert " ".join(body.split()).startswith(
        "FAIL whitepaper LACP and vPC: leaf2101: port-channel13: Ethernet1/3 is down"
    )
    assert "3 scenarios: 2 FAIL 1 PASS ; 6 checks: 2 FAIL 1 INCONCLUSIVE 3 PASS ; 7.9 s" in " ".join(body.split())


def test_what_was_changed_stands_above_what_did_not_pass_and_one_cause_is_told_once(folder: EvidenceFolder) -> None:
    body = json.loads(json.dumps(folder.body))
    body |= {"drift": ["leaf2101: interface port-channel13: shutdown"], "cut": "interrupted"}
    links = next(row for row in body["scenarios"] if row["id"] == "links")
    links["checks"] += [
        {"id": f"links.x.{leaf}", "title": f"x of {leaf}", "verdict": "INCONCLUSIVE", "sentence": f"{leaf}: no prompt",
         "cause": "no prompt", "node": leaf}
        for leaf in ("leaf1", "leaf2")
    ]  # fmt: skip
    (folder.path / "evidence.json").write_text(json.dumps(body))
    folder = read_evidence(folder.path)
    text = html(folder)
    Outline(text)
    first = text[: text.index('id="topology"')]
    words = "leaf1 and leaf2 did not answer (no prompt): 2 checks not judged"
    assert first.index("port-channel13: shutdown") < first.index('id="troubles"') < first.index(words)
    assert first.count(words) == 1
    assert {'href="#check-links.x.leaf1"', 'href="#check-links.x.leaf2"'} <= set(re.findall(r'href="[^"]*"', first))
    assert "; cut short: interrupted</p>" in text
    passed = html(replace(folder, body={**folder.body, "verdict": "PASS"}))
    assert "Changed since" not in passed


def test_it_asks_for_nothing_and_forbids_asking(folder: EvidenceFolder) -> None:
    page = Outline(html(folder))
    assert page.of("img", "iframe", "object", "embed", "video", "audio", "source", "base", "form") == []
    assert [link["href"] for link in page.of("link")] == ["data:,"]
    assert all("src" not in script for script in page.of("script"))
    assert not [a["href"] for a in page.of("a") if re.match(r"[a-z]+:|//", str(a["href"]))]
    (policy,) = [meta["content"] for meta in page.of("meta") if meta.get("http-equiv")]
    assert str(policy).startswith("default-src 'none';")
    digest = base64.b64encode(hashlib.sha256("".join(page.scripts).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in str(policy)
    assert "url(" not in html(folder)


def test_landmarks_and_headings(folder: EvidenceFolder) -> None:
    page = Outline(html(folder))
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("header", "nav", "main", "footer", "h1")] == [1] * 5
    assert all(th.get("scope") in ("col", "row") for th in page.of("th"))
    assert page.of("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_link_leads_somewhere(folder: EvidenceFolder) -> None:
    page = Outline(html(folder))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in page.of("a"):
        target = str(link["href"])
        assert target[1:] in ids if target.startswith("#") else (folder.path / target).is_file()


def test_links_from_elsewhere(folder: EvidenceFolder, tmp_path: Path) -> None:
    assert links_from(folder.path / "index.html", folder.path) == ""
    assert links_from(tmp_path / "a b" / "page.html", folder.path) == "../evidence/"
    text = html(folder, links="../evidence/")
    assert 'href="../evidence/captures/curl.web.leaf2102.pcap"' in text


def test_packets_are_drawn_beside_the_papers(folder: EvidenceFolder) -> None:
    view = page_view(folder)
    checks = {check["id"]: check for check in view["checks"]}
    (tunnel,) = checks["ping-ipip.v4.capture.node01"]["captures"]
    assert [layer.name for layer in tunnel.layers] == ["Ethernet", "outer IPv4", "inner IPv4", "ICMP"]
    assert tunnel.sentence == "2 packets, 2 as expected"
    assert tunnel.printed is not None
    assert "node1's bond0" in tunnel.printed.title
    empty, page = checks["curl.web.capture.leaf2101-leaf2102"]["captures"]
    assert (empty.sentence, empty.layers) == ("no packet", ())
    assert [layer.name for layer in page.layers] == ["Ethernet", "802.1Q", "IPv4", "TCP", "HTTP"], "not the SYN"
    (bare,) = checks["curl.bare.capture.leaf2102"]["captures"]
    assert bare.wrong == ("VLAN None, not 3001",)
    assert "The nearest packet does not fit: VLAN None, not 3001." in html(folder)


def test_the_papers_use_cases_are_told_on_their_own(folder: EvidenceFolder) -> None:
    beside = [(check["id"], shown.file) for check, shown in page_view(folder)["beside"]]
    assert beside == [
        ("ping-ipip.v4.capture.node01", "captures/ping-ipip.v4.node01.pcap"),
        ("curl.web.capture.leaf2101-leaf2102", "captures/curl.web.leaf2102.pcap"),
    ]


@pytest.mark.parametrize(
    ("verdict", "count", "unfolded"),
    [("PASS", 10, True), ("PASS", 11, False), ("FAIL", 11, True), ("INCONCLUSIVE", 11, True)],
)
def test_many_checks_that_passed_are_folded(folder: EvidenceFolder, verdict: str, count: int, unfolded: bool) -> None:
    scenario = {**folder.body["scenarios"][0], "verdict": verdict}
    scenario["checks"] = [scenario["checks"][0] | {"id": f"links.{n}"} for n in range(count)]
    found = replace(folder, body={**folder.body, "scenarios": [scenario]})
    assert ('<details class="fold" open>' in html(found)) is unfolded
    assert html(found).count("<tbody id=") == count


def test_what_failed_is_marked_in_the_picture(folder: EvidenceFolder) -> None:
    svg = page_view(folder)["picture"]
    assert svg is not None
    assert "failed" in svg
    assert "http://www.w3.org" in svg or "xmlns" not in svg


def test_a_picture_that_cannot_be_drawn_says_why(folder: EvidenceFolder) -> None:
    (folder.path / "lab" / "topology.clab.yml").write_text("topology: [")
    view = page_view(folder)
    assert view["picture"] is None
    assert "cannot be drawn from this evidence: " in view["no_picture"]
    shutil.rmtree(folder.path / "lab")
    assert "holds no description of the lab" in page_view(folder)["no_picture"]
    assert "holds no description of the lab" in html(folder)


def test_missing_files_are_named(folder: EvidenceFolder) -> None:
    (folder.path / "captures" / "curl.web.leaf2102.pcap").unlink()
    shutil.rmtree(folder.path / "commands")
    text = html(folder)
    assert "Evidence is missing" in text
    assert "the file is missing" in text
    assert 'href="captures/curl.web.leaf2102.pcap"' not in text


@pytest.mark.parametrize("data", [b"", b"\xd4\xc3\xb2\xa1", b"no pcap" * 100])
def test_a_capture_that_is_none(folder: EvidenceFolder, data: bytes) -> None:
    (folder.path / "captures" / "curl.web.leaf2102.pcap").write_bytes(data)
    assert "curl.web.leaf2102.pcap</a>: no packet" in html(folder)


def test_edited_files_are_named(folder: EvidenceFolder) -> None:
    body = json.loads(json.dumps(folder.body))
    assert "files are as rendered" in html(folder)
    body["files"]["checks.yaml"]["sha256"] = "0" * 64
    body["files"]["README.md"]["sha256"] = None
    text = html(replace(folder, body=body))
    assert "not as rendered" in text
    assert "<code>checks.yaml</code> (edited)" in text
    assert "<code>README.md</code> (missing)" in text


def test_the_papers_catalogue(folder: EvidenceFolder) -> None:
    rows = [
        {"id": "figure-15", "kind": "figure", "title": "ECMP", "place": "page 20", "mode": "routed",
         "checks": ["links.vpc.leaf2102", "gone"], "verdict": "INCONCLUSIVE", "note": None},
        {"id": "claim-3", "kind": "claim", "title": "Nothing", "place": "", "mode": None, "checks": [],
         "verdict": None, "note": "cannot be shown"},
    ]  # fmt: skip
    text = html(replace(folder, body={**folder.body, "catalogue": rows}))
    assert 'href="#check-links.vpc.leaf2102"' in text
    assert "<code>gone</code>" in text
    assert "not run" in text
    assert "cannot be shown" in text
    assert "figure-15" not in html(folder)


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{ 7*7 }}\x1b[31m\x00\u202e"


def test_hostile_text_is_text(tmp_path: Path) -> None:
    """A lab's name, a check, an output, a file's name, the environment: all of them."""
    path = write_evidence(tmp_path / "evidence", lab=HOSTILE, output=HOSTILE.encode())

    def spoil(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                (key if key in KEEP else f"{key}{HOSTILE}" if key in ("lab.json", "Ethernet1/3") else key): (
                    inner if key in KEEP else spoil(inner)
                )
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [spoil(inner) for inner in value]
        return f"{value}{HOSTILE}" if isinstance(value, str) else value

    body = spoil(json.loads((path / "evidence.json").read_text()))
    body["catalogue"] = [{"id": HOSTILE, "kind": "figure", "title": HOSTILE, "checks": [HOSTILE], "note": HOSTILE}]
    body["environment"][HOSTILE] = {HOSTILE: HOSTILE}
    (path / "evidence.json").write_text(json.dumps(body))
    lab = json.loads((path / "lab" / "lab.json").read_text())
    lab["inputs"] = [{"name": HOSTILE, "version": HOSTILE, "sha256": HOSTILE, "source": HOSTILE}, 5]
    (path / "lab" / "lab.json").write_text(json.dumps(lab))
    text = html(read_evidence(path))
    page = Outline(text)
    assert len(page.scripts) == 1, "the page's own"
    assert page.of("img") == []
    assert "&lt;script&gt;alert(1)" in text
    assert not [c for c in text if (c < " " and c not in "\n\t") or c in "\x7f\u202e"]
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)


KEEP = frozenset({"schema", "verdict", "sha256", "rendered", "commands", "captures"})


def test_hostile_markup_in_the_topology_is_no_markup(folder: EvidenceFolder) -> None:
    for name in ("lab/lab.json", "lab/topology.clab.yml", "lab/kind/cluster.yaml", "lab/checks.yaml"):
        file = folder.path / name
        file.write_text(file.read_text().replace("ext1", "<script>"))
    page = Outline(html(folder))
    assert len(page.scripts) == 1


def test_a_long_output_is_cut_and_linked(folder: EvidenceFolder) -> None:
    file = folder.path / "commands" / "leaf2101__show-port-channel-summary-json.txt"
    file.write_text("# leaf2101: show x\n# 2025-06-01T10:00:00Z\n" + "y" * (SHOWN + 7))
    text = html(folder)
    assert "y" * SHOWN in text
    assert "y" * (SHOWN + 1) not in text
    assert "7 more characters are in the file" in text


def test_answers_that_no_check_names_are_shown_too(folder: EvidenceFolder) -> None:
    (folder.path / "commands" / "node01__ip-link.txt").write_text("# node01: ip link\n# 2025-06-01T10:00:00Z\nbond0\n")
    outputs = page_view(folder)["outputs"]
    assert [output["target"] for output in outputs] == ["leaf2101", "node01"]
    assert outputs[1]["text"] == "bond0\n"


def test_nothing_ran(folder: EvidenceFolder) -> None:
    text = html(replace(folder, body={**folder.body, "scenarios": [], "verdict": "INCONCLUSIVE"}))
    assert "Nothing was proven" in text
    assert "<title>INCONCLUSIVE: whitepaper</title>" in text


@pytest.mark.parametrize(
    ("expected", "seen", "rows"),
    [
        (None, None, []),
        ({"a": 1}, {"a": 1}, [("a", "1", "1", "same")]),
        ({"ttl": 61}, {"ttl": [61]}, [("ttl", "61", "61", "same")]),
        ({"ttl": 61}, {"ttl": [62]}, [("ttl", "61", "62", "open")]),
        ({"a": 1}, {"a": 2}, [("a", "1", "2", "differs")]),
        ({"a": 1, "b": 2}, {"b": 2}, [("a", "1", "", "lacking"), ("b", "2", "2", "same")]),
        ({"a": 1}, {}, [("a", "1", "", "lacking")]),
        ({"a": 1}, {"c": 2}, [("a", "1", "", "open"), ("c", "", "2", "open")]),
        ({"a": 1}, None, [("a", "1", "", "lacking")]),
        ({"v": {"11": "up"}}, {"v": {"11": "down"}}, [("v.11", "up", "down", "differs")]),
        (["a", "b"], ["b", "c"],
         [("", "a", "", "lacking"), ("", "b", "b", "same"), ("", "", "c", "extra")]),
        ({"hops": ["a"]}, {"hops": []}, [("hops", "a", "", "lacking")]),
        ([], [], [("", "none", "none", "same")]),
        ({"count": 3}, 3, [("", '{"count": 3}', "3", "open")]),
        (5, 6, [("", "5", "6", "differs")]),
        ("Established", None, [("", "Established", "nothing", "differs")]),
    ],
)  # fmt: skip
def test_expected_beside_seen(expected: Any, seen: Any, rows: list[tuple[str, ...]]) -> None:
    found = side_by_side(expected, seen)
    assert [(row.key, row.expected, row.seen, row.state) for row in found] == rows


def test_a_long_value_is_cut_and_said_so() -> None:
    (row,) = side_by_side("x" * 2007, ["x"] * 1)
    assert row.expected == "x" * 2000 + " … and 7 more characters"


def test_many_rows_are_counted_and_what_differs_is_not_cut() -> None:
    expected = {str(n): n for n in range(1000)}
    rows = side_by_side(expected, {**expected, "999": 0})
    assert len(rows) == LONGEST + 1
    assert (rows[0].key, rows[0].state) == ("999", "differs")
    assert rows[-1].key == "and 940 more"
