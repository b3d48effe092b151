"""Marks of a lab on this host that are outside Docker, and their removal: files, namespaces, half links, backups.

Only exact names of the lab are touched. What cannot be removed is returned by name, never passed over.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from labctl.runtime.api import Progress
from labctl.runtime.containerlab.boxes import TOPOLOGY
from labctl.runtime.containerlab.places import HostPlaces
from labctl.runtime.containerlab.record import Record

HALF_LINK = re.compile(r"clab-[0-9a-f]{8}")
"""Names of a link's ends before they are moved into their containers (containerlab's links/link.go)."""
PARKED = "clab-park-"
"""Prefix of namespaces that hold the links of a container that is being replaced (utils/netlink.go)."""


def half_links(places: HostPlaces) -> tuple[str, ...]:
    """Ends of links in this host's own network namespace that are nobody's interface."""
    return tuple(sorted(path.name for path in places.interfaces.glob("clab-*") if HALF_LINK.fullmatch(path.name)))


def sweep(lab: str, root: Path, record: Record, places: HostPlaces, progress: Progress) -> list[str]:
    """Remove all marks; returns what is still there and why."""
    left: list[str] = []
    for name, remove in _marks(lab, root, record, places):
        try:
            if remove():
                progress(f"removed {name}")
        except (OSError, subprocess.SubprocessError) as error:
            left.append(f"{name} ({_reason(error)})")
    return left


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        words = (error.stderr or b"").decode(errors="replace").strip()
        return words or f"{error.cmd[0]} ended with code {error.returncode}"
    return getattr(error, "strerror", None) or str(error)


def _marks(lab: str, root: Path, record: Record, places: HostPlaces) -> Iterator[tuple[str, Callable[[], bool]]]:
    if record.began:
        yield f"{lab}'s lines of {places.hosts}", lambda: _hosts_block(lab, places)
        config = places.ssh_config / f"clab-{lab}.conf"
        yield str(config), lambda: _unlink(config)
        for container in record.containers:
            link = places.namespaces / container
            yield str(link), lambda link=link: _symlink(link)  # type: ignore[misc]
            parked = places.namespaces / f"{PARKED}{container}"
            yield str(parked), lambda parked=parked: _namespace(parked)  # type: ignore[misc]
        if not _containerlab_runs(places):
            for name in half_links(places):
                if name not in record.veths_before:
                    yield f"interface {name}", lambda name=name: _interface(name)  # type: ignore[misc]
        for backup in _backups(record, places):
            yield str(backup), lambda backup=backup: _unlink(backup)  # type: ignore[misc]
        if not record.backups_before:
            yield str(places.backups.parent), lambda: _empty(places.backups)
    yield str(root / "clab"), lambda: _tree(root / "clab")


def _hosts_block(lab: str, places: HostPlaces) -> bool:
    """The block that containerlab wrote, whole or cut short, under containerlab's own lock."""
    if not places.hosts.exists() or _without_block(places.hosts.read_text(), lab) is None:
        return False
    with _locked(places.hosts_lock):
        text = _without_block(places.hosts.read_text(), lab)
        if text is None:
            return False
        places.hosts.write_text(text)  # in place: in a container it is a mount and cannot be replaced
    return True


def _without_block(text: str, lab: str) -> str | None:
    """The text without the lab's block; None when there is none."""
    begin, end = f"###### CLAB-{lab}-START ######", f"###### CLAB-{lab}-END ######"
    kept, inside, found = [], False, False
    for line in text.splitlines(keepends=True):
        if line.strip() == begin:
            inside = found = True
        elif inside and line.strip() == end:
            inside = False
        elif not inside or (line.strip() and f"clab-{lab}-" not in line and "# Kind:" not in line):
            inside = False  # a block without its end: what is not one of its lines is somebody else's
            kept.append(line)
    return "".join(kept) if found else None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _symlink(path: Path) -> bool:
    """containerlab makes links to /proc; a namespace that somebody named alike is a file and stays."""
    return path.is_symlink() and _unlink(path)


def _namespace(path: Path) -> bool:
    if not path.exists():
        return False
    subprocess.run(("ip", "netns", "delete", path.name), check=True, capture_output=True, timeout=30)
    return True


def _interface(name: str) -> bool:
    done = subprocess.run(("ip", "link", "delete", name), check=False, capture_output=True, timeout=30)
    if done.returncode != 0 and b"Cannot find device" in done.stderr:
        return False  # it was the other end of one that has just gone
    done.check_returncode()
    return True


def _containerlab_runs(places: HostPlaces) -> bool:
    """Whether one runs on this host, for any lab: its half links are not ours to judge."""
    for path in places.processes.glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text().strip() == "containerlab":
                return True
    return False


def _backups(record: Record, places: HostPlaces) -> Iterator[Path]:
    """Copies of the lab's topology (core/options_clab.go keeps one of each deployment)."""
    for path in sorted(places.backups.glob(f"*_{TOPOLOGY}")):
        with contextlib.suppress(OSError):
            made_since = path.stat().st_mtime >= record.began - 1
            if made_since and hashlib.sha256(path.read_bytes()).hexdigest() in record.topologies:
                yield path


def _empty(folder: Path) -> bool:
    """Remove the folder of backups and the one around it when nothing is in them."""
    removed = False
    for path in (folder, folder.parent):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
            removed = True
    return removed


def _tree(path: Path) -> bool:
    if not path.exists():
        return False
    shutil.rmtree(path)
    return True
