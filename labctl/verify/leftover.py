"""Changes that a labctl which was killed left in the journal, healed by the next one that holds the lab."""

from __future__ import annotations

from pathlib import Path

from labctl.folder import Folder
from labctl.kube.api import Api
from labctl.verify.change import open_changes, write
from labctl.verify.scenarios import ipip
from labctl.waiting import Deadline


def heal_open(folder: Folder, journal: Path, api: Api | None, deadline: Deadline) -> list[str]:
    """Heal them; returns their names. Raises what the healing raises: the change then stays open."""
    healed = []
    for name in open_changes(journal):
        if name == ipip.CHANGE and api is not None:
            ipip.apply_mode(api, folder.path, folder.lab.mode, deadline)
            write(journal, name, "healed")
            healed.append(name)
    return healed
