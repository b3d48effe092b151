"""The white paper's catalogue and the failures on a running lab: ``python -m bench.evidence``.

For each launcher and topology one lab: ``up``, the read-only scenarios again, all failures in a row, the base scenarios
after them, the large tables, and ``reset`` of a leaf that lost its BGP. Prints JSON: seconds, verdicts, loss. With
``--record`` the results of the paper's rows go into the record that docs/whitepaper.md is made of.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PROGRAM = [sys.executable, "-m", "labctl.cli.main"]
BROKEN = "configure terminal\nno feature bgp\nend\nexit\n"


@dataclass
class Lab:
    """One lab and what was measured of it."""

    name: str
    state: Path
    record: Path | None
    rows: dict[str, Any] = field(default_factory=dict)

    def labctl(self, *arguments: object, stdin: str | None = None) -> tuple[float, subprocess.CompletedProcess[str]]:
        """Seconds of a whole command, and the command."""
        began = time.monotonic()
        done = subprocess.run(
            [*PROGRAM, *map(str, arguments)], env={**os.environ, "LABCTL_STATE_DIR": str(self.state)}, input=stdin,
            capture_output=True, text=True, timeout=1800, check=False,
        )  # fmt: skip
        return time.monotonic() - began, done

    def measure(self, title: str, *arguments: object) -> None:
        """A verification, or an ``up`` that ends in one."""
        seconds, done = self.labctl(*arguments, "--json")
        try:
            body = json.loads(done.stdout)
        except ValueError:
            self.rows[title] = {"seconds": round(seconds, 1), "error": done.stderr[-600:]}
            return
        report = body.get("report") or body
        self.rows[title] = {
            "seconds": round(seconds, 1),
            "exit": done.returncode,
            "verdicts": {row["id"]: row["verdict"] for row in report["scenarios"]},
            "scenario_seconds": {row["id"]: round(row["seconds"], 1) for row in report["scenarios"]},
            "not_passed": [
                f"{check['id']}: {check['sentence']}"
                for row in report["scenarios"]
                for check in row["checks"]
                if check["verdict"] != "PASS"
            ],
            "loss": {
                check["id"]: check["seen"]
                for row in report["scenarios"]
                for check in row["checks"]
                if ".loss" in check["id"]
            },
        }
        if self.record is not None:
            self.labctl("figures", self.name, "--record", self.record)

    def break_and_reset(self, leaf: str) -> None:
        """Seconds of a ``reset`` that has to bring back all of a leaf's BGP, without and with its verification."""
        self.labctl("ssh", self.name, leaf, stdin=BROKEN)
        seconds, done = self.labctl("reset", self.name)
        self.rows["reset"] = {"seconds": round(seconds, 1), "exit": done.returncode, "said": done.stdout.splitlines()}


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.evidence", description=__doc__)
    parser.add_argument("--launcher", action="append", choices=["uml", "qemu-tcg", "qemu-kvm"])
    parser.add_argument("--topology", action="append", help="name of a file in topologies/, may be given again")
    parser.add_argument("--record", type=Path, help="docs/whitepaper-run.json")
    parser.add_argument("--without", action="append", default=[], choices=["failures", "scale", "reset"])
    chosen = parser.parse_args(arguments)
    body: dict[str, Any] = {"load_before": os.getloadavg()[0], "labs": []}
    for launcher in chosen.launcher or ["uml", "qemu-tcg"]:
        for name in chosen.topology or ["whitepaper", "whitepaper-usecases"]:
            with tempfile.TemporaryDirectory() as state:
                lab = Lab(name, Path(state), chosen.record)
                try:
                    lab.measure("up", "up", ROOT / "topologies" / f"{name}.yaml", "--launcher", launcher)
                    lab.measure("read-only", "verify", name)
                    if "failures" not in chosen.without:
                        lab.measure("failures", "verify", name, "--failures")  # refused where a lab has none
                        lab.measure("after them", "verify", name, "--disruptive")
                    if "scale" not in chosen.without:
                        lab.measure("scale", "verify", name, "--disruptive", "--scenario", "scale")
                    if "reset" not in chosen.without:
                        lab.break_and_reset("leaf2102")
                finally:
                    lab.labctl("down", name)
            body["labs"].append({"launcher": launcher, "topology": name, **lab.rows})
            print(json.dumps(body["labs"][-1], indent=1), file=sys.stderr, flush=True)
    print(json.dumps(body, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
