"""The switches' front ends: one zygote, a forked process a switch, and the files with which a person logs in."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl import pace
from labctl.errors import LabError
from labctl.pace import limit
from labctl.peers import NXOS_DEFAULT
from labctl.runtime.embedded.secrets import SwitchCredentials, known_hosts, ssh_config
from labctl.runtime.embedded.supervisor import Supervisor
from labctl.runtime.ports import kernel_name
from labctl.runtime.processes import tail
from labctl.standin.process import ProcessSpec
from labctl.standin.switch.frontend import FrontEndSpec
from labctl.standin.switch.platform import SwitchIdentity
from labctl.state import LabState

if TYPE_CHECKING:
    from labctl.runtime.embedded.boot import Plan


@dataclass(frozen=True, slots=True)
class Zygote:
    """Our end of the zygote's socket."""

    channel: socket.socket
    log: str


def start_zygote(state: LabState, supervisor: Supervisor) -> Zygote:
    """Start the common parent early: it imports while the guest boots."""
    ours, theirs = socket.socketpair()
    log = state.logs / "front-ends.log"
    argv = (sys.executable, "-m", "labctl.standin.switch.zygote", str(theirs.fileno()))
    with theirs:
        supervisor.start(ProcessSpec("front-ends", argv, log), pass_fds=(theirs.fileno(),))
    ours.settimeout(limit("start"))
    return Zygote(ours, str(log))


def start_front_ends(
    state: LabState,
    zygote: Zygote,
    supervisor: Supervisor,
    made: Plan,
    ports: Mapping[str, int],
    credentials: SwitchCredentials,
) -> None:
    """One front end a switch; returns when each has been forked (the SSH gate waits until they answer)."""
    folder = made.folder
    specs = state.root / "front-ends"
    specs.mkdir(mode=0o700, exist_ok=True)
    with zygote.channel.makefile("r") as answers:
        for name, port in ports.items():
            box = folder.lab.nodes[name].topology
            interfaces = {interface: kernel_name(interface) for interface in folder.lab.interfaces(name)}
            identity = SwitchIdentity(
                name,
                made.namespaces[name],
                interfaces,
                made.management.interface(box),
                nxos_version=folder.lab.versions.get("nxos", NXOS_DEFAULT),
            )
            spec = FrontEndSpec(
                identity, str(state.root / "agent.sock"), "127.0.0.1", port, credentials.username,
                str(credentials.password_file), credentials.public_key, str(credentials.host_key), pace.speed(),
            )  # fmt: skip
            path = specs / f"{name}.json"
            spec.write(path)
            request = {"name": name, "spec": str(path), "log": str(state.logs / f"{name}.log")}
            zygote.channel.sendall(json.dumps(request).encode() + b"\n")
        for _ in ports:
            answer = answers.readline()
            if not answer:
                raise LabError(f"the front ends' process ended: {tail(state.logs / 'front-ends.log')}")
            row = json.loads(answer)
            supervisor.record(f"switch:{row['name']}", row["pid"])


def write_ssh_files(state: LabState, credentials: SwitchCredentials, ports: Mapping[str, int]) -> None:
    """``ssh_config`` and ``known_hosts`` of the lab."""
    known = state.root / "known_hosts"
    state.write(known, known_hosts(credentials, ports))
    state.write(state.ssh_config, ssh_config(credentials, ports, known))
