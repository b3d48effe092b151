"""The ways into a lab as files of its state folder: kubeconfig and an OpenSSH client configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from labctl.errors import InconclusiveError
from labctl.runtime.containerlab.dockerhost import Container
from labctl.runtime.containerlab.inside import Inside
from labctl.state import LabState

ADMIN = "/etc/kubernetes/admin.conf"
API_PORT = "6443/tcp"


def write_kubeconfig(state: LabState, control_plane: Container, inside: Inside) -> Path:
    """kubeadm's own, its server being the port that kind publishes on loopback. Raises `InconclusiveError`."""
    done = inside.exec(control_plane, ["cat", ADMIN])
    port = control_plane.published.get(API_PORT)
    if done.code != 0 or port is None:
        words = done.stderr.decode(errors="replace").strip() or f"{API_PORT} is not published"
        raise InconclusiveError(
            f"{control_plane.name} has no kubeconfig for this host: {words}",
            code="no-kubeconfig",
            next_command=f"labctl logs {state.name} {control_plane.name}",
        )
    body: dict[str, Any] = yaml.load(done.stdout, Loader=yaml.CSafeLoader)
    for cluster in body["clusters"]:
        cluster["cluster"]["server"] = f"https://127.0.0.1:{port}"
    new = state.root / "kubeconfig.new"
    new.unlink(missing_ok=True)
    state.write(new, yaml.safe_dump(body))
    new.replace(state.kubeconfig)  # also where containerlab, as root, has written one
    return state.kubeconfig


def host_keys(state: LabState, switch: str) -> Path:
    """Where the key is kept that a switch showed first. A file each: several are logged in to at once."""
    return state.root / "host_keys" / switch


def write_ssh_config(state: LabState, addresses: Mapping[str, str], username: str) -> None:
    """One alias a switch. Its key is accepted the first time and then held to: a switch of a lab has no older one."""
    keys = state.root / "host_keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    blocks = [
        f"Host {name}\n"
        f"  HostName {address}\n"
        f"  User {username}\n"
        f'  UserKnownHostsFile "{host_keys(state, name)}"\n'
        f"  GlobalKnownHostsFile none\n"
        f"  StrictHostKeyChecking accept-new\n"
        f"  PreferredAuthentications password,keyboard-interactive\n"
        for name, address in addresses.items()
    ]
    state.write(state.ssh_config, "\n".join(blocks))
