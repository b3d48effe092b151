"""Reads what the kernel says of itself. Every function takes the roots to read under, so tests make hosts up."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path

from labctl.doctor.containerlab.model import ModuleState, RouteFact
from labctl.guest.userns import number, text

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_SYS_RESOURCE": 24}
"""Bits of linux/capability.h, without one of which a privileged container does not start or cannot mount and wire."""


def lacking_capabilities(proc: Path, pid: str = "self") -> tuple[str, ...]:
    """Which of `CAPABILITIES` the bounding set of a process lacks: nothing under it can ever have them."""
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", text(proc / pid / "status"), re.MULTILINE)
    if not found:
        return ()
    bits = int(found[1], 16)
    return tuple(name for name, bit in CAPABILITIES.items() if not bits >> bit & 1)


def modules(names: Iterable[str], release: str, sys: Path, lib: Path) -> dict[str, ModuleState]:
    """State of each module.

    Read as modprobe reads it (modules.dep, modules.builtin), since modprobe is not on a user's PATH in Debian.
    """
    folder = lib / release
    builtin = {_stem(line) for line in text(folder / "modules.builtin").splitlines()}
    loadable = {_stem(line.partition(":")[0]) for line in text(folder / "modules.dep").splitlines()}
    otherwise: ModuleState = "missing" if (folder / "modules.dep").is_file() else "unknown"
    states: dict[str, ModuleState] = {}
    for name in names:
        if (sys / "module" / name).is_dir() or name in builtin:
            states[name] = "loaded"
        else:
            states[name] = "loadable" if name in loadable else otherwise
    return states


def _stem(path: str) -> str:
    """``kernel/net/bonding/bonding.ko.xz`` → ``bonding``, with the underscores that the kernel uses."""
    return path.strip().rpartition("/")[2].partition(".")[0].replace("-", "_")


def virtualisation(proc: Path) -> bool:
    """Whether the processor's flags have vmx or svm, found as containerlab finds them: anywhere in the text."""
    flags = text(proc / "cpuinfo")
    return "vmx" in flags or "svm" in flags


def in_container(proc: Path) -> bool:
    """Whether containerlab takes itself to be in a container: process 2 is not the kernel's thread daemon."""
    return "kthreadd" not in text(proc / "2" / "status").partition("\n")[0]


def kvm_refusal(device: Path, *, root: bool) -> str | None:
    """Why /dev/kvm cannot be used; None when it can. Opened, not booted with."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"there is no {device}"
    except PermissionError:
        # a privileged container opens it as root: this user's own right does not matter
        return f"{device} may not be opened here, not even by root" if root else None
    except OSError as error:
        why = errno.errorcode.get(error.errno or 0, "")
        return f"{device} cannot be opened: {error.strerror} ({why})"
    return None


def ipv6(proc: Path) -> bool:
    """Whether the kernel has IPv6 and it is not switched off."""
    return (proc / "net" / "if_inet6").exists() and number(proc / "sys/net/ipv6/conf/all/disable_ipv6") != 1


def routes(proc: Path) -> tuple[RouteFact, ...]:
    """IPv4 routes of the main table but default ones (proc(5): hexadecimal, in the byte order of x86)."""
    found = []
    for line in text(proc / "net" / "route").splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        address, mask = (int.from_bytes(bytes.fromhex(field)[::-1], "big") for field in (fields[1], fields[7]))
        if mask:
            found.append(RouteFact(IPv4Network((address, mask.bit_count())), fields[0]))
    return tuple(found)
