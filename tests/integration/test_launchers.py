"""The next launcher takes over, for real: User-mode Linux dies as on a processor with AMX, and QEMU boots."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from labctl.guest import trial
from labctl.guest.launchers import refusal
from labctl.guest.trial import Verdict
from tests.integration.harness import ROOT, Labctl
from tests.integration.hiding import without_uml
from tests.integration.patience import patient

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(300))]
DIED = "the guest died while booting (ptrace set fp regs failed, errno = 14)"


def test_a_kernel_that_dies_makes_way(labctl: Labctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = without_uml(tmp_path / "cache")
    if reason := refusal("uml", image):
        pytest.skip(f"NOT TESTED on uml: {reason}")
    monkeypatch.setenv("LABCTL_CACHE_DIR", str(tmp_path / "cache"))
    trial.keep_verdict("qemu-kvm", image, Verdict("put aside by a test", time.time()))
    user = Labctl(labctl.state, {"LABCTL_CACHE_DIR": str(tmp_path / "cache")}, labctl.program)
    assert "uml: not tried here" in user("setup", "status").expect(0).out

    told = user("setup", "build", timeout=280).expect(0)
    assert f"uml: {DIED}; going on with qemu-tcg, which is slower" in told.err.splitlines()
    status = {row["launcher"]: row for row in user("setup", "status", "--json").json()["launchers"]}
    assert status["uml"]["refusal"].startswith(DIED)
    assert status["qemu-tcg"]["refusal"] is None
    assert status["qemu-tcg"]["tried"]
    doctor = user("doctor", "--json").json()
    assert doctor["launcher"] == "qemu-tcg"
    sentences = {row["id"]: row["sentence"] for row in doctor["findings"]}
    assert sentences["launcher-uml"].startswith(f"cannot be used: {DIED} (on 20")
    assert user("setup", "build").expect(0).err == ""  # all is known

    refused = user("up", ROOT / "topologies" / "minimal.yaml", "--launcher", "uml").expect(4)
    assert f"uml: {DIED}" in " ".join(refused.err.split())
    assert "--launcher qemu-tcg" in refused.err
    assert user("status", "--all", "--json").json() == []
