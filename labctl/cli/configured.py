"""What is said outside the spec, read at the edge and handed in: target, images and the switches' login.

Rising order: labctl's own, the user's configuration, the spec, ``LABCTL_IMAGE_<ROLE>``, ``--image ROLE=IMAGE``; for the
login the user's configuration, ``LABCTL_SWITCH_USERNAME`` and ``LABCTL_SWITCH_PASSWORD``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from itertools import product
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from labctl.errors import HostError, UsageError, did_you_mean
from labctl.imagename import ROLES, image_trouble
from labctl.peers import CONTAINERLAB_OLDEST, WRITTEN_FOR, dotted, numbers

if TYPE_CHECKING:
    from labctl.design.images import ImageWishes
    from labctl.images import Stored
    from labctl.userconfig import Credentials


def _complete_images(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(f"{role}=") for role in ROLES if role.startswith(incomplete)]


def complete_targets(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion: every target."""
    pairs = product(("standin", "n9kv"), ("standin", "kind"))
    targets = (f"switch={switch},cluster={cluster}" for switch, cluster in pairs)
    return [CompletionItem(target) for target in targets if target.startswith(incomplete)]


image_option = click.option(
    "--image",
    "images",
    shell_complete=_complete_images,
    multiple=True,
    metavar="ROLE=IMAGE",
    help=f"Image of a role ({', '.join(ROLES)}); more than once.  [env: LABCTL_IMAGE_<ROLE>]",
)
target_option = click.option(
    "--target",
    shell_complete=complete_targets,
    metavar="PART=KIND,...",
    help="switch=n9kv|standin, cluster=kind|standin, containerlab=VERSION, joined by commas; default: the spec's,"
    f" else stand-ins, and containerlab {WRITTEN_FOR} or newer.",
)


def parse_target(text: str | None) -> tuple[tuple[str, str] | None, str | None]:
    """``switch=n9kv,cluster=kind,containerlab=0.79``: the boxes as a pair, and the containerlab that will read the
    folder; None for what is not said. Of boxes that are said in part the others are stand-ins. Raises `UsageError`."""
    known = {"switch": r"n9kv|standin", "cluster": r"kind|standin", "containerlab": r"\d+\.\d+(\.\d+)?"}
    found: dict[str, str] = {}
    for part in text.split(",") if text is not None else ():
        key, _, value = part.partition("=")
        if key not in known or not re.fullmatch(known[key], value):
            hint = f"switch=n9kv|standin,cluster=kind|standin,containerlab={WRITTEN_FOR}"
            raise UsageError(f"{part!r} is no part of a target", code="bad-target", hint=hint)
        found[key] = value
    reader, oldest = found.pop("containerlab", None), CONTAINERLAB_OLDEST
    if reader is not None and numbers(reader) < oldest[: len(numbers(reader))]:
        why = f"labctl needs containerlab {dotted(oldest)} or newer, not {reader}"
        raise UsageError(why, code="bad-target")
    return (found.get("switch", "standin"), found.get("cluster", "standin")) if found else None, reader


def parse_images(given: Iterable[str]) -> dict[str, str]:
    """``leaf=IMAGE`` by role. Raises `UsageError`."""
    found: dict[str, str] = {}
    for text in given:
        role, sign, image = text.partition("=")
        if not sign or role not in ROLES:
            hint = did_you_mean(role, ROLES, f"ROLE=IMAGE, with one of {', '.join(ROLES)}")
            raise UsageError(f"--image {text}: there is no role {role!r}", code="bad-image-option", hint=hint)
        _judge(image, f"--image {text}")
        found[role] = image
    return found


def images_of_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Those that ``LABCTL_IMAGE_<ROLE>`` names; an empty one says nothing. Raises `UsageError`."""
    found = {}
    for role in ROLES:
        name = f"LABCTL_IMAGE_{role.upper()}"
        if environment.get(name):
            _judge(environment[name], name)
            found[role] = environment[name]
    return found


def _judge(image: str, where: str) -> None:
    trouble = image_trouble(image)
    if trouble is not None:
        raise UsageError(f"{where}: {trouble[1]}", code=trouble[0], hint=trouble[2])


def image_wishes(given: Iterable[str] = ()) -> ImageWishes:
    """All that is said of images outside a spec. Raises `UsageError` or `SpecError`."""
    from labctl.design.images import ImageWishes
    from labctl.userconfig import load_user_config

    typed, environment = parse_images(given), images_of_environment(os.environ)
    return ImageWishes(load_user_config(os.environ).images, (environment, typed))


def in_docker(names: Iterable[str]) -> tuple[Mapping[str, Stored | None], str | None]:
    """What Docker has of these images, None for one that it has not; or why that could not be told."""
    from labctl.images import docker_client, stored

    try:
        with docker_client() as client:
            return stored(client, names), None
    except HostError as error:
        return {}, error.message


def switch_login() -> Credentials:
    """The login that containerlab gives to switches; containerlab's own admin/admin where nobody says otherwise.

    Raises `UsageError` or `SpecError`.
    """
    from labctl.userconfig import USERNAME, Credentials, load_user_config, password_trouble

    configured = load_user_config(os.environ).credentials
    username = os.environ.get("LABCTL_SWITCH_USERNAME") or configured.username or "admin"
    password = os.environ.get("LABCTL_SWITCH_PASSWORD") or configured.password or "admin"
    if not USERNAME.fullmatch(username):
        raise UsageError(f"LABCTL_SWITCH_USERNAME: {username!r} is no user name of NX-OS", code="bad-username")
    trouble = password_trouble(password)
    if trouble:
        hint = "letters, digits and . _ ~ ! @ % ^ * + = : , / -"
        raise UsageError(f"LABCTL_SWITCH_PASSWORD: {trouble}", code="bad-password", hint=hint)
    return Credentials(username, password)
