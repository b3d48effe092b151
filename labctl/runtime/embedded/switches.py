"""The switches' front ends: one zygote, a forked process a switch; and what a person logs in with, anew for each lab.

Nothing is shared between labs, files are 0600, and the well-known admin/admin exists only inside containers.
"""

from __future__ import annotations

import json
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from labctl import pace
from labctl.errors import LabError
from labctl.folder import Folder
from labctl.pace import limit
from labctl.peers import NXOS_DEFAULT
from labctl.runtime.embedded.network import Management
from labctl.runtime.embedded.runtime import KEY, PASSWORD, USERNAME
from labctl.runtime.embedded.supervisor import Supervisor
from labctl.runtime.ports import kernel_name
from labctl.runtime.processes import tail
from labctl.runtime.refusals import ssh_config
from labctl.standin.process import ProcessSpec
from labctl.standin.switch.frontend import FrontEndSpec, make_key_pair
from labctl.standin.switch.platform import SwitchIdentity
from labctl.state import LabState, write_private

HOST_KEY = "switch_host_key"
"""A file in the lab's secrets."""


def make_credentials(folder: Path) -> tuple[str, str]:
    """New password, user key and host key in ``folder`` (0700); gives the public halves of both keys."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(folder / PASSWORD, f"{secrets.token_urlsafe(18)}\n")
    return make_key_pair(folder / KEY), make_key_pair(folder / HOST_KEY)


def start_zygote(state: LabState, supervisor: Supervisor) -> socket.socket:
    """Start the common parent early: it imports while the guest boots. It ends when the socket is closed."""
    ours, theirs = socket.socketpair()
    argv = (sys.executable, "-m", "labctl.standin.switch.zygote", str(theirs.fileno()))
    with theirs:
        log = state.logs / "front-ends.log"
        supervisor.start(ProcessSpec("front-ends", argv, log), pass_fds=(theirs.fileno(),))
    ours.settimeout(limit("start"))
    return ours


def start_front_ends(
    state: LabState,
    zygote: socket.socket,
    supervisor: Supervisor,
    folder: Folder,
    management: Management,
    ports: Mapping[str, int],
    user_key: str,
) -> None:
    """One front end a switch; returns when each has been forked (the SSH gate waits until they answer)."""
    specs = state.root / "front-ends"
    specs.mkdir(mode=0o700, exist_ok=True)
    with zygote.makefile("r") as answers:
        for name, port in ports.items():
            node = folder.lab.nodes[name].topology
            interfaces = {interface: kernel_name(interface) for interface in folder.lab.interfaces(name)}
            identity = SwitchIdentity(
                name,
                node,
                interfaces,
                management.interface(management.addresses[node]),
                nxos_version=folder.lab.versions.get("nxos", NXOS_DEFAULT),
            )
            spec = FrontEndSpec(
                identity, str(state.root / "agent.sock"), "127.0.0.1", port, USERNAME, str(state.secrets / PASSWORD),
                user_key, str(state.secrets / HOST_KEY), pace.speed(),
            )  # fmt: skip
            path = specs / f"{name}.json"
            spec.write(path)
            request = {"name": name, "spec": str(path), "log": str(state.logs / f"{name}.log")}
            zygote.sendall(json.dumps(request).encode() + b"\n")
        for _ in ports:
            answer = answers.readline()
            if not answer:
                raise LabError(f"the front ends' process ended: {tail(state.logs / 'front-ends.log')}")
            row = json.loads(answer)
            supervisor.record(f"switch:{row['name']}", row["pid"])


def write_ssh_files(state: LabState, host_key: str, ports: Mapping[str, int]) -> None:
    """``ssh_config`` and ``known_hosts`` of the lab."""
    known = state.root / "known_hosts"
    state.write(known, "".join(f"[127.0.0.1]:{port} {host_key}\n" for port in ports.values()))
    hosts = {
        name: {
            "HostName": "127.0.0.1", "Port": str(port), "User": USERNAME,
            "IdentityFile": f'"{state.secrets / KEY}"', "IdentitiesOnly": "yes",
            "UserKnownHostsFile": f'"{known}"', "GlobalKnownHostsFile": "none", "StrictHostKeyChecking": "yes",
        }
        for name, port in ports.items()
    }  # fmt: skip
    state.write(state.ssh_config, ssh_config(hosts))
