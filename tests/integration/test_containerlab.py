"""The containerlab runtime on real Docker and kind, in the emulated machine: labs made, proven, repaired, removed.

With a ``containerlab`` on PATH it is the real one; else the substitute (`substitute_containerlab.py`) stands in, and
the tests say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labctl.waiting import Deadline, NotYet, wait_for
from tests.integration.dockerhost import ASKPASS, KEEPER, SOURCE, DockerHost, residue, ssh, typed
from tests.integration.harness import Done, tshark_fields
from tests.integration.patience import patient

pytestmark = [pytest.mark.docker, pytest.mark.timeout(patient(1500))]

WHITEPAPER = f"{SOURCE}/topologies/whitepaper.yaml"
SMALL = "name: small\nfabric: {spines: 1, leaf_pairs: 1}\ncluster: none\nmanagement: 172.20.30.0/24\n"
"""A fabric alone, in a network of its own: three switches."""
CREATED = 900.0


@pytest.fixture(scope="module")
def labs(docker: DockerHost) -> Iterator[DockerHost]:
    """The machine with labctl, kind, kubectl and containerlab in it, and the spec of the small fabric."""
    docker.bring_tools()
    docker.put("/root/small.yaml", SMALL.encode())
    before = residue(docker)
    yield docker
    docker.labctl("down", "--all", timeout=300.0)
    assert residue(docker) == before


@pytest.fixture(scope="module")
def at_first(labs: DockerHost) -> dict[str, Any]:
    """What the machine has before any lab."""
    return residue(labs)


@pytest.fixture(scope="module")
def neighbours(labs: DockerHost) -> Iterator[list[str]]:
    """Somebody else's lab, network and kind node, with names that are nearly the lab's."""
    labs.shell("docker network create kind2; docker network create whitepaper-mgmt2")
    rows = {
        "clab-whitepaper2-leaf2101": ("containerlab=whitepaper2", "whitepaper-mgmt2"),
        "whitepaper-2-worker": ("io.x-k8s.kind.cluster=whitepaper-2", "kind2"),
    }
    for name, (label, network) in rows.items():
        labs.check("docker", "run", "-d", "--name", name, "--label", label, "--network", network, "labctl/host:latest")
    yield list(rows)
    labs.check("docker", "rm", "-f", *rows)
    labs.check("docker", "network", "rm", "kind2", "whitepaper-mgmt2")


@pytest.fixture
def by_hand(labs: DockerHost) -> Iterator[str]:
    """The small fabric's folder; what is made out of it is removed as its README says."""
    folder = "/root/hand"
    labs.labctl("generate", "/root/small.yaml", "--target", labs.standins(), "-o", folder).expect(0)
    yield folder
    typed(labs, folder, "remove")
    labs.shell(f"rm -rf {folder} /tmp/.clab {ASKPASS} /root/.ssh/known_hosts")


def answers(host: DockerHost, switch: str, command: str, pattern: str) -> bool | NotYet:
    """Whether a switch says what fits, over stock ssh."""
    try:
        text = ssh(host, switch, command)
    except AssertionError as refused:
        return NotYet(str(refused))
    return True if re.search(pattern, text, re.MULTILINE) else NotYet(text)


class TestByHand:
    """What a folder's README says to type, without labctl, makes the lab, shows that it works, and removes it."""

    def test_made(self, labs: DockerHost, at_first: dict[str, Any], by_hand: str) -> None:
        lines = labs.check("cat", f"{by_hand}/README.md").splitlines()
        deploy = next(line.strip() for line in lines if " deploy -t" in line)
        labs.shell(f"cd {by_hand}; {deploy}", timeout=300.0)
        for name in ("spine1", "leaf101", "leaf102"):  # as the README has it: go on when each lists Ethernet1/1
            node = f"clab-small-{name}"
            wait_for(
                lambda node=node: answers(labs, node, "show interface brief", "Eth1/1"),
                Deadline(patient(60.0)),
                every=0.5,
            )
        said = typed(labs, by_hand, "make", skip=deploy)
        assert said.count("Copy complete.") == 3, said
        assert "% Invalid" not in said
        for command, pattern in (
            ("show bgp l2vpn evpn summary", r"^10\.\S+ +4 +65102 .* \d+$"),
            ("show vpc brief", "peer adjacency formed ok"),
        ):
            wait_for(
                lambda line=command, fits=pattern: answers(labs, "clab-small-leaf101", line, fits),
                Deadline(patient(90.0)), every=1.0,
            )  # fmt: skip

    def test_removed(self, labs: DockerHost, at_first: dict[str, Any]) -> None:
        assert residue(labs) == at_first


