"""The stand-ins' images on real Docker: vrnetlab's contract, the command line, what kind asks of a node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.dockerhost import DockerHost, ssh
from tests.integration.patience import patient

pytestmark = [pytest.mark.docker, pytest.mark.timeout(patient(900))]

SWITCH = "labctl/n9kv-standin:latest"
OPTIONS = ("--username", "admin", "--password", "admin", "--hostname", "sw1", "--connection-mode", "tc", "--trace")
"""What containerlab gives to a cisco_n9kv as its command."""
HEALTHY_LIMIT = 20.0
"""Seconds from the links to ``0 running`` on emulated processors."""
MEMORY_LIMIT = 60 << 20
"""Bytes of a stand-in switch beside FRR."""
STARTUP = """\
hostname sw1
feature bgp
no such line
interface Ethernet1/1
  no switchport
  ip address 10.0.0.1/30
  no shutdown
"""


EACH_PROCESS = """\
for process in /proc/[0-9]*; do
  [ -r $process/smaps_rollup ] || continue
  echo "$(cat $process/comm) $(sed -n 's/^Pss: *\\([0-9]*\\) kB/\\1/p' $process/smaps_rollup)"
done
"""
"""Name and proportional set size (kB) of every process."""


@pytest.fixture
def switch(docker: DockerHost) -> Iterator[str]:
    """A switch that waits for two links, with a startup configuration that has a wrong line."""
    docker.shell("mkdir -p /root/config")
    docker.put("/root/config/startup-config.cfg", STARTUP.encode())
    docker.check(
        "docker", "run", "-d", "--privileged", "--name", "sw1", "--env", "CLAB_INTFS=2", "--volume",
        "/root/config:/config", SWITCH, *OPTIONS,
    )  # fmt: skip
    yield "sw1"
    docker.check("docker", "rm", "-f", "sw1")


def health(docker: DockerHost, name: str) -> str:
    return docker.inside(name, "cat", "/health").strip()


def link(docker: DockerHost, name: str, *ports: str) -> None:
    """Front panel ports whose other ends are in the machine itself."""
    pid = docker.pid(name)
    for port in ports:
        docker.check(
            "ip", "link", "add", f"far-{port}", "mtu", "9500", "type", "veth", "peer", "name", "near", "mtu", "9500"
        )
        docker.check("ip", "link", "set", "near", "netns", str(pid), "name", port)
        docker.check("nsenter", "-t", str(pid), "-n", "ip", "link", "set", port, "up")
        docker.check("ip", "link", "set", f"far-{port}", "up")


def test_a_switch_keeps_vrnetlabs_contract(docker: DockerHost, switch: str) -> None:
    def starting() -> bool | NotYet:
        done = docker.run("docker", "exec", switch, "cat", "/health")
        return True if done.stdout.strip() == b"1 starting" else NotYet(str(done))

    wait_for(starting, Deadline(patient(30.0)), every=0.5)
    assert docker.run("docker", "exec", switch, "labctl-healthcheck").code == 1, "not healthy without its links"
    link(docker, switch, "eth1")
    assert health(docker, switch) == "1 starting", "one of two links is not enough"
    link(docker, switch, "eth2")
    began = Deadline(patient(HEALTHY_LIMIT))

    def running() -> bool | NotYet:
        text = health(docker, switch)
        return True if text == "0 running" else NotYet(text)

    wait_for(running, began, every=0.2)
    print(f"0 running {began.elapsed:.1f} s after the links")
    assert docker.run("docker", "exec", switch, "labctl-healthcheck").code == 0
    interval = docker.check("docker", "inspect", "-f", "{{.Config.Healthcheck.Interval}}", SWITCH)
    assert interval.strip() == "30s"

    told = docker.check("docker", "logs", switch)
    assert re.search(r"startup-config.cfg:3: no such line: .*Invalid", told, re.DOTALL), told
    rows = json.loads(docker.inside(switch, "ip", "-j", "addr", "show", "dev", "eth1"))
    assert "10.0.0.1" in [info["local"] for info in rows[0]["addr_info"]]
    assert memory(docker, switch) <= MEMORY_LIMIT

    show = ssh(docker, switch, "show interface brief", "show running-config interface Ethernet1/1")
    assert re.search(r"^Eth1/1 .*routed up", show, re.MULTILINE), show
    assert re.search(r"^Eth1/2 ", show, re.MULTILINE), show
    assert "  ip address 10.0.0.1/30\n" in show

    docker.check("ip", "link", "del", "far-eth1")
    link(docker, switch, "eth1")

    def configured_again() -> bool | NotYet:
        found = docker.inside(switch, "ip", "-j", "addr", "show", "dev", "eth1")
        return True if "10.0.0.1" in found else NotYet(found)

    wait_for(configured_again, Deadline(patient(20.0)), every=0.5)


def memory(docker: DockerHost, name: str) -> int:
    """Bytes of everything in a switch that is not FRR (proportional set size)."""
    rows = [line.split() for line in docker.inside(name, "sh", "-c", EACH_PROCESS).splitlines()]
    own = {row[0]: int(row[1]) << 10 for row in rows if len(row) == 2 and row[0] in {"python3", "tini"}}
    assert "python3" in own, rows
    total = sum(own.values())
    print(f"a stand-in switch takes {total / (1 << 20):.0f} MB beside FRR")
    return total


def test_the_host_image_has_what_external_hosts_need(docker: DockerHost) -> None:
    docker.check("docker", "run", "-d", "--rm", "--privileged", "--name", "ext", "labctl/host:latest")
    try:
        for words in (("ip", "-batch", "-"), ("tcpdump", "--version"), ("curl", "--version"), ("ping", "-V")):
            docker.inside("ext", *words)
    finally:
        docker.check("docker", "rm", "-f", "ext")
