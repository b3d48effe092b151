"""Does KVM work here? /dev/kvm can exist and hang, so it is tried by booting, once, with a time limit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from labctl.guest.image import GuestImage

PROBE_LIMIT = 8.0
"""Seconds for a kernel to reach its panic for want of a root; with working KVM it takes under two."""
KEEP = 7 * 86400.0


def kvm_refusal(image: GuestImage, cache: Path) -> str | None:
    """Why KVM cannot be used; None when it can. The probe's answer is kept for a week, per kernel of the host."""
    if not Path("/dev/kvm").exists():
        return "there is no /dev/kvm"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm may not be opened by this user"
    kept = cache / "kvm-probe.json"
    host = os.uname().release
    try:
        answer = json.loads(kept.read_text())
        if answer["host"] == host and time.time() - answer["time"] < KEEP:
            return answer["refusal"] or None
    except (OSError, ValueError, KeyError):
        pass  # never probed, or the file is broken: probe now
    refusal = _probe(image)
    kept.write_text(json.dumps({"host": host, "time": time.time(), "refusal": refusal or ""}))
    return refusal


def _probe(image: GuestImage) -> str | None:
    program = shutil.which("qemu-system-x86_64")
    if program is None:
        return "qemu-system-x86_64 is not installed"
    with tempfile.NamedTemporaryFile() as console:
        arguments = [
            program, "-accel", "kvm", "-cpu", "host", "-m", "128M", "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-serial", f"file:{console.name}", "-kernel", str(image.kernel),
            "-append", "console=ttyS0 panic=-1",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                arguments, capture_output=True, check=False, timeout=PROBE_LIMIT, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            return f"/dev/kvm is there, but a kernel does not boot within {PROBE_LIMIT:.0f} s"
        text = Path(console.name).read_text(errors="replace")
        if "Linux version" in text:
            return None
        words = done.stderr.decode(errors="replace").strip().splitlines()
        return "a kernel does not boot with it" + (f": {words[-1]}" if words else "")
