"""What is said outside the spec, read at the edge and handed in: target, images and the switches' login.

Rising order: labctl's own, the user's configuration, the spec, ``LABCTL_IMAGE_<ROLE>``, ``--image ROLE=IMAGE``; for the
login the user's configuration, ``LABCTL_SWITCH_USERNAME`` and ``LABCTL_SWITCH_PASSWORD``.

The configuration is what a user says once for all labs, in ``config.yaml`` of the user's config folder::

    images: {switch: "vrnetlab/cisco_n9kv:10.5.4.M.lite", node: "kindest/node:v1.37.0"}
    credentials: {username: admin, password_file: switch-password}

``LABCTL_CONFIG`` names another file. A file with a password in it that others may read is refused, and no problem of
such a file shows its text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labctl.cli.options import Command, completing
from labctl.errors import HostError, Problem, SpecError, UsageError, did_you_mean
from labctl.imagename import ROLES, image_trouble
from labctl.peers import CONTAINERLAB_OLDEST, WRITTEN_FOR, dotted, numbers

if TYPE_CHECKING:
    from labctl.design.images import ImageWishes
    from labctl.images import Stored
    from labctl.runtime.api import SwitchLogin
    from labctl.yamldoc import Document
    from labctl.yamldoc import Path as DocumentPath

OTHERS = 0o077
USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,27}")
PASSWORD = re.compile(r"[A-Za-z0-9._~!@%^*+=:,/][A-Za-z0-9._~!@%^*+=:,/-]{0,63}")
"""The password goes through YAML, a shell-like split and an NX-OS line (containerlab, nodes/vr_n9kv; vrnetlab): what
any of them gives a meaning to would come out as another one."""
PASSED = "letters, digits and . _ ~ ! @ % ^ * + = : , / -"
KNOWN: Mapping[str, tuple[str, ...]] = {"images": ROLES, "credentials": ("username", "password", "password_file")}
TARGETS = tuple(f"switch={switch},cluster={kind}" for switch, kind in product(("standin", "n9kv"), ("standin", "kind")))

image_option = click.option(
    "--image",
    "images",
    shell_complete=completing(lambda _context: [f"{role}=" for role in ROLES]),
    multiple=True,
    metavar="ROLE=IMAGE",
    help=f"Image of a role ({', '.join(ROLES)}); more than once.  [env: LABCTL_IMAGE_<ROLE>]",
)


def target_option(told: str) -> Callable[[Command], Command]:
    """``--target``, with the help of a verb, to be read by `parse_target`."""
    complete = completing(lambda _context: TARGETS)
    return click.option("--target", shell_complete=complete, metavar="PART=KIND,...", help=told)


TARGET_OF_SPEC = (
    "switch=n9kv|standin, cluster=kind|standin, containerlab=VERSION, joined by commas; default: the spec's,"
    f" else stand-ins, and containerlab {WRITTEN_FOR} or newer."
)


def parse_target(text: str | None) -> tuple[tuple[str, str] | None, str | None]:
    """``switch=n9kv,cluster=kind,containerlab=0.79``: the nodes as a pair, and the containerlab that will read the
    folder; None for what is not said. Of nodes that are said in part the others are stand-ins. Raises `UsageError`."""
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
        found[role] = _sound(image, f"--image {text}")
    return found


def _sound(image: str, where: str) -> str:
    if trouble := image_trouble(image):
        raise UsageError(f"{where}: {trouble[1]}", code=trouble[0], hint=trouble[2])
    return image


def image_wishes(given: Iterable[str] = ()) -> ImageWishes:
    """All that is said of images outside a spec; an empty variable says nothing. Raises `UsageError` or `SpecError`."""
    from labctl.design.images import ImageWishes

    typed, names = parse_images(given), {role: f"LABCTL_IMAGE_{role.upper()}" for role in ROLES}
    said = {role: _sound(image, name) for role, name in names.items() if (image := os.environ.get(name))}
    return ImageWishes(load_user_config().images, (said, typed))


def in_docker(names: Iterable[str]) -> tuple[Mapping[str, Stored | None], str | None]:
    """What Docker has of these images, None for one that it has not; or why that could not be told."""
    from labctl.images import docker_client, stored

    try:
        with docker_client() as client:
            return stored(client, names), None
    except HostError as error:
        return {}, error.message


def switch_login() -> SwitchLogin:
    """The login that containerlab gives to switches; containerlab's own admin/admin where nobody says otherwise.

    Raises `UsageError` or `SpecError`.
    """
    from labctl.runtime.api import SwitchLogin

    configured = load_user_config().credentials
    username = os.environ.get("LABCTL_SWITCH_USERNAME") or configured.get("username", "admin")
    password = os.environ.get("LABCTL_SWITCH_PASSWORD") or configured.get("password", "admin")
    if not USERNAME.fullmatch(username):
        raise UsageError(f"LABCTL_SWITCH_USERNAME: {username!r} is no user name of NX-OS", code="bad-username")
    if trouble := password_trouble(password):
        raise UsageError(f"LABCTL_SWITCH_PASSWORD: {trouble}", code="bad-password", hint=PASSED)
    return SwitchLogin(username, password)


def password_trouble(password: str) -> str | None:
    """Why a switch cannot be given a password; the password is not in the sentence."""
    if not password:
        return "the password is empty"
    if len(password) > 64:
        return "the password has more than 64 characters"
    sound = PASSWORD.fullmatch(password)
    return None if sound else "the password has a character that does not reach the switch as it is"


# --- the user's configuration ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UserConfig:
    """What the file says: an image by role; ``username`` and ``password``, whichever file has it."""

    images: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


def load_user_config() -> UserConfig:
    """Read it; without a file nothing is said. Raises `SpecError` with every problem, `UsageError` for a missing one
    that ``LABCTL_CONFIG`` names."""
    from platformdirs import user_config_path

    from labctl.spec.textfile import read_text
    from labctl.yamldoc import parse

    named = os.environ.get("LABCTL_CONFIG")
    path = Path(named) if named else user_config_path("labctl", appauthor=False) / "config.yaml"
    if not path.exists():
        if named:
            message = f"there is no file {path}, which LABCTL_CONFIG names"
            raise UsageError(message, code="no-such-file", next_command="unset LABCTL_CONFIG")
        return UserConfig()
    text, trouble = read_text(path)
    found, problems = (None, [trouble]) if trouble else parse(str(path), text)
    if [problem.code for problem in problems] == ["empty"]:
        return UserConfig()
    config = _read(path, found, problems) if found else UserConfig()
    if problems:
        ordered = sorted(problems, key=lambda p: (p.place.line, p.place.column) if p.place else (0, 0))
        raise SpecError([_shown(problem, secret=bool(trouble) or "password" in text) for problem in ordered])
    return config


def _shown(problem: Problem, *, secret: bool) -> Problem:
    """No line of a file with a password is shown; and it is no spec."""
    if problem.place and secret:
        problem = replace(problem, place=replace(problem.place, text=None))
    if problem.code == "no-mapping":
        return replace(problem, message="a configuration is a mapping: images: {…}, credentials: {…}")
    return problem


Say = Callable[..., None]
"""Takes code, message, path in the document, and a hint or, for an unknown key, those that are known there."""


def _read(path: Path, found: Document, problems: list[Problem]) -> UserConfig:
    def say(code: str, message: str, at: DocumentPath, hint: str | None = None, known: Iterable[str] = ()) -> None:
        if known:
            hint = did_you_mean(str(at[-1]), known, f"known here: {', '.join(known)}")
        problems.append(Problem(code, message, found.place(at, key=bool(known)), hint))

    images, login = (_texts(part, found.data.get(part), KNOWN[part], say) for part in KNOWN)
    for key in found.data.keys() - KNOWN.keys():
        say("unknown-key", f"unknown key {key}", (key,), known=KNOWN)
    for role, image in images.items():
        if trouble := image_trouble(image):
            say(trouble[0], trouble[1], ("images", role), trouble[2])
    return UserConfig(images, _login(path, login, say))


def _texts(part: str, rows: object, known: tuple[str, ...], say: Say) -> dict[str, str]:
    """The keys of a part that have a text."""
    if not isinstance(rows, dict | None):
        say("bad-value", f"{part} must be a mapping", (part,))
        return {}
    texts: dict[str, str] = {}
    for key, text in (rows or {}).items():
        if key not in known:
            say("unknown-key", f"unknown key {key}", (part, key), known=known)
        elif not isinstance(text, str):
            say("bad-value", f"{key} must be text", (part, key), f'in quotes, as in {key}: "…"')
        else:
            texts[key] = text
    return texts


def _login(path: Path, login: dict[str, str], say: Say) -> dict[str, str]:
    """With the password, where it is in a file of its own."""
    from labctl.spec.textfile import read_text

    if not USERNAME.fullmatch(username := login.get("username", "admin")):
        hint = "a letter first, 28 characters at most"
        say("bad-username", f"{username!r} is no user name of NX-OS", ("credentials", "username"), hint)
    holder, at = path, ("credentials", "password")
    if "password_file" in login:
        at = ("credentials", "password_file")
        if "password" in login:
            say("two-passwords", "password and password_file say the same", at, "one of them")
            return login
        written = login["password_file"]
        holder = Path.home() / written[2:] if written.startswith("~/") else path.parent / written
        login["password"], unread = read_text(holder)
        if unread:
            say(unread.code, f"{holder}: {unread.message}", at)
            return login
    if "password" in login:
        login["password"] = login["password"].removesuffix("\n")
        mode = holder.stat().st_mode
        if mode & OTHERS:
            why = f"{holder} holds a password, and others may open it (mode {mode & 0o777:03o})"
            say("open-to-others", why, at, f"chmod 600 {holder}")
        if wrong := password_trouble(login["password"]):
            say("bad-password", wrong, at, PASSED)
    return login
