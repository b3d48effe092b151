"""One switch's front end: the process that a person logs in to. Everything it needs is in a 0600 file."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl import pace
from labctl.standin.switch.platform import SwitchIdentity

if TYPE_CHECKING:
    from labctl.guest.client import Agent
    from labctl.standin.switch.shell import Device


def make_key_pair(path: Path) -> str:
    """Write an OpenSSH ed25519 private key (0600), return its public half in one line."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    path.touch(mode=0o600)
    path.write_bytes(private)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return public.decode()


@dataclass(frozen=True, slots=True)
class FrontEndSpec:
    """What a front end is told; the password is read from its file by nobody else."""

    identity: SwitchIdentity
    agent_socket: str
    """The lab's agent."""
    host: str
    port: int
    username: str
    password_file: str
    authorized_key: str
    host_key: str
    speed: float | None = None
    """Of the guest: how long its agent is waited for."""

    def write(self, path: Path) -> None:
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))

    @staticmethod
    def read(path: Path) -> FrontEndSpec:
        data: dict[str, Any] = json.loads(path.read_text())
        return FrontEndSpec(identity=SwitchIdentity(**data.pop("identity")), **data)


def make_device(agent: Agent, identity: SwitchIdentity) -> Device:
    """The switch itself, its box prepared and nothing configured."""
    from labctl.standin.switch.config import RunningConfig
    from labctl.standin.switch.dataplane.platform import FrrPlatform
    from labctl.standin.switch.shell import Device

    platform = FrrPlatform(agent, identity)
    platform.start()
    return Device(RunningConfig(identity.name, identity.nxos_version, tuple(identity.interfaces)), platform)


def run(spec: FrontEndSpec) -> None:
    """Serve until SIGTERM."""
    import paramiko

    from labctl.guest.client import connect
    from labctl.standin.switch.sshd import SshServer

    pace.know(spec.speed)
    device = make_device(connect(Path(spec.agent_socket)), spec.identity)
    key = paramiko.Ed25519Key.from_private_key_file(spec.host_key)
    password = Path(spec.password_file).read_text().strip()
    server = SshServer(device, (spec.host, spec.port), key, (spec.username, password, spec.authorized_key))
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: over.set())
    threading.Thread(target=server.serve, name="sshd", daemon=True).start()
    over.wait()
    os._exit(0)
