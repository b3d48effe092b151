"""A cache with small made-up contents: as whole as a real one to everything that looks at sizes and hashes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labctl.setup.parts import parts


@pytest.fixture
def fill() -> Callable[[Path], Path]:
    """``fill(path)`` makes a cache in which both parts are whole."""

    def made(cache: Path) -> Path:
        for part in parts(cache):
            part.folder.mkdir(parents=True)
            for name in part.files:
                (part.folder / name).write_bytes(f"{part.label} {name}\n".encode() * 100)
                (part.folder / name).chmod(0o755 if name == "linux.uml" else 0o644)
            part.write_manifest(part.folder, f"made up {part.label}", 1700000000)
        return cache

    return made


@pytest.fixture
def cache(tmp_path: Path, fill: Callable[[Path], Path]) -> Path:
    return fill(tmp_path / "cache")


@pytest.fixture
def said() -> list[str]:
    """Collects progress: pass ``said.append``."""
    return []
