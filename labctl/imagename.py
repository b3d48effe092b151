"""Names of container images as Docker writes them: ``registry:5000/repository:tag@sha256:…``."""

from __future__ import annotations

import re
from dataclasses import dataclass

SWITCH_ROLES = ("leaf", "spine", "border")
ROLES = ("switch", *SWITCH_ROLES, "node", "host")
"""What a lab has images for. ``switch`` is every switch whose own role says nothing."""

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME = re.compile(
    rf"(?P<repository>(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]+)?/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@sha256:(?P<digest>[0-9a-f]{64}))?"
)
"""The grammar of distribution/reference, with the one digest algorithm that registries use."""


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image by name and tag; ``digest`` (sha256, hex) is what a person pinned it to."""

    repository: str
    tag: str
    digest: str | None = None

    @property
    def tagged(self) -> str:
        """What is asked for: a digest does not survive ``docker load``, and kind pulls one that is not there anew."""
        return f"{self.repository}:{self.tag}"


Trouble = tuple[str, str, str]
"""(code, sentence, what to write instead)"""


STANDIN_PODS = ("busybox", "nginx")
"""Images of pods that a stand-in node has a program for (`plain_name`)."""


def plain_name(reference: str) -> str:
    """``docker.io/library/nginx:1.27`` is ``nginx``: without registry, ``library/``, tag and digest."""
    head, _, last = reference.split("@", maxsplit=1)[0].rpartition("/")
    parts = [part for part in head.split("/") if part]
    if parts and ("." in parts[0] or ":" in parts[0] or parts[0] == "localhost"):
        parts = parts[1:]
    return "/".join([*([] if parts == ["library"] else parts), last.split(":")[0]])


def image_trouble(text: str) -> Trouble | None:
    """What is wrong with a name, None when nothing is."""
    found = _NAME.fullmatch(text)
    if found is None:
        return "bad-image", f"{text!r} is no name of an image", "name:tag, as in vrnetlab/cisco_n9kv:10.5.4"
    if found["digest"] and not found["tag"]:
        why = f"{found['repository']}@sha256:{found['digest'][:12]}… has no tag, and an image is run by its tag"
        return "bare-digest", why, f"{found['repository']}:TAG@sha256:…, or the tag alone"
    return None


def image_name(text: str) -> ImageName:
    """The parts of a name; without a tag Docker means ``latest``. Raises ValueError for what is no name."""
    trouble = image_trouble(text)
    found = _NAME.fullmatch(text)
    if trouble is not None or found is None:
        raise ValueError(trouble[1] if trouble else text)
    return ImageName(found["repository"], found["tag"] or "latest", found["digest"])


def where_from(image: str) -> str:
    """The command that brings an image of a name that labctl knows, else the pull of a registry's."""
    repository = image_name(image).repository
    if repository.startswith("labctl/"):
        return "labctl setup images"
    if repository.startswith("vrnetlab/"):
        # vrnetlab makes the tag of the file's name: n9kv-10.5.4.qcow2
        return "make -C vrnetlab/cisco/n9kv docker-image"
    return f"docker pull {image}"
