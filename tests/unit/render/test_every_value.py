"""Every value of the case study can be said, and what is said is in the artifacts: an uncommon value for each key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from labctl.design.design import Target
from labctl.design.plan import design
from labctl.render.folder import render_folder
from labctl.spec.keys import Spec
from labctl.spec.load import load

SPEC = """\
name: uncommon
management: 10.99.0.0/24
target: {switch: n9kv, cluster: kind}
images: {switch: "my/n9kv:1", spine: "my/spine:4.lite", border: "my/edge:5", leaf: "my/leaf:6", node: "my/node:2",
  host: "my/host:3", pull: always}
fabric:
  asn: 64601
  nxos: 10.4(5)M
  anycast_mac: 0011.2233.4455
  peer_link: physical
  spines: [core1, core2]
  leaf_pairs:
    - {leafs: [rackA1, rackA2]}
    - {leafs: [rackB1, rackB2], peer_link: fabric}
  borders: [edge1]
  addresses:
    core1: {loopback0: 10.50.0.1}
    rackA1: {loopback0: 10.50.0.11, vtep: 10.51.0.11, vip: 10.51.0.99}
  vrfs:
    - name: blue
      vni: 77001
      vlan: 1777
      networks:
        - {name: servers, vlan: 1234, vni: 55001, gateway: [172.31.5.1/24, "fd05::1/64"]}
      peering_loopbacks:
        rackA1: [10.60.0.1, "fd60::1"]
        rackA2: [10.60.0.2, "fd60::2"]
cluster:
  asn: 4200000001
  mode: ipip
  mtu: 1450
  kubernetes: 1.34.0
  services: [10.70.0.0/20, "fd70::/112"]
  calico:
    version: 3.30.2
    external_ips: [198.51.100.0/25]
    pools:
      - {cidr: 10.80.0.0/16, block_size: 27}
      - {cidr: "fd80::/56", block_size: 121}
  nodes:
    - {name: alpha, address: [172.31.5.21, "fd05::21"], pair: 2}
    - {name: beta, role: control-plane, address: 172.31.5.22, pair: 1}
    - {name: gamma, role: worker, pair: 2}
external:
  - {name: world1, attach: edge1, announces: [20.1.0.0/16, "2a00:1::/32", 199.101.101.101/32]}
workloads: [pingtest, nginx, web.yaml, apps/extra.yml]
traffic:
  pings: [{from: {node: alpha, pod: one-7f, namespace: apps}, to: {node: beta, pod: two-8e, namespace: apps}}]
  curls: [{from: gamma, service: shop, namespace: apps, backends: alpha, endpoint: 10.80.0.7, contains: Hello}]
