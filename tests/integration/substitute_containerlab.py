#!/usr/bin/env python3
"""NOT containerlab: as much of it as labctl uses, on real Docker and kind, for machines where there is no containerlab.

It makes the same containers (names, labels, arguments, environment, mounts), the same links (veth, 9500 bytes), and the
same marks on the host, out of the same topology.clab.yml; where containerlab is on PATH the tests use that instead.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

MTU = 9500
VERSION = os.environ.get("SUBSTITUTE_CONTAINERLAB_VERSION", "0.79.0")
"""Which one it stands for: the topology's format moved (`labctl.peers`)."""
NEWER = tuple(map(int, VERSION.split(".")[:2])) >= (0, 81)


def run(*argv: str, check: bool = True) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        sys.exit(f"ERROR {' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout.strip()


def say(text: str) -> None:
    print(f"00:00:00 INFO {text}", file=sys.stderr, flush=True)


def port(interface: str) -> str:
    match = re.fullmatch(r"(?:Ethernet|Et)1/(\d+)", interface)
    return f"eth{match[1]}" if match else interface


class Lab:
    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).resolve()
        expanded = re.sub(r"\$\{(\w+):=([^}]*)\}", lambda m: os.environ.get(m[1]) or m[2], self.path.read_text())
        body = yaml.safe_load(expanded)
        self.name, self.mgmt, topology = body["name"], body["mgmt"], body["topology"]
        kinds, defaults = topology.get("kinds", {}), topology.get("defaults", {})
        self.nodes = {
            name: {**defaults, **kinds.get(node["kind"], {}), **node} for name, node in topology["nodes"].items()
        }
        for name, node in self.nodes.items():
            self.parse(name, node)
        self.links = [[end.split(":", 1) for end in link["endpoints"]] for link in topology.get("links", [])]
        base = os.environ.get("CLAB_LABDIR_BASE")
        self.folder = Path(base or self.path.parent) / f"clab-{self.name}"

    def parse(self, name: str, node: dict[str, Any]) -> None:
        """Refuse what the containerlab that is stood for does not have."""
        if NEWER and "extras" in node:
            sys.exit(f"ERROR node {name}: extras is removed, its keys are set directly on the node definition")
        unknown = [] if NEWER and node["kind"] == "k8s-kind" else [key for key in ("wait", "kubeconfig") if key in node]
        if unknown:
            kind = "types.NodeDefinitionWithDeprecatedFields"
            sys.exit(f"ERROR Failed to read topology file: yaml: field {unknown[0]} not found in type {kind}")

    def container(self, node: str) -> str:
        return node if self.nodes[node]["kind"] in {"ext-container", "k8s-kind"} else f"clab-{self.name}-{node}"

    def pid(self, node: str) -> int:
        return int(run("docker", "inspect", "-f", "{{.State.Pid}}", self.container(node)))

    def deploy(self) -> None:
        network = self.mgmt["network"]
        if not run("docker", "network", "ls", "-q", "-f", f"name=^{network}$"):
            say(f"Creating docker network name={network}")
            run("docker", "network", "create", "--label", "containerlab", "--subnet", self.mgmt["ipv4-subnet"], network)
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, node in self.nodes.items():
            there = run("docker", "ps", "-aq", "-f", f"name=^{self.container(name)}$")
            if not there and node["kind"] in {"cisco_n9kv", "linux"}:
                self.node(name, node)
        for name, node in self.nodes.items():
            if node["kind"] == "k8s-kind" and name not in run("kind", "get", "clusters").split():
                self.cluster(name, node)
        for (a, one), (b, other) in self.links:
            self.link(a, port(one), b, port(other))
        self.marks()

    def node(self, name: str, node: dict[str, Any]) -> None:
        say(f"Creating container name={name}")
        labels = {
            "containerlab": self.name, "clab-node-name": name, "clab-node-longname": self.container(name),
            "clab-node-kind": node["kind"], "clab-node-lab-dir": str(self.folder / name),
            "clab-topo-file": str(self.path), **node.get("labels", {}),
        }  # fmt: skip
        words = ["docker", "run", "-d", "--privileged", "--name", self.container(name), "--hostname", name]
        words += ["--network", self.mgmt["network"], "--tty"]
        if "mgmt-ipv4" in node:
            words += ["--ip", node["mgmt-ipv4"]]
        for key, value in labels.items():
            words += ["--label", f"{key}={value}"]
        command = str(node.get("cmd", "")).split()
        if node["kind"] == "cisco_n9kv":
            (self.folder / name / "config").mkdir(parents=True, exist_ok=True)
            login = {"username": "admin", "password": "admin", **node.get("credentials", {})}
            count = sum(end[0] == name for link in self.links for end in link)
            for key, value in (("CLAB_INTFS", count), ("CONNECTION_MODE", "tc"), *node.get("env", {}).items()):
                words += ["--env", f"{key}={value}"]
            words += ["--volume", f"{self.folder / name / 'config'}:/config"]
            command = ["--username", login["username"], "--password", login["password"], "--hostname", name,
                       "--connection-mode", "tc", "--trace"]  # fmt: skip
        run(*words, node["image"], *command)
        Path("/run/netns").mkdir(exist_ok=True)
        link = Path("/run/netns") / self.container(name)
        link.unlink(missing_ok=True)
        link.symlink_to(f"/proc/{self.pid(name)}/ns/net")

    def cluster(self, name: str, node: dict[str, Any]) -> None:
        say(f'Creating cluster "{name}" ...')
        (self.folder / name).mkdir(exist_ok=True)
        options = node if NEWER else node.get("extras", {}).get("k8s_kind", {}).get("deploy", {})
        wait, kubeconfig = options.get("wait", "15m"), self.folder / name / options["kubeconfig"]
        done = subprocess.run(
            ("kind", "create", "cluster", "--name", name, "--image", node["image"], "--wait", wait, "--config",
             str(self.path.parent / node["startup-config"]), "--kubeconfig", str(kubeconfig)),
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"ERROR kind create cluster: {done.returncode}")

    def link(self, a: str, one: str, b: str, other: str) -> None:
        pids = self.pid(a), self.pid(b)
        if run("nsenter", "-t", str(pids[0]), "-n", "ip", "link", "show", "dev", one, check=False):
            return
        run("ip", "link", "add", "clab-0000000a", "mtu", str(MTU), "type", "veth", "peer", "name", "clab-0000000b",
            "mtu", str(MTU))  # fmt: skip
        for end, pid, name in (("clab-0000000a", pids[0], one), ("clab-0000000b", pids[1], other)):
            run("ip", "link", "set", end, "netns", str(pid), "name", name)
            run("nsenter", "-t", str(pid), "-n", "ip", "link", "set", name, "up")
        say(f"Created link: {a}:{one} ▪┄┄▪ {b}:{other}")

    def marks(self) -> None:
        rows = [
            f"{node['mgmt-ipv4']}\t{self.container(name)}\t# Kind: {node['kind']}"
            for name, node in self.nodes.items()
            if "mgmt-ipv4" in node
        ]
        text = Path("/etc/hosts").read_text()
        if f"CLAB-{self.name}-START" not in text:
            block = [f"###### CLAB-{self.name}-START ######", *rows, f"###### CLAB-{self.name}-END ######"]
            Path("/etc/hosts").write_text(text + "\n".join(block) + "\n")
        config = Path("/etc/ssh/ssh_config.d") / f"clab-{self.name}.conf"
        config.parent.mkdir(parents=True, exist_ok=True)
        lines = ("  User admin", "  StrictHostKeyChecking no", "  UserKnownHostsFile /dev/null")
        blocks = [[f"Host {self.container(name)}", *lines] for name in self.nodes]
        config.write_text("".join(f"{line}\n" for block in blocks for line in block))

    def destroy(self) -> None:
        for name, node in self.nodes.items():
            if node["kind"] == "k8s-kind":
                run("kind", "delete", "cluster", "--name", name)
        found = run("docker", "ps", "-aq", "-f", f"label=containerlab={self.name}").split()
        if found:
            run("docker", "rm", "-f", "-v", *found)
        run("docker", "network", "rm", self.mgmt["network"], check=False)
        for name in self.nodes:
            (Path("/run/netns") / self.container(name)).unlink(missing_ok=True)
        (Path("/etc/ssh/ssh_config.d") / f"clab-{self.name}.conf").unlink(missing_ok=True)
        text = Path("/etc/hosts").read_text()
        pattern = rf"###### CLAB-{self.name}-START ######.*?###### CLAB-{self.name}-END ######\n"
        Path("/etc/hosts").write_text(re.sub(pattern, "", text, flags=re.DOTALL))
        shutil.rmtree(self.folder, ignore_errors=True)


def main(arguments: list[str]) -> None:
    if arguments[0] == "version":
        json_asked = "--json" in arguments
        print(json.dumps({"version": VERSION}) if json_asked else f"    version: {VERSION}\n     commit: a substitute")
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("-t", type=Path, required=True)
    parser.add_argument("-a", default="")
    parser.add_argument("-b", default="")
    given, rest = parser.parse_known_args(arguments)
    lab = Lab(given.t)
    say("this is NOT containerlab: a substitute of labctl's tests")
    if rest[0] == "deploy":
        lab.deploy()
    elif rest[0] == "destroy":
        lab.destroy()
    elif rest[:3] == ["tools", "veth", "create"]:
        (a, one), (b, other) = given.a.split(":"), given.b.split(":")
        lab.link(a, port(one), b, port(other))
    else:
        sys.exit(f"ERROR the substitute cannot {' '.join(rest)}")


if __name__ == "__main__":
    main(sys.argv[1:])
