"""``labctl graph``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from labctl.cli.app import Lab, complete_labs, open_lab, result, say
from labctl.cli.configured import target_option
from labctl.errors import UsageError

if TYPE_CHECKING:
    from labctl.graph import Live


@click.command()
@click.argument("source", metavar="SPEC|DIR|LAB", shell_complete=complete_labs)
@click.option("--format", "kind", type=click.Choice(["svg", "mermaid"]), default="svg", show_default=True,
              help="SVG for a browser; Mermaid for a page that draws it itself.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write it there instead of to stdout.")  # fmt: skip
@click.option("--live", is_flag=True, help="How every part of running LAB stands now, read from its boxes.")
@click.option("--no-bgp", is_flag=True, help="Without the BGP sessions.")
@target_option
def command(source: str, kind: str, output: Path | None, live: bool, no_bgp: bool, target: str | None) -> None:
    """Draw the topology of SPEC, of the artifact folder DIR or of LAB, in tiers, every port at its end of a cable.

    Exit 0 whenever it could be drawn: with --live a box that does not answer is drawn as not known.
    """
    from labctl.cli.generate import parse_target
    from labctl.cli.rendering import folder_of
    from labctl.graph import draw, draw_mermaid

    path = Path(source)
    opened = _lab(path)
    if target is not None and not path.is_file():
        raise UsageError("--target goes with a spec: a folder has it in its files", code="usage")
    if live and opened is None:
        raise UsageError(
            f"--live goes with a running lab, and {source} is a {'spec' if path.is_file() else 'folder'}",
            code="live-needs-a-lab",
            hint="labctl graph LAB --live",
            next_command="labctl list",
        )
    seen = _read(opened) if live and opened else None
    with folder_of(opened.folder if opened else path, target=parse_target(target)) as folder:
        text = (draw if kind == "svg" else draw_mermaid)(folder, live=seen, bgp=not no_bgp)
    for box, reason in (seen.unanswered if seen else {}).items():
        say(f"{box} did not answer: {reason}")
    if output is None:
        result(text.rstrip("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}", code="unwritable") from None
    say(f"drawn in {output}")


def _lab(path: Path) -> Lab | None:
    """The lab of that name; None for a spec or a folder. Raises `UsageError` for what is neither."""
    if path.is_file() or (path / "lab.json").is_file():
        return None
    if path.name != str(path) or path.suffix:
        if path.exists():
            return None
        raise UsageError(f"there is no file or folder {path}", code="no-such-file", next_command="labctl init")
    return open_lab(str(path))


def _read(opened: Lab) -> Live:
    """Its state now. Raises InconclusiveError when it does not run."""
    from labctl.engine.looking import observing
    from labctl.folder import load_folder
    from labctl.verify.inputs import load_checks
    from labctl.verify.livestate import read

    with observing(opened.state_folder, opened.endpoints()) as observer:
        return read(observer, load_folder(opened.folder), load_checks(opened.folder))
