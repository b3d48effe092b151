"""The switches' front ends: one zygote, a forked process a switch; and what a person logs in with, anew for each lab.

Nothing is shared between labs, files are 0600, and the well-known admin/admin exists only inside containers.
"""

from __future__ import annotations

import json
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labctl import pace
from labctl.errors import LabError
from labctl.pace import limit
from labctl.peers import NXOS_DEFAULT
from labctl.runtime.embedded.network import Plan
from labctl.runtime.embedded.supervisor import Supervisor
from labctl.runtime.ports import kernel_name
from labctl.runtime.processes import tail
from labctl.runtime.refusals import ssh_config
from labctl.standin.process import ProcessSpec
from labctl.standin.switch.frontend import FrontEndSpec, make_key_pair
from labctl.standin.switch.platform import SwitchIdentity
from labctl.state import LabState

USERNAME = "admin"


@dataclass(frozen=True, slots=True)
class SwitchCredentials:
    """Paths and the password; the password is not in its repr."""

    username: str
    password_file: Path
    private_key: Path
    public_key: str
    host_key: Path
    host_public_key: str

    @property
    def password(self) -> str:
        return self.password_file.read_text().strip()


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def make_credentials(folder: Path) -> SwitchCredentials:
    """New password, user key and host key in ``folder`` (0700)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = folder / "switch_password"
    _write(password, secrets.token_urlsafe(18).encode() + b"\n")
    public = make_key_pair(folder / "switch_key")
    host_public = make_key_pair(folder / "switch_host_key")
    return SwitchCredentials(USERNAME, password, folder / "switch_key", public, folder / "switch_host_key", host_public)


def known_hosts(credentials: SwitchCredentials, ports: Mapping[str, int]) -> str:
    """The host key under each ``[127.0.0.1]:port``."""
    return "".join(f"[127.0.0.1]:{port} {credentials.host_public_key}\n" for port in ports.values())


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
            node = folder.lab.nodes[name].topology
            interfaces = {interface: kernel_name(interface) for interface in folder.lab.interfaces(name)}
            identity = SwitchIdentity(
                name,
                made.namespaces[name],
                interfaces,
                made.management.interface(node),
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
    hosts = {
        name: {
            "HostName": "127.0.0.1", "Port": str(port), "User": credentials.username,
            "IdentityFile": f'"{credentials.private_key}"', "IdentitiesOnly": "yes",
            "UserKnownHostsFile": f'"{known}"', "GlobalKnownHostsFile": "none", "StrictHostKeyChecking": "yes",
        }
        for name, port in ports.items()
    }  # fmt: skip
    state.write(state.ssh_config, ssh_config(hosts))
