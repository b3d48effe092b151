"""Which kubectl to run: one on PATH that is new enough, else the one that ``labctl setup`` brought."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from labctl import pace
from labctl.errors import HostError

MINIMUM = (1, 31)
"""The first whose exec and port-forward speak websockets by default (Kubernetes changelog 1.31)."""


def find_kubectl(brought: Path | None) -> Path:
    """A usable kubectl. Raises `HostError` when there is none."""
    for folder in os.get_exec_path():
        candidate = shutil.which("kubectl", path=folder)
        if candidate and kubectl_version(candidate) >= MINIMUM:
            return Path(candidate)
    if brought is not None and brought.is_file():
        return brought
    raise HostError(
        f"no kubectl {'.'.join(map(str, MINIMUM))} or newer on PATH, and set-up has not brought one",
        code="no-kubectl",
        next_command="labctl setup",
    )


def kubectl_version(program: str) -> tuple[int, int]:
    """(major, minor), (0, 0) when it does not say."""
    try:
        done = subprocess.run(
            (program, "version", "--client", "-o", "json"), capture_output=True, timeout=20, check=False
        )
        body = json.loads(done.stdout)["clientVersion"]
        return int(body["major"]), int(body["minor"].rstrip("+"))
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return (0, 0)


def kustomize(kubectl: Path, folder: Path) -> str:
    """The manifests that a kustomization makes. Raises `HostError` with kubectl's words, `TimeoutExpired`."""
    command, limit = (str(kubectl), "kustomize", str(folder)), pace.limit("script")
    done = subprocess.run(command, capture_output=True, timeout=limit, check=False)
    if done.returncode != 0:
        raise HostError(
            f"kubectl kustomize {folder.name}: {done.stderr.decode(errors='replace').strip()}", code="kustomize"
        )
    return done.stdout.decode()
