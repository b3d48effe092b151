"""Where labctl keeps what is brought once and used by every lab: guest image and control plane binaries."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """``LABCTL_CACHE_DIR``, else the user's cache folder; made with mode 0700."""
    given = os.environ.get("LABCTL_CACHE_DIR")
    if given:
        path = Path(given)
    else:
        from platformdirs import user_cache_path

        path = user_cache_path("labctl", appauthor=False)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
