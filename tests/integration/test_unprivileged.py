"""No root at run time: a whole lab as a user who may nothing, on both launchers that need no root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import ROOT, Labctl, Machine, residue
from tests.integration.launchers import need
from tests.integration.patience import patient

pytestmark = [pytest.mark.booted, pytest.mark.timeout(patient(300))]
NOBODY = 65534
AS_NOBODY = (
    "setpriv",
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    "--no-new-privs",
    "--bounding-set=-all",
)


def reachable_python() -> str | None:
    """A Python of this version that another user can start (a root's own one in /root cannot be)."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        done = subprocess.run(
            # by way of a shell: setpriv's own exec still has root's rights
            (*AS_NOBODY, "sh", "-c", 'exec "$0" -c "import ssl, ctypes"', candidate),
            cwd="/",
            capture_output=True,
            timeout=patient(30),
            check=False,
        )
        if done.returncode == 0:
            return candidate
    return None


@pytest.fixture(scope="module")
def nobody() -> Iterator[Labctl]:
    """labctl as uid 65534, with a cache of its own (hard links to the real one where that can be)."""
    if os.geteuid() != 0:
        pytest.skip("these tests run as a user anyway: all other booted tests show the same")
    python = reachable_python()
    if python is None:
        pytest.skip("NO PYTHON of this version can be started by another user: labctl without root was NOT tested")
    from labctl.cache import cache_dir

    home = Path(tempfile.mkdtemp(prefix="labctl-nobody-"))  # pytest keeps its own folders to their owner
    for name in ("guest", "controlplane"):
        copy = subprocess.run(("cp", "-aLl", cache_dir() / name, home / name), capture_output=True, check=False)
        if copy.returncode != 0:
            shutil.rmtree(home / name, ignore_errors=True)
            shutil.copytree(cache_dir() / name, home / name)
    for path in [home, *(path for path in home.rglob("*") if path.is_dir())]:
        os.chown(path, NOBODY, NOBODY)
    state = home / "state"
    state.mkdir()
    os.chown(state, NOBODY, NOBODY)
    environment = {
        "HOME": str(home),
        "LABCTL_CACHE_DIR": str(home),
        "PYTHONPATH": os.pathsep.join((str(ROOT), sysconfig.get_paths()["purelib"])),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    before = Machine.now()
    labctl = Labctl(state, environment, (*AS_NOBODY, python, "-m", "labctl.cli.main"))
    yield labctl
    labctl("down", "--all").expect(0)
    left = residue(labctl, before)
    shutil.rmtree(home)
    assert left == []


@pytest.mark.parametrize("launcher", ["uml", "qemu-tcg"])
def test_minimal_lab(nobody: Labctl, launcher: str) -> None:
    with nobody.lab(ROOT / "topologies" / "minimal.yaml", "--launcher", need(launcher)) as done:
        assert "PASS" in done.out
        for pid in nobody.pids("minimal").values():
            assert Path(f"/proc/{pid}").stat().st_uid == NOBODY
