"""Scenarios that are files: the built-in failures in ``scenarios/`` of the folder, and a user's own."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

from labctl.folder import Folder
from labctl.verify.inputs import ChecksInput
from labctl.verify.scenario import Scenario
from labctl.verify.steps.load import load_scenario
from labctl.verify.steps.run import run

FOLDER = "scenarios"
SUFFIXES = (".yaml", ".yml")
ORDER = (
    "bond-member", "leaf", "leaf-uplink", "spine", "peer-link", "keepalive", "node", "pod-moved", "endpoints-moved",
    "calico-node-restart", "bgp-cleared",
)  # fmt: skip
"""Of the built-in ones; what else lies in the folder follows by name."""


def is_file(wanted: str) -> bool:
    """Whether what a person typed is a file, and not the name of a scenario."""
    return "/" in wanted or wanted.endswith(SUFFIXES)


def names(folder: Path) -> list[str]:
    """The scenarios in a folder's ``scenarios/``, in the order in which they run."""
    found = [path.stem for path in (folder / FOLDER).glob("*.yaml")]
    return sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def of_folder(folder: Folder, checks: ChecksInput, name: str) -> Scenario:
    """One of the folder's. Raises `SpecError` when it is not as it should be."""
    file = f"{FOLDER}/{name}.yaml"
    return _scenario(folder.path / file, folder, checks, file)


def of_user(path: Path, folder: Folder, checks: ChecksInput) -> Scenario:
    """A user's file. Raises `SpecError` with every problem, `UsageError` when it cannot be read."""
    return _scenario(path, folder, checks, str(path), (*folder.lab.scenarios, *names(folder.path)))


def _scenario(path: Path, folder: Folder, checks: ChecksInput, shown: str, taken: Collection[str] = ()) -> Scenario:
    file = load_scenario(path, folder, checks, shown=shown, taken=taken)
    return Scenario(file.name, file.title, partial(run, file), disruptive=True)
