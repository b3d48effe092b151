"""The lab of this folder's modules, booted once on the launcher that ``up`` takes here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.harness import WHITEPAPER, Done, Labctl, clean_user


@pytest.fixture(scope="package")
def labctl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labctl]:
    """As everywhere, but the same one for all modules."""
    with clean_user(tmp_path_factory.mktemp("state")) as user:
        yield user


@pytest.fixture(scope="package")
def lab(labctl: Labctl) -> Iterator[Done]:
    """Up and proven, the change to IPIP and back included: its tunnels are there."""
    with labctl.lab(WHITEPAPER) as done:
        yield done
