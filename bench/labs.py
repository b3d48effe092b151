"""A lab from ``up`` to ``down``, read from the events that ``up`` tells."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.processes import MemoryWatch, summary

Event = dict[str, Any]


def measure_up(program: Sequence[str], topology: Path, launcher: str, runs: int) -> dict[str, Any]:
    """``runs`` labs one after the other; phases in seconds since ``up`` was typed, memory in MB."""
    rows = [_one(program, topology, launcher) for _ in range(runs)]
    body: dict[str, Any] = {name: summary([row[name] for row in rows]) for name in rows[0] if name != "verdict"}
    body["verdicts"] = [row["verdict"] for row in rows]
    return body


def _one(program: Sequence[str], topology: Path, launcher: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as state:
        environment = {**os.environ, "LABCTL_STATE_DIR": state}
        command = [*program, "up", str(topology), "--launcher", launcher, "--name", "bench", "--events", "json"]
        started = time.time()
        with MemoryWatch(f"LABCTL_STATE_DIR={state}".encode()) as memory:
            up = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
            ended = time.time()
        before = time.monotonic()
        subprocess.run([*program, "down", "bench"], env=environment, capture_output=True, timeout=120, check=True)
        down = time.monotonic() - before
    events = [json.loads(line) for line in up.stdout.splitlines()]
    row: dict[str, Any] = {**_phases(events, started), "whole_command": ended - started, "down": down}
    row["peak_family_mb"] = memory.family_peak / 1e6
    row["peak_machine_mb"] = memory.machine_peak / 1e6
    row["verdict"] = {0: "PASS", 1: "FAIL", 3: "INCONCLUSIVE"}.get(
        up.returncode, f"exit code {up.returncode}: {up.stderr[-300:]}"
    )
    return row


def _phases(events: Sequence[Event], started: float) -> dict[str, float]:
    """When each step was done, when the lab was usable, when every scenario had its verdict."""
    phases = {
        f"step_{event['name']}": event["time"] - started
        for event in events
        if event["kind"] == "step-done" and event["name"] != "verify"
    }
    passed = [event for event in events if event["kind"] == "check" and event["data"].get("verdict") == "PASS"]
    sessions = [event["time"] for event in passed if event["name"].startswith(("bgp.session.", "bgp.evpn."))]
    pings = [
        event["time"] for event in passed if event["name"].startswith("ping.") and event["name"].endswith(".answered")
    ]
    curls = [
        event["time"] for event in passed if event["name"].startswith("curl.") and event["name"].endswith(".answered")
    ]
    if sessions and pings and curls:
        phases["all_sessions"] = max(sessions) - started
        phases["first_ping"] = min(pings) - started
        phases["first_curl"] = min(curls) - started
        phases["usable"] = max(*sessions, min(pings), min(curls)) - started
    done = [event["time"] for event in events if event["kind"] == "scenario" and event["data"].get("state") == "done"]
    if done:
        phases["all_verdicts"] = max(done) - started
    return phases
