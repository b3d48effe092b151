"""Reading an artifact folder: what is not understood is refused, with a place; what was edited is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.errors import Problem, SpecError
from labctl.folder import load_folder
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
    assert found.topology.interfaces("whitepaper-worker") == ("eth1", "eth2")
    assert found.topology.nodes["leaf2101"].mgmt_ipv4 == "172.20.20.13"
    assert found.cluster is not None
    assert found.cluster.node_names == ("master", "node01", "node02")
    assert found.cluster.pod_subnets == ("10.244.0.0/16", "2001:db8:42::/56")
    assert found.edited == ()


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
    assert topology.nodes["spine1"].image == "g/old:1"
    assert topology.nodes["spine1"].env == {"A": "group", "K": "true", "G": "1", "N": "", "CLAB_INTFS": "3"}
    assert topology.nodes["spine2"].image == "n/own:2"
    assert topology.nodes["leaf2101"].image == "labctl/n9kv-standin:latest"
    assert topology.nodes["leaf2101"].env == {"A": "kind", "K": "true", "CLAB_INTFS": "5"}
    assert topology.nodes["ext1"].image == "labctl/host:latest"


def test_edited_and_missing_files_are_named_not_refused(folder: Path, edit: Edit) -> None:
    edit("nxos/leaf2101.cfg", "mtu 9216", "mtu 9000")
    (folder / "k8s" / "nginx.yaml").unlink()
    assert sorted(load_folder(folder).edited) == ["k8s/nginx.yaml", "nxos/leaf2101.cfg"]


def test_a_folder_without_lab_json(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path)
    assert problem.code == "no-folder"
    assert problem.hint == "labctl generate SPEC -o DIR makes one"


def test_another_schema(edit: Edit, folder: Path) -> None:
    edit("lab.json", "labctl.lab/v1", "labctl.lab/v9")
    (problem,) = problems(folder)
    assert problem.code == "wrong-schema"
    assert "labctl.lab/v9" in problem.message


def test_broken_json_has_a_place(edit: Edit, folder: Path) -> None:
    edit("lab.json", '"name": "whitepaper",', '"name": whitepaper,')
    (problem,) = problems(folder)
    assert (problem.code, str(problem.place)) == ("json-syntax", "lab.json:3:11")


@pytest.mark.parametrize("text", ["[]", "3", "null", '"lab"'])
def test_json_that_is_no_mapping(folder: Path, text: str) -> None:
    (folder / "lab.json").write_text(text)
    assert len(problems(folder)) == 1


@pytest.mark.parametrize("key", ["name", "target", "mode", "versions", "nodes", "scenarios", "deadlines", "files"])
def test_lab_json_lacks_a_key(folder: Path, key: str) -> None:
    data = json.loads((folder / "lab.json").read_text())
    del data[key]
    (folder / "lab.json").write_text(json.dumps(data))
    (problem,) = problems(folder)
    assert (problem.code, key in problem.message) == ("missing-key", True)


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("kind: cisco_n9kv", "kind: arista_ceos", "cannot-do", "this runtime cannot do kind arista_ceos"),
        ("mgmt-ipv4: 172.20.20.11", "network-mode: host", "cannot-do", "this runtime cannot do network-mode of a node"),
        ("spine1:Ethernet1/1", "spine9:Ethernet1/1", "no-such-node", "there is no node spine9"),
        ("spine1:Ethernet1/2", "spine1:Ethernet1/1", "interface-twice", "spine1:Ethernet1/1 is in link"),
        ("leaf2101:Ethernet1/1", "leaf2101", "bad-link", "leaf2101 is no interface of a box"),
        ("leaf2101:Ethernet1/1", "whitepaper:eth5", "bad-link", "whitepaper:eth5 is no interface of a box"),
        ("      cmd: sleep infinity", "      pid: host", "cannot-do", "this runtime cannot do pid of a node"),
        ("    image-pull-policy: never", "    cpu-set: 1", "cannot-do", "this runtime cannot do cpu-set of a node"),
        ("topology:\n", "topologie:\n", "missing-key", "topology.nodes is missing"),
        ("    leaf2102:\n", "    leaf2103:\n", "no-such-node", "leaf2102"),
    ],
)
def test_a_topology_that_cannot_be_done(folder: Path, edit: Edit, old: str, new: str, code: str, message: str) -> None:
    edit("topology.clab.yml", old, new)
    found = [problem for problem in problems(folder) if problem.code == code]
    assert found
    assert message in found[0].message
    assert found[0].place is not None


def test_links_of_the_long_form(folder: Path, edit: Edit) -> None:
    text = (folder / "topology.clab.yml").read_text()
    edit("topology.clab.yml", "- spine1:Ethernet1/1\n", "- {node: spine1, interface: Ethernet1/1}\n")
    assert ("spine1", "Ethernet1/1") in {end for link in load_folder(folder).topology.links for end in link}
    assert text != (folder / "topology.clab.yml").read_text()


def test_a_link_with_one_end_and_one_of_another_type(folder: Path) -> None:
    path = folder / "topology.clab.yml"
    path.write_text(
        path.read_text() + "  - endpoints: [ext1:eth7]\n  - {type: vxlan, endpoints: [ext1:eth8, ext1:eth9]}\n"
    )
    assert [problem.code for problem in problems(folder)] == ["bad-link", "cannot-do"]


def test_a_cluster_node_without_a_name(folder: Path, edit: Edit) -> None:
    edit("kind/cluster.yaml", "nodeRegistration", "nodeRegistratoin")
    assert {problem.code for problem in problems(folder)} == {"bad-patch", "no-node-name"}


def test_a_missing_cluster_file(folder: Path) -> None:
    (folder / "kind" / "cluster.yaml").unlink()
    (problem,) = problems(folder)
    assert (problem.code, str(problem.place)) == ("unreadable", "kind/cluster.yaml")


def test_all_problems_at_once(folder: Path, edit: Edit) -> None:
    edit("topology.clab.yml", "kind: linux", "kind: bridge")
    edit("topology.clab.yml", "spine1:Ethernet1/1", "spine9:Ethernet1/1")
    (folder / "kind" / "cluster.yaml").unlink()
    assert {problem.code for problem in problems(folder)} == {"cannot-do", "no-such-node", "unreadable"}


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
        ("lab.json", '{"schema": "labctl.lab/v1", "nodes": 5}'),
    ],
)
def test_nonsense_is_refused_not_a_traceback(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    assert problems(folder)
