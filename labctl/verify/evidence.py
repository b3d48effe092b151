"""The evidence folder: the raw answers that decided, every capture, the report as JSON. Written as checks are judged.

What a report needs to know of the lab is in it, too (``lab/``), so that reports are made from this folder alone.

Nothing secret is asked for; what looks like a password or a key in an output is blanked before it reaches the disk.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from labctl.folder import Folder
from labctl.verify.verdict import FileHash, Report

LAB_FILES = ("lab.json", "topology.clab.yml", "checks.yaml", "kind/cluster.yaml", "nxos/*.cfg")
"""What describes the lab: the picture of the topology and the expectations come out of them."""
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
        self._answers: dict[tuple[str, str], str] = {}
        self._count: Counter[str] = Counter()

    def lab(self, folder: Folder) -> dict[str, FileHash]:
        """Copy the files of `LAB_FILES` that there are, redacted; returns the hashes of the whole artifact folder."""
        for source in (path for pattern in LAB_FILES for path in sorted(folder.path.glob(pattern))):
            name = source.relative_to(folder.path)
            for parent in (self.folder / "lab", (self.folder / "lab" / name).parent):
                parent.mkdir(exist_ok=True, mode=0o700)
            self._write(f"lab/{name}", redact(source.read_bytes()))
        rendered: dict[str, str | None] = {"lab.json": None, **folder.lab.files}
        return {name: FileHash(_sha256(folder.path / name), known) for name, known in rendered.items()}

    def command(self, target: str, text: str, output: bytes, asked: float | None = None) -> str:
        """Record an output under a name that says which; returns its path in the folder. ``asked``: when, if not now.

        It stays as it is: the same question answered otherwise later is another file, for a check must lead to the
        answer that it was judged by.
        """
        stem = f"commands/{_slug(target)}__{_slug(text)}"
        body = redact(output)
        key = stem, hashlib.sha256(body).hexdigest()
        with self._lock:
            if key in self._answers:
                return self._answers[key]
            self._count[stem] += 1
            number = f".{self._count[stem]}" if self._count[stem] > 1 else ""
            name = self._answers[key] = f"{stem}{number}.txt"
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(asked))
        self._write(name, f"# {target}: {text}\n# {moment}\n".encode() + body)
        return name

    def capture(self, name: str, data: bytes) -> str:
        """Record a pcap; returns its path in the folder."""
        path = f"captures/{_slug(name)}.pcap"
        self._write(path, data)
        return path

    def report(self, report: Report) -> Path:
        """Write ``evidence.json`` and ``summary.txt``; the JSON last."""
        lines = [f"{report.lab}: {report.verdict} ({report.sentence})"]
        lines += [f"changed since up: {change}" for change in report.drift]
        for scenario in report.scenarios:
            lines.append(f"{scenario.verdict:13} {scenario.id:10} {scenario.sentence}")
            lines += [f"    {check.verdict:13} {check.id}: {check.sentence}" for check in scenario.checks]
        self._write("summary.txt", ("\n".join(lines) + "\n").encode())
        self._write("evidence.json", (json.dumps(report.as_dict(), indent=2) + "\n").encode())
        return self.folder / "evidence.json"

    def _write(self, name: str, data: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".new-", delete=False) as stream:  # mode 0600
            stream.write(data)
        Path(stream.name).replace(self.folder / name)


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.:_-]+", "-", text).strip("-")[:120].replace(":", "_")
