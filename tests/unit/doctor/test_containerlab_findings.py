"""Findings for the containerlab runtime over made-up hosts: each thing broken alone, and three whole pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from labctl.doctor.containerlab import findings, maker
from labctl.doctor.facts import ContainerHostFacts, ContainerlabFact, Json
from labctl.doctor.findings import GB, Finding, can_run, page
from labctl.doctor.needs import ImageNeed, LabNeeds
from labctl.peers import EXTRAS, ON_NODE
from labctl.peers import nxos as machine
from tests.unit.doctor.conftest import container, image
from tests.unit.doctor.conftest import network as a_network

SWITCH, NODE = "vrnetlab/cisco_n9kv:10.5.4", "kindest/node:v1.35.1"
SUBNET = IPv4Network("172.20.20.0/24")


def by_id(found: tuple[Finding, ...], identity: str) -> Finding:
    return next(one for one in found if one.id == identity)


def network(name: str, subnet: str, *, ipv6: bool = False, foreign: bool = False) -> Json:
    return a_network(name, subnet, ipv6=ipv6, labels={} if foreign else {"containerlab": ""})


def test_a_good_host_has_nothing_but_good_news(
    good_host: ContainerHostFacts, real_lab: LabNeeds, standin_lab: LabNeeds
) -> None:
    for needs in (None, real_lab, standin_lab):
        found = findings(good_host, needs)
        assert {one.severity for one in found} == {"ok"}
        assert can_run(found)
        assert len({one.id for one in found}) == len(found)


@pytest.mark.parametrize(
    ("changes", "identity", "severity", "fix"),
    [
        ({"machine": "aarch64"}, "machine", "error", None),
        ({"lacking_capabilities": ("CAP_SYS_RESOURCE",)}, "privileged", "error", None),
        ({"virtualisation": False}, "virtualisation", "error", None),
        ({"virtualisation": False, "in_container": True}, "virtualisation", "ok", None),
        ({"kvm": "there is no /dev/kvm"}, "kvm", "error", "sudo modprobe -a kvm_intel kvm_amd"),
        ({"kvm": "/dev/kvm cannot be opened: x"}, "kvm", "error", None),
        ({"inotify_instances": 128}, "inotify", "warning", "sudo sysctl -w fs.inotify.max_user_instances=512"),
        ({"inotify_watches": None}, "inotify", "warning", "sudo sysctl -w fs.inotify.max_user_watches=524288"),
        ({"docker_cli": None}, "docker-cli", "error", "sudo apt-get install docker.io"),
        ({"docker_cli": None, "debian": 13}, "docker-cli", "error", "sudo apt-get install docker-cli"),
        ({"docker_cli": None, "root": True}, "docker-cli", "error", "apt-get install docker.io"),
        ({"containerlab": None}, "containerlab", "error", None),
        ({"containerlab": ContainerlabFact("/x", (0, 78, 1), True)}, "containerlab", "error",
         "sudo containerlab version upgrade"),
        ({"containerlab": ContainerlabFact("/x", (0, 78, 2), True)}, "containerlab", "ok", None),
        ({"containerlab": ContainerlabFact("/x", (0, 83, 1), True)}, "containerlab", "warning", None),
        ({"containerlab": ContainerlabFact("/x", (1, 0), True)}, "containerlab", "warning", None),
        ({"containerlab": ContainerlabFact("/x", (0, 0, 0), True)}, "containerlab", "warning", None),
        ({"containerlab": ContainerlabFact("/x", None, True, "bus error")}, "containerlab", "error", "/x version"),
        ({"containerlab": ContainerlabFact("/x", (0, 79), False)}, "rights", "error",
         "sudo chown root /x && sudo chmod u+s /x"),
        ({"containerlab": ContainerlabFact("/x", (0, 79), False), "root": True}, "rights", "ok", None),
        ({"groups": frozenset({"ada"})}, "rights", "error", "sudo usermod --append --groups clab_admins ada"),
        ({"groups": frozenset({"ada"}), "clab_group": False}, "rights", "ok", None),
        ({"memory_free": 20 * GB}, "memory", "warning", None),
        ({"memory_free": 13 * GB}, "memory", "error", None),
        ({"cpus": 4}, "cpus", "ok", None),
        ({"cpus": 3}, "cpus", "warning", None),
    ],
)  # fmt: skip
def test_one_thing_of_the_host_changed(
    good_host: ContainerHostFacts,
    real_lab: LabNeeds,
    changes: dict[str, Any],
    identity: str,
    severity: str,
    fix: str | None,
) -> None:
    found = findings(replace(good_host, **changes), real_lab)
    one = by_id(found, identity)
    assert (one.severity, one.fix) == (severity, fix)
    assert [other.id for other in found if other.severity != "ok"] == ([] if severity == "ok" else [identity])
    assert can_run(found) == (severity != "error")


@pytest.mark.parametrize(
    ("trouble", "words", "fix"),
    [
        ("missing", "does not answer", "sudo systemctl restart docker"),
        ("silent", "does not answer", "sudo systemctl restart docker"),
        ("denied", "ada may not ask Docker", "sudo usermod --append --groups docker ada"),
        ("foreign", "kind and labctl do not drive", "sudo apt-get install docker.io"),
        ("remote", "links in this kernel", "unset DOCKER_HOST"),
    ],
)
def test_a_docker_that_cannot_be_asked(
    good_host: ContainerHostFacts, real_lab: LabNeeds, trouble: str, words: str, fix: str
) -> None:
    address = "ssh://ada:hunter2@far" if trouble == "remote" else good_host.docker_address
    facts = replace(good_host, docker=None, docker_trouble=trouble, docker_said="why", docker_address=address)
    found = findings(facts, real_lab)
    one = by_id(found, "docker")
    assert (one.severity, one.fix) == ("error", fix)
    assert words in one.sentence
    assert "hunter2" not in one.sentence
    # what only Docker could tell is not judged, neither good nor bad
    assert not {"disk", "image-switch", "management", "kind-network", "names"} & {other.id for other in found}


@pytest.mark.parametrize(
    ("changes", "identity", "severity", "fix"),
    [
        ({"KernelVersion": "6.6.0-linuxkit"}, "docker-kernel", "error", None),
        ({"OperatingSystem": "Docker Desktop"}, "docker-kernel", "error", None),
        ({"SecurityOptions": ["name=rootless"]}, "docker-rootless", "error", "unset DOCKER_HOST"),
        ({"SecurityOptions": ["name=userns"]}, "docker-userns", "error", "sudo systemctl restart docker"),
        ({"CgroupVersion": "1"}, "cgroups", "error", None),
        ({"Driver": "vfs"}, "docker-storage", "warning", "sudo systemctl restart docker"),
        ({"disk_free": GB // 2}, "disk", "error", "docker image prune"),
        ({"disk_free": 5 * GB}, "disk", "warning", "docker image prune"),
        ({"disk_free": None}, "disk", "ok", None),
        ({"networks": (network("fab-mgmt", "172.20.20.0/24"),)}, "management", "ok", None),
        ({"networks": (network("fab-mgmt", "172.20.30.0/24"),)}, "management", "error", "docker network rm fab-mgmt"),
        ({"networks": (network("fab-mgmt", "172.20.20.0/24", foreign=True),)}, "management", "error",
         "labctl up SPEC --name fab-2"),
        ({"networks": (network("clab", "172.20.20.0/24"),)}, "management", "error", "docker network rm clab"),
        ({"networks": (network("compose", "172.20.0.0/16", foreign=True),)}, "management", "error",
         "management: 172.31.0.0/24 in the spec"),
        ({"networks": (network("kind", "172.18.0.0/16"),)}, "kind-network", "error", "docker network rm kind"),
        ({"networks": (network("kind", "172.18.0.0/16", ipv6=True),)}, "kind-network", "ok", None),
        ({"containers": (container("clab-fab-leaf1", labctl_lab="fab"),)}, "names", "error",
         "labctl up SPEC --name fab-2"),
        ({"containers": (container("fab-worker2"), container("clab-fab-leaf11"))}, "names", "ok", None),
    ],
)  # fmt: skip
def test_one_thing_of_docker_changed(
    good_host: ContainerHostFacts,
    real_lab: LabNeeds,
    changes: dict[str, Any],
    identity: str,
    severity: str,
    fix: str | None,
) -> None:
    assert good_host.docker is not None
    docker = good_host.docker
    said = {key: value for key, value in changes.items() if key[0].isupper()}
    asked = {key: value for key, value in changes.items() if key not in said}
    docker = replace(docker, info={**docker.info, **said}, **asked)
    found = findings(replace(good_host, docker=docker), real_lab)
    one = by_id(found, identity)
    assert (one.severity, one.fix) == (severity, fix)
    assert [other.id for other in found if other.severity != "ok"] == ([] if severity == "ok" else [identity])


def test_old_control_groups_are_of_no_interest_to_stand_ins(
    good_host: ContainerHostFacts, real_lab: LabNeeds, standin_lab: LabNeeds
) -> None:
    assert good_host.docker is not None
    docker = replace(good_host.docker, info={**good_host.docker.info, "CgroupVersion": "1"})
    facts = replace(good_host, docker=docker)
    older = replace(real_lab, kubernetes="1.34.0")
    assert by_id(findings(facts, older), "cgroups").severity == "warning"
    assert "cgroups" not in {one.id for one in findings(facts, standin_lab)}


@pytest.mark.parametrize(
    ("state", "identity", "severity", "fix"),
    [
        ("missing", "kernel-modules", "error", "sudo apt-get install linux-image-amd64"),
        ("loadable", "kernel-modules-load", "warning", "sudo modprobe -a bonding"),
        ("unknown", "kernel-modules-unknown", "warning", "sudo modprobe -a bonding"),
    ],
)
def test_a_kernel_module(
    good_host: ContainerHostFacts, real_lab: LabNeeds, state: Any, identity: str, severity: str, fix: str
) -> None:
    found = findings(replace(good_host, modules={**good_host.modules, "bonding": state}), real_lab)
    one = by_id(found, identity)
    assert (one.severity, one.fix) == (severity, fix)
    assert "bonding" in one.sentence
    elsewhere = findings(replace(good_host, debian=None, modules={**good_host.modules, "bonding": "missing"}), real_lab)
    assert by_id(elsewhere, "kernel-modules").fix is None  # no Debian, no package of Debian's


def test_modules_are_asked_for_by_those_who_need_them(
    good_host: ContainerHostFacts, real_lab: LabNeeds, standin_lab: LabNeeds
) -> None:
    for name, asked in (("vrf", standin_lab), ("act_mirred", real_lab)):
        lacking = replace(good_host, modules={**good_host.modules, name: "missing"})
        errors = [one for one in (real_lab, standin_lab) if not can_run(findings(lacking, one))]
        assert errors == [asked]
    without_cluster = replace(real_lab, cluster=None, kubernetes=None, nodes=real_lab.nodes[:2])
    assert can_run(findings(replace(good_host, modules={**good_host.modules, "ipip": "missing"}), without_cluster))


def test_modules_that_containerlab_loads_itself_must_only_be_there(
    good_host: ContainerHostFacts, real_lab: LabNeeds
) -> None:
    for state, fine in (("loadable", True), ("unknown", True), ("missing", False)):
        found = findings(replace(good_host, modules={**good_host.modules, "ip6_tables": state}), real_lab)
        assert (by_id(found, "kernel-modules").severity == "ok") is fine
        assert all(one.severity == "ok" for one in found) is fine


def test_stand_ins_need_no_kvm_and_no_inotify(good_host: ContainerHostFacts, standin_lab: LabNeeds) -> None:
    facts = replace(good_host, kvm="there is no /dev/kvm", inotify_instances=1, inotify_watches=1)
    found = findings(facts, standin_lab)
    assert {one.severity for one in found} == {"ok"}
    assert "inotify" not in {one.id for one in found}
    assert by_id(findings(facts, None), "kvm").severity == "warning"  # which switches there will be is not known


def test_inotify_grows_with_the_nodes(good_host: ContainerHostFacts, real_lab: LabNeeds) -> None:
    many = replace(real_lab, nodes=tuple(replace(real_lab.nodes[2], container=f"n{number}") for number in range(9)))
    one = by_id(findings(good_host, many), "inotify")
    assert one.fix == "sudo sysctl -w fs.inotify.max_user_watches=1179648 fs.inotify.max_user_instances=1152"


PLAIN = image("/launch.py", ports="22 830")
FORK = image("/launch.py", ports="22 443")
NEWER_FORK = image("uv", "run", "/launch.py", ports="22 830")
STANDIN = image("/bin/switch", labels={"labctl.standin": "switch"})


@pytest.mark.parametrize(
    ("built", "made"),
    [
        (PLAIN, "other"),
        (image("/launch_nxos.py", health="", ports="22"), "other"),
        (FORK, "srl-labs"),
        (NEWER_FORK, "srl-labs"),
        (image("/launch.py", health="", ports="22 443"), "other"),
        (image(ports="22 443"), "other"),
        (image("/bin/bash", ports="22 443"), "other"),
        (STANDIN, "standin"),
        (image("/bin/switch", labels={"labctl.standin": "node"}), "other"),
    ],
)
def test_who_built_a_switch_image(built: Json, made: str) -> None:
    assert maker(built) == made


@pytest.mark.parametrize(
    ("built", "identity", "severity", "words"),
    [
        (None, "image-switch", "error", "is not here"),
        (PLAIN, "image-switch", "error", "not as those that containerlab can drive"),
        (image(ports="22 443"), "image-switch", "error", "starts nothing"),
        (STANDIN, "image-switch", "error", "is a stand-in"),
        (image("/launch.py", ports="443", created="2026-06-28T23:00:00Z"), "image-switch-age", "warning", "2026-06-28"),
        (image("/launch.py", ports="443", created="2026-06-29T00:00:00Z"), "image-switch", "ok", "srl-labs/vrnetlab"),
        (FORK, "image-switch", "ok", "srl-labs/vrnetlab"),
        (image("/launch.py", ports="443", created="0001-01-01T00:00:00Z"), "image-switch", "ok", "srl-labs/vrnetlab"),
    ],
)
def test_a_switch_image(
    good_host: ContainerHostFacts,
    real_lab: LabNeeds,
    built: Json | None,
    identity: str,
    severity: str,
    words: str,
) -> None:
    assert good_host.docker is not None
    docker = replace(good_host.docker, images={**good_host.docker.images, SWITCH: built})
    one = by_id(findings(replace(good_host, docker=docker), real_lab), identity)
    assert one.severity == severity
    assert words in one.sentence
    assert (one.fix is None) == (severity == "ok")


def test_an_old_image_without_passthrough_is_good(good_host: ContainerHostFacts, real_lab: LabNeeds) -> None:
    assert good_host.docker is not None
    assert real_lab.virtual_machine is not None
    old = image("/launch.py", ports="443", created="2025-01-01T00:00:00Z")
    docker = replace(good_host.docker, images={**good_host.docker.images, SWITCH: old})
    needs = replace(real_lab, virtual_machine=replace(real_lab.virtual_machine, passthrough=False))
    assert {one.severity for one in findings(replace(good_host, docker=docker), needs)} == {"ok"}


def test_an_image_of_the_wrong_folder_of_vrnetlab(good_host: ContainerHostFacts, real_lab: LabNeeds) -> None:
    assert good_host.docker is not None
    name = "vrnetlab/cisco_nxos:7.3.1"
    docker = replace(good_host.docker, images={name: FORK, **good_host.docker.images})
    needs = replace(real_lab, images=(ImageNeed("switch", name), *real_lab.images[1:]))
    one = by_id(findings(replace(good_host, docker=docker), needs), "image-switch")
    assert (one.severity, "folder nxos" in one.sentence) == ("warning", True)


def test_a_stand_in_must_be_one(good_host: ContainerHostFacts, standin_lab: LabNeeds) -> None:
    assert good_host.docker is not None
    ours = standin_lab.images[0].reference
    docker = replace(good_host.docker, images={**good_host.docker.images, ours: FORK})
    one = by_id(findings(replace(good_host, docker=docker), standin_lab), "image-switch")
    assert (one.severity, one.fix) == ("error", "make image")


@pytest.mark.parametrize(
    ("reference", "fix"),
    [
        (SWITCH, "labctl setup images load ARCHIVE"),
        (NODE, f"docker pull {NODE}"),
        ("labctl/host:latest", "make image"),
    ],
)
def test_what_brings_an_image(good_host: ContainerHostFacts, real_lab: LabNeeds, reference: str, fix: str) -> None:
    assert good_host.docker is not None
    docker = replace(good_host.docker, images={**good_host.docker.images, reference: None})
    facts = replace(good_host, docker=docker)
    for needs, severity in ((real_lab, "error"), (replace(real_lab, pulled=True), "warning")):
        bad = [one for one in findings(facts, needs) if one.severity != "ok"]
        assert [(one.severity, one.fix) for one in bad] == [(severity, fix)]


def test_a_digest_is_a_warning(good_host: ContainerHostFacts, real_lab: LabNeeds) -> None:
    assert good_host.docker is not None
    name = f"{NODE}@sha256:{'0' * 64}"
    docker = replace(good_host.docker, images={**good_host.docker.images, name: FORK})
    needs = replace(real_lab, images=(real_lab.images[0], ImageNeed("node", name), real_lab.images[2]))
    assert by_id(findings(replace(good_host, docker=docker), needs), "image-node-digest").severity == "warning"


@pytest.mark.parametrize(
    ("containerlab", "keys", "said"),
    [
        ((0, 79, 0), EXTRAS, None), ((0, 80, 1), EXTRAS, None), ((0, 81, 0), ON_NODE, None), ((0, 0, 0), EXTRAS, None),
        ((0, 80, 1), ON_NODE, "kubeconfig, wait of a node, which 0.81 or newer reads"),
        ((0, 83, 0), EXTRAS, "extras of a node, which 0.78.2 to 0.80 reads"),
        ((0, 83, 0), EXTRAS | ON_NODE, "extras, kubeconfig, wait of a node, which no containerlab reads"),
    ],
)  # fmt: skip
def test_a_folder_that_this_containerlab_does_not_read(
    good_host: ContainerHostFacts,
    real_lab: LabNeeds,
    containerlab: tuple[int, ...],
    keys: frozenset[str],
    said: str | None,
) -> None:
    facts = replace(good_host, containerlab=ContainerlabFact("/x", containerlab, setuid=True))
    found = [one for one in findings(facts, replace(real_lab, moved_keys=keys)) if one.id == "topology"]
    assert [(one.severity, str(said) in one.sentence) for one in found] == ([("error", True)] if said else [])
    for one in found:
        target = f"switch=n9kv,cluster=kind,containerlab=0.{containerlab[1]}"
        assert one.fix == f"labctl generate SPEC -o DIR --target {target}"


@pytest.mark.parametrize(
    ("containerlab", "kubernetes", "severity"),
    [
        ((0, 79, 0), "1.36.4", "ok"),
        ((0, 79, 0), "1.37.0", "error"),
        ((0, 80, 0), "1.37.0", "ok"),
        ((0, 83, 0), "1.38.0", "warning"),
        ((0, 0, 0), "1.37.0", "warning"),
    ],
)
def test_kubernetes_against_the_kind_library(
    good_host: ContainerHostFacts,
    real_lab: LabNeeds,
    containerlab: tuple[int, ...],
    kubernetes: str,
    severity: str,
) -> None:
    facts = replace(good_host, containerlab=ContainerlabFact("/x", containerlab, setuid=True))
    assert by_id(findings(facts, replace(real_lab, kubernetes=kubernetes)), "kubernetes").severity == severity


@pytest.mark.parametrize(
    ("memory", "severity"), [(10240, "ok"), (8192, "ok"), (6144, "warning"), (4608, "warning"), (4607, "error")]
)
def test_memory_of_a_switch(good_host: ContainerHostFacts, real_lab: LabNeeds, memory: int, severity: str) -> None:
    assert real_lab.virtual_machine is not None
    needs = replace(real_lab, virtual_machine=replace(real_lab.virtual_machine, memory=memory))
    assert by_id(findings(good_host, needs), "switch-memory").severity == severity


@pytest.mark.parametrize(
    ("nxos", "image", "memory"),
    [
        ("9.3(8)", "x:9.3.8", (6144, 6144)),
        ("10.1(2)", "x:10.1.2", (8192, 8192)),
        ("10.4(5)", "x:10.4.5", (10240, 10240)),
        ("10.5(2)", "x:10.5.2", (10240, 10240)),
        ("10.5(3)", "x:10.5.3", (8192, 4608)),
        ("10.6(1)", "x:10.6.1", (8192, 4608)),
        ("10.4(5)", "x:10.4.5.M.lite", (10240, 10240)),
        ("10.5(4)", "x:10.5.4.M.lite", (6144, 6144)),
        ("", "x", (6144, 6144)),
    ],
)
def test_memory_by_version(nxos: str, image: str, memory: tuple[int, int]) -> None:
    row = machine(nxos, image.rpartition(":")[2])
    assert (row.memory, row.least_memory) == memory


def test_nodes_that_run_already_take_no_memory_again(good_host: ContainerHostFacts, real_lab: LabNeeds) -> None:
    assert good_host.docker is not None
    switches = tuple(container(node.container, labctl_lab="fab") for node in real_lab.nodes[:2])
    node = container("fab-worker", "kind", **{"io.x-k8s.kind.cluster": "fab"})
    docker = replace(
        good_host.docker, containers=(*switches, node), networks=(network("fab-mgmt", "172.20.20.0/24"),)
    )  # fmt: skip
    facts = replace(good_host, docker=docker, memory_free=3 * GB, lab_known=True)
    found = findings(facts, real_lab)
    assert {one.severity for one in found} == {"ok"}
    assert by_id(found, "names").sentence == "3 containers of lab fab are there already"
    assert by_id(found, "management").sentence == "172.20.20.0/24 is the lab's own"


def test_a_foreign_container_beside_those_of_a_known_lab(good_host: ContainerHostFacts, real_lab: LabNeeds) -> None:
    assert good_host.docker is not None
    mixed = (container("clab-fab-leaf1", labctl_lab="fab"), container("fab-worker", labctl_lab="other"))
    facts = replace(good_host, docker=replace(good_host.docker, containers=mixed), lab_known=True)
    one = by_id(findings(facts, real_lab), "names")
    assert one.severity == "error"
    assert "fab-worker" in one.sentence
    assert "leaf1" not in one.sentence


@pytest.mark.parametrize(
    ("route", "severity"),
    [
        ("172.20.20.128/25", "error"),
        ("172.20.20.0/24", "error"),
        ("172.16.0.0/12", "warning"),
        ("172.20.21.0/24", "ok"),
    ],
)
def test_routes_of_the_host(good_host: ContainerHostFacts, real_lab: LabNeeds, route: str, severity: str) -> None:
    one = by_id(findings(replace(good_host, routes=((IPv4Network(route), "tun0"),)), real_lab), "management")
    assert one.severity == severity
    expected = {"172.16.0.0/12": None}.get(route, "management: 172.31.0.0/24 in the spec")
    assert one.fix == (None if severity == "ok" else expected)


def test_no_ipv6_for_a_cluster_of_both_families(good_host: ContainerHostFacts, real_lab: LabNeeds) -> None:
    off = replace(good_host, ipv6=False)
    one = by_id(findings(off, real_lab), "kind-network")
    assert (one.severity, one.fix) == ("error", "sudo sysctl -w net.ipv6.conf.all.disable_ipv6=0")
    assert can_run(findings(off, replace(real_lab, dual_stack=False)))


def test_a_kind_network_in_use_must_be_left_first(good_host: ContainerHostFacts, real_lab: LabNeeds) -> None:
    assert good_host.docker is not None
    user = container("other-control-plane", "kind")
    docker = replace(good_host.docker, networks=(network("kind", "172.18.0.0/16"),), containers=(user,))
    one = by_id(findings(replace(good_host, docker=docker), real_lab), "kind-network")
    assert "other-control-plane must leave it first" in one.sentence


def test_page_of_a_host_with_licensed_switches(
    good_host: ContainerHostFacts, real_lab: LabNeeds, golden: Callable[[str, str], None]
) -> None:
    golden("doctor/containerlab-n9kv.txt", page(findings(good_host, real_lab), "lab fab with containerlab") + "\n")


def test_page_of_a_host_for_stand_ins_only(
    good_host: ContainerHostFacts, standin_lab: LabNeeds, golden: Callable[[str, str], None]
) -> None:
    facts = replace(good_host, kvm="there is no /dev/kvm", memory_free=4 * GB, cpus=2)
    found = findings(facts, standin_lab)
    assert can_run(found)
    golden("doctor/containerlab-standins.txt", page(found, "lab fab with containerlab") + "\n")


def test_page_of_a_bare_machine(bare_machine: ContainerHostFacts, golden: Callable[[str, str], None]) -> None:
    found = findings(bare_machine, None)
    assert not can_run(found)
    golden("doctor/containerlab-bare.txt", page(found, "containerlab's labs") + "\n")
