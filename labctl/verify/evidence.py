"""The evidence folder: every command with its raw output, every capture, the report as JSON. Written as it happens.

Nothing secret is asked for; what looks like a password or a key in an output is blanked before it reaches the disk.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from pathlib import Path

from labctl.verify.verdict import Report

SECRETS = (
    re.compile(rb"(?im)^(.*?\b(?:password|secret|community|key-string|md5)\s+(?:\d\s+)?)(\S+)(.*)$"),
    re.compile(rb'(?i)("[^"]*(?:password|secret|community)[^"]*":\s*")([^"]+)(")'),
    re.compile(rb"(?s)()(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----)()"),
)


def redact(data: bytes) -> bytes:
    """Blank what looks like a secret."""
    for pattern in SECRETS:
        data = pattern.sub(rb"\1<redacted>\3", data)
    return data


class Evidence:
    """Writes one verification's folder; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("commands", "captures"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._number = 0

    def command(self, target: str, text: str, output: bytes) -> str:
        """Record a command's newest output under a name that says which; returns its path in the folder."""
        name = f"commands/{_slug(target)}__{_slug(text)}.txt"
        head = f"# {target}: {text}\n# {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\n".encode()
        self._write(name, head + redact(output))
        return name

    def capture(self, name: str, data: bytes) -> str:
        """Record a pcap; returns its path in the folder."""
        path = f"captures/{_slug(name)}.pcap"
        self._write(path, data)
        return path

    def report(self, report: Report) -> Path:
        """Write ``evidence.json`` and ``summary.txt``; the JSON last."""
        lines = [f"{report.lab}: {report.verdict} ({report.sentence})"]
        for scenario in report.scenarios:
            lines.append(f"{scenario.verdict:13} {scenario.id:10} {scenario.sentence}")
            lines += [f"    {check.verdict:13} {check.id}: {check.sentence}" for check in scenario.checks]
        self._write("summary.txt", ("\n".join(lines) + "\n").encode())
        self._write("evidence.json", (json.dumps(report.as_dict(), indent=2) + "\n").encode())
        return self.folder / "evidence.json"

    def _write(self, name: str, data: bytes) -> None:
        with self._lock:
            self._number += 1
            temporary = self.folder / f".new-{self._number}"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        temporary.replace(self.folder / name)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.:_-]+", "-", text).strip("-")[:120].replace(":", "_")
