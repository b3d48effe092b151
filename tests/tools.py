"""Programs that tests ask beside labctl. Set-up brings them, so that a missing one is a failure and never a skip."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest


def tool(name: str) -> str:
    """A program of this checkout's .venv, of PATH, or of the folders that Debian keeps for root."""
    places = (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        pytest.fail(f"there is no {name} here: scripts/install --tests brings it", pytrace=False)
    return found