scenarios: [bgp, curl]
"""
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web} # mine\n"
EXTRA = (
    "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("spec")
    (folder / "apps").mkdir()
    (folder / "web.yaml").write_text(OBJECT)
    (folder / "apps" / "extra.yml").write_text(EXTRA)
    (folder / "lab.yaml").write_text(SPEC)
    return render_folder(design(load(folder / "lab.yaml"), Target("n9kv", "kind")))


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for inner in get_args(annotation):
        yield from models(inner)


def test_the_spec_says_every_key_that_there_is() -> None:
    keys = {field.alias or name for model in models(Spec) for name, field in model.model_fields.items()}
    missing = {key for key in keys if not re.search(rf"\b{key}: ", SPEC)}
    missing.remove("manifest")  # a file of the user's, which never goes into the folder
    assert missing <= {"fabric", "vrfs", "networks", "leaf_pairs", "addresses", "peering_loopbacks", "cluster",
                       "calico", "pools", "nodes", "external", "traffic"}  # fmt: skip
    assert all(f"{name}:\n" in SPEC for name in missing)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("nxos/rackA1.cfg", "router bgp 64601\n"),
        ("nxos/rackA1.cfg", "    remote-as 4200000001\n"),
        ("nxos/rackA1.cfg", "fabric forwarding anycast-gateway-mac 0011.2233.4455\n"),
        ("nxos/rackA1.cfg", "vlan 1,1234,1777,3600\n"),
        ("nxos/rackA1.cfg", "vlan 1777\n  name L3VNI-blue\n  vn-segment 77001\n"),
        ("nxos/rackA1.cfg", "vlan 1234\n  name servers\n  vn-segment 55001\n"),
        ("nxos/rackA1.cfg", "vrf context blue\n  vni 77001\n"),
        ("nxos/rackA1.cfg", "  member vni 55001\n"),
        ("nxos/rackA1.cfg", "  member vni 77001 associate-vrf\n"),
        ("nxos/rackA1.cfg", "  ip address 172.31.5.1/24 tag 12345\n  ipv6 address fd05::1/64 tag 12345\n"),
        (
            "nxos/rackA1.cfg",
            "interface loopback0\n  description router id and BGP source\n  ip address 10.50.0.11/32\n",
        ),
        ("nxos/rackA1.cfg", "  ip address 10.51.0.11/32\n  ip address 10.51.0.99/32 secondary\n"),
        ("nxos/rackA2.cfg", "  ip address 10.51.0.99/32 secondary\n"),
        ("nxos/rackA1.cfg", "  ip address 10.60.0.1/32 tag 6789\n  ipv6 address fd60::1/128 tag 6789\n"),
        ("nxos/rackA1.cfg", "  description vpc peer-link member\n"),
        ("nxos/rackA1.cfg", "  peer-keepalive destination 10.99.0.14 source 10.99.0.13 vrf management\n"),
        ("nxos/rackB1.cfg", "  virtual peer-link destination "),
        ("nxos/rackA1.cfg", "neighbor 172.31.5.22\n"),
        ("nxos/rackB1.cfg", "neighbor 172.31.5.21\n"),
        ("nxos/rackB1.cfg", "neighbor fd05::21\n"),
        ("nxos/rackA1.cfg", "ip prefix-list PL-K8S-IN seq 5 permit 10.80.0.0/16 ge 27 le 32\n"),
        ("nxos/rackA1.cfg", "permit 10.70.0.0/20 le 32\n"),
        ("nxos/rackA1.cfg", "permit 198.51.100.0/25 le 32\n"),
        ("nxos/rackA1.cfg", "ipv6 prefix-list PL-K8S6-IN seq 5 permit fd80::/56 ge 121 le 128\n"),
        ("nxos/rackA1.cfg", "ip prefix-list PL-K8S-OUT seq 10 permit 199.101.101.101/32\n"),
        ("nxos/edge1.cfg", "  ip route 20.1.0.0/16 198.18.0.2 tag 12345\n"),
        ("nxos/edge1.cfg", "  ipv6 route 2a00:1::/32 2001:db8:ff00::2 tag 12345\n"),
        ("nxos/core1.cfg", "  router-id 10.50.0.1\n"),
        ("nodes/alpha.sh", "addr replace 172.31.5.21/24 dev bond0\naddr replace fd05::21/64 dev bond0 nodad\n"),
        ("nodes/alpha.sh", "link set bond0 mtu 1450\n"),
        ("nodes/gamma.sh", "addr replace 172.31.5.12/24 dev bond0\n"),
        ("nodes/beta.sh", "route replace 10.60.0.0/24 via 172.31.5.1 dev bond0\n"),
        ("nodes/world1.sh", "addr replace 20.1.0.1/32 dev lo\n"),
        ("nodes/world1.sh", "addr replace 2a00:1::1/128 dev lo\n"),
        ("calico/bgpconfiguration.yaml", "  asNumber: 4200000001\n"),
        ("calico/bgpconfiguration.yaml", "  nodeToNodeMeshEnabled: true\n"),
        ("calico/bgpconfiguration.yaml", "  - cidr: 198.51.100.0/25\n"),
        ("calico/bgpconfiguration.yaml", "  - cidr: 10.70.0.0/20\n  - cidr: fd70::/112\n"),
        ("calico/bgppeers.yaml", "  asNumber: 64601\n  peerIP: fd60::2\n"),
        ("calico/ippools.yaml", "  blockSize: 27\n  cidr: 10.80.0.0/16\n  ipipMode: Always\n"),
        ("calico/ippools.yaml", "  blockSize: 121\n  cidr: fd80::/56\n"),
        ("calico/patch.yaml", "  veth_mtu: '1430'\n"),
        ("kind/cluster.yaml", "  podSubnet: 10.80.0.0/16,fd80::/56\n  serviceSubnet: 10.70.0.0/20,fd70::/112\n"),
        ("kind/cluster.yaml", "kind: InitConfiguration\n    nodeRegistration:\n      name: beta\n"),
        ("k8s/web.yaml", OBJECT),
        ("k8s/extra.yaml", f"{EXTRA}\n"),
        ("topology.clab.yml", "name: uncommon\nmgmt:\n  network: uncommon-mgmt\n  ipv4-subnet: 10.99.0.0/24\n"),
        ("topology.clab.yml", "    image-pull-policy: always\n"),
        ("topology.clab.yml", "    cisco_n9kv:\n      image: my/leaf:6\n"),
        ("topology.clab.yml", "      mgmt-ipv4: 10.99.0.11\n      image: my/spine:4.lite\n"),
        ("topology.clab.yml", "      mgmt-ipv4: 10.99.0.17\n      image: my/edge:5\n"),
        ("topology.clab.yml", "      image: my/node:2\n"),
        ("topology.clab.yml", "      image: my/host:3\n"),
        ("topology.clab.yml", "    - edge1:Ethernet1/1\n    - world1:eth1\n"),
        ("checks.yaml", "      from:\n        node: alpha\n        pod: one-7f\n        namespace: apps\n"),
        ("checks.yaml", "      to:\n        node: beta\n        pod: two-8e\n        namespace: apps\n"),
        ("checks.yaml", "    - name: gamma-shop\n"),
        (
            "checks.yaml",
            "      service: apps/shop\n      port: 80\n      contains: Hello\n      endpoint: 10.80.0.7\n",
        ),
        ("lab.json", '"mode": "ipip"'),
        ("lab.json", '"nxos": "10.4(5)M",\n    "kubernetes": "1.34.0",\n    "calico": "3.30.2"'),
    ],
)
def test_what_is_said_is_in_the_artifacts(files: dict[str, str], path: str, expected: str) -> None:
    assert expected in files[path]


def test_target_and_scenarios_are_in_lab_json(files: dict[str, str]) -> None:
    lab = json.loads(files["lab.json"])
    assert lab["target"] == {"switch": "n9kv", "cluster": "kind", "containerlab": "0.81"}
    assert lab["scenarios"] == ["bgp", "curl"]


def test_only_the_workloads_that_are_said_are_there(files: dict[str, str]) -> None:
    assert sorted(path for path in files if path.startswith("k8s/")) == [
        "k8s/extra.yaml", "k8s/nginx.yaml", "k8s/pingtest.yaml", "k8s/web.yaml",
    ]  # fmt: skip


def test_each_peer_is_for_the_nodes_of_its_pair(files: dict[str, str]) -> None:
    peers = list(yaml.safe_load_all(files["calico/bgppeers.yaml"]))
    selectors = {peer["metadata"]["name"]: peer["spec"]["nodeSelector"] for peer in peers}
    assert selectors["racka1-calico-v4"] == "kubernetes.io/hostname in { 'beta' }"
    assert selectors["rackb2-calico-v6"] == "kubernetes.io/hostname in { 'alpha', 'gamma' }"
