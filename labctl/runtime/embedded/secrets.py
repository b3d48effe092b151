"""What a person needs to log in to an embedded lab's switches: a password and a key per lab, an ssh_config.

Nothing is shared between labs, files are 0600, and the well-known admin/admin exists only inside containers.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labctl.standin.switch.frontend import make_key_pair

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


def ssh_config(credentials: SwitchCredentials, ports: Mapping[str, int], known_hosts: Path) -> str:
    """An OpenSSH client configuration with one alias a switch; strict about the lab's host key."""
    blocks = [
        f"Host {name}\n"
        f"  HostName 127.0.0.1\n"
        f"  Port {port}\n"
        f"  User {credentials.username}\n"
        f'  IdentityFile "{credentials.private_key}"\n'
        f"  IdentitiesOnly yes\n"
        f'  UserKnownHostsFile "{known_hosts}"\n'
        f"  GlobalKnownHostsFile none\n"
        f"  StrictHostKeyChecking yes\n"
        for name, port in ports.items()
    ]
    return "\n".join(blocks)


def known_hosts(credentials: SwitchCredentials, ports: Mapping[str, int]) -> str:
    """The host key under each ``[127.0.0.1]:port``."""
    return "".join(f"[127.0.0.1]:{port} {credentials.host_public_key}\n" for port in ports.values())
