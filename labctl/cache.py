"""Where labctl keeps what is brought once and used by every lab: guest image and control plane binaries.

Nothing in a cache is secret or of one lab, so that one can be shared: it may belong to somebody else and be read only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SHARED = Path("/var/cache/labctl")
"""Of this host, for all its users; filled with ``LABCTL_CACHE_DIR=/var/cache/labctl labctl setup``."""


def cache_dir() -> Path:
    """Where things are brought to: ``LABCTL_CACHE_DIR``, else the user's cache folder. It need not be there yet."""
    given = os.environ.get("LABCTL_CACHE_DIR")
    if given:
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("labctl", appauthor=False)


def shared_caches() -> tuple[Path, ...]:
    """Where things are looked for besides: nowhere when ``LABCTL_CACHE_DIR`` names the one place."""
    return () if os.environ.get("LABCTL_CACHE_DIR") else (SHARED,)


def look(find: Callable[[Path], T | None]) -> T | None:
    """What ``find`` finds in the first cache that has it: the user's own, then the host's."""
    answers = (find(cache) for cache in (cache_dir(), *shared_caches()))
    return next((answer for answer in answers if answer is not None), None)
