"""May this user make user namespaces, in which mmdebstrap builds without root? Tried, not read from sysctls."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from labctl.host import number, text

TRIAL = ("unshare", "-Ur", "true")
SYSCTLS = (
    ("kernel/unprivileged_userns_clone", 0, "kernel.unprivileged_userns_clone=1"),
    ("user/max_user_namespaces", 0, "user.max_user_namespaces=15000"),
)
"""Switches below /proc/sys, the value that forbids, and the setting that allows."""
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
    except (OSError, subprocess.TimeoutExpired) as error:
        return judge(root, str(error))
    if done.returncode == 0:
        return None
    return judge(root, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])


def judge(root: Path, words: str) -> Refusal | None:
    """What forbids it, when the trial ended with these words; None when mmdebstrap is excepted from it."""
    sysctl = root / "proc/sys"
    switches = [setting for path, off, setting in SYSCTLS if number(sysctl / path) == off]
    if switches:
        return Refusal(
            "unprivileged user namespaces are switched off here", f"sudo sysctl -w {' '.join(switches)}", IMPORT
        )
    box = container(root)
    if box:
        return Refusal(
            f"{box} forbids user namespaces ({words})",
            None,
            f"run labctl as root in it, start it with --security-opt seccomp=unconfined, or {IMPORT}",
        )
    if number(sysctl / APPARMOR.replace(".", "/")):
        if (root / "etc/apparmor.d/mmdebstrap").is_file():  # Ubuntu 24.04 and later ship it
            return None
        return Refusal(
            "AppArmor restricts unprivileged user namespaces on this host, as Ubuntu does since 23.10, and has no "
            "profile that lets mmdebstrap make them",
            f"sudo sysctl -w {APPARMOR}=0",
            IMPORT,
        )
    return Refusal(f"this user cannot make a user namespace ({words})", None, f"run labctl as root, or {IMPORT}")


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
