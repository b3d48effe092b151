"""Other people's loaders read what labctl renders: kind's own, and containerlab's where it can run.

kind comes with ``scripts/install --tests``; containerlab is taken where there is one, and said to be missing elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from labctl.cli.hosts import ContainerlabHost
from labctl.design.design import Target
from labctl.design.plan import design
from labctl.peers import WRITTEN_FOR
from labctl.render.folder import render_folder, write_folder
from labctl.spec.load import loads
from tests.tools import tool

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "topologies" / "whitepaper.yaml").read_text(encoding="utf-8")
MINIMAL = (ROOT / "topologies" / "minimal.yaml").read_text(encoding="utf-8")
FABRIC = "name: bare\nfabric: {borders: 1}\ncluster: none\n"
IPV4 = "name: four\nfabric: {vrfs: [{networks: [{gateway: 192.168.1.1/24}]}]}\ncluster: {nodes: 2}\n"
LATE = "name: late\ncluster: {nodes: [{name: w1}, {name: w2}, {name: cp, role: control-plane}]}\n"
SPECS = {"whitepaper": PAPER, "minimal": MINIMAL, "four": IPV4, "late": LATE}
REAL = Target("n9kv", "kind", ContainerlabHost().topology_reader() or WRITTEN_FOR)


def rendered(text: str, path: Path) -> Path:
    spec = loads("lab.yaml", text, target=(REAL.switch, REAL.cluster))
    write_folder(render_folder(design(spec, REAL)), path)
    return path


@dataclass(frozen=True)
class Kind:
    """The kind command, with the scripted docker as its only docker."""

    executable: str
    home: Path
    environment: dict[str, str]

    def create(self, name: str, config: Path) -> str:
        """What it says. It always fails: at the latest where kubeadm would run."""
        done = subprocess.run(
            [self.executable, "create", "cluster", "--name", name, "--config", config, "--retain", "--wait", "0s"],
            env=self.environment, text=True, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode != 0
        return done.stderr

    @property
    def calls(self) -> list[list[str]]:
        written = self.home / "calls.jsonl"
        return [json.loads(line) for line in written.read_text().splitlines()] if written.exists() else []

    def kubeadm(self, container: str) -> dict[str, dict[str, Any]]:
        """What kind made of the node's configuration, by kind of document."""
        text = (self.home / f"{container}.kubeadm.conf").read_text()
        return {document["kind"]: document for document in yaml.safe_load_all(text) if "kind" in document}


@pytest.fixture
def kind(tmp_path: Path) -> Kind:
    home, tools = tmp_path / "docker", tmp_path / "bin"
    home.mkdir()
    tools.mkdir()
    script = (Path(__file__).parent / "scripted_docker.py").read_text()
    docker = tools / "docker"
    docker.write_text(f"#!{sys.executable} -IS\n{script}")
    docker.chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    environment = {
        "PATH": path, "HOME": str(tmp_path), "SCRIPTED_DOCKER": str(home), "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "KIND_EXPERIMENTAL_PROVIDER": "docker",
    }  # fmt: skip
    return Kind(tool("kind"), home, environment)


@pytest.mark.parametrize("name", SPECS)
def test_kind_takes_the_cluster_and_gives_each_node_its_name(kind: Kind, name: str, tmp_path: Path) -> None:
    folder = rendered(SPECS[name], tmp_path / "lab")
    said = kind.create(name, folder / "kind" / "cluster.yaml")
    # configuration read, nodes made, kubeadm's configuration written: only kubeadm itself is missing
    assert "scripted docker: no kubeadm here" in said, said
    assert kind.calls[-1][3:5] == ["kubeadm", "init"]
    nodes = json.loads((folder / "lab.json").read_text())["nodes"]
    for node, row in nodes.items():
        if row["kind"] != "kube-node":
            continue
        made = kind.kubeadm(row["topology"])
        first = row["role"] == "control-plane"
        assert made["InitConfiguration" if first else "JoinConfiguration"]["nodeRegistration"]["name"] == node
        assert made["KubeProxyConfiguration"]["mode"] == "iptables"


