"""The folders that labctl renders, byte for byte: one whole, of others what differs from it and shows another shape."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from labctl.design.design import Target
from labctl.design.plan import design
from labctl.folder import load_folder
from labctl.render.folder import render_folder, write_folder
from labctl.spec.load import loads
from tests.goldens import Goldens
from tests.rendered import LABS, rendered, rendered_folder

WHOLE = "whitepaper-standin-fabric"
SWITCHES = {
    "whitepaper-n9kv-physical": {"leaf2101", "leaf2999", "spine1"},
    "coloured-pairs-standin": {"leaf2101", "leaf2103", "leaf2999", "spine1"},
    "whitepaper-usecases-standin": {"leaf2101", "leaf2999"},
    "fabric-n9kv-physical": {"leaf101", "border1", "spine1"},
}
"""Of these labs everything is kept that is not as in `WHOLE`, but for switches that are like one of these (see
test_folder_invariants: what differs between switches of a role is what the design says of each)."""
PAGES = ("whitepaper-n9kv-standin-fabric", "whitepaper-standin-kind-fabric", "minimal-standin-fabric",
         "fabric-standin-fabric")  # fmt: skip
"""Of these the topology and the README: the targets and shapes that the labs above do not have."""


def kept(label: str, path: str) -> bool:
    """Whether the golden file of a lab is one of its own."""
    if label == WHOLE:
        return True
    if label in PAGES:
        return path in {"topology.clab.yml", "README.md"}
    left_out = path.startswith("nxos/") and Path(path).stem not in SWITCHES[label]
    return not left_out and rendered(label)[path] != rendered(WHOLE).get(path)


def without_hashes(path: str, text: str) -> str:
    """lab.json has a hash of every file: in the golden one they would say each change a second time."""
    if path != "lab.json":
        return text
    body = json.loads(text)
    return json.dumps({**body, "files": sorted(body["files"])}, indent=2) + "\n"


@pytest.mark.parametrize("label", [WHOLE, *SWITCHES, *PAGES])
def test_folder_is_the_golden_one(label: str, golden: Goldens) -> None:
    own = {path for path in rendered(label) if kept(label, path)}
    for path in sorted(own):
        golden(f"render/{label}/{path}", without_hashes(path, rendered(label)[path]))
    for name in golden.names(f"render/{label}") - {f"render/{label}/{path}" for path in own}:
        golden.none(name)


def test_a_line_more_in_the_switch_template_changes_few_golden_files(golden: Goldens) -> None:
    assert sum(name.endswith(".cfg") for name in golden.names()) <= 25


@pytest.mark.parametrize("label", LABS)
def test_what_is_rendered_can_be_read_back(label: str) -> None:
    wanted, folder = LABS[label].design(), load_folder(rendered_folder(label))
    assert folder.edited == ()
    assert folder.lab.switches == tuple(switch.name for switch in wanted.switches)
    assert len(folder.lab.links) == len(wanted.links)
    nodes = wanted.cluster.nodes if wanted.cluster else ()
    assert tuple(folder.lab.kubernetes.values()) == tuple(node.name for node in nodes)


def test_names_that_are_words_of_yaml_stay_names(tmp_path: Path) -> None:
    pairs = "leaf_pairs: [{leafs: ['Yes', leaf-1]}, {leafs: ['False', Off]}]"
    nodes = "nodes: [{name: 'null'}, {name: 'true'}, {name: on}, {name: 'no'}]"
    files = render_folder(
        design(loads("lab.yaml", f"name: '10'\nfabric: {{{pairs}}}\ncluster: {{{nodes}}}\n"), Target())
    )
    write_folder(files, tmp_path)
    assert load_folder(tmp_path).lab.kube_nodes == ("null", "true", "on", "no")
    steps = yaml.safe_load(files["scenarios/bgp-cleared.yaml"])["steps"]
    assert [step["expect"]["sessions"] for step in steps if "sessions" in step.get("expect", {})] == [
        {"switch": "False", "node": "true", "family": "ipv4", "are": "reset"},
        {"node": ["null", "on", "no"], "are": "unbroken"},
        {"switch": "Off", "are": "unbroken"},
    ]


@pytest.mark.parametrize("label", LABS)
def test_same_design_same_bytes_and_every_file_with_its_hash(label: str) -> None:
    files = render_folder(LABS[label].design())
    assert files == rendered(label)
    listed = json.loads(files.pop("lab.json"))["files"]
    assert listed == {path: sha256(text.encode()).hexdigest() for path, text in files.items()}


@pytest.mark.parametrize("label", LABS)
def test_every_yaml_file_is_yaml_and_no_template_is_left_over(label: str) -> None:
    for path, text in rendered(label).items():
        assert "{{" not in text.replace("{{ '", ""), path
        assert "{%" not in text, path
        if path.endswith((".yaml", ".yml")):
            assert all(document is not None for document in yaml.load_all(text, yaml.CSafeLoader)), path


def test_only_the_standin_has_quick_ospf_hellos() -> None:
    assert "ip ospf hello-interval 1" in rendered("minimal-standin-fabric")["nxos/leaf101.cfg"]
    assert "hello-interval" not in rendered("minimal-n9kv-fabric")["nxos/leaf101.cfg"]


MINIMAL = "minimal-standin-fabric"


def test_second_writing_touches_nothing(tmp_path: Path) -> None:
    files = dict(rendered(MINIMAL))
    assert sorted(write_folder(files, tmp_path)) == sorted(files)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert write_folder(files, tmp_path) == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_writing_heals_an_edited_file(tmp_path: Path) -> None:
    files = dict(rendered(MINIMAL))
    write_folder(files, tmp_path)
    (tmp_path / "nxos" / "leaf101.cfg").write_text("hostname other\n")
    assert write_folder(files, tmp_path) == ["nxos/leaf101.cfg"]


def test_what_an_earlier_rendering_left_goes_and_a_persons_file_stays(tmp_path: Path) -> None:
    write_folder(dict(rendered(WHOLE)), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    changed = write_folder(dict(rendered(MINIMAL)), tmp_path)
    assert "nxos/leaf2101.cfg" in changed
    assert not (tmp_path / "nxos" / "leaf2101.cfg").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert load_folder(tmp_path).edited == ()


def test_a_list_that_names_files_outside_removes_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("keep")
    folder = tmp_path / "lab"
    write_folder(dict(rendered(MINIMAL)), folder)
    listed = json.loads((folder / "lab.json").read_text())
    listed["files"]["../outside.txt"] = "0"
    (folder / "lab.json").write_text(json.dumps(listed))
    write_folder(dict(rendered(MINIMAL)), folder)
    assert outside.read_text() == "keep"
