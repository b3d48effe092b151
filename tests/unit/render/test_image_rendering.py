"""Images in the folder: tags in the topology, digests in lab.json, each machine as its image needs it."""

from __future__ import annotations

import json
from typing import Any

import yaml

from labctl.design.design import Target
from labctl.design.plan import design
from labctl.render.folder import render_folder
from labctl.spec.load import loads

DIGEST = "0123456789abcdef" * 4
REAL = Target("n9kv", "kind")


def files(images: str, target: Target = REAL, more: str = "") -> dict[str, str]:
    text = f"name: lab\nimages: {images}\n{more}"
    return render_folder(design(loads("lab.yaml", text, target=(target.switch, target.cluster)), target))


def inputs(found: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {row["source"]: row for row in json.loads(found["lab.json"])["inputs"]}


def test_a_digest_is_kept_beside_and_the_tag_is_rendered() -> None:
    """kind pulls a digest that ``docker load`` has dropped."""
    found = files(f"{{node: 'kindest/node:v1.35.1@sha256:{DIGEST}', switch: 'my/n9kv:1@sha256:{DIGEST}'}}")
    assert "sha256" not in found["topology.clab.yml"] + found["README.md"]
    assert inputs(found)["kindest/node:v1.35.1"]["sha256"] == DIGEST
    assert inputs(found)["my/n9kv:1"]["sha256"] == DIGEST


def test_pinned_standins_and_hosts_are_inputs_too() -> None:
    more = "fabric: {borders: 1}\nexternal: [{name: ext1, attach: border1, announces: [20.1.0.0/16]}]\n"
    found = inputs(files(f"{{leaf: 'a/b:1@sha256:{DIGEST}', host: 'c/d:2@sha256:{DIGEST}'}}", Target(), more))
    assert (found["a/b:1"]["name"], found["a/b:1"]["sha256"]) == ("switch", DIGEST)
    assert (found["c/d:2"]["name"], found["c/d:2"]["sha256"]) == ("host", DIGEST)


def test_a_name_without_a_tag_is_rendered_with_the_one_that_docker_means() -> None:
    body = yaml.safe_load(files("{node: my/node}")["topology.clab.yml"])
    assert body["topology"]["nodes"]["lab"]["image"] == "my/node:latest"


def test_every_image_of_the_switches_is_an_input_and_a_lite_one_gets_its_own_memory() -> None:
    found = files('{leaf: "x/n9kv:10.5.4", spine: "x/n9kv:10.5.4.M.lite"}', more="fabric: {leaf_pairs: 2}\n")
    body = yaml.safe_load(found["topology.clab.yml"])["topology"]
    assert body["kinds"]["cisco_n9kv"]["image"] == "x/n9kv:10.5.4"
    assert body["kinds"]["cisco_n9kv"]["env"]["QEMU_MEMORY"] == "8192"
    spine, leaf = body["nodes"]["spine1"], body["nodes"]["leaf101"]
    assert spine["image"] == "x/n9kv:10.5.4.M.lite"
    assert spine["env"] == {
        "CLAB_INTFS": "4", "QEMU_MEMORY": "6144", "BOOT_DELAY": "${LABCTL_BOOT_DELAY_SPINE1:=0}",
    }  # fmt: skip
    assert "image" not in leaf
    assert {row["source"] for row in inputs(found).values() if row["name"] == "nxos"} == {
        "x/n9kv:10.5.4", "x/n9kv:10.5.4.M.lite",
    }  # fmt: skip


def test_limits_are_those_of_each_part() -> None:
    """A real cluster behind stand-in switches takes as long as any real cluster."""
    limits = {
        target: json.loads(files("{}", Target(*target))["lab.json"])["deadlines"]  # type: ignore[arg-type]
        for target in (("standin", "standin"), ("standin", "kind"), ("n9kv", "standin"), ("n9kv", "kind"))
    }
    assert all(found.keys() == limits["standin", "standin"].keys() for found in limits.values())
    assert limits["standin", "kind"]["api"] == limits["n9kv", "kind"]["api"] == 900
    assert limits["standin", "kind"]["ssh"] == limits["standin", "standin"]["ssh"] == 120
    assert limits["n9kv", "standin"]["ssh"] >= 1200
    assert limits["n9kv", "standin"]["workloads"] == limits["standin", "standin"]["workloads"]


def test_a_fabric_alone_has_no_cluster_in_its_target() -> None:
    found = files("{}", Target("standin", "kind"), "cluster: none\n")
    assert json.loads(found["lab.json"])["target"] == {"switch": "standin", "cluster": "none", "containerlab": "0.81"}
