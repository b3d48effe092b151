"""What a person means by a spec: a file, an artifact folder, a topology that labctl ships, standard input; or, left
out, the one spec of the current folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from labctl.cli.output import say
from labctl.errors import UsageError, did_you_mean

Command = TypeVar("Command", bound=Callable[..., Any])
KINDS = ("*.yaml", "*.yml")


def complete_specs(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion: shipped topologies, and YAML files and folders that are here."""
    from labctl.shipped import topologies

    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    here = [*_specs(folder), *(path for path in folder.glob("[!.]*/"))] if folder.is_dir() else []
    names = [*topologies(), *(f"{path}/" if path.is_dir() else str(path) for path in here)]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


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
            say(
                f"note: {given} is the {'folder' if path.is_dir() else 'file'} here, not the topology that labctl ships"
            )
        return path
    if given in shipped:
        say(f"{given}: the topology that labctl ships ({shipped[given]})")
        return shipped[given]
    raise _nothing(path, shipped)


def _nothing(path: Path, shipped: dict[str, Path]) -> UsageError:
    beside = {other.stem: str(path.parent / other.name) for other in _specs(path.parent)}
    hint = did_you_mean(path.stem, [*beside, *shipped], f"labctl ships {', '.join(shipped)}")
    near = (hint or "").removeprefix("did you mean ").rstrip("?")
    if near in beside:
        hint = f"did you mean {beside[near]}?"
    return UsageError(
        f"there is no file or folder {path}", code="no-such-file", hint=hint, next_command=f"labctl init {_new(path)}"
    )


def _new(path: Path) -> Path:
    return path if path.suffix in (".yaml", ".yml") and path.parent.is_dir() else Path("lab.yaml")


def _specs(folder: Path) -> list[Path]:
    return sorted(path for kind in KINDS for path in folder.glob(kind) if path.is_file()) if folder.is_dir() else []


def _only_one() -> Path:
    """The current folder, where it is an artifact folder, else its one spec: a mapping with a ``name:``."""
    if Path("lab.json").is_file():
        return Path()
    specs = [path for path in _specs(Path()) if _looks_like_one(path)]
    if len(specs) == 1:
        say(f"{specs[0]}: the spec of this folder")
        return specs[0]
    if not specs:
        raise UsageError(
            "no spec is named, and this folder has none",
            code="which-spec",
            hint="labctl init writes one; labctl up whitepaper takes one that labctl ships",
            next_command="labctl init",
        )
    raise UsageError(
        f"no spec is named, and this folder has {len(specs)}",
        code="which-spec",
        hint=f"name one of {', '.join(map(str, specs))}",
    )


def _looks_like_one(path: Path) -> bool:
    """By its top, and no other tool's file; what is wrong with a spec, broken YAML too, is said when it is read."""
    import yaml

    from labctl.spec.keys import Spec

    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return True
    if not isinstance(document, dict) or "name" not in document:
        return False
    others = set(document) - {"name"}
    return not others or bool(others & set(Spec.model_fields))
