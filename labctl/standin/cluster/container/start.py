"""Starts the processes of a stand-in node: its control plane if it has one, then its agent.

``python3 -m labctl.standin.cluster.container.start``, by ``kubeadm`` and by every later start of the container. They
stay when this process ends: the container's first process is their parent then.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from labctl import pace
from labctl.errors import InconclusiveError, LabError
from labctl.guest.agent.speed import measure
from labctl.guest.api import Op
from labctl.guest.client import local_agent
from labctl.kube.api import Access, Api, ApiError, ApiUnreachable
from labctl.kube.resources import NODES
from labctl.standin.cluster.container.record import KUBERNETES, LOGS, NAMESPACE, NodeRecord
from labctl.standin.cluster.spec import AgentsSpec, NodeSpec
from labctl.standin.process import ProcessSpec
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

START_LIMIT = 240.0
"""Seconds for the control plane; on emulated processors it was seen to need about a minute."""
REGISTER_LIMIT = 120.0
KUBELET_PORT = 10250
VERSION = Path("/kind/version")


def start(record: NodeRecord) -> None:
    """Start everything and wait until the node is registered. Raises `LabError` or `InconclusiveError`."""
    pace.know(measure())
    prepare_kernel()
    start_processes(record.processes, Deadline(pace.paced(START_LIMIT)))
    keep_name(record.server)
    if record.control_plane:
        from labctl.standin.cluster.container.objects import make_objects

        make_objects(record)
    spec = agents_spec(record)
    path = KUBERNETES / "agents.json"
    spec.write(path)
    run(
        ProcessSpec(
            "kubelet", (sys.executable, "-I", "-m", "labctl.standin.cluster.agents", str(path)), LOGS / "kubelet.log"
        )
    )
    await_node(spec, Deadline(pace.paced(REGISTER_LIMIT)))


def prepare_kernel() -> None:
    """A name for the container's own network namespace, and what kubeadm's preflight and Calico want of a node."""
    agent = local_agent()
    agent.run(("ip", "netns", "attach", NAMESPACE, str(os.getpid())))  # a second time it is there already
    sysctls = (
        "net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1", "net/ipv4/conf/all/rp_filter=0",
        "net/ipv6/conf/all/accept_dad=0", "net/ipv6/conf/default/accept_dad=0",
    )  # fmt: skip
    refused = agent.batch(None, [Op("sysctl", text) for text in sysctls])
    agent.close()
    if refused:
        raise LabError(f"this container is not privileged: {refused[0].text}: {refused[0].message}")


def start_processes(specs: Sequence[ProcessSpec], deadline: Deadline) -> None:
    """In the order of their ``after``; returns when all are ready."""
    for spec in specs:
        child = run(spec)
        if spec.ready is None:
            continue

        def ready(spec: ProcessSpec = spec, child: subprocess.Popen[bytes] = child) -> bool | NotYet:
            if child.poll() is not None:
                words = spec.log.read_text(errors="replace").strip().splitlines()[-5:]
                raise LabError(f"{spec.name} ended with code {child.returncode}: {' | '.join(words)}")
            return (spec.ready and spec.ready()) or True

        try:
            wait_for(ready, deadline, every=0.2)
        except DeadlinePassed as passed:
            raise InconclusiveError(f"{spec.name} is not ready: {passed.reason}") from None


def run(spec: ProcessSpec) -> subprocess.Popen[bytes]:
    """Start a process that stays."""
    spec.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with spec.log.open("ab") as log:
        return subprocess.Popen(
            spec.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **spec.env},
            start_new_session=True,
        )  # fmt: skip


def keep_name(server: str, hosts: Path = Path("/etc/hosts")) -> None:
    """Resolve the API server once, while Docker's resolver can be asked: our nat rules take the place of its own."""
    host = server.removeprefix("https://").rpartition(":")[0]
    line = f"{socket.gethostbyname(host)}\t{host}\n"
    text = hosts.read_text()
    if line not in text:
        hosts.write_text(text + line)


def addresses() -> tuple[str, ...]:
    """Of eth0, global ones, IPv4 first."""
    done = subprocess.run(("ip", "-j", "addr", "show", "dev", "eth0"), capture_output=True, check=True)
    infos = [info for row in json.loads(done.stdout) for info in row.get("addr_info", ()) if info["scope"] == "global"]
    return tuple(info["local"] for info in sorted(infos, key=lambda info: str(info["family"]) != "inet"))


def agents_spec(record: NodeRecord) -> AgentsSpec:
    """The one node of this container."""
    pki = KUBERNETES / "pki"

    def file(name: str) -> str:
        return str(pki / name)

    node = NodeSpec(
        record.name, NAMESPACE, record.control_plane, addresses()[0], KUBELET_PORT, file("kubelet.crt"),
        file("kubelet.key"), listen="0.0.0.0",  # noqa: S104 - the API server comes over eth0, with its certificate
    )  # fmt: skip
    return AgentsSpec(
        record.server, file("ca.crt"), None, VERSION.read_text().strip().removeprefix("v"), record.pods,
        file("calico-node.crt"), file("calico-node.key"), (node,), pace.speed(),
    )  # fmt: skip


def await_node(spec: AgentsSpec, deadline: Deadline) -> None:
    """Until the Node has a status."""
    node = spec.nodes[0]
    api = Api(Access(spec.server, spec.authority, node.certificate, node.key), connections=1)

    def registered() -> bool | NotYet:
        try:
            found = api.find(NODES.path(name=node.name))
        except (ApiError, ApiUnreachable) as error:
            return NotYet(error.message)
        if found is None or not found.get("status", {}).get("addresses"):
            return NotYet(f"node {node.name} is not registered")
        return True

    try:
        wait_for(registered, deadline, every=0.2)
    except DeadlinePassed as passed:
        raise InconclusiveError(f"node {node.name}: {passed.reason}") from None


def main() -> int:
    """Start what the record says."""
    try:
        start(NodeRecord.read())
    except LabError as error:
        sys.stderr.write(f"error: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
