"""containerlab as labctl meets it: arguments, log lines, JSON, marks on the host, and its real failures.

The forms are those that were measured (containerlab-run.md 3 to 7) and read in its source. ``LABCTL_TEST_WORLD`` is
the world's folder; the world's ``plot`` says what goes wrong:

``kind-image``  rc 1 as kind gives up         ``half-link``  rc 0, the last link is not there
``hang``        waits until it is told to end ``stubborn``   as hang, and hears no SIGINT
``exec``        a failed exec, rc 0           ``destroy-0``  destroy: rc 0, one container, network and marks stay
``overlap``     Docker refuses the network
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

WORLD = Path(os.environ["LABCTL_TEST_WORLD"])
ROOT = WORLD / "root"


def request(method: str, path: str, body: str = "") -> tuple[int, bytes]:
    """HTTP by hand: `http.client` takes longer to import than all that is asked with it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(WORLD / "docker.sock"))
        head = f"{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Length: {len(body.encode())}\r\n\r\n"
        connection.sendall((head + body).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    headers, _, data = answer.partition(b"\r\n\r\n")
    return int(headers.split(maxsplit=2)[1]), data


def ask(what: str, **body: Any) -> Any:
    status, answer = request("POST", f"/world/{what}", json.dumps(body))
    data = json.loads(answer or b"null")
    if status != 200:
        fail(data["message"])
    return data


def docker(method: str, path: str) -> None:
    request(method, path)


def say(text: str, level: str = "INFO") -> None:
    print(f"{time.strftime('%H:%M:%S')} {level} {text}", file=sys.stderr, flush=True)


def fail(words: str) -> None:
    """As its command-line library writes an error: a heading, and the words wrapped."""
    half = len(words) // 2
    cut = words.find(" ", half) if " " in words[half:] else len(words)
    print(f"          \n   ERROR  \n          \n  {words[:cut]}   \n  {words[cut:].strip()}   \n", file=sys.stderr)
    sys.exit(1)


def port(interface: str) -> str:
    match = re.fullmatch(r"(?:Ethernet|Et)1/(\d+)", interface)
    return f"eth{match[1]}" if match else interface


def there() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in ask("list")}


class Lab:
    def __init__(self, path: Path) -> None:
        import yaml  # here: not every call reads a topology

        self.path = path.resolve()
        self.body = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        self.name = self.body["name"]
        self.nodes = self.body["topology"]["nodes"]
        self.folder = Path(os.environ["CLAB_LABDIR_BASE"]) / f"clab-{self.name}"
        self.state = self.folder / ".state.clab.yaml"

    def container(self, node: str) -> str:
        return node if self.nodes[node]["kind"] == "ext-container" else f"clab-{self.name}-{node}"

    def labels(self, node: str) -> dict[str, str]:
        own = {"containerlab": self.name, "clab-node-name": node, "clab-node-kind": self.nodes[node]["kind"],
               "clab-topo-file": str(self.path), "clab-node-lab-dir": str(self.folder / node)}  # fmt: skip
        return {**self.body["topology"]["defaults"]["labels"], **own}

    def ends(self) -> list[list[tuple[str, str]]]:
        rows = [[tuple(end.split(":", 1)) for end in link["endpoints"]] for link in self.body["topology"]["links"]]
        return [[(self.container(node), port(name)) for node, name in row] for row in rows]  # type: ignore[misc]


def deploy(lab: Lab, plot: list[str]) -> None:
    say("Containerlab started version=0.79.0")
    backups = ROOT / "tmp" / ".clab" / "bak"
    backups.mkdir(parents=True, exist_ok=True)
    shutil.copy(lab.path, backups / f"{time.strftime('%y%m%d_%H%M%S')}_{lab.path.name}")
    if "overlap" in plot:
        fail("Error response from daemon: Pool overlaps with other one on this address space")
    network = lab.body["mgmt"]["network"]
    ask("network", name=network, labels={"containerlab": ""})
    lab.folder.mkdir(parents=True, exist_ok=True)
    say(f"Creating lab directory path={lab.folder}")
    if lab.state.exists():
        finish(lab)
        return
    nodes(lab, network)
    waits(lab, plot)
    cluster(lab, plot)
    links = lab.ends()
    for a, b in links[: -1 if "half-link" in plot else None]:
        ask("link", a=a, b=b)
        say(f"Created link: {a[0]}:{a[1]} ▪┄┄▪ {b[0]}:{b[1]}")
    if "exec" in plot:
        say('Failed to execute command command="false" node=spine1 rc=1', "ERRO")
    finish(lab)


def nodes(lab: Lab, network: str) -> None:
    for node, row in lab.nodes.items():
        if row["kind"] in ("cisco_n9kv", "linux"):
            say(f"Creating container name={node}")
            ask("add", name=lab.container(node), labels=lab.labels(node), networks={network: row["mgmt-ipv4"]})
            (ROOT / "netns").mkdir(parents=True, exist_ok=True)
            link = ROOT / "netns" / lab.container(node)
            link.unlink(missing_ok=True)
            link.symlink_to("/proc/4242/ns/net")


