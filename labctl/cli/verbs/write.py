"""Verbs that write a lab: its spec, the folder that is rendered of it, its picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from labctl.cli.configured import TARGET_OF_SPEC, image_option, image_wishes, parse_target, target_option
from labctl.cli.labs import Lab, complete_labs, open_lab, the_lab
from labctl.cli.options import completing, given, json_option, refuse
from labctl.cli.output import FILE, answer, json_text, painted, result, say
from labctl.cli.sources import complete_specs, folder_of, found, planned, spec_argument
from labctl.errors import ExitCode, Problem, SpecError, UsageError
from labctl.shipped import beside, copy_of, starter, topologies
from labctl.state import NAME, lab_state

if TYPE_CHECKING:
    from labctl.graph import Live

group = click.Group()


@group.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default="lab.yaml")
@click.option("--name", help="The lab's name; default: after FILE, or the topology's own.")
@click.option("--from", "topology", metavar="TOPOLOGY", shell_complete=completing(lambda _context: topologies()),
              help="Copy a shipped topology.")  # fmt: skip
def init(file: Path, name: str | None, topology: str | None) -> None:
    """Write a commented spec to start from into FILE (lab.yaml); - prints it. A file that is there is not touched.

    \b
    labctl init
    labctl init paper.yaml --from whitepaper
    """
    if name is not None:
        lab_state(name)
    manifests: dict[str, str] = {}
    if topology is not None:
        text, manifests = copy_of(topology, name), beside(topology)
    else:
        text = starter(name or (file.stem if NAME.fullmatch(file.stem) else "lab"))
    if str(file) == "-":
        result(text.rstrip("\n"))
        return
    for written, content in {file.name: text, **manifests}.items():
        path = file.parent / written
        path.parent.mkdir(exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as handle:
                handle.write(content)
        except FileExistsError:
            message = f"{path} is there already and is not overwritten"
            raise UsageError(message, code="file-exists", next_command="labctl init OTHER.yaml") from None
    result(f"{file}: written; labctl up {file} boots it")


@group.command()
@spec_argument("[SPEC|DIR]")
@target_option(
    "Judge for this target: switch=n9kv|standin, cluster=kind|standin, containerlab=VERSION, joined by commas."
)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a spec, for editors.")
@json_option
def validate(source: str | None, target: str | None, schema: bool) -> None:
    """Check SPEC (or an artifact folder) and say everything that is wrong with it at once.

    SPEC is a file, a topology that labctl ships, or - for standard input; left out, the one spec of this folder.

    \b
    labctl validate
    labctl validate whitepaper
    labctl init - | labctl validate -
    """
    if schema:
        from labctl.modelschema import json_schema_of
        from labctl.spec.keys import Spec

        result(json_text(json_schema_of(Spec, "labctl spec")))
        return
    from labctl.folder import load_folder
    from labctl.spec.textfile import label

    spec = found(source)
    warnings: tuple[Problem, ...] = ()
    try:
        if (spec / "lab.json").is_file():
            name = load_folder(spec).lab.name
        else:
            nodes, reader = parse_target(target)
            design, read = planned(spec, target=nodes, containerlab=reader)
            name, warnings = design.name, read.warnings
    except SpecError as error:
        if not given("as_json"):
            raise
        result(json_text(_problems(error.problems, error.warnings)))
        raise SystemExit(ExitCode.USAGE) from None
    answer(_problems((), warnings) | {"name": name}, painted("PASS", f"{label(spec)}: a valid lab, {name}"))


def _problems(problems: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> dict[str, object]:
    rows = {"problems": [one.as_dict() for one in problems], "warnings": [one.as_dict() for one in warnings]}
    return {"valid": not problems, **rows}


@group.command()
@spec_argument("[SPEC]")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder; default: ./NAME.lab")
@target_option(TARGET_OF_SPEC)
@image_option
@click.option("--name", help="Another name for the lab.")
@json_option
def generate(
    source: str | None, output: Path | None, target: str | None, images: tuple[str, ...], name: str | None
) -> None:
    """Render SPEC into an artifact folder: what containerlab, NX-OS, kind, Calico and labctl read.

    SPEC is a file, a topology that labctl ships, or - for standard input; left out, the one spec of this folder.

    \b
    labctl generate whitepaper
    labctl generate lab.yaml -o lab --target switch=n9kv,cluster=kind
    """
    from labctl.labjson import edited_in
    from labctl.render.folder import render_folder, write_folder

    hint = "-o DIR; ./- is a folder of that name"
    refuse(str(output) == "-", "a folder cannot go to standard output", code="folder-to-stdout", hint=hint)
    given, reader = parse_target(target)
    wishes = image_wishes(images)
    design, spec = planned(found(source), target=given, containerlab=reader, name=name, wishes=wishes)
    folder = output or Path(f"{design.name}.lab")
    other = folder.exists() and any(folder.iterdir()) and not (folder / "lab.json").is_file()
    message = f"{folder} is not empty and no artifact folder"
    refuse(other, message, code="not-empty", next_command="labctl generate SPEC -o DIR")
    for edited in edited_in(folder):
        say(f"note: {folder / edited} was edited and is rendered anew")
    changed = write_folder(render_folder(design), folder)
    rows = [warning.as_dict() for warning in spec.warnings]
    body = {"folder": str(folder), "changed": changed, "name": design.name, "warnings": rows}
    answer(body, f"{folder}: {len(changed)} files written" if changed else f"{folder}: nothing changed")


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [*complete_labs(context, parameter, incomplete), *complete_specs(context, parameter, incomplete)]


@group.command()
@click.argument("source", required=False, metavar="[SPEC|DIR|LAB]", shell_complete=_complete)
@click.option("--format", "kind", type=click.Choice(["svg", "mermaid"]), default="svg", show_default=True,
              help="SVG for a browser; Mermaid for a page that draws it itself.")  # fmt: skip
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Write it there instead of to stdout.")
@click.option("--live", is_flag=True, help="How every part of running LAB stands now, read from its nodes.")
@click.option("--no-bgp", is_flag=True, help="Without the BGP sessions.")
@target_option(TARGET_OF_SPEC)
def graph(source: str | None, kind: str, output: Path | None, live: bool, no_bgp: bool, target: str | None) -> None:
    """Draw the topology of SPEC, of the artifact folder DIR or of LAB, in tiers, every port at its end of a cable.

    SPEC may be a topology that labctl ships, or - for standard input; left out, the one spec of this folder.
    Exit 0 whenever it could be drawn: with --live a node that does not answer is drawn as not known.

    \b
    labctl graph whitepaper -o whitepaper.svg
    labctl graph --live -o now.svg
    """
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
