"""What a person means by a spec: a file, an artifact folder, a topology that labctl ships, standard input; or, left
out, the one spec of the current folder. And the design, or the folder, that is made of it."""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.options import completing
from labctl.cli.output import say
from labctl.errors import SpecError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labctl.cli.options import Command
    from labctl.design.design import Design
    from labctl.design.images import ImageWishes
    from labctl.spec.keys import Spec


def complete_specs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Shell completion: shipped topologies, and YAML files and folders that are here."""
    from labctl.shipped import topologies

    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    here = [*map(str, _specs(folder)), *(f"{path}/" for path in folder.glob("[!.]*/"))]
    return completing(lambda _context: [*topologies(), *here])(context, parameter, incomplete)


def spec_argument(metavar: str) -> Callable[[Command], Command]:
    """``[SPEC]``, to be resolved by `found`."""
    return click.argument("source", required=False, metavar=metavar, shell_complete=complete_specs)


def found(given: str | None) -> Path:
    """The file or folder; `labctl.spec.textfile.STDIN` for standard input.

    A file or folder of the current folder wins over a shipped topology of its name; what is taken, or would have
    been, is said. Raises `UsageError` for what is neither, and for nothing where there is not one spec.
    """
    from labctl.shipped import topologies
    from labctl.spec.textfile import STDIN

    if given is None:
        return _only_one()
    if given == "-":
        return STDIN
    path = Path.cwd() / given if Path(given) == STDIN else Path(given)
    shipped = topologies()
    if path.exists():
        if given in shipped:
            kind = "folder" if path.is_dir() else "file"
            say(f"note: {given} is the {kind} here, not the topology that labctl ships")
        return path
    if given in shipped:
        say(f"{given}: the topology that labctl ships ({shipped[given]})")
        return shipped[given]
    beside = {other.stem: other for other in _specs(path.parent)}
    hint = did_you_mean(path.stem, [*beside, *shipped], f"labctl ships {', '.join(shipped)}") or ""
    for stem, other in beside.items():
        hint = hint.replace(f"did you mean {stem}?", f"did you mean {other}?")
    new = path if path.suffix in (".yaml", ".yml") and path.parent.is_dir() else Path("lab.yaml")
    raise UsageError(
        f"there is no file or folder {path}", code="no-such-file", hint=hint, next_command=f"labctl init {new}"
    )


def _specs(folder: Path) -> list[Path]:
    return sorted(path for kind in ("*.yaml", "*.yml") for path in folder.glob(kind) if path.is_file())


def _only_one() -> Path:
    """The current folder, where it is an artifact folder, else its one spec: a mapping with a ``name:``."""
    if Path("lab.json").is_file():
        return Path()
    specs = [path for path in _specs(Path()) if _looks_like_one(path)]
    if len(specs) == 1:
        say(f"{specs[0]}: the spec of this folder")
        return specs[0]
    ship = "labctl init writes one; labctl up whitepaper takes one that labctl ships"
    raise UsageError(
        f"no spec is named, and this folder has {len(specs) or 'none'}",
        code="which-spec",
        hint=f"name one of {', '.join(map(str, specs))}" if specs else ship,
        next_command=None if specs else "labctl init",
    )


def _looks_like_one(path: Path) -> bool:
    """By the keys at its top, and no other tool's file; what is wrong with a spec is said when it is read."""
    from labctl.spec.keys import Spec

    keys = set(re.findall(r"^['\"]?(\w+)['\"]?\s*:", path.read_text(errors="replace"), re.MULTILINE))
    return "name" in keys and (keys == {"name"} or bool(keys & (set(Spec.model_fields) - {"name"})))


def name_of(lab_or_spec: str) -> str:
    """A lab's name from what a person typed: the name itself, a spec file, or an artifact folder."""
    path = Path(lab_or_spec)
    if path.is_dir() and (path / "lab.json").is_file():
        return str(json.loads((path / "lab.json").read_text())["name"])
    return spec_name(path) if path.is_file() else lab_or_spec


def spec_name(path: Path) -> str:
    """The ``name:`` of a spec, read without judging the rest of it. Raises `SpecError` or `UsageError`."""
    from labctl.spec.textfile import label, read_text
    from labctl.yamldoc import parse

    text, trouble = read_text(path)
    found, problems = (None, [trouble]) if trouble else parse(label(path), text)
    if found is None:
        raise SpecError(problems)
    name = found.data.get("name")
    if not isinstance(name, str):
        raise UsageError(f"{label(path)} has no name", code="no-name", next_command=f"labctl validate {path}")
    return name


# --- what is made of it ----------------------------------------------------------------------------------------------


def planned(
    spec: Path,
    *,
    target: tuple[str, str] | None = None,
    containerlab: str | None = None,
    name: str | None = None,
    wishes: ImageWishes | None = None,
) -> tuple[Design, Spec]:
    """Load, judge, decide. ``wishes``: images asked for outside the spec; ``containerlab``: the one that will read it.

    Returns the spec beside it; its warnings were told on stderr. Raises `SpecError` with every problem, `UsageError`
    for a bad ``name``.
    """
    from labctl.design.design import Target
    from labctl.design.plan import design
    from labctl.peers import WRITTEN_FOR
    from labctl.spec.load import load
    from labctl.state import lab_state

    if name is not None:
        lab_state(name)
    loaded = load(spec, target=target, name=name, containerlab=containerlab)
    for warning in loaded.warnings:
        say(warning.render())
    chosen: Any = target or (loaded.target.switch, loaded.target.cluster)
    chosen_target = Target(chosen[0], chosen[1], containerlab or WRITTEN_FOR)
    return design(loaded, chosen_target, name, wishes), loaded


@contextmanager
def folder_of(source: Path, **how: Any) -> Iterator[Path]:
    """An artifact folder as it is, or that of a spec for as long as it is looked at. Takes and raises what `planned`
    does."""
    if source.is_dir():
        yield source
        return
    from labctl.render.folder import render_folder, write_folder

    plan = planned(source, **how)[0]
    with tempfile.TemporaryDirectory(prefix="labctl-") as scratch:
        write_folder(render_folder(plan), Path(scratch))
        yield Path(scratch)