def waits(lab: Lab, plot: list[str]) -> None:
    if "hang" in plot or "stubborn" in plot:
        half = ROOT / "net" / "clab-0a1b2c3d"  # one end of a link, not yet moved into its container
        half.parent.mkdir(parents=True, exist_ok=True)
        half.touch()
        if "stubborn" in plot:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGINT, lambda *_: (say('received signal "interrupt", canceling context', "ERRO"),
                                                     os._exit(1)))  # fmt: skip
        say("hanging")
        threading.Event().wait(60)


def cluster(lab: Lab, plot: list[str]) -> None:
    clusters = [node for node, row in lab.nodes.items() if row["kind"] == "k8s-kind"]
    if not clusters:
        return
    name = clusters[0]
    ask("network", name="kind")
    workers = [node for node, row in lab.nodes.items() if row["kind"] == "ext-container"]
    say(f"[{name}] Preparing nodes")
    for index, node in enumerate(workers):
        master = "control-plane" in node
        ask("add", name=node, labels={"io.x-k8s.kind.cluster": name, "io.x-k8s.kind.role": "x"},
            networks={"kind": f"172.18.0.{index + 2}"}, ports={"6443/tcp": 40000} if master else {})  # fmt: skip
        ask("log", name=node, text="systemd 252 running in system mode\n")
        if "kind-image" not in plot:
            ask("log", name=node, text="[  OK  ] Reached target \x1b[0;1;39mMulti-User System\x1b[0m.\n")
        else:
            ask("log", name=node, text="Failed to mount cgroup: too many open files\n")
    if "kind-image" in plot:
        threading.Event().wait(1.3)  # kind looks for 30 s for the line that does not come
        for node in workers:
            docker("DELETE", f"/containers/{node}")
        fail(f'node "{name}" deploy: could not find a log line that matches "Reached target .*Multi-User System.*"')
    say(f"[{name}] Starting control-plane")


def finish(lab: Lab) -> None:
    (ROOT / "etc").mkdir(parents=True, exist_ok=True)
    hosts = ROOT / "etc" / "hosts"
    rows = [f"{row['mgmt-ipv4']}\t{lab.container(node)} 0123\t# Kind: {row['kind']}\n"
            for node, row in lab.nodes.items() if "mgmt-ipv4" in row]  # fmt: skip
    block = [f"###### CLAB-{lab.name}-START ######\n", *rows, f"###### CLAB-{lab.name}-END ######\n"]
    hosts.write_text(without(hosts.read_text(), lab.name) + "".join(block))
    (ROOT / "ssh").mkdir(exist_ok=True)
    (ROOT / "ssh" / f"clab-{lab.name}.conf").write_text("Host x\n")
    (lab.folder / "topology-data.json").write_text("{}")
    # JSON is YAML, too
    lab.state.write_text("# generated by containerlab\n" + json.dumps({"topology": lab.body["topology"]}))
    print(json.dumps({lab.name: [{"lab_name": lab.name, "name": name, "state": "running"} for name in there()]}))


def without(text: str, name: str) -> str:
    return re.sub(rf"###### CLAB-{name}-START ######\n.*?###### CLAB-{name}-END ######\n", "", text, flags=re.DOTALL)


def destroy(lab: Lab, plot: list[str]) -> None:
    say(f"Destroying lab name={lab.name}")
    names = [lab.container(node) for node, row in lab.nodes.items() if row["kind"] != "k8s-kind"]
    for name in names[1:] if "destroy-0" in plot else names:
        docker("DELETE", f"/containers/{name}?v=1&force=1")
        if (ROOT / "netns" / name).is_symlink():
            (ROOT / "netns" / name).unlink()
    if "destroy-0" in plot:
        say('could not remove container "spine1": device is busy', "ERRO")
    else:
        hosts = ROOT / "etc" / "hosts"
        hosts.write_text(without(hosts.read_text(), lab.name))
        (ROOT / "ssh" / f"clab-{lab.name}.conf").unlink(missing_ok=True)
        docker("DELETE", f"/networks/{lab.body['mgmt']['network']}")
    shutil.rmtree(lab.folder, ignore_errors=True)


def veth(lab: Lab, arguments: list[str]) -> None:
    ends = [arguments[arguments.index(flag) + 1].split(":", 1) for flag in ("-a", "-b")]
    a, b = ((lab.container(node), port(name)) for node, name in ends)
    ask("link", a=a, b=b)
    say("veth interface successfully created!")


def main() -> None:
    arguments = sys.argv[1:]
    kept = {name: value for name, value in os.environ.items() if name.startswith(("CLAB", "LABCTL", "KUBECONFIG"))}
    plot = ask("call", arguments=arguments, environment=kept, cwd=str(Path.cwd()))
    lab = Lab(Path(arguments[arguments.index("-t") + 1]))
    match arguments:
        case ["deploy", *_]:
            deploy(lab, plot)
        case ["destroy", *_]:
            destroy(lab, plot)
        case ["tools", "veth", "create", *_]:
            veth(lab, arguments)


main()
