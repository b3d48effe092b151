"""``python -m bench [--runs N] [--launcher L …] [--only help|generate|up]``: figures as JSON on stdout.

Figures are noisy: the best of several runs is what the machine can do, the median what a person sees.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.labs import measure_up
from bench.processes import measure_command

ROOT = Path(__file__).parent.parent
PROGRAM = [sys.executable, "-m", "labctl.cli.main"]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--runs", type=int, default=3, help="runs of up per launcher")
    parser.add_argument(
        "--launcher", action="append", choices=["uml", "qemu-tcg", "qemu-kvm"], help="may be given again"
    )
    parser.add_argument("--only", choices=["help", "generate", "up"], action="append")
    parser.add_argument("--topology", type=Path, default=ROOT / "topologies" / "whitepaper.yaml")
    chosen = parser.parse_args()
    wanted = chosen.only or ["help", "generate", "up"]
    body: dict[str, Any] = {
        "machine": {
            "processors": len(os.sched_getaffinity(0)),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "load_before": os.getloadavg()[0],
        },
        "topology": chosen.topology.stem,
    }
    if "help" in wanted:
        body["help_seconds"] = measure_command([*PROGRAM, "--help"], runs=7)
    if "generate" in wanted:
        with tempfile.TemporaryDirectory() as folder:
            command = [*PROGRAM, "generate", str(chosen.topology), "-o", f"{folder}/lab"]
            body["generate_seconds"] = measure_command(command, runs=7)
    if "up" in wanted:
        body["up"] = {
            launcher: measure_up(PROGRAM, chosen.topology, launcher, chosen.runs)
            for launcher in chosen.launcher or ["uml", "qemu-tcg"]
        }
    print(json.dumps(body, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
