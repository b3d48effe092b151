"""May this user make user namespaces, in which mmdebstrap builds without root? Tried, not read from sysctls."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from labctl.host import number, text

TRIAL = ("unshare", "-Ur", "true")
SYSCTLS = {"kernel.unprivileged_userns_clone": 1, "user.max_user_namespaces": 15000}
"""Switches that forbid with 0, and the value that allows."""
APPARMOR = "kernel.apparmor_restrict_unprivileged_userns"
IMPORT = "labctl setup import FILE, with what labctl setup export wrote on another host"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, the command that repairs it (None where only another way leads on), and the other ways."""

    sentence: str
    fix: str | None
    otherwise: str


def refusal(root: Path = Path("/"), trial: tuple[str, ...] = TRIAL) -> Refusal | None:
    """Why this user may not; None when `TRIAL` works. ``root`` is where /proc, /etc and /run are, for tests."""
    try:
        done = subprocess.run(trial, capture_output=True, text=True, check=False, timeout=20, stdin=subprocess.DEVNULL)
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return None if done.returncode == 0 else judge(root, said[-1])
    except (OSError, subprocess.TimeoutExpired) as error:
        return judge(root, str(error))


def judge(root: Path, reason: str) -> Refusal | None:
    """What forbids it, when the trial ended with this; None when mmdebstrap is excepted from it."""

    def setting(name: str) -> int | None:
        return number(root / "proc/sys" / name.replace(".", "/"))

    switches = [f"{name}={value}" for name, value in SYSCTLS.items() if setting(name) == 0]
    if switches:
        fix = f"sudo sysctl -w {' '.join(switches)}"
        return Refusal("unprivileged user namespaces are switched off here", fix, IMPORT)
    box = container(root)
    if box:
        ways = f"run labctl as root in it, start it with --security-opt seccomp=unconfined, or {IMPORT}"
        return Refusal(f"{box} forbids user namespaces ({reason})", None, ways)
    if setting(APPARMOR):
        if (root / "etc/apparmor.d/mmdebstrap").is_file():  # Ubuntu 24.04 and later ship it
            return None
        return Refusal(
            "AppArmor restricts unprivileged user namespaces on this host, as Ubuntu does since 23.10, and has no "
            "profile that lets mmdebstrap make them",
            f"sudo sysctl -w {APPARMOR}=0",
            IMPORT,
        )
    return Refusal(f"this user cannot make a user namespace ({reason})", None, f"run labctl as root, or {IMPORT}")


def container(root: Path = Path("/")) -> str:
    """``this container's seccomp profile and AppArmor profile docker-default``; empty outside of containers."""
    marks = (root / ".dockerenv", root / "run/.containerenv")
    if not any(mark.exists() for mark in marks) and "container" not in os.environ:
        return ""
    limits = []
    if re.search(r"^Seccomp:\s*2$", text(root / "proc/self/status"), re.MULTILINE):
        limits.append("seccomp profile")
    profile = text(root / "proc/self/attr/current").strip("\0\n ")
    if profile and not profile.startswith("unconfined"):
        limits.append(f"AppArmor profile {profile.split()[0]}")
    return "this container" + (f"'s {' or '.join(limits)}" if limits else "")
