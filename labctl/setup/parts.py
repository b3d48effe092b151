"""The two things that set-up brings into the cache, described alike: where they are, what is in them, their lock."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from labctl.guest import image, recipe
from labctl.standin.cluster.controlplane import binaries

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the two. ``label`` is its folder in the cache and in a bundle; ``version`` is what must match exactly."""

    name: str
    label: str
    version: str
    folder: Path
    files: tuple[str, ...]
    stage: str
    """Prefix of temporary folders beside it: the builder removes what a killed run left under that prefix."""
    lock: Callable[[Path, Progress], AbstractContextManager[None]]
    default_source: str

    def manifest(self) -> dict[str, object]:
        """What the last build or import wrote. Raises OSError or ValueError when there is none that can be read."""
        body = json.loads((self.folder / "manifest.json").read_text())
        if not isinstance(body, dict):
            raise ValueError("manifest.json is no object")  # noqa: TRY004 - one kind of error for a broken file
        return body

    def seal(self, folder: Path, source: str, made: float) -> None:
        """Write the manifest of a complete folder, with where it came from and when it was made."""
        if self.label == "guest":
            image.write_manifest(folder, self.version)
        else:
            binaries.write_manifest(folder, source)
        path = folder / "manifest.json"
        body = json.loads(path.read_text()) | {"source": source, self.made_key: round(made)}
        path.write_text(json.dumps(body, indent=1))

    @property
    def made_key(self) -> str:
        """The manifest's key for the time at which it was made."""
        return "built" if self.label == "guest" else "brought"


def guest_image(cache: Path) -> Part:
    """The guest image of this labctl's recipe."""
    return Part(
        name="guest image",
        label="guest",
        version=recipe.key(),
        folder=image.guest_cache(cache) / recipe.key(),
        files=image.FILES,
        stage=".build-",
        lock=image.build_lock,
        default_source=f"built here from Debian {recipe.SUITE}",
    )


def control_plane(cache: Path) -> Part:
    """The control plane of this labctl's versions."""
    folder = binaries.binaries_folder(cache)
    return Part(
        name="control plane",
        label="controlplane",
        version=folder.name,
        folder=folder,
        files=binaries.PROGRAMS,
        stage="bring-",
        lock=binaries.bring_lock,
        default_source="unknown",
    )


def parts(cache: Path) -> tuple[Part, Part]:
    """Both, in the order in which they are built and locked."""
    return guest_image(cache), control_plane(cache)
