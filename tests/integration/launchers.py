"""The launchers that boot a guest on this host, for tests that need a certain one."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest

from labctl.cache import cache_dir
from labctl.errors import LabctlError
from labctl.guest.image import find_image
from labctl.guest.launch import Machine, refusal
from tests.integration.guests import booted


def need(launcher: str) -> str:
    """The same, or the test is skipped, loudly, when no guest boots with it here."""
    reason = why_not(launcher)
    if reason:
        pytest.skip(f"NOT TESTED on {launcher}: {reason}")
    return launcher


@cache
def why_not(launcher: str) -> str | None:
    """Why a launcher cannot be used here; a real boot is the trial, one for a run of the tests."""
    image = find_image(cache_dir())
    if image is None:
        return "there is no guest image: labctl setup"
    reason = refusal(launcher, image, cache_dir())
    if reason:
        return reason
    with tempfile.TemporaryDirectory() as work:
        try:
            with booted(launcher, image, Machine(400), Path(work)):
                return None
        except LabctlError as error:
            return " ".join(str(error).split())
