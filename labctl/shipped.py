"""What travels beside the package: example specs, notes on images and on kind; and what ``labctl init`` makes of it."""

from __future__ import annotations

import re
from pathlib import Path

from labctl.errors import HostError, UsageError, did_you_mean

PACKAGE = Path(__file__).resolve().parent


def shipped(name: str, *, package: Path = PACKAGE) -> Path:
    """The folder ``name`` (``topologies``, ``images``, ``kind``): inside an installed wheel, else in the checkout.

    Raises `HostError` when the installation has lost it.
    """
    for path in (package / "data" / name, package.parent / name):
        if path.is_dir():
            return path
    raise HostError(
        f"this installation of labctl has no folder {name}",
        code="incomplete-installation",
        next_command="pip install --force-reinstall nxos-labctl",
    )


def topologies() -> dict[str, Path]:
    """The example specs by name."""
    return {path.stem: path for path in sorted(shipped("topologies").glob("*.yaml"), key=lambda path: path.stem)}


_NAME = re.compile(r"^name:[ \t]*\S+", re.MULTILINE)
_NOT_TEXT = {"null", "true", "false", "yes", "no", "on", "off"}


def starter(name: str) -> str:
    """The commented starter for a lab of that name."""
    from importlib import resources  # here: completion asks for the topologies alone

    return renamed(resources.files("labctl").joinpath("starter.yaml").read_text(encoding="utf-8"), name)


def copy_of(topology: str, name: str | None) -> str:
    """A shipped topology's text, under another name when one is given. Raises `UsageError` with did-you-mean."""
    text = _shipped(topology).read_text(encoding="utf-8")
    return renamed(text, name) if name else text


def beside(topology: str) -> dict[str, str]:
    """The manifests that a shipped topology names: path relative to the spec → text. Raises `UsageError`."""
    import yaml

    spec = _shipped(topology)
    workloads = yaml.safe_load(spec.read_text(encoding="utf-8")).get("workloads") or ()
    files = [name for name in workloads if name.endswith((".yaml", ".yml"))]
    return {name: (spec.parent / name).read_text(encoding="utf-8") for name in files}


def _shipped(topology: str) -> Path:
    known = topologies()
    if topology not in known:
        raise UsageError(
            f"labctl ships no topology {topology}",
            code="no-such-topology",
            hint=did_you_mean(topology, known, f"there are {', '.join(known)}"),
        )
    return known[topology]


def renamed(text: str, name: str) -> str:
    """A spec's text with another ``name:``; everything else, comments included, stays."""
    # a function, since a name is not a pattern for re.sub; quoted, when YAML would take the bare word for a number
    return _NAME.sub(lambda _: f"name: {_quoted(name)}", text, count=1)


def _quoted(name: str) -> str:
    return f'"{name}"' if name[:1].isdigit() or name in _NOT_TEXT else name
