"""Which image each node runs: labctl's own, the user's, the spec's, the command's, in rising order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from labctl.design.design import Images, Target
from labctl.imagename import ROLES, ImageName, image_name
from labctl.spec.keys import Images as ImagesSpec

PULL = {"never": "never", "if-not-present": "IfNotPresent", "always": "always"}
STANDIN_SWITCH = "labctl/n9kv-standin:latest"
STANDIN_NODE = "labctl/k8s-standin:latest"
HOST = "labctl/host:latest"

Part = Literal["switch", "cluster"]
Named = Mapping[str, str]
"""Role → image; see `labctl.imagename.ROLES`."""


@dataclass(frozen=True, slots=True)
class ImageWishes:
    """What is said of images outside the spec. Every name has been judged."""

    user: Named = field(default_factory=dict)
    """Of the user's configuration: images of real switches and nodes (a stand-in is never made of them), and hosts."""
    command: tuple[Named, ...] = ()
    """Above the spec, the last one wins: the environment, the command line."""
    standins: frozenset[Part] = frozenset()
    """Parts that fall back to labctl's stand-in, since the image that was asked for is not there: nothing that is
    said of them counts."""


def choose_images(spec: ImagesSpec, target: Target, nxos: str, kubernetes: str, wishes: ImageWishes) -> Images:
    """Decide. In one source a role's own word wins over ``switch``; a higher source wins over all below it."""
    written: Any = spec.model_dump(include=set(ROLES), exclude_none=True)
    sources: list[tuple[bool, Named]] = [(False, wishes.user), (True, written), *((True, n) for n in wishes.command)]

    n9kv, kind = target.switch == "n9kv", target.cluster == "kind"
    real: Mapping[Part | None, bool] = {"switch": n9kv, "cluster": kind, None: True}

    def pick(part: Part | None, default: str, *words: str) -> ImageName:
        for of_any_target, named in () if part in wishes.standins else reversed(sources):
            for word in words if of_any_target or real[part] else ():
                if word in named:
                    return image_name(named[word])
        return image_name(default)

    switch = real_switch(nxos) if n9kv else STANDIN_SWITCH
    return Images(
        spine=pick("switch", switch, "spine", "switch"),
        leaf=pick("switch", switch, "leaf", "switch"),
        border=pick("switch", switch, "border", "switch"),
        node=pick("cluster", real_node(kubernetes) if kind else STANDIN_NODE, "node"),
        host=pick(None, HOST, "host"),
        pull=PULL[spec.pull],
    )


def real_switch(nxos: str) -> str:
    """The tag that vrnetlab gives to the image of a version: ``10.5(4)`` is ``10.5.4``."""
    return f"vrnetlab/cisco_n9kv:{''.join(c if c.isalnum() else '.' for c in nxos).strip('.')}"


def real_node(kubernetes: str) -> str:
    """kind's node image, by tag: a digest does not survive ``docker load``."""
    return f"kindest/node:v{kubernetes}" if kubernetes else "kindest/node:latest"
