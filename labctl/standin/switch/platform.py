"""What a switch is before any configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labctl.peers import NXOS_DEFAULT

MANAGEMENT = "eth0"
"""What mgmt0 is in Linux."""


@dataclass(frozen=True, slots=True)
class SwitchIdentity:
    """The box, not its role.

    ``interfaces`` maps NX-OS names to kernel names in its namespace (``Ethernet1/1`` → ``eth1``).
    ``management`` is mgmt0's address with prefix length (``172.20.20.11/24``).
    """

    name: str
    namespace: str | None
    interfaces: Mapping[str, str]
    management: str | None = None
    gateway: str | None = None
    """Of the management network; None: its first address."""
    serves: bool = False
    """Whether this box itself is logged in to over the management interface (a container)."""
    nxos_version: str = NXOS_DEFAULT
