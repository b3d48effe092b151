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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from labctl.errors import HostError, Place, Problem, SpecError, UsageError, did_you_mean
from labctl.imagename import ROLES, image_trouble
from labctl.peers import CONTAINERLAB_OLDEST, WRITTEN_FOR, dotted, numbers

if TYPE_CHECKING:
    from labctl.design.images import ImageWishes
    from labctl.images import Stored
    from labctl.yamldoc import Document
    from labctl.yamldoc import Path as DocumentPath

FILE = "config.yaml"
OTHERS = 0o077
USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,27}")
PASSWORD = re.compile(r"[A-Za-z0-9._~!@%^*+=:,/][A-Za-z0-9._~!@%^*+=:,/-]{0,63}")
"""The password goes through YAML, a shell-like split and an NX-OS line (containerlab, nodes/vr_n9kv; vrnetlab): what
any of them gives a meaning to would come out as another one."""
KNOWN: Mapping[str, tuple[str, ...]] = {"images": ROLES, "credentials": ("username", "password", "password_file")}


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


# --- the user's configuration ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to log in to the switches that containerlab boots; None where nothing is said."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class UserConfig:
    """What the file says."""

    images: Mapping[str, str] = field(default_factory=dict)
    credentials: Credentials = Credentials()


def config_file(environment: Mapping[str, str]) -> Path:
    """Where it is."""
    given = environment.get("LABCTL_CONFIG")
    if given:
        return Path(given)
    from platformdirs import user_config_path

    return user_config_path("labctl", appauthor=False) / FILE


def load_user_config(environment: Mapping[str, str]) -> UserConfig:
    """Read it; without a file nothing is said. Raises `SpecError` with every problem, `UsageError` for a missing one
    that ``LABCTL_CONFIG`` names."""
    path = config_file(environment)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if environment.get("LABCTL_CONFIG"):
            message = f"there is no file {path}, which LABCTL_CONFIG names"
            raise UsageError(message, code="no-such-file", next_command="unset LABCTL_CONFIG") from None
        return UserConfig()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise SpecError([Problem("unreadable", f"{path} cannot be read: {why}")]) from None
    from labctl.yamldoc import parse

    found, problems = parse(str(path), text)
    if found is None:
        if [problem.code for problem in problems] == ["empty"]:
            return UserConfig()
        raise SpecError([_without_text(_worded(problem), text) for problem in problems])
    reader = _Reader(path, found)
    config = reader.read()
    problems += reader.problems
    if problems:
        ordered = sorted(problems, key=lambda p: (p.place.line, p.place.column) if p.place else (0, 0))
        raise SpecError([_without_text(problem, text) for problem in ordered])
    return config


def _worded(problem: Problem) -> Problem:
    if problem.code != "no-mapping":
        return problem
    return replace(problem, message="a configuration is a mapping: images: {…}, credentials: {…}")


def _without_text(problem: Problem, text: str) -> Problem:
    """No line of a file with a password is shown."""
    if problem.place is None or not re.search(r"password['\"]?\s*:", text):
        return problem
    return replace(problem, place=replace(problem.place, text=None))


class _Reader:
    def __init__(self, path: Path, found: Document) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._found = found

    def read(self) -> UserConfig:
        self._unknown((), tuple(KNOWN))
        images, login = self._mapping("images"), self._mapping("credentials")
        named = {role: text for role in images if role in ROLES and (text := self._text(images, "images", role))}
        for role, text in named.items():
            trouble = image_trouble(text)
            if trouble is not None:
                self._say(trouble[0], trouble[1], ("images", role), trouble[2])
        return UserConfig(named, self._credentials(login))

    def _credentials(self, login: Mapping[str, Any]) -> Credentials:
        here: DocumentPath = ("credentials",)
        username = self._text(login, "credentials", "username")
        password = self._text(login, "credentials", "password")
        file = self._text(login, "credentials", "password_file")
        if username is not None and not USERNAME.fullmatch(username):
            why = f"{username!r} is no user name of NX-OS"
            self._say("bad-username", why, (*here, "username"), "a letter first, 28 characters at most")
        if password is not None and file is not None:
            self._say(
                "two-passwords", "password and password_file say the same", (*here, "password_file"), "one of them"
            )
        if password is not None:
            self._closed(self._path, (*here, "password"))
            self._judge(password, (*here, "password"))
        elif file is not None:
            password = self._password_of(file, (*here, "password_file"))
        return Credentials(username, password)

    def _password_of(self, written: str, path: DocumentPath) -> str | None:
        home = written.startswith("~/")
        file = Path.home() / written[2:] if home else self._path.parent / written
        self._closed(file, path)
        try:
            password = file.read_text(encoding="utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            self._say("unreadable", f"{file} cannot be read: {why}", path)
            return None
        self._judge(password, path)
        return password

    def _closed(self, file: Path, path: DocumentPath) -> None:
        try:
            mode = file.stat().st_mode
        except OSError:
            return  # told where it is read
        if mode & OTHERS:
            why = f"{file} holds a password, and others may open it (mode {mode & 0o777:03o})"
            self._say("open-to-others", why, path, f"chmod 600 {file}")

    def _judge(self, password: str, path: DocumentPath) -> None:
        trouble = password_trouble(password)
        if trouble:
            self._say("bad-password", trouble, path, "letters, digits and . _ ~ ! @ % ^ * + = : , / -")

    def _mapping(self, key: str) -> Mapping[str, Any]:
        value = self._found.data.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._say("bad-value", f"{key} must be a mapping", (key,))
            return {}
        self._unknown((key,), KNOWN[key])
        return value

    def _text(self, of: Mapping[str, Any], part: str, key: str) -> str | None:
        value = of.get(key)
        if key in of and not isinstance(value, str):
            self._say("bad-value", f"{key} must be text", (part, key), f'in quotes, as in {key}: "…"')
            return None
        return value

    def _unknown(self, path: DocumentPath, known: tuple[str, ...]) -> None:
        data: Any = self._found.data
        for step in path:
            data = data[step]
        for key in data:
            if key not in known:
                hint = did_you_mean(key, known, f"known here: {', '.join(known)}")
                place = self._found.place((*path, key), key=True)
                self.problems.append(Problem("unknown-key", f"unknown key {key}", place, hint))

    def _say(self, code: str, message: str, path: DocumentPath, hint: str | None = None) -> None:
        place: Place = self._found.place(path)
        self.problems.append(Problem(code, message, place, hint))


def password_trouble(password: str) -> str | None:
    """Why a switch cannot be given a password; the password is not in the sentence."""
    if not password:
        return "the password is empty"
    if len(password) > 64:
        return "the password has more than 64 characters"
    return (
        None if PASSWORD.fullmatch(password) else "the password has a character that does not reach the switch as it is"
    )
