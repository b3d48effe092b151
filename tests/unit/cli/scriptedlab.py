"""labctl as a process of its own on a scripted lab: ``python -m tests.unit.cli.scriptedlab ROOT lacking|silent WORDS``.

The lab answers as recorded; ``lacking``: a leaf has lost a line of its configuration, so that something is waited for;
``silent``: a switch never answers, so that nothing can be ended.
"""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from labctl.cli import labs, main
from labctl.cli.labs import Lab
from labctl.engine import proving
from labctl.runtime.api import Observation
from labctl.state import LabState
from labctl.verify import run
from tests.unit.verify.recordedlab import FOLDER, RecordedLab


class _Runtime:
    """Runs already."""

    name = "embedded"

    def __init__(self, nodes: Any) -> None:
        self._nodes = nodes

    def endpoints(self) -> Any:
        return self._nodes

    def observe(self) -> Observation:
        return Observation("embedded", "uml", alive=True, nodes={})


def scripted(root: Path, how: str, arguments: list[str]) -> None:
    """The command, until it exits."""
    recorded = RecordedLab.load()
    recorded.edit("leaf2101", "  fabric forwarding mode anycast-gateway\n", "")

    def login(_state: Any, _endpoints: Any, switch: str) -> Any:
        if how == "silent" and switch == "leaf2102":
            threading.Event().wait()
        return recorded.login(switch)

    patched: list[tuple[Any, str, Any]] = [
        (run, "Api", lambda *_arguments, **_more: recorded),
        (run, "access_from_kubeconfig", lambda *_arguments: None),
        (recorded, "kubeconfig", lambda: root),
        (proving, "login", login),
        (labs, "open_lab", lambda name: Lab(name, LabState(name, root), _Runtime(recorded))),  # type: ignore[arg-type]
    ]
    for place, name, value in patched:
        setattr(place, name, value)
    if not (root / "folder").is_dir():
        shutil.copytree(FOLDER, root / "folder")
    main.main(arguments)


if __name__ == "__main__":
    scripted(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
