"""The launchers that boot a guest on this host, for tests that need a certain one."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest

from labctl.cache import look
from labctl.errors import HostError
from labctl.guest.image import find_image
from labctl.guest.trial import standing
from tests.integration.guests import booted


def need(launcher: str) -> str:
    """The same, or the test is skipped, loudly, when no guest boots with it here."""
    reason = why_not(launcher)
    if reason:
        pytest.skip(f"NOT TESTED on {launcher}: {reason}")
    return launcher


@cache
def why_not(launcher: str) -> str | None:
    """Why a launcher cannot be used here: by what is known of it, else by a boot, one for a run of the tests.

    QEMU emulates everywhere: there the test itself is the trial.
    """
    image = look(find_image)
    assert image, "there is no guest image here: labctl setup brings it"
    known = standing(launcher, image)
    if known.refusal or known.tried or launcher == "qemu-tcg":
        return known.refusal
    with tempfile.TemporaryDirectory() as work:
        try:
            with booted(launcher, image, 400, Path(work)):
                return None
        except HostError as error:
            return error.message


def soon(seconds: float) -> float:
    """A deadline that a lab will miss, chosen for User-mode Linux: an emulated guest is 3 to 4 times slower."""
    return seconds if why_not("uml") is None or why_not("qemu-kvm") is None else 4 * seconds