def test_kind_makes_of_the_papers_ranges_a_dual_stack_cluster(kind: Kind, tmp_path: Path) -> None:
    folder = rendered(PAPER, tmp_path / "lab")
    kind.create("whitepaper", folder / "kind" / "cluster.yaml")
    control = "whitepaper-control-plane"
    text = (kind.home / f"{control}.kubeadm.conf").read_text()
    networking = next(d["networking"] for d in yaml.safe_load_all(text) if "networking" in d)
    assert networking["podSubnet"] == "10.244.0.0/16,2001:db8:42::/56"
    assert networking["serviceSubnet"] == "10.96.0.0/16,2001:db8:42:1::/112"
    assert kind.kubeadm(control)["InitConfiguration"]["nodeRegistration"]["kubeletExtraArgs"]["node-ip"].count(",") == 1


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        ("role: worker", "role: wrker", '"wrker" is not a valid node role'),
        ("kubeProxyMode: iptables", "kubeProxyMode: iptable", "invalid kubeProxyMode: iptable"),
        ("ipFamily: dual", "ipFamily: ipv4", "only one CIDR allowed for single-stack networking"),
        ("v1alpha4", "v1alpha9", "unknown apiVersion: kind.x-k8s.io/v1alpha9"),
        ("networking:", "networkin:", "field networkin not found"),
    ],
)
def test_kind_refuses_a_broken_one_before_it_makes_anything(
    kind: Kind, good: str, bad: str, reason: str, tmp_path: Path
) -> None:
    config = rendered(PAPER, tmp_path / "lab") / "kind" / "cluster.yaml"
    text = config.read_text()
    assert good in text
    config.write_text(text.replace(good, bad))
    assert reason in kind.create("whitepaper", config)
    assert not [call for call in kind.calls if call[0] in {"run", "exec"}]


def test_a_patch_for_another_kind_of_document_is_dropped_in_silence(kind: Kind, tmp_path: Path) -> None:
    """Why a lab's Node names are compared after creation: kind does not say that a name did not arrive."""
    config = rendered(PAPER, tmp_path / "lab") / "kind" / "cluster.yaml"
    config.write_text(config.read_text().replace("kind: JoinConfiguration", "kind: JoinConfig"))
    assert "no kubeadm here" in kind.create("whitepaper", config)
    assert "name" not in kind.kubeadm("whitepaper-worker")["JoinConfiguration"]["nodeRegistration"]


@pytest.fixture
def containerlab() -> str:
    """The command; `validate` (containerlab.dev/cmd/validate) asks the Docker API which images there are."""
    executable = shutil.which("containerlab")
    if executable is None:
        pytest.skip("NOT TESTED with containerlab's own loader: there is no containerlab on PATH")
    if subprocess.run([executable, "validate", "--help"], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED with containerlab's own loader: this containerlab is older than its command validate")
    docker = shutil.which("docker")
    server = [docker or "docker", "version", "--format", "{{.Server.Version}}"]
    if docker is None or subprocess.run(server, capture_output=True, check=False, timeout=30).returncode:
        pytest.skip("NOT TESTED with containerlab's own loader: containerlab is here, but no Docker API answers")
    return executable


def validated(containerlab: str, topology: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [containerlab, "validate", "-t", topology],
        env={**os.environ, "CLAB_VERSION_CHECK": "disable"}, cwd=topology.parent,
        text=True, capture_output=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("text", [PAPER, MINIMAL, FABRIC], ids=["whitepaper", "minimal", "fabric"])
def test_containerlab_takes_the_topology(containerlab: str, text: str, tmp_path: Path) -> None:
    done = validated(containerlab, rendered(text, tmp_path / "lab") / "topology.clab.yml")
    assert done.returncode == 0, done.stderr + done.stdout


def test_containerlab_refuses_a_port_that_a_9000v_does_not_have(containerlab: str, tmp_path: Path) -> None:
    topology = rendered(PAPER, tmp_path / "lab") / "topology.clab.yml"
    topology.write_text(topology.read_text().replace("leaf2101:Ethernet1/1\n", "leaf2101:Ethernet2/1\n"))
    assert validated(containerlab, topology).returncode != 0
