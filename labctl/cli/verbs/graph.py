"""``labctl graph``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from labctl.cli.configured import TARGET_OF_SPEC, parse_target, target_option
from labctl.cli.labs import Lab, complete_labs, open_lab, the_lab
from labctl.cli.options import FILE, refuse
from labctl.cli.output import result, say
from labctl.cli.sources import complete_specs, found
from labctl.state import NAME, lab_state

if TYPE_CHECKING:
    from labctl.graph import Live


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [*complete_labs(context, parameter, incomplete), *complete_specs(context, parameter, incomplete)]


@click.command()
@click.argument("source", required=False, metavar="[SPEC|DIR|LAB]", shell_complete=_complete)
@click.option("--format", "kind", type=click.Choice(["svg", "mermaid"]), default="svg", show_default=True,
              help="SVG for a browser; Mermaid for a page that draws it itself.")  # fmt: skip
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Write it there instead of to stdout.")
@click.option("--live", is_flag=True, help="How every part of running LAB stands now, read from its nodes.")
@click.option("--no-bgp", is_flag=True, help="Without the BGP sessions.")
@target_option(TARGET_OF_SPEC)
def command(source: str | None, kind: str, output: Path | None, live: bool, no_bgp: bool, target: str | None) -> None:
    """Draw the topology of SPEC, of the artifact folder DIR or of LAB, in tiers, every port at its end of a cable.

    SPEC may be a topology that labctl ships, or - for standard input; left out, the one spec of this folder.
    Exit 0 whenever it could be drawn: with --live a node that does not answer is drawn as not known.

    \b
    labctl graph whitepaper -o whitepaper.svg
    labctl graph --live -o now.svg
    """
    from labctl.cli.rendering import folder_of
    from labctl.graph import draw, draw_mermaid

    meant = _meant(source, live=live)
    lab = meant if isinstance(meant, Lab) else None
    path = meant.state_folder.folder if isinstance(meant, Lab) else meant
    refuse(target is not None and path.is_dir(), "--target goes with a spec: a folder has it in its files")
    message = f"--live goes with a running lab, and {path} is a {'folder' if path.is_dir() else 'spec'}"
    instead = {"hint": "labctl graph LAB --live", "next_command": "labctl status --all"}
    refuse(live and lab is None, message, code="live-needs-a-lab", **instead)
    seen = _read(lab) if live and lab else None
    with folder_of(path, target=parse_target(target)[0]) as folder:
        text = (draw if kind == "svg" else draw_mermaid)(folder, live=seen, bgp=not no_bgp)
    for node, reason in (seen.unanswered if seen else {}).items():
        say(f"{node} did not answer: {reason}")
    if output is None:
        result(text.rstrip("\n"))
    else:
        output.write_text(text, encoding="utf-8")
        say(f"drawn in {output}")


def _meant(source: str | None, *, live: bool) -> Lab | Path:
    """A lab or what `found` finds; a folder that holds no lab hides none. Raises `UsageError` for what is neither."""
    from labctl.shipped import topologies

    if source is None:
        return open_lab(the_lab()) if live else found(None)
    path = Path(source)
    if path.is_file() or (path / "lab.json").is_file() or not NAME.fullmatch(source):
        return found(source)
    return found(source) if source in topologies() and not lab_state(source).exists else open_lab(source)


def _read(lab: Lab) -> Live:
    """Its state now. Raises InconclusiveError when it does not run."""
    from labctl.engine.proving import observing
    from labctl.verify.inputs import load_checks
    from labctl.verify.livestate import read

    with observing(lab.state_folder, lab.endpoints()) as observer:
        return read(observer, lab.folder(), load_checks(lab.state_folder.folder))
