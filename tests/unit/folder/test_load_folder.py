"""Reading an artifact folder: what is not understood is refused, with a place; what was edited is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from labctl.errors import ExitCode, Problem, SpecError
from labctl.folder import load_folder
from labctl.labjson import edited_in, lab_schema
from tests.rendered import rendered_folder

RENDERED = rendered_folder("whitepaper-standin-fabric")
Edit = Callable[[str, str, str], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RENDERED, tmp_path / "lab"))


@pytest.fixture
def edit(folder: Path) -> Edit:
    def replace(name: str, old: str, new: str) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return replace


def problems(folder: Path) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        load_folder(folder)
    return list(caught.value.problems)


def test_the_whole_folder(folder: Path) -> None:
    found = load_folder(folder)
    assert found.lab.switches == ("spine1", "spine2", "leaf2101", "leaf2102", "leaf2999")
    assert found.lab.kube_nodes == ("master", "node01", "node02")
    assert found.lab.hosts == ("ext1",)
    assert found.lab.nodes["node02"].topology == "whitepaper-worker2"
    assert found.lab.nodes["node02"].container == "whitepaper-worker2"
    assert found.lab.nodes["ext1"].container == "clab-whitepaper-ext1"
    assert found.lab.kubernetes == {"master": "master", "node01": "node01", "node02": "node02"}
    assert found.lab.interfaces("node01") == ("eth1", "eth2")
    assert found.lab.neighbors("node01") == (
        ("eth1", ("leaf2101", "Ethernet1/2")),
        ("eth2", ("leaf2102", "Ethernet1/2")),
    )
    assert found.topology.addresses["leaf2101"] == "172.20.20.13"
    assert found.cluster is not None
    assert found.cluster.pod_subnets == ("10.244.0.0/16", "2001:db8:42::/56")
    assert found.edited == ()


def test_lab_json_is_as_its_published_schema_has_it(folder: Path) -> None:
    body, schema = json.loads((folder / "lab.json").read_text()), json.loads(lab_schema())
    jsonschema.validate(body, schema)
    assert {"container", "topology"} <= schema["$defs"]["Node"]["properties"].keys()
    for wrong in ({"schema": "labctl.lab/v1"}, {"links": [["leaf2101", "node01:eth1"]]}, {"nodes": {"a": {}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(body | wrong, schema)


def test_what_a_node_inherits(folder: Path, edit: Edit) -> None:
    """Defaults, kind, group, node: the nearer wins, and the environment is merged."""
    edit("topology.clab.yml", "  kinds:\n", "  groups:\n    old: {image: g/old:1, env: {A: group, G: 1}}\n  kinds:\n")
    edit("topology.clab.yml", "      image: labctl/n9kv-standin:latest\n",
         "      image: labctl/n9kv-standin:latest\n      env: {A: kind, K: true}\n")  # fmt: skip
    edit("topology.clab.yml", "    spine1:\n      kind: cisco_n9kv\n      mgmt-ipv4: 172.20.20.11\n      env:\n",
         "    spine1:\n      kind: cisco_n9kv\n      group: old\n      env:\n        N: ''\n")  # fmt: skip
    edit("topology.clab.yml", "    spine2:\n", "    spine2:\n      group: old\n      image: n/own:2\n")
    topology = load_folder(folder).topology
    assert topology.mgmt_network == "whitepaper-mgmt"
    assert topology.images["spine1"] == "g/old:1"
    assert topology.env["spine1"] == {"A": "group", "K": "true", "G": "1", "N": "", "CLAB_INTFS": "3"}
    assert topology.images["spine2"] == "n/own:2"
    assert topology.images["leaf2101"] == "labctl/n9kv-standin:latest"
    assert topology.env["leaf2101"] == {"A": "kind", "K": "true", "CLAB_INTFS": "5"}
    assert topology.images["ext1"] == "labctl/host:latest"


def test_edited_and_missing_files_are_named_not_refused(folder: Path, edit: Edit) -> None:
    edit("nxos/leaf2101.cfg", "mtu 9216", "mtu 9000")
    (folder / "k8s" / "nginx.yaml").unlink()
    assert sorted(load_folder(folder).edited) == ["k8s/nginx.yaml", "nxos/leaf2101.cfg"]


def test_a_folder_without_lab_json(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path)
    assert problem.code == "no-folder"
    assert problem.hint == "labctl generate SPEC -o DIR makes one"


def test_another_schema(edit: Edit, folder: Path) -> None:
    edit("lab.json", "labctl.lab/v2", "labctl.lab/v9")
    (problem,) = problems(folder)
    assert problem.code == "wrong-schema"
    assert "labctl.lab/v9" in problem.message


def test_a_folder_of_an_older_labctl_is_refused_with_the_command_that_renders_it_anew(edit: Edit, folder: Path) -> None:
    edit("lab.json", "labctl.lab/v2", "labctl.lab/v1")
    with pytest.raises(SpecError) as caught:
        load_folder(folder)
    (problem,) = caught.value.problems
    assert (problem.code, str(problem.place)) == ("older-folder", "lab.json")
    assert "schema 'labctl.lab/v1', of an older labctl" in problem.message
    assert "labctl down LAB" in (problem.hint or "")
    assert caught.value.next_command == "labctl generate SPEC -o DIR, or labctl up SPEC"
    assert caught.value.exit_code == ExitCode.USAGE


def test_what_was_edited_in_an_older_folder_is_still_known(edit: Edit, folder: Path) -> None:
    edit("lab.json", "labctl.lab/v2", "labctl.lab/v1")
    edit("nxos/leaf2101.cfg", "mtu 9216", "mtu 9000")
    assert edited_in(folder) == ("nxos/leaf2101.cfg",)
    (folder / "lab.json").write_text('{"files": 5}')
    assert edited_in(folder) == ()
    assert edited_in(folder / "nothing") == ()


def test_broken_json_has_a_place(edit: Edit, folder: Path) -> None:
    edit("lab.json", '"name": "whitepaper",', '"name": whitepaper,')
    (problem,) = problems(folder)
    assert (problem.code, str(problem.place)) == ("json-syntax", "lab.json:3:11")


@pytest.mark.parametrize("text", ["[]", "3", "null", '"lab"'])
def test_json_that_is_no_mapping(folder: Path, text: str) -> None:
    (folder / "lab.json").write_text(text)
    assert len(problems(folder)) == 1


@pytest.mark.parametrize(
    "key",
    [
        "name", "target", "mode", "versions", "cluster", "nodes", "links", "scenarios", "deadlines", "inputs", "files",
    ],
)  # fmt: skip
def test_lab_json_lacks_a_key(folder: Path, key: str) -> None:
    data = json.loads((folder / "lab.json").read_text())
    del data[key]
    (folder / "lab.json").write_text(json.dumps(data))
    (problem,) = problems(folder)
    assert (problem.code, key in problem.message) == ("missing-key", True)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('"leaf2101:Ethernet1/1"', '"leaf9:Ethernet1/1"', "{", "links name leaf9, which nodes lacks"),
        ('"topology": "spine2"', '"topology": "spine1"', "{", "two nodes have the same key in topology.clab.yml"),
        ('"kind": "host"', '"kind": "printer"', '"kind": "printer",', "nodes.ext1.kind: Input should be 'switch'"),
        ('"leaf2101:Ethernet1/1"', '"leaf2101"', '"leaf2101",', "links.0.0: 'leaf2101' is no node:interface"),
        ('"bond": 120', '"bond": "soon"', '"bond": "soon",', "deadlines.bond"),
    ],
)
def test_a_value_of_lab_json_that_cannot_be(
    folder: Path, edit: Edit, old: str, new: str, line: str, message: str
) -> None:
    edit("lab.json", old, new)
    found = problems(folder)[0]
    assert found.code == "bad-value"
    assert message in found.message
    assert at(folder, found) == ("lab.json", line)


def at(folder: Path, problem: Problem) -> tuple[str, str]:
    """The file and the line that a problem is told of."""
    assert problem.place is not None
    assert problem.place.line is not None
    return problem.place.file, (folder / problem.place.file).read_text().splitlines()[problem.place.line - 1].strip()


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("kind: cisco_n9kv", "kind: arista_ceos", "cannot-do", "this runtime cannot do kind arista_ceos"),
        (
            "mgmt-ipv4: 172.20.20.11",
            "network-mode: host",
            "cannot-do",
            "this runtime cannot do network-mode of topology.nodes",
        ),
        (
            "      cmd: sleep infinity",
            "      pid: host",
            "cannot-do",
            "this runtime cannot do pid of topology.kinds",
        ),
        (
            "    image-pull-policy: never",
            "    cpu-set: 1",
            "cannot-do",
            "this runtime cannot do cpu-set of topology",
        ),
        ("topology:\n", "topologie:\n", "missing-key", "topology.clab.yml lacks topology"),
        (
            "ipv4-subnet: 172.20.20.0/24",
            "ipv4-subnet: 172.20.20.1/24",
            "bad-network",
            "this is no IPv4 network: 172.20.20.1/24 has host bits set",
        ),
    ],
)
def test_a_topology_that_cannot_be_done(folder: Path, edit: Edit, old: str, new: str, code: str, message: str) -> None:
    edit("topology.clab.yml", old, new)
    found = [problem for problem in problems(folder) if problem.code == code]
    assert found
    assert message in found[0].message
    assert found[0].place is not None


KIND = "kind/cluster.yaml"
CLAB = "topology.clab.yml"


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (CLAB, "name: whitepaper\n", "name: other\n",
         {("name: other", "lab.json calls the lab whitepaper, not other")}),
        (CLAB, "name: whitepaper\n", "name: whitepaper\nprefix: x\n",
         {("prefix: x", "containers have the prefix clab in lab.json, not 'x'")}),
        (CLAB, "    leaf2102:\n", "    leaf2103:\n",
         {("leaf2103:", "lab.json has no node leaf2103"),
          ("nodes:", "lab.json has node leaf2102, which is missing here")}),
        (CLAB, "    ext1:\n", "    ext2: {kind: linux}\n    ext1:\n",
         {("ext2: {kind: linux}", "lab.json has no node ext2")}),
        (CLAB, "    ext1:\n      kind: linux", "    ext1:\n      kind: ext-container",
         {("kind: ext-container", "node ext1 is of kind linux by lab.json, not ext-container")}),
        (CLAB, "- spine1:Ethernet1/1\n", "- spine9:Ethernet1/1\n",
         {("- spine9:Ethernet1/1", "lab.json has no link spine9:Ethernet1/1 - leaf2101:Ethernet1/4"),
          ("links:", "lab.json has link spine1:Ethernet1/1 - leaf2101:Ethernet1/4, which is missing here")}),
        (CLAB, "- leaf2102:Ethernet1/4\n", "- leaf2102:Ethernet1/5\n",
         {("- spine1:Ethernet1/2", "lab.json has no link spine1:Ethernet1/2 - leaf2102:Ethernet1/5"),
          ("links:", "lab.json has link spine1:Ethernet1/2 - leaf2102:Ethernet1/4, which is missing here")}),
        (CLAB, "- leaf2101:Ethernet1/1\n", "- leaf2101\n",
         {("- leaf2101", "lab.json has no link leaf2101 - whitepaper-control-plane:eth1"),
          ("links:", "lab.json has link leaf2101:Ethernet1/1 - whitepaper-control-plane:eth1, which is missing here")}),
        (CLAB, "  links:\n", "  links:\n  - endpoints: ['ext1:eth8', 'ext1:eth9']\n",
         {("- endpoints: ['ext1:eth8', 'ext1:eth9']", "lab.json has no link ext1:eth8 - ext1:eth9")}),
        (CLAB, "  - endpoints:\n    - leaf2999:Ethernet1/1\n    - ext1:eth1\n", "",
         {("links:", "lab.json has link leaf2999:Ethernet1/1 - ext1:eth1, which is missing here")}),
        (KIND, "name: node02", "name: node03",
         {("- |", "lab.json calls the node in container whitepaper-worker2 node02, not node03")}),
        (KIND, "role: worker", "role: control-plane",
         {("- |", "lab.json has no node in container whitepaper-control-plane2, which kind makes"),
          ("- |", "lab.json calls the node in container whitepaper-worker node01, not node02"),
          ("nodes:", "lab.json has node node02, which is missing here")}),
        (KIND, "nodes:\n", "nodes:\n- role: worker\n  kubeadmConfigPatches: ['nodeRegistration: {name: node01}']\n",
         {("- |", "lab.json calls the node in container whitepaper-worker2 node02, not node01"),
          ("- |", "lab.json has no node in container whitepaper-worker3, which kind makes")}),
        ("lab.json", '"kubernetes": "node01"', '"kubernetes": "node07"',
         {("- |", "lab.json calls the node in container whitepaper-worker node07, not node01")}),
        ("lab.json", '"leaf2101:Ethernet1/4"', '"leaf2101:Ethernet1/40"',
         {("- spine1:Ethernet1/1", "lab.json has no link spine1:Ethernet1/1 - leaf2101:Ethernet1/4"),
          ("links:", "lab.json has link spine1:Ethernet1/1 - leaf2101:Ethernet1/40, which is missing here")}),
    ],
)  # fmt: skip
def test_structure_that_is_not_that_of_lab_json(
    folder: Path, edit: Edit, file: str, old: str, new: str, said: set[tuple[str, str]]
) -> None:
    """Nodes, links and names: each disagreement is told with file and line, and what renders the folder anew."""
    edit(file, old, new)
    with pytest.raises(SpecError) as caught:
        load_folder(folder)
    assert {problem.code for problem in caught.value.problems} == {"structure"}
    assert {(at(folder, problem)[1], problem.message) for problem in caught.value.problems} == said
    assert len(caught.value.problems) == len(said)
    read = {KIND} if "node" in new and file == "lab.json" else {CLAB} if file == "lab.json" else {file}
    assert {at(folder, problem)[0] for problem in caught.value.problems} == read
    assert caught.value.next_command == "labctl generate SPEC -o DIR, or labctl up SPEC"
    assert caught.value.exit_code == ExitCode.USAGE


def test_links_in_another_order_are_the_same(folder: Path, edit: Edit) -> None:
    edit("topology.clab.yml", "    - leaf2101:Ethernet1/1\n    - whitepaper-control-plane:eth1\n",
         "    - whitepaper-control-plane:eth1\n    - leaf2101:Ethernet1/1\n")  # fmt: skip
    assert load_folder(folder).edited == ("topology.clab.yml",)


def test_links_of_the_long_form(folder: Path, edit: Edit) -> None:
    edit("topology.clab.yml", "- spine1:Ethernet1/1\n", "- {node: spine1, interface: Ethernet1/1}\n")
    assert load_folder(folder).edited == ("topology.clab.yml",)


def test_a_link_with_one_end_and_one_of_another_type(folder: Path) -> None:
    path = folder / "topology.clab.yml"
    path.write_text(
        path.read_text() + "  - endpoints: [ext1:eth7]\n  - {type: vxlan, endpoints: [ext1:eth8, ext1:eth9]}\n"
    )
    assert [problem.code for problem in problems(folder)] == ["missing-key", "bad-value"]


def test_a_cluster_node_without_a_name(folder: Path, edit: Edit) -> None:
    edit("kind/cluster.yaml", "nodeRegistration", "nodeRegistratoin")
    assert {problem.code for problem in problems(folder)} == {"bad-patch", "structure"}


def test_a_key_with_nothing_behind_it_is_none(folder: Path, edit: Edit) -> None:
    edit("topology.clab.yml", "  kinds:\n", "  groups:\n  defaults:\n  kinds:\n")
    edit(
        "topology.clab.yml",
        "  defaults:\n    image-pull-policy: never\n    labels:\n      labctl.lab: whitepaper\n",
        "",
    )
    edit("kind/cluster.yaml", "podSubnet: 10.244.0.0/16,2001:db8:42::/56", "podSubnet:")
    found = load_folder(folder)
    assert (found.topology.pulled, found.cluster.pod_subnets) == (True, ())


def test_a_missing_cluster_file(folder: Path) -> None:
    (folder / "kind" / "cluster.yaml").unlink()
    (problem,) = problems(folder)
    assert (problem.code, str(problem.place)) == ("unreadable", "kind/cluster.yaml")


def test_all_problems_at_once(folder: Path, edit: Edit) -> None:
    edit("topology.clab.yml", "kind: linux", "kind: bridge")
    edit("topology.clab.yml", "spine1:Ethernet1/1", "spine9:Ethernet1/1")
    (folder / "kind" / "cluster.yaml").unlink()
    assert {problem.code for problem in problems(folder)} == {"cannot-do", "structure", "unreadable"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("topology.clab.yml", "topology: []\n"),
        ("topology.clab.yml", "topology: {nodes: {a: 5}}\n"),
        ("topology.clab.yml", "topology: {nodes: {a: {kind: [x]}}}\n"),
        ("topology.clab.yml", "topology: {nodes: {a: {kind: linux, env: 5}}}\n"),
        ("topology.clab.yml", "topology: {groups: {g: []}, nodes: {a: {kind: linux}}}\n"),
        ("topology.clab.yml", "topology: {kinds: {linux: {env: [x]}}, nodes: {a: {kind: linux}}}\n"),
        ("topology.clab.yml", "topology: {nodes: {a: {kind: linux}}, links: 5}\n"),
        ("topology.clab.yml", "topology: {defaults: 5, kinds: 6, nodes: {a: {kind: linux}}}\n"),
        ("topology.clab.yml", "mgmt: 7\ntopology: {nodes: {a: {kind: linux}}}\n"),
        ("kind/cluster.yaml", "networking: 5\nnodes: 6\n"),
        ("kind/cluster.yaml", "nodes: [5]\n"),
        ("kind/cluster.yaml", "nodes: [{kubeadmConfigPatches: 5}]\n"),
        ("kind/cluster.yaml", "nodes: [{kubeadmConfigPatches: [5]}]\n"),
        ("lab.json", '{"schema": "labctl.lab/v2", "nodes": 5}'),
        ("lab.json", '{"schema": "labctl.lab/v2", "nodes": {"a": 5}, "links": [5, ["a:b"], ["a:b", 7]]}'),
    ],
)
def test_nonsense_is_refused_not_a_traceback(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    assert problems(folder)
