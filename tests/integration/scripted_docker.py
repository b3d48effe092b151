"""A ``docker`` without a daemon: it tells ``kind create cluster`` what it asks until kubeadm has to run.

kind's library runs the docker command (kubernetes-sigs/kind, pkg/cluster/internal/providers/docker). This script stands
in for that command in `test_foreign_loaders`: every call is written down in ``$SCRIPTED_DOCKER/calls.jsonl``, each
node's kubeadm configuration as kind made it in ``$SCRIPTED_DOCKER/<node>.kubeadm.conf``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

HOME = Path(os.environ["SCRIPTED_DOCKER"])
NAMES = HOME / "names"
INFO = {"CgroupDriver": "systemd", "CgroupVersion": "2", "MemoryLimit": True, "PidsLimit": True, "CPUShares": True}
STOP = "scripted docker: no kubeadm here"


def answer(args: list[str]) -> str:
    """What docker would print; raises SystemExit where it would fail."""
    verb, last = args[0], args[-1]
    if verb == "run":
        with NAMES.open("a") as names:  # one process a node, all at once
            names.write(args[args.index("--name") + 1] + "\n")
        return ""
    if verb == "inspect":
        if "--type=image" in args:
            return "sha256:0"
        if any("kind.role" in arg for arg in args):
            return "control-plane" if "control-plane" in last else "worker"
        return "172.18.0.2,fc00:f853:ccd:e793::2"
    if verb == "exec":
        return inside(args)
    lines = {
        "-v": "Docker version 28.2.2, build scripted",
        "info": json.dumps(INFO),
        "ps": NAMES.read_text().strip() if NAMES.exists() else "",
        "network": "0123456789ab",
        "logs": "[  OK  ] Reached target Multi-User System.",
    }
    return lines[verb]


def inside(args: list[str]) -> str:
    """``docker exec``."""
    if args[-1] == "/kind/version":
        return "v1.35.1"
    if "/dev/stdin" in args:
        (HOME / f"{args[args.index('cp') - 1]}.{Path(args[-1]).name}").write_text(sys.stdin.read())
        return ""
    if "mkdir" in args:
        return ""
    sys.exit(STOP)


if __name__ == "__main__":
    with (HOME / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(sys.argv[1:]) + "\n")
    text = answer(sys.argv[1:])
    if text:
        sys.stdout.write(f"{text}\n")