def test_killed_while_it_deploys(labs: DockerHost) -> None:
    before = residue(labs)
    running = labs.start_labctl("up", "/root/small.yaml", "--runtime", "containerlab")
    running.until("Creating container", Deadline(patient(120.0)))
    running.kill()
    labs.labctl("down", "small", timeout=200.0).expect(0)
    assert residue(labs) == before


@pytest.fixture(scope="module")
def paper(labs: DockerHost, neighbours: list[str]) -> Iterator[Done]:
    """The white paper's lab, up and proven, beside the neighbours."""
    done = labs.labctl("up", WHITEPAPER, "--runtime", "containerlab", "--json", timeout=CREATED)
    print(done.err)
    yield done
    labs.labctl("down", "whitepaper", timeout=300.0)


class TestWhitePaper:
    """One lab, in the order of these tests."""

    def test_everything_passes(self, paper: Done) -> None:
        report = paper.expect(0).json()["report"]
        verdicts = {row["id"]: row["verdict"] for row in report["scenarios"]}
        assert verdicts == dict.fromkeys(("links", "bgp", "ping", "curl", "cluster", "leafs", "ping-ipip"), "PASS")

    def test_stand_ins_were_chosen_and_said(self, paper: Done) -> None:
        assert "switches: stand-ins (vrnetlab/cisco_n9kv:10.5.4 is not in Docker)" in paper.err
        assert "nodes: stand-ins (kindest/node:v1.35.1 is not in Docker)" in paper.err

    def test_tshark_reads_the_captures(self, paper: Done, labs: DockerHost, tmp_path: Path) -> None:
        def rows(name: str, filter_text: str, *fields: str) -> list[list[str]]:
            path = tmp_path / f"{name}.pcap"
            path.write_bytes(labs.agent.read_file(f"{paper.json()['evidence']}/captures/{name}.pcap"))
            return tshark_fields(path, filter_text, *fields)

        inner = rows("ping-ipip.node01-node02-ipv4.node01", "ip.proto == 4 && icmp.type == 8", "ip.src", "ip.proto")
        assert {row[1] for row in inner} == {"4,1"}
        assert all(row[0].startswith("192.168.1.11,10.244.") for row in inner)
        tagged = [
            row
            for leaf in ("leaf2101", "leaf2102")
            for row in rows(f"curl.master-nginx-service.{leaf}", "tcp.port == 80", "ip.src", "vlan.id")
        ]
        assert ["192.168.1.10", "3001"] in tagged

    def test_what_a_person_does(self, paper: Done, labs: DockerHost, tmp_path: Path) -> None:
        rows = labs.labctl("status", "whitepaper", "--json").expect(0).json()["nodes"]
        assert {row["state"] for row in rows} == {"running"}
        done = labs.labctl("exec", "whitepaper", "node01", "--", "cat", "/proc/net/bonding/bond0").expect(0)
        assert "Slave Interface: eth2" in done.out
        done = labs.labctl("kubectl", "whitepaper", "--", "get", "nodes", "-o", "name").expect(0)
        assert done.out.split() == ["node/master", "node/node01", "node/node02"]
        labs.labctl("save", "whitepaper", "-o", "/root/saved", timeout=120.0).expect(0)
        assert "vpc domain 1" in labs.check("cat", "/root/saved/leaf2101.cfg")
        done = labs.labctl("capture", "whitepaper", "leaf2101:Ethernet1/4", "--count", "1", "-w", "/root/one.pcap")
        done.expect(0)
        labs.labctl("save", "whitepaper", "--test-case", "-o", "/root/record.tar.gz", timeout=300.0).expect(0)
        assert "transcript.json" in labs.check("tar", "-tf", "/root/record.tar.gz")
        labs.shell("rm -r /root/saved /root/one.pcap /root/record.tar.gz")

    def test_a_second_lab_beside_it_is_killed_while_it_pushes_and_gone_on_with(
        self, paper: Done, labs: DockerHost
    ) -> None:
        before = residue(labs)
        words = ("up", "/root/small.yaml", "--runtime", "containerlab")
        running = labs.start_labctl(*words)
        running.until("push: NX-OS configurations", Deadline(patient(300.0)))
        running.kill()
        shown = labs.labctl("status", "small", "--json").expect(0).json()
        # Docker asks a switch for its health 30 s after it began, and not before
        assert {node["state"] for node in shown["nodes"]} <= {"running", "starting"}
        done = labs.labctl(*words, "--json", timeout=CREATED)
        assert {row["verdict"] for row in done.expect(0).json()["report"]["scenarios"]} == {"PASS"}
        names = labs.labctl("status", "--all", "--json").expect(0).json()
        assert {row["name"] for row in names} == {"small", "whitepaper"}
        labs.labctl("down", "small", timeout=200.0).expect(0)
        assert residue(labs) == before
        rows = labs.labctl("status", "whitepaper", "--json").expect(0).json()["nodes"]
        assert {row["state"] for row in rows} == {"running"}

    def test_a_restarted_node_is_recovered_and_a_switch_made_anew(self, paper: Done, labs: DockerHost) -> None:
        labs.check("docker", "restart", "-t", "1", "whitepaper-worker")
        rows = {row["name"]: row for row in labs.labctl("status", "whitepaper", "--json").expect(0).json()["nodes"]}
        assert rows["node01"]["state"] == "broken"
        assert "labctl repair whitepaper node01" in rows["node01"]["detail"]
        labs.labctl("repair", "whitepaper", timeout=300.0).expect(0)
        before = labs.check("docker", "inspect", "-f", "{{.Id}}", "clab-whitepaper-leaf2101")
        others = labs.check("docker", "inspect", "-f", "{{.Id}}", "clab-whitepaper-leaf2102", "clab-whitepaper-spine1")
        labs.labctl("repair", "whitepaper", "--rebuild", "leaf2101", timeout=300.0).expect(0)
        assert labs.check("docker", "inspect", "-f", "{{.Id}}", "clab-whitepaper-leaf2101") != before
        again = labs.check("docker", "inspect", "-f", "{{.Id}}", "clab-whitepaper-leaf2102", "clab-whitepaper-spine1")
        assert again == others
        labs.labctl("verify", "whitepaper", timeout=400.0).expect(0)

    def test_killed_while_it_verifies_and_then_down(self, paper: Done, labs: DockerHost, neighbours: list[str]) -> None:
        running = labs.start_labctl("verify", "whitepaper", "-v")
        running.until("links.lacp", Deadline(patient(200.0)))
        running.kill()
        labs.labctl("down", "whitepaper", timeout=300.0).expect(0)
        left = residue(labs)
        assert sorted(left["containers"]) == sorted([*neighbours, KEEPER])
        assert "kind" not in left["networks"]
        assert {"kind2", "whitepaper-mgmt2"} <= set(left["networks"])
        assert labs.labctl("down", "whitepaper").expect(0).out == "lab whitepaper is not there\n"
        assert labs.labctl("status", "--all", "--json").expect(0).json() == []


def test_a_name_that_is_taken_is_left_alone(labs: DockerHost, neighbours: list[str]) -> None:
    labs.check(
        "docker", "run", "-d", "--name", "clab-small-spine1", "--label", "containerlab=small", "labctl/host:latest"
    )
    try:
        done = labs.labctl("up", "/root/small.yaml", "--runtime", "containerlab", timeout=200.0)
        assert done.code in {2, 4}
        assert "clab-small-spine1" in done.err
        labs.labctl("down", "small").expect(0)
        assert "clab-small-spine1" in residue(labs)["containers"]
    finally:
        labs.check("docker", "rm", "-f", "clab-small-spine1")
