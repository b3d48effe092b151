"""A cache in which User-mode Linux dies as it does, unpatched, on processors with AMX; all else is the real cache's.

So everything can be tried as on a host where only QEMU works::

    python -m tests.integration.hiding NEWCACHE && LABCTL_CACHE_DIR=NEWCACHE make test
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from labctl.cache import cache_dir
from labctl.guest import recipe
from labctl.guest.image import LONG, GuestImage, find_image, guest_cache, write_manifest

LESS = bytes.fromhex("48c745f8 80080000 bf05420000")
"""A length that is less than every processor's state: the host's kernel refuses it everywhere."""


def without_uml(target: Path) -> GuestImage:
    """Make the cache; nothing of the real one is copied but linux.uml. Its image of labs."""
    real = cache_dir()
    found = find_image(real)
    if found is None:
        sys.exit("no guest image on this host: labctl setup")
    target.mkdir(parents=True)
    for name in ("controlplane", "containers", "calico"):
        (real / name).mkdir(exist_ok=True)
        (target / name).symlink_to(real / name)
    made = GuestImage(guest_cache(target) / found.key, found.key)
    made.folder.mkdir(parents=True)
    for path in guest_cache(real).iterdir():
        if path.is_dir() and not path.name.startswith(".") and path.name != found.key:
            (guest_cache(target) / path.name).symlink_to(path)
    for path in found.folder.iterdir():
        try:
            os.link(path, made.folder / path.name)
        except OSError:  # another disk
            shutil.copy(path, made.folder / path.name)
    kernel = (found.folder / "linux.uml").read_bytes()
    assert kernel.count(LONG) + kernel.count(LESS) == 1, "the real cache may be one of these, too"
    for name in ("linux.uml", "manifest.json"):  # links: not to be written into
        (made.folder / name).unlink()
    (made.folder / "linux.uml").write_bytes(kernel.replace(LONG, LESS))
    (made.folder / "linux.uml").chmod(0o755)
    write_manifest(made.folder, made.key)
    manifest = made.folder / "manifest.json"
    # else it would be refused without a boot where there is AMX
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"uml_writes_all": True}))
    assert find_image(target, full=True, flavour=recipe.LAB) == made
    return made


if __name__ == "__main__":
    print(without_uml(Path(sys.argv[1])).folder)
