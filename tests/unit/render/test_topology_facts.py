"""``topology.clab.yml`` against what containerlab was seen to need, and its kinds' documentation."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from labctl.design.design import Target
from labctl.design.plan import design
from labctl.render.folder import render_folder
from labctl.spec.load import loads

PAPER = (Path(__file__).parents[3] / "topologies" / "whitepaper.yaml").read_text(encoding="utf-8")
LARGE = "name: aa\nfabric: {spines: 4, leaf_pairs: 3, borders: 2, peer_link: physical}\ncluster: {nodes: 9}\n"
TARGETS = [Target(*pair) for pair in product(("n9kv", "standin"), ("kind", "standin"))]
CASES = [(text, target) for text in (PAPER, LARGE) for target in TARGETS]


@cache
def rendered(text: str, target: Target) -> dict[str, str]:
    return render_folder(design(loads("lab.yaml", text, target=(target.switch, target.cluster)), target))


def older(target: Target, containerlab: str = "0.79") -> Target:
    return Target(target.switch, target.cluster, containerlab)


@cache
def topology(text: str, target: Target) -> Any:
    return yaml.load(rendered(text, target)["topology.clab.yml"], yaml.CSafeLoader)


@pytest.mark.parametrize(("text", "target"), CASES)
def test_management_network_has_an_mtu_and_is_the_labs_own(text: str, target: Target) -> None:
    """A network that is not called clab gets MTU 0 without one."""
    lab = topology(text, target)
    assert lab["mgmt"]["mtu"] == 1500
    assert lab["mgmt"]["network"] == f"{lab['name']}-mgmt"


@pytest.mark.parametrize(("text", "target"), CASES)
def test_every_switch_and_host_has_its_own_static_address(text: str, target: Target) -> None:
    nodes = topology(text, target)["topology"]["nodes"]
    fixed = [node["mgmt-ipv4"] for node in nodes.values() if node["kind"] in {"cisco_n9kv", "linux"}]
    assert len(set(fixed)) == len(fixed) > 0
    # kind's containers are not on the management network; an address there would be refused
    assert all("mgmt-ipv4" not in node for node in nodes.values() if node["kind"] in {"k8s-kind", "ext-container"})


@pytest.mark.parametrize(("text", "target"), CASES)
def test_the_cluster_is_not_waited_for_and_its_containers_wait_for_it(text: str, target: Target) -> None:
    """wait: nodes never get ready before Calico. wait-for: without it the deployment dead-locks on two processors."""
    lab = topology(text, target)
    nodes = lab["topology"]["nodes"]
    cluster = nodes[lab["name"]]
    assert cluster["kind"] == "k8s-kind"
    assert {key: cluster[key] for key in ("wait", "kubeconfig")} == {"wait": "0s", "kubeconfig": "kubeconfig"}
    assert "extras" not in cluster
    assert cluster["startup-config"] == "kind/cluster.yaml"
    containers = {name: node for name, node in nodes.items() if node["kind"] == "ext-container"}
    assert containers
    for node in containers.values():
        assert node["stages"] == {"create": {"wait-for": [{"node": lab["name"], "stage": "create"}]}}
        assert set(node) == {"kind", "stages"}  # binds and env of an ext-container do nothing


@pytest.mark.parametrize(("text", "target"), CASES)
def test_containers_are_called_as_kind_will_call_them(text: str, target: Target) -> None:
    """kind: NAME-control-plane, NAME-worker, NAME-worker2, in the order of its file."""
    files = rendered(text, target)
    lab = yaml.safe_load(files["topology.clab.yml"])
    roles = [node["role"] for node in yaml.safe_load(files["kind/cluster.yaml"])["nodes"]]
    names, workers = [], 0
    for role in roles:
        workers += role == "worker"
        suffix = "control-plane" if role == "control-plane" else f"worker{workers if workers > 1 else ''}"
        names.append(f"{lab['name']}-{suffix}")
    assert [name for name, node in lab["topology"]["nodes"].items() if node["kind"] == "ext-container"] == names


@pytest.mark.parametrize(("text", "target"), CASES)
def test_names_ports_and_links_are_what_the_kinds_take(text: str, target: Target) -> None:
    lab = topology(text, target)
    nodes, ends = lab["topology"]["nodes"], []
    assert all(len(name) >= 2 for name in nodes)
    for link in lab["topology"]["links"]:
        for end in link["endpoints"]:
            name, _, interface = end.partition(":")
            switch = nodes[name]["kind"] == "cisco_n9kv"
            assert re.fullmatch(r"Ethernet1/[1-9]\d*" if switch else r"eth[12]", interface), end
            ends.append(end)
    assert len(ends) == len(set(ends))
    for name, node in nodes.items():
        if node["kind"] == "cisco_n9kv":  # CLAB_INTFS counts links: no gaps
            numbers = sorted(int(end.rpartition("/")[2]) for end in ends if end.startswith(f"{name}:"))
            assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize(("text", "target"), CASES)
def test_switches_get_their_configuration_by_push_and_the_real_ones_what_vrnetlab_needs(
    text: str, target: Target
) -> None:
    """A long startup-config is where 9000v labs fail; the vPC keepalive over mgmt0 needs the pass-through."""
    body = topology(text, target)["topology"]
    kind = body["kinds"]["cisco_n9kv"]
    switches = [node for node in body["nodes"].values() if node["kind"] == "cisco_n9kv"]
    assert all("startup-config" not in part and "exec" not in part for part in (kind, *switches))
    if target.switch == "n9kv":
        assert kind["env"] == {"CLAB_MGMT_PASSTHROUGH": "true", "QEMU_MEMORY": "8192", "QEMU_SMP": "4"}
    else:
        assert "env" not in kind
    ends = [end.partition(":")[0] for link in body["links"] for end in link["endpoints"]]
    for name, node in body["nodes"].items():
        if node["kind"] == "cisco_n9kv":  # the image waits for as many; not every containerlab says how many there are
            assert node["env"]["CLAB_INTFS"] == str(ends.count(name))


SUBSTITUTE = Path(__file__).parents[2] / "integration" / "substitute_containerlab.py"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("written_for", "read_by", "refusal"),
    [
        ("0.81", "0.81.0", ""), ("0.81", "0.83.1", ""), ("0.79", "0.79.0", ""), ("0.80.1", "0.80.1", ""),
        ("0.81", "0.80.1", "field wait not found"), ("0.79", "0.81.0", "extras is removed"),
    ],
)  # fmt: skip
def test_the_containerlab_of_the_target_takes_it_and_another_does_not(
    target: Target, written_for: str, read_by: str, refusal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.81 removed ``extras``; what stood there is on the node of the cluster (release notes 0.81)."""
    (tmp_path / "topology.clab.yml").write_text(rendered(LARGE, older(target, written_for))["topology.clab.yml"])
    monkeypatch.setenv("SUBSTITUTE_CONTAINERLAB_VERSION", read_by)
    substitute: Any = runpy.run_path(str(SUBSTITUTE))
    said = ""
    try:
        substitute["Lab"](tmp_path / "topology.clab.yml")
    except SystemExit as ended:
        said = str(ended)
    assert bool(said) is bool(refusal), said
    assert refusal in said


