"""The containerlab runtime beside plain containerlab, in an emulated machine: ``python -m bench.containers``.

One machine, one lab at a time: the folder deployed by hand, then ``labctl up`` and ``down`` so many times. Prints JSON:
seconds of each deployment and phase, their ratio, verdicts, and what was left (nothing, or the bench fails).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.integration.dockerhost import SOURCE, DockerHost, docker_host, residue, typed

SPEC = f"{SOURCE}/topologies/whitepaper.yaml"
LIMIT = 1200.0


def by_hand(host: DockerHost) -> dict[str, Any]:
    """The rendered folder without labctl: seconds of a plain deployment, then the rest of its README, then removal."""
    host.labctl("generate", SPEC, "--target", host.standins(), "-o", "/root/lab").expect(0)
    began = time.monotonic()
    deploy = "CLAB_VERSION_CHECK=disable containerlab deploy -t topology.clab.yml --max-workers 10"
    host.shell(f"cd /root/lab; {deploy}", timeout=LIMIT)
    seconds = time.monotonic() - began
    said = typed(host, "/root/lab", "make", skip=deploy, timeout=LIMIT)
    works = {
        "configurations saved": said.count("Copy complete."),
        "ping": "5 packets received, 0% packet loss" in said,
        "curl": "Welcome to nginx!" in said,
        "all the same": said.count("condition met"),
    }
    typed(host, "/root/lab", "remove", timeout=LIMIT)
    host.shell("rm -rf /root/lab /tmp/.clab /root/askpass /root/.ssh/known_hosts /root/.kube")
    return {"plain_deploy": round(seconds, 1), "works": works}


def cycle(host: DockerHost) -> dict[str, Any]:
    """One ``up`` with all scenarios and one ``down``."""
    before = residue(host)
    up = host.labctl("up", SPEC, "--runtime", "containerlab", "--json", timeout=LIMIT).expect(0).json()
    used = int(host.shell("free -m | awk '/^Mem:/ {print $3}'"))
    began = time.monotonic()
    host.labctl("down", "whitepaper", timeout=LIMIT).expect(0)
    down = time.monotonic() - began
    left = residue(host)
    assert left == before, f"left behind: {left}"
    spans = {name: round(end - start, 1) for name, (start, end) in up["timings"].items()}
    verdicts = {row["id"]: row["verdict"] for row in up["report"]["scenarios"]}
    return {"up": up["seconds"], "down": round(down, 1), "steps": spans, "verdicts": verdicts, "memory_mb": used}


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=3)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, docker_host(Path(folder)) as host:
        host.bring_tools()
        hand = by_hand(host)
        cycles = [cycle(host) for _ in range(given.cycles)]
    created = [row["steps"]["create"] for row in cycles]
    body = {
        "containerlab": "real" if host.real_containerlab else "substitute",
        "by_hand": hand,
        "labctl_create": created,
        "ratio": round(min(created) / hand["plain_deploy"], 2),
        "cycles": cycles,
    }
    sys.stdout.write(json.dumps(body, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
