"""Looking at a lab leaves nothing behind, whatever happens while one looks."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labctl.engine.proving import observing
from labctl.guest.api import Completed
from labctl.state import LabState
from labctl.verify.observer import Command, Unanswered
from tests.rendered import rendered_folder

QUESTION = Command("node", "ext1", "ip -o link show")


@pytest.fixture
def state(tmp_path: Path) -> LabState:
    state = LabState("fabric", tmp_path)
    shutil.copytree(rendered_folder("fabric-standin-fabric"), state.folder)
    return state


@pytest.fixture
def endpoints() -> Any:
    """A node that answers; a cluster that there is not."""

    def no_cluster() -> Path:
        raise AssertionError("a lab without a cluster has no kubeconfig")

    return SimpleNamespace(exec=lambda *_asked, **_more: Completed(0, b"1: lo", b""), kubeconfig=no_cluster)


def test_answers_are_gone_afterwards(state: LabState, endpoints: Any) -> None:
    with observing(state, endpoints) as seen:
        answer, path = seen.ask(QUESTION)
        assert answer == "1: lo"
        assert (seen.evidence.folder / path).is_file()
    assert not seen.evidence.folder.exists()


def test_also_when_looking_was_interrupted(state: LabState, endpoints: Any) -> None:
    folders = []

    def look() -> None:
        with observing(state, endpoints) as seen:
            folders.append(seen.evidence.folder)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look()
    assert not folders[0].exists()


def test_a_lab_without_a_cluster_says_so(state: LabState, endpoints: Any) -> None:
    from labctl.kube.resources import NODES

    with observing(state, endpoints) as seen, pytest.raises(Unanswered, match="no cluster"):
        seen.list(NODES)
