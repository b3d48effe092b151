"""The folders that labctl renders, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from labctl.design.model import Design, Target
from labctl.design.plan import design
from labctl.folder import load_folder
from labctl.render.folder import render_folder, write_folder
from labctl.spec.load import loads

STANDIN, REAL = Target("standin", "standin"), Target("n9kv", "kind")
TOPOLOGIES = Path(__file__).parents[3] / "topologies"
GOLDEN = Path(__file__).parents[2] / "golden" / "render"
PEER_LINK = {
    "whitepaper": ("peer_link: fabric", "peer_link: {}"),
    "minimal": ("leaf_pairs: 1", "leaf_pairs: [{{leafs: [leaf101, leaf102], peer_link: {}}}]"),
    "fabric": ("leaf_pairs: 1", "leaf_pairs: [{{leafs: [leaf101, leaf102], peer_link: {}}}]"),
}
OTHERS = ("whitepaper-usecases", "coloured-pairs")
CASES = [
    (name, target, peer_link)
    for name in PEER_LINK
    for target in (STANDIN, REAL)
    for peer_link in ("fabric", "physical")
]
IDS = [f"{name}-{target.switch}-{peer_link}" for name, target, peer_link in CASES]
MIXED = (Target("n9kv", "standin"), Target("standin", "kind"))
CASES += [("whitepaper", target, "fabric") for target in MIXED]
IDS += [f"whitepaper-{target.switch}-{target.cluster}-fabric" for target in MIXED]
CASES += [
    ("whitepaper-usecases", STANDIN, "fabric"),
    *(("coloured-pairs", target, "fabric") for target in (STANDIN, REAL)),
]
IDS += ["whitepaper-usecases-standin", "coloured-pairs-standin", "coloured-pairs-n9kv"]


def lab(name: str, target: Target = STANDIN, peer_link: str = "fabric") -> Design:
    text = (TOPOLOGIES / f"{name}.yaml").read_text(encoding="utf-8")
    if name not in OTHERS:
        written, wanted = PEER_LINK[name]
        assert text.count(written) == 1
        text = text.replace(written, wanted.format(peer_link))
    spec = loads(str(TOPOLOGIES / f"{name}.yaml"), text, target=(target.switch, target.cluster))
    return design(spec, target)


@pytest.mark.parametrize(("case", "label"), list(zip(CASES, IDS, strict=True)), ids=IDS)
def test_folder_is_the_golden_one(
    case: tuple[str, Target, str], label: str, golden: Callable[[str, str], None], update_golden: bool
) -> None:
    files = render_folder(lab(*case))
    if update_golden:
        write_folder(files, GOLDEN / label)
    for path, text in files.items():
        golden(f"render/{label}/{path}", text)
    kept = {str(path.relative_to(GOLDEN / label)) for path in (GOLDEN / label).rglob("*") if path.is_file()}
    assert kept == set(files), "golden files that nothing renders any more"


def test_same_design_same_bytes() -> None:
    assert render_folder(lab("whitepaper")) == render_folder(lab("whitepaper"))


@pytest.mark.parametrize(("name", "target", "peer_link"), CASES, ids=IDS)
def test_what_is_rendered_can_be_read_back(name: str, target: Target, peer_link: str, tmp_path: Path) -> None:
    wanted = lab(name, target, peer_link)
    write_folder(render_folder(wanted), tmp_path)
    folder = load_folder(tmp_path)
    assert folder.edited == ()
    assert folder.lab.switches == tuple(switch.name for switch in wanted.switches)
    assert len(folder.lab.links) == len(wanted.links)
    nodes = wanted.cluster.nodes if wanted.cluster else ()
    assert tuple(folder.lab.kubernetes.values()) == tuple(node.name for node in nodes)


def test_every_yaml_file_is_yaml_and_no_template_is_left_over() -> None:
    for path, text in render_folder(lab("whitepaper")).items():
        assert "{{" not in text.replace("{{ '", ""), path
        assert "{%" not in text, path
        if path.endswith((".yaml", ".yml")):
            assert all(document is not None for document in yaml.safe_load_all(text)), path


def test_lab_json_names_every_other_file_with_its_hash() -> None:
    files = render_folder(lab("minimal"))
    listed = json.loads(files.pop("lab.json"))["files"]
    assert listed == {path: sha256(text.encode()).hexdigest() for path, text in files.items()}


def test_only_the_standin_has_quick_ospf_hellos() -> None:
    assert "ip ospf hello-interval 1" in render_folder(lab("minimal", STANDIN))["nxos/leaf101.cfg"]
    assert "hello-interval" not in render_folder(lab("minimal", REAL))["nxos/leaf101.cfg"]


def test_second_writing_touches_nothing(tmp_path: Path) -> None:
    files = render_folder(lab("minimal"))
    assert sorted(write_folder(files, tmp_path)) == sorted(files)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert write_folder(files, tmp_path) == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_writing_heals_an_edited_file(tmp_path: Path) -> None:
    files = render_folder(lab("minimal"))
    write_folder(files, tmp_path)
    (tmp_path / "nxos" / "leaf101.cfg").write_text("hostname other\n")
    assert write_folder(files, tmp_path) == ["nxos/leaf101.cfg"]


def test_what_an_earlier_rendering_left_goes_and_a_persons_file_stays(tmp_path: Path) -> None:
    write_folder(render_folder(lab("whitepaper")), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    changed = write_folder(render_folder(lab("minimal")), tmp_path)
    assert "nxos/leaf2101.cfg" in changed
    assert not (tmp_path / "nxos" / "leaf2101.cfg").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert load_folder(tmp_path).edited == ()


def test_a_list_that_names_files_outside_removes_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("keep")
    folder = tmp_path / "lab"
    write_folder(render_folder(lab("minimal")), folder)
    listed = json.loads((folder / "lab.json").read_text())
    listed["files"]["../outside.txt"] = "0"
    (folder / "lab.json").write_text(json.dumps(listed))
    write_folder(render_folder(lab("minimal")), folder)
    assert outside.read_text() == "keep"
