"""What goes into the stand-ins' container images, as data; its hash is their key.

One root file system for all three: ``labctl/host`` is it, ``labctl/n9kv-standin`` starts a switch in it,
``labctl/k8s-standin`` has the control plane's programs on top. Packages, scripts and Dockerfiles are in ``images/``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labctl.shipped import shipped
from labctl.standin.cluster.controlplane.binaries import ETCD, KUBERNETES

SUITE = "trixie"
PYTHON_PATH = "usr/lib/python3/dist-packages"
PROGRAMS = "usr/local/lib/labctl/controlplane"
CODE = (
    "__init__.py", "bonding.py", "errors.py", "imagename.py", "logs.py", "pace.py", "waiting.py", "guest/__init__.py",
    "guest/agent", "guest/api.py", "guest/client.py", "kube", "nxos", "peers.py", "standin",
)  # fmt: skip
"""The parts of this package that a stand-in is made of."""
INTERVAL = 30 * 10**9
"""Of the health check, in nanoseconds: Docker's default. Each check is a process; every 2 s they slow a lab down."""


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """One image. ``config``: the ``config`` object of an OCI image; ``programs``: whether it has the control plane."""

    tag: str
    config: dict[str, Any] = field(hash=False)
    programs: bool = False


ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1",
)  # fmt: skip

IMAGES = (
    ContainerImage(
        "labctl/host:latest",
        {"Env": list(ENVIRONMENT), "Cmd": ["sleep", "infinity"], "Labels": {"labctl.standin": "host"}},
    ),
    ContainerImage(
        "labctl/n9kv-standin:latest",
        {
            "Env": list(ENVIRONMENT),
            "Entrypoint": ["/usr/bin/tini", "--", "/usr/bin/python3", "-I", "-m", "labctl.standin.switch.container"],
            "ExposedPorts": {"22/tcp": {}},
            "Healthcheck": {
                "Test": ["CMD", "/usr/local/sbin/labctl-healthcheck"], "Interval": INTERVAL, "Timeout": INTERVAL,
                "Retries": 3,
            },
            "Labels": {"labctl.standin": "switch"},
        },
    ),
    ContainerImage(
        "labctl/k8s-standin:latest",
        {
            "Env": list(ENVIRONMENT),
            "Entrypoint": ["/usr/bin/tini", "--", "/usr/local/sbin/labctl-node"],
            "Labels": {"labctl.standin": "node"},
        },
        programs=True,
    ),
)  # fmt: skip


def packages() -> tuple[str, ...]:
    """Debian packages of the root file system."""
    return tuple((shipped("images") / "packages.txt").read_text().split())


def overlay() -> Iterator[tuple[str, bytes, int]]:
    """Files on top of the packages: (path without leading slash, content, mode), in order."""
    root = shipped("images") / "root"
    rows = [
        (str(path.relative_to(root)), path.read_bytes(), 0o755 if path.parent.name in ("bin", "sbin") else 0o644)
        for path in root.rglob("*")
        if path.is_file()
    ]
    package = Path(__file__).resolve().parents[1]
    for name in CODE:
        rows.extend(
            (f"{PYTHON_PATH}/labctl/{path.relative_to(package)}", path.read_bytes(), 0o644)
            for path in ((package / name).rglob("*") if (package / name).is_dir() else [package / name])
            if path.is_file() and path.suffix != ".pyc"
        )
    yield from sorted(rows)


def key() -> str:
    """Names the images: a hash over everything that goes into them."""
    digest = hashlib.sha256()
    configs = [(image.tag, image.config, image.programs) for image in IMAGES]
    for part in (SUITE, *packages(), KUBERNETES, ETCD, json.dumps(configs, sort_keys=True)):
        digest.update(part.encode() + b"\0")
    for path, data, mode in overlay():
        digest.update(f"{path} {mode:o} {len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]
