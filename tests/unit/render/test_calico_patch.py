"""Our patch on Calico's manifest: kustomize takes it, and what comes out is an object that an API server takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from labctl.cache import cache_dir
from labctl.design.design import Target
from labctl.design.plan import design
from labctl.render.folder import render_folder, write_folder
from labctl.spec.load import loads
from labctl.standin.cluster.controlplane.binaries import find_binaries

# Those parts of projectcalico/calico, manifests/calico.yaml that the patch touches.
MANIFEST = """\
kind: ConfigMap
apiVersion: v1
metadata: {name: calico-config, namespace: kube-system}
data:
  calico_backend: bird
  veth_mtu: "0"
  cni_network_config: "{}"
---
kind: DaemonSet
apiVersion: apps/v1
metadata: {name: calico-node, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: calico-node}}
  template:
    metadata: {labels: {k8s-app: calico-node}}
    spec:
      containers:
        - name: calico-node
          image: calico-node
          env:
            - {name: IP, value: autodetect}
            - name: FELIX_IPINIPMTU
              valueFrom: {configMapKeyRef: {name: calico-config, key: veth_mtu}}
            - {name: FELIX_IPV6SUPPORT, value: "false"}
"""


def files(text: str = "name: lab\n") -> dict[str, str]:
    target = Target("n9kv", "kind")
    return render_folder(design(loads("lab.yaml", text, target=(target.switch, target.cluster)), target))


def by_kind(text: str) -> dict[str, Any]:
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def variables(daemon_set: Any) -> dict[str, dict[str, Any]]:
    container = daemon_set["spec"]["template"]["spec"]["containers"][0]
    return {row["name"]: row for row in container["env"]}


def test_no_variable_gets_a_value_that_has_a_source_in_the_manifest() -> None:
    """An entry with both is refused by every API server."""
    ours = variables(by_kind(files()["calico/patch.yaml"])["DaemonSet"])
    theirs = variables(by_kind(MANIFEST)["DaemonSet"])
    assert [name for name in ours if "valueFrom" in theirs.get(name, {})] == []


@pytest.mark.parametrize(
    ("gateway", "assign6"), [("192.168.1.1/24", "false"), ('["192.168.1.1/24", "fd00::1/64"]', "true")]
)
def test_pods_get_addresses_of_each_family_that_has_a_pool(gateway: str, assign6: str) -> None:
    """The manifest's own configuration gives them IPv4 alone (white paper: Figure 5)."""
    text = f"name: lab\nfabric: {{vrfs: [{{networks: [{{gateway: {gateway}}}]}}]}}\n"
    data = by_kind(files(text)["calico/patch.yaml"])["ConfigMap"]["data"]
    config = json.loads(re.sub(r"__CNI_MTU__", "1480", data["cni_network_config"]))
    assert [plugin["type"] for plugin in config["plugins"]] == ["calico", "portmap"]
    assert config["plugins"][0]["ipam"] == {"type": "calico-ipam", "assign_ipv4": "true", "assign_ipv6": assign6}


def test_routes_of_pools_are_a_setting_of_bgp_and_felix_alone() -> None:
    spec = loads("lab.yaml", "name: lab\ncluster: {calico: {version: 3.33.0}}\n")
    text = render_folder(design(spec, Target()))["calico/standin/crds.yaml"]
    having = [crd["spec"]["names"]["kind"] for crd in yaml.safe_load_all(text) if "programClusterRoutes" in str(crd)]
    assert having == ["BGPConfiguration", "FelixConfiguration"]


def test_kustomize_lays_it_over_the_manifest(tmp_path: Path) -> None:
    found = find_binaries(cache_dir())
    kubectl = str(found.path("kubectl")) if found else shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("NOT TESTED with kustomize: no kubectl on PATH, and none brought yet by labctl setup build")
    write_folder(files(), tmp_path)
    (tmp_path / "calico" / "calico.yaml").write_text(MANIFEST)
    command = [kubectl, "kustomize", str(tmp_path / "calico")]
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    merged = by_kind(done.stdout)
    env = variables(merged["DaemonSet"])
    assert all(("value" in row) != ("valueFrom" in row) for row in env.values())
    assert env["IP_AUTODETECTION_METHOD"]["value"] == "interface=^bond0$"
    assert env["FELIX_IPV6SUPPORT"]["value"] == "true"
    assert merged["ConfigMap"]["data"]["veth_mtu"] == "1480"
    assert merged["ConfigMap"]["data"]["calico_backend"] == "bird"