def test_what_an_older_containerlab_reads_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    files = rendered("name: aa\ncluster: {nodes: 2}\n", older(Target()))
    golden("render/containerlab-0.79.topology.clab.yml", files["topology.clab.yml"])
    assert "| containerlab 0.78.2 to 0.80 |" in files["README.md"]
    assert '"containerlab": "0.79"' in files["lab.json"]


@pytest.mark.parametrize(("text", "target"), CASES)
def test_what_is_secret_or_this_hosts_affair_comes_from_the_environment(text: str, target: Target) -> None:
    """containerlab's expansion (hellt/envsubst): ``${NAME:=default}``; quoted, since a value may look like a number."""
    body = topology(text, target)["topology"]
    assert body["kinds"]["cisco_n9kv"]["credentials"] == {
        "username": "${LABCTL_SWITCH_USERNAME:=admin}", "password": "${LABCTL_SWITCH_PASSWORD:=admin}",
    }  # fmt: skip
    raw = rendered(text, target)["topology.clab.yml"]
    expanded = re.findall(r"\S*\$\S*", raw)
    assert all(re.fullmatch(r"'\$\{LABCTL_[A-Z0-9_]+:=[a-z0-9]+\}'", word) for word in expanded)
    assert "startup-delay" not in raw
    delays = {
        name: node["env"]["BOOT_DELAY"]
        for name, node in body["nodes"].items()
        if target.switch == "n9kv" and node["kind"] == "cisco_n9kv"
    }
    assert all(value == f"${{LABCTL_BOOT_DELAY_{name.upper()}:=0}}" for name, value in delays.items())
    assert len(expanded) == 2 + len(delays)
    assert raw.lower().count("password") == 2  # the key and the name of its variable


@pytest.mark.parametrize(("text", "target"), CASES)
def test_what_is_made_carries_the_labs_label_and_nothing_is_pulled_unasked(text: str, target: Target) -> None:
    lab = topology(text, target)
    assert lab["topology"]["defaults"] == {"image-pull-policy": "never", "labels": {"labctl.lab": lab["name"]}}


@pytest.mark.parametrize(("text", "target"), CASES)
def test_no_file_of_the_folder_depends_on_where_it_lies(text: str, target: Target) -> None:
    for path, content in rendered(text, target).items():
        assert str(Path.home()) + "/" not in content or Path.home() == Path("/"), path
        assert str(Path(__file__).parents[3]) not in content, path


@pytest.mark.parametrize("target", [target for target in TARGETS if target.cluster == "kind"])
def test_kinds_file_is_as_designed(target: Target) -> None:
    config = yaml.safe_load(rendered(PAPER, target)["kind/cluster.yaml"])
    assert config["networking"] == {
        "disableDefaultCNI": True, "ipFamily": "dual", "podSubnet": "10.244.0.0/16,2001:db8:42::/56",
        "serviceSubnet": "10.96.0.0/16,2001:db8:42:1::/112", "kubeProxyMode": "iptables",
    }  # fmt: skip
    patches = [yaml.safe_load(node["kubeadmConfigPatches"][0]) for node in config["nodes"]]
    assert [(patch["kind"], patch["nodeRegistration"]["name"]) for patch in patches] == [
        ("InitConfiguration", "master"), ("JoinConfiguration", "node01"), ("JoinConfiguration", "node02"),
    ]  # fmt: skip
    assert all("apiVersion" not in patch for patch in patches)  # kind fills in that of its Kubernetes


def test_a_lab_of_one_family_is_one_for_kind_too() -> None:
    text = "name: lab\nfabric: {vrfs: [{networks: [{gateway: 192.168.7.1/24}]}]}\n"
    files = rendered(text, Target("n9kv", "kind"))
    config = yaml.safe_load(files["kind/cluster.yaml"])["networking"]
    assert (config["ipFamily"], config["podSubnet"], config["serviceSubnet"]) == (
        "ipv4", "10.244.0.0/16", "10.96.0.0/16",
    )  # fmt: skip
    assert 'assign_ipv6": "false' in files["calico/patch.yaml"]
    assert "2001:" not in files["calico/ippools.yaml"] + files["calico/bgppeers.yaml"]
