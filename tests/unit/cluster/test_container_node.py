"""A stand-in node in a container: what it reads of kind's kubeadm file, what it writes, what it starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from labctl.errors import InconclusiveError, LabError
from labctl.standin.cluster.container import kubeadm, start
from labctl.standin.cluster.container.config import BadKubeadmConfig, KubeadmConfig, read_config
from labctl.standin.cluster.container.record import NodeRecord
from labctl.standin.cluster.controlplane.pki import Authority
from labctl.standin.cluster.controlplane.probe import Probe
from labctl.standin.process import ProcessSpec
from labctl.waiting import Deadline

KUBEADM = """\
apiServer: {certSANs: [localhost, 127.0.0.1]}
apiVersion: kubeadm.k8s.io/v1beta3
clusterName: demo
controlPlaneEndpoint: demo-control-plane:6443
kind: ClusterConfiguration
networking: {podSubnet: "2001:db8:42::/56,10.244.0.0/16", serviceSubnet: 10.96.0.0/16}
---
apiVersion: kubeadm.k8s.io/v1beta3
bootstrapTokens: [{token: abcdef.0123456789abcdef}]
kind: InitConfiguration
nodeRegistration:
  kubeletExtraArgs: {node-ip: "172.18.0.2,fc00::2"}
  name: master
---
apiVersion: kubeadm.k8s.io/v1beta3
discovery:
  bootstrapToken: {apiServerEndpoint: "demo-control-plane:6443", token: abcdef.0123456789abcdef}
kind: JoinConfiguration
nodeRegistration:
  kubeletExtraArgs:
  - {name: node-ip, value: "fc00::3,172.18.0.3"}
"""
"""As kind writes it: one file with the documents for both verbs; extra arguments as in v1beta3, then as in v1beta4."""


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kubeadm.conf"
    path.write_text(KUBEADM)
    return path


def test_init_takes_its_own_documents(file: Path) -> None:
    assert read_config(file, "init", "demo-control-plane") == KubeadmConfig(
        "master", ("172.18.0.2", "fc00::2"), "demo", "demo-control-plane:6443", "abcdef.0123456789abcdef",
        ("10.244.0.0/16", "2001:db8:42::/56"), ("10.96.0.0/16",), ("localhost", "127.0.0.1"),
    )  # fmt: skip


def test_join_is_named_after_its_host_when_nobody_says_more(file: Path) -> None:
    config = read_config(file, "join", "demo-worker")
    assert (config.name, config.addresses) == ("demo-worker", ("172.18.0.3", "fc00::3"))
    assert config.endpoint == "demo-control-plane:6443"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: InitConfiguration\n", "lacks an API server endpoint, a bootstrap token, node-ip"),
        ("{", "kubeadm.conf: "),
        ("a: 1\n", "kubeadm.conf: 'kind'"),
    ],
)
def test_a_file_that_says_too_little(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "kubeadm.conf"
    path.write_text(text)
    with pytest.raises(BadKubeadmConfig) as caught:
        read_config(path, "init", "x")
    assert words in caught.value.message


def test_the_record_is_private_and_comes_back(tmp_path: Path) -> None:
    probe = Probe("etcd", 2379, "/health", "ca", "crt", "key")
    specs = (
        ProcessSpec("etcd", ("etcd", "--x"), tmp_path / "etcd.log", {"GOGC": "40"}, ready=probe),
        ProcessSpec("api", ("api",), tmp_path / "api.log", after=("etcd",)),
    )
    written = NodeRecord("master", True, "https://demo:6443", ("10.244.0.0/16",), specs)
    written.write(tmp_path / "etc" / "node.json")
    assert NodeRecord.read(tmp_path / "etc" / "node.json") == written
    assert mode(tmp_path / "etc" / "node.json") == 0o600


def test_init_makes_what_kind_looks_for(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = tmp_path / "version"
    version.write_text("v1.34.3\n")
    monkeypatch.setattr(kubeadm, "KUBERNETES", tmp_path / "kubernetes")
    monkeypatch.setattr(kubeadm, "VERSION", version)
    made = kubeadm.init(read_config(file, "init", "demo-control-plane"))
    assert (made.name, made.control_plane, made.server) == ("master", True, "https://demo-control-plane:6443")
    api = next(spec for spec in made.processes if spec.name == "kube-apiserver")
    assert {"--bind-address=0.0.0.0", "--secure-port=6443", "--advertise-address=172.18.0.2"} <= set(api.argv)
    assert "--kubelet-preferred-address-types=InternalIP" in api.argv
    assert "abcdef.0123456789abcdef" not in str(made.processes)
    assert "server: https://demo-control-plane:6443\n" in (tmp_path / "kubernetes" / "admin.conf").read_text()
    pki = tmp_path / "kubernetes" / "pki"
    assert {mode(path) for path in pki.iterdir()} == {0o600}
    assert {"ca.crt", "ca.key", "kubelet.crt", "calico-node.key"} <= {path.name for path in pki.iterdir()}


def test_processes_start_in_turn_and_a_dead_one_says_why(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "test")
    pair = authority.issue("client", "client")
    probe = Probe("second", 1, "/", str(authority.certificate), str(pair.certificate), str(pair.key))
    first = ProcessSpec("first", ("true",), tmp_path / "first.log")
    words = ("sh", "-c", "echo no disk >&2; exit 3")
    dying = ProcessSpec("second", words, tmp_path / "second.log", ready=probe)
    with pytest.raises(LabError, match="second ended with code 3: no disk") as caught:
        start.start_processes([first, dying], Deadline(20.0))
    assert not isinstance(caught.value, InconclusiveError)


def test_the_name_of_the_api_server_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1\tlocalhost\n")
    monkeypatch.setattr(socket, "gethostbyname", {"demo-control-plane": "172.18.0.2"}.__getitem__)
    for _ in range(2):
        start.keep_name("https://demo-control-plane:6443", hosts)
    assert hosts.read_text() == "127.0.0.1\tlocalhost\n172.18.0.2\tdemo-control-plane\n"


def test_kubeadm_says_why_it_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kubeadm.main(["init", "--config", str(tmp_path / "none"), "--skip-token-print", "--v=6"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
