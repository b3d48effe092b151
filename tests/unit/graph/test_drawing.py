"""The drawings of the shipped topologies: as they were looked at, well-formed, with everything of the folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from labctl.errors import SpecError
from labctl.folder import load_folder
from labctl.graph import draw, draw_mermaid
from labctl.nxos.normal import short_name
from tests.goldens import Goldens
from tests.unit.graph.conftest import FOLDERS, WHITEPAPER, check, evidence

SVG = "{http://www.w3.org/2000/svg}"
EVIDENCE = evidence(
    check("ping.node02.answered"),
    check("links.lacp.node01", "node01: eth2 is down", expected={"distributing": ["eth1", "eth2"]}),
    check("bgp.session.leaf2102.192.168.1.11"),
    check("cluster.pools", "there is no IPPool"),
    check("bgp.route.leaf2102.x", "leaf2102: show ip route: timeout", verdict="INCONCLUSIVE"),
    check("links.vpc.leaf2101", expected={"peer": "peer-ok"}, seen={"peer": "peer-link-down"}),
)


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def classes_of(root: ElementTree.Element, key: str, value: str) -> set[str]:
    """Of the elements that say that they are of something."""
    found = [element for element in root.iter() if element.get(key) == value]
    assert found, f"nothing has {key}={value}"
    return {word for element in found for word in (element.get("class") or "").split()}


@pytest.mark.parametrize("name", FOLDERS)
def test_as_it_was_looked_at(name: str, golden: Goldens) -> None:
    """One picture here, and that of a running lab in test_status; what others must have, the tests below hold."""
    if name == "minimal":
        golden(f"graph/{name}.svg", draw(FOLDERS[name]))
    golden(f"graph/{name}.mmd", draw_mermaid(FOLDERS[name]))


def test_what_failed_is_as_it_was_looked_at(golden: Goldens) -> None:
    golden("graph/whitepaper-failed.mmd", draw_mermaid(WHITEPAPER, evidence=EVIDENCE))


def titles_of(text: str) -> dict[tuple[str, str], str]:
    """What a pointer shows of each part that is of something."""
    found = {}
    for group in parsed(text).iter(f"{SVG}g"):
        of = [(key, value) for key, value in group.items() if key.startswith("data-")]
        if of:
            found[of[0]] = group.findtext(f"{SVG}title") or ""
    return found


def test_what_failed_changes_no_part_of_the_drawing_but_what_is_told_of_it() -> None:
    plain, marked = titles_of(draw(WHITEPAPER)), titles_of(draw(WHITEPAPER, evidence=EVIDENCE))
    assert plain.keys() == marked.keys()
    assert len(plain) > 50
    assert all(marked[part].startswith(title) for part, title in plain.items())
    told = {of: marked[key, of].removeprefix(title) for (key, of), title in plain.items() if marked[key, of] != title}
    failed = ": a check of this verification failed"
    assert told == {
        "leaf2102 node01": failed, "leaf2101 leaf2102": failed, "node02": failed, "node01:eth2": failed,
        "leaf2102": ": it did not answer in this verification",
    }  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_every_node_cable_and_port_of_the_folder_is_in_it(name: str) -> None:
    folder = load_folder(FOLDERS[name])
    links = [[f"{node}:{port}" for node, port in link] for link in folder.lab.links]
    root, text = parsed(draw(FOLDERS[name])), draw_mermaid(FOLDERS[name])
    drawn = {kind: {e.get(f"data-{kind}") for e in root.iter(f"{SVG}g")} - {None} for kind in ("node", "port", "link")}
    assert drawn["node"] == set(folder.lab.nodes)
    assert drawn["port"] == {end for link in links for end in link}
    assert drawn["link"] == {" ".join(link) for link in links}
    labels = [element.text for element in root.iter(f"{SVG}text")]
    assert all(short_name(end.partition(":")[2]) in labels for link in links for end in link)
    assert all(f"<b>{node}</b>" in text for node in folder.lab.nodes)
    for link in links:
        (a, port_a), (b, port_b) = (end.split(":") for end in link)
        ends = [
            rf"n\d+_{a}\b.*{short_name(port_a)} — {short_name(port_b)}.*n\d+_{b}$",
            rf"n\d+_{b}\b.*{short_name(port_b)} — {short_name(port_a)}.*n\d+_{a}$",
        ]
        assert any(re.search(end, text, re.MULTILINE) for end in ends), link


def test_sessions_are_drawn_once_a_pair_of_nodes_with_their_number() -> None:
    root = parsed(draw(WHITEPAPER))
    pairs = [element.get("data-session") for element in root.iter(f"{SVG}g") if element.get("data-session")]
    assert len(pairs) == len(set(pairs)) == 12
    badges = [group.findtext(f"{SVG}text") for group in root.iter(f"{SVG}g") if "ebgp" in (group.get("class") or "")]
    assert badges.count("2") == 6
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert (
        "eBGP: leaf2101 from loopback1002 with node01 (IPv4 192.168.1.11, IPv6 2001:192:168:1::11)" in titles
    )  # fmt: skip
    assert not [
        title
        for title in ElementTree.tostring(parsed(draw(WHITEPAPER, bgp=False)), "unicode").split()
        if title == "session"
    ]


def test_bundles_name_the_bond_and_the_port_channel_of_both_leafs() -> None:
    root = parsed(draw(WHITEPAPER))
    bundles = {element.get("data-bundle") for element in root.iter(f"{SVG}g")} - {None}
    assert {"node01 bond0", "leaf2101 port-channel12", "leaf2102 port-channel12"} <= bundles
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert "node01 bond0: eth1, eth2 to port-channel12 of leaf2101 and port-channel12 of leaf2102" in titles
    assert "Eth1/2 — eth1<br/>Po12 — bond0" in draw_mermaid(WHITEPAPER)


def test_a_peer_link_over_the_fabric_is_no_cable() -> None:
    fabric, cables = parsed(draw(FOLDERS["fabric"])), parsed(draw(FOLDERS["minimal"]))
    assert classes_of(fabric, "data-pair", "leaf101 leaf102") == {"fabric"}
    assert classes_of(cables, "data-pair", "leaf101 leaf102") == {"bundle"}


def test_what_failed_is_told_by_colour_by_a_sign_and_in_words() -> None:
    root = parsed(draw(WHITEPAPER, evidence=EVIDENCE))
    assert classes_of(root, "data-node", "node02") == {"node", "kube", "down"}
    assert classes_of(root, "data-node", "leaf2102") == {"node", "leaf", "unknown"}
    assert classes_of(root, "data-port", "node01:eth2") == {"port", "down"}
    assert classes_of(root, "data-port", "node01:eth1") == {"port"}
    assert classes_of(root, "data-link", "leaf2102:Ethernet1/2 node01:eth2") == {"link", "down"}
    assert classes_of(root, "data-session", "leaf2102 node01") == {"session", "ebgp", "down"}
    assert classes_of(root, "data-pair", "leaf2101 leaf2102") == {"fabric", "down"}
    signs = [group.get("class") for group in root.iter(f"{SVG}g") if "sign" in (group.get("class") or "")]
    assert sorted(signs) == ["sign down"] * 5 + ["sign unknown"] * 2  # 4 and 1, and one of each in the legend
    words = root.get("aria-label") or ""
    assert words.endswith(
        "Not up: leaf2102 unknown, node02 down, node01 eth2 down, BGP leaf2102 with node01 down."
    )  # fmt: skip
    assert "cluster.pools: there is no IPPool" in [text.text for text in root.iter(f"{SVG}text")]


def test_it_may_stand_in_a_page() -> None:
    """No script, nothing from elsewhere, no identity, no rule that touches the rest of the page."""
    text = draw(WHITEPAPER, evidence=EVIDENCE)
    root = parsed(text)
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title") is not None
    assert root.get("viewBox")
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg", "title", "style", "rect", "g", "path", "text", "circle",
    }  # fmt: skip
    assert not [element for element in root.iter() if {"id", "href", "onload"} & set(element.attrib)]
    assert "url(" not in text
    assert "@import" not in text
    sheet = root.findtext(f"{SVG}style") or ""
    rules = re.sub(r"@media[^{]*\{(.*)\}$", r"\1", sheet, flags=re.MULTILINE)
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{[^{}]*\}", rules) for part in rule.split(",")]
    assert len(selectors) > 20
    assert all(part.startswith(".labctl-graph") for part in selectors)


def test_names_that_mean_something_in_markup_are_only_names(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(WHITEPAPER, folder)
    lab = folder / "lab.json"
    lab.write_text(lab.read_text().replace('"name": "whitepaper"', '"name": "a<b>&\\"c"'))
    topology = folder / "topology.clab.yml"
    topology.write_text(topology.read_text().replace("name: whitepaper\n", 'name: a<b>&"c\n'))
    root = parsed(draw(folder))
    assert root.findtext(f"{SVG}title") == 'Topology of a<b>&"c'


def test_a_neighbor_that_is_no_node_of_the_lab_is_a_note(tmp_path: Path) -> None:
    folder = tmp_path / "edited"
    shutil.copytree(WHITEPAPER, folder)
    checks = folder / "checks.yaml"
    checks.write_text(checks.read_text().replace("10.2.1.5", "10.2.1.55", 1).replace("node: node02", "node: node99", 1))
    text = draw_mermaid(folder)
    assert "%% leaf2101: EVPN neighbor 10.2.1.55 is no node of this lab" in text
    assert text.count("1 iBGP EVPN") == 5


def test_a_folder_without_a_configuration_is_refused_with_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(WHITEPAPER, folder)
    (folder / "nxos" / "leaf2101.cfg").unlink()
    (folder / "nxos" / "spine1.cfg").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError) as caught:
        draw(folder)
    assert [(problem.code, problem.message) for problem in caught.value.problems] == [
        ("unreadable", "nxos/spine1.cfg cannot be read: it is no text"),
        ("unreadable", "nxos/leaf2101.cfg cannot be read: No such file or directory"),
    ]
