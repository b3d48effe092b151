"""``labctl setup build``: whatever is missing or damaged is brought, one thing after the other, with progress."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import HostError
from labctl.guest.image import build_image, find_image
from labctl.guest.trial import try_host
from labctl.setup.parts import Part, PartStatus, Progress, control_plane, found_part, guest_image, part_status
from labctl.standin.cluster.controlplane.binaries import bring_binaries

HEARTBEAT = 15.0
"""Seconds of silence after which a long step says that it still runs."""


@dataclass(frozen=True, slots=True)
class Built:
    """One part after the build: what is there, whether it had to be brought, how long that took."""

    status: PartStatus
    brought: bool
    seconds: float


def build(cache: Path, progress: Progress, shared: Sequence[Path] = ()) -> tuple[Built, ...]:
    """Bring guest image, then control plane, into the cache. What a ``shared`` one has whole stays there.

    Raises `HostError` at the first that cannot be had; a second run goes on. What is there is checked by hash, and
    brought anew when it is damaged.
    """
    return (
        _ensure(guest_image, cache, shared, progress, lambda: build_image(cache, progress, shared=shared)),
        _ensure(control_plane, cache, shared, progress, lambda: _control_plane(cache, progress)),
    )


def _ensure(
    part_of: Callable[[Path], Part],
    cache: Path,
    shared: Sequence[Path],
    progress: Progress,
    bring: Callable[[], object],
) -> Built:
    part, clock = part_of(cache), time.monotonic()
    was_whole = usable(part, cache, progress)
    if not was_whole and shared:
        elsewhere = found_part(part_of, shared, full=True)
        if elsewhere.state == "whole":
            return Built(elsewhere, brought=False, seconds=0.0)
    if not was_whole:
        bring()
    elif part.folder.stat().st_uid == os.geteuid() and os.access(part.folder, os.W_OK):
        for folder in (part.folder, part.folder.parent):  # older labctls made them their owner's alone
            folder.chmod(0o755)
    return Built(part_status(part, full=False), not was_whole, time.monotonic() - clock)


def _control_plane(cache: Path, progress: Progress) -> None:
    with heartbeat(lambda line: progress(f"control plane: {line}")) as tell:
        tell("bringing etcd, Kubernetes and kubectl (6 to 8 minutes when they have to be built)")
        bring_binaries(cache, tell)


def boot_once(caches: Sequence[Path], progress: Progress) -> None:
    """Try this host's launchers, so that the doctor knows before the first lab; what fails is only said."""
    image = next((found for found in map(find_image, caches) if found), None)
    if image is None:
        return
    try:
        try_host(image, progress)
    except HostError as error:
        progress(f"note: no lab can boot here: {error.message} (labctl doctor)")


def usable(part: Part, cache: Path, progress: Progress) -> bool:
    """Whether a part is whole by hash.

    A damaged one loses its manifest, so that the builder, who looks at sizes alone, brings it anew.
    """
    state = part_status(part, full=True).state
    if state != "broken":
        return state == "whole"
    with part.lock(cache, progress):
        status = part_status(part, full=True)  # again: another labctl may have repaired it meanwhile
        if status.state == "broken":
            progress(f"{part.name}: broken ({status.why}); bringing it again")
            (part.folder / "manifest.json").unlink(missing_ok=True)
        return status.state == "whole"


@contextmanager
def heartbeat(progress: Progress, every: float = HEARTBEAT) -> Iterator[Progress]:
    """Passes lines on, and repeats the last one with its age when nothing was said for a while."""
    line, since, spoken = "", time.monotonic(), time.monotonic()
    ended = threading.Event()

    def tell(now: str) -> None:
        nonlocal line, since, spoken
        line, since, spoken = now, time.monotonic(), time.monotonic()
        progress(now)

    def beat() -> None:
        nonlocal spoken
        while not ended.wait(every / 5):
            now = time.monotonic()
            if line and now - spoken >= every:
                spoken = now
                progress(f"{line}: since {now - since:.0f} s")

    ticker = threading.Thread(target=beat, daemon=True)
    ticker.start()
    try:
        yield tell
    finally:
        ended.set()
        ticker.join()
