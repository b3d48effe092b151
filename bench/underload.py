"""``up`` on a host that has too much to do: ``python -m bench.underload [--busy 16] [--runs 5] [--launcher L]``.

Starts a number of busy processes, brings a lab up again and again beside them, and prints verdicts, exit codes and what
did not pass as JSON. The bar: PASS or INCONCLUSIVE, exit 0 or 3, never FAIL and never 5. Exits 1 where it is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PROGRAM = [sys.executable, "-m", "labctl.cli.main"]
LONGEST = 1800.0


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute, each until it is ended here or this process ends."""
    watched = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100000))"
    running = [subprocess.Popen([sys.executable, "-c", watched]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def run(topology: Path, launcher: str, state: Path) -> dict[str, Any]:
    """One ``up`` and the ``down`` after it."""
    environment = {**os.environ, "LABCTL_STATE_DIR": str(state)}
    began = time.monotonic()
    done = subprocess.run(
        [*PROGRAM, "up", str(topology), "--launcher", launcher, "--json"], env=environment, capture_output=True,
        text=True, timeout=LONGEST, check=False,
    )  # fmt: skip
    row: dict[str, Any] = {"seconds": round(time.monotonic() - began, 1), "exit": done.returncode}
    subprocess.run([*PROGRAM, "down", topology.stem], env=environment, capture_output=True, check=False, timeout=300)
    try:
        body = json.loads(done.stdout)
        report = body.get("report") or body
        row["guest_speed"] = report["environment"].get("guest_speed")
        row["verdicts"] = {scenario["id"]: scenario["verdict"] for scenario in report["scenarios"]}
        row["load"] = {scenario["id"]: scenario["load"] for scenario in report["scenarios"]}
        row["not_passed"] = [
            f"{check['verdict']} {check['id']}: {check['sentence']}"
            for scenario in report["scenarios"]
            for check in scenario["checks"]
            if check["verdict"] != "PASS"
        ]
    except (ValueError, KeyError):
        row["said"] = done.stderr.splitlines()[-12:]
    return row


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.underload")
    parser.add_argument("--busy", type=int, default=16, help="processes that compute beside the lab")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--launcher", default="auto")
    parser.add_argument("--topology", type=Path, default=ROOT / "topologies" / "whitepaper.yaml")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="labctl-underload-") as folder, busy(chosen.busy):
        for number in range(chosen.runs):
            rows.append(run(chosen.topology, chosen.launcher, Path(folder) / str(number)))
            print(json.dumps(rows[-1]), file=sys.stderr)  # a run takes minutes: each is told as it ends
    kept = all(row["exit"] in (0, 3) and "FAIL" not in row.get("verdicts", {}).values() for row in rows)
    print(json.dumps({"busy": chosen.busy, "processors": len(os.sched_getaffinity(0)), "kept": kept, "runs": rows}))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
