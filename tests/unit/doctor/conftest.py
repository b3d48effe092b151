"""Made-up hosts and labs for the findings of the containerlab runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from labctl.doctor.facts import ALL_MODULES, ContainerHostFacts, ContainerlabFact, DockerFacts, Json, ModuleState
from labctl.doctor.findings import GB
from labctl.doctor.needs import ImageNeed, LabNeeds, Node, VirtualMachine

SWITCH, NODE, HOST = "vrnetlab/cisco_n9kv:10.5.4", "kindest/node:v1.35.1", "labctl/host:latest"
STANDIN_SWITCH, STANDIN_NODE = "labctl/n9kv-standin:latest", "labctl/k8s-standin:latest"


def image(
    *start: str, health: str = "/healthcheck.py", labels: Json | None = None, ports: str = "", created: str = ""
) -> Json:
    """As the daemon has it. ``ports``: numbers, of TCP."""
    exposed = {f"{port}/tcp": {} for port in ports.split()}
    test = {"Test": ["CMD", health]} if health else None
    config = {"Entrypoint": list(start) or None, "Healthcheck": test, "Labels": labels, "ExposedPorts": exposed}
    return {"Created": created, "Config": config}


def network(name: str, subnet: str, *, ipv6: bool = False, labels: Json | None = None) -> Json:
    return {
        "Name": name, "Id": name, "EnableIPv6": ipv6, "Labels": labels, "IPAM": {"Config": [{"Subnet": subnet}]},
        "Options": {"com.docker.network.bridge.name": "docker0"} if name == "bridge" else {},
    }  # fmt: skip


def container(name: str, *networks: str, state: str = "running", **labels: str) -> Json:
    written = {key.replace("_", "."): value for key, value in labels.items()}
    members = {"Networks": {network: {} for network in networks}}
    return {"Names": [f"/{name}"], "State": state, "Labels": written, "NetworkSettings": members}


VRNETLAB = image("/launch.py", ports="22 443 830 5000", created="2026-07-15T00:00:00Z")
OURS = image("/entrypoint", labels={"labctl.standin": "switch"})
PUBLIC = image("/usr/local/bin/entrypoint", health="")
IMAGES: Mapping[str, Json | None] = {
    SWITCH: VRNETLAB, NODE: PUBLIC, HOST: PUBLIC, STANDIN_SWITCH: OURS, STANDIN_NODE: PUBLIC,
}  # fmt: skip
MODULES: Mapping[str, ModuleState] = dict.fromkeys(ALL_MODULES, "loaded")


@pytest.fixture
def good_docker() -> DockerFacts:
    return DockerFacts(
        version="28.5.2",
        info={
            "Driver": "overlay2",
            "CgroupVersion": "2",
            "KernelVersion": "6.1.0-40-amd64",
            "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
            "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
            "DockerRootDir": "/var/lib/docker",
        },
        disk_free=200 * GB,
        images=IMAGES,
        networks=(network("bridge", "172.17.0.0/16"),),
        containers=(),
    )


@pytest.fixture
def good_host(good_docker: DockerFacts) -> ContainerHostFacts:
    """A server with Docker, containerlab, KVM and everything loaded; ada works on it without being root."""
    return ContainerHostFacts(
        machine="x86_64",
        debian=12,
        user="ada",
        root=False,
        groups=frozenset({"ada", "docker", "clab_admins"}),
        clab_group=True,
        kernel="6.1.0-40-amd64",
        cpus=16,
        memory_free=96 * GB,
        lacking_capabilities=(),
        docker_address="unix:///var/run/docker.sock",
        docker_trouble=None,
        docker_said="",
        dockerd=True,
        docker_cli="/usr/bin/docker",
        docker=good_docker,
        containerlab=ContainerlabFact("/usr/bin/containerlab", (0, 79, 0), setuid=True),
        modules=MODULES,
        inotify_watches=1048576,
        inotify_instances=1024,
        virtualisation=True,
        in_container=False,
        kvm=None,
        ipv6=True,
        routes=((IPv4Network("192.168.1.0/24"), "eno1"), (IPv4Network("172.17.0.0/16"), "docker0")),
        kind_network="kind",
        lab_known=False,
    )


@pytest.fixture
def bare_machine(good_host: ContainerHostFacts) -> ContainerHostFacts:
    """A small virtual machine, Debian 13 just installed."""
    return replace(
        good_host,
        debian=13,
        groups=frozenset({"ada", "sudo"}),
        clab_group=False,
        kernel="6.12.48-cloud-amd64",
        cpus=1,
        memory_free=GB,
        docker_trouble="missing",
        docker_said="nothing listens on /var/run/docker.sock",
        dockerd=False,
        docker_cli=None,
        docker=None,
        containerlab=None,
        modules={**dict.fromkeys(ALL_MODULES, "loadable"), "bonding": "missing", "bridge": "loaded"},
        inotify_watches=7816,
        inotify_instances=128,
        virtualisation=False,
        kvm="there is no /dev/kvm",
    )


@pytest.fixture
def real_lab() -> LabNeeds:
    """Two switches of a licensed image, kind with two nodes, a host."""
    gigabyte = 1 << 30
    return LabNeeds(
        name="fab",
        switch="n9kv",
        cluster="kind",
        virtual_machine=VirtualMachine("10.5(4)", memory=8192, cpus=4, wanted=8192, least=4608, passthrough=True),
        kubernetes="1.35.1",
        images=(ImageNeed("switch", SWITCH), ImageNeed("node", NODE), ImageNeed("host", HOST)),
        pulled=False,
        nodes=(
            Node("clab-fab-leaf1", "switch", 9 * gigabyte, 5 * gigabyte),
            Node("clab-fab-leaf2", "switch", 9 * gigabyte, 5 * gigabyte),
            Node("fab-control-plane", "node", 2 * gigabyte, 2 * gigabyte),
            Node("fab-worker", "node", gigabyte, gigabyte),
            Node("clab-fab-ext1", "host", gigabyte, gigabyte),
        ),
        network="fab-mgmt",
        subnet=IPv4Network("172.20.20.0/24"),
        dual_stack=True,
    )


@pytest.fixture
def standin_lab(real_lab: LabNeeds) -> LabNeeds:
    """The same lab with stand-ins."""
    return replace(
        real_lab,
        switch="standin",
        cluster="standin",
        virtual_machine=None,
        kubernetes="1.34.3",
        images=(ImageNeed("switch", STANDIN_SWITCH), ImageNeed("node", STANDIN_NODE), ImageNeed("host", HOST)),
        nodes=tuple(replace(node, memory=1 << 26, least=1 << 26) for node in real_lab.nodes),
    )
