"""Where containerlab leaves its marks on this host; a test gives folders of its own instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HostPlaces:
    """Read from containerlab's source (core/hostsfile.go, core/sshconfig.go, utils/netlink.go, types/topo_paths.go)."""

    hosts: Path = Path("/etc/hosts")
    hosts_lock: Path = Path("/run/lock/clab-hosts.lock")
    """containerlab's own lock for that file."""
    ssh_config: Path = Path("/etc/ssh/ssh_config.d")
    namespaces: Path = Path("/run/netns")
    backups: Path = Path("/tmp/.clab/bak")  # noqa: S108 - containerlab's choice
    interfaces: Path = Path("/sys/class/net")
    processes: Path = Path("/proc")
