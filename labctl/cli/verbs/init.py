"""``labctl init``."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from labctl.cli.output import result
from labctl.errors import UsageError


def complete_topologies(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion: topologies that labctl ships."""
    from labctl.shipped import topologies

    return [CompletionItem(name) for name in topologies() if name.startswith(incomplete)]


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default="lab.yaml")
@click.option("--name", help="The lab's name; default: after FILE, or the topology's own.")
@click.option(
    "--from", "topology", metavar="TOPOLOGY", shell_complete=complete_topologies, help="Copy a shipped topology."
)
def command(file: Path, name: str | None, topology: str | None) -> None:
    """Write a commented spec to start from into FILE (lab.yaml); - prints it. A file that is there is not touched.

    \b
    labctl init
    labctl init paper.yaml --from whitepaper
    """
    from labctl.shipped import beside, copy_of, starter
    from labctl.state import NAME, lab_state

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
    _write(file, text)
    for path, manifest in manifests.items():
        _write(file.parent / path, manifest)
    result(f"{file}: written; labctl up {file} boots it")


def _write(file: Path, text: str) -> None:
    """Create the file. Raises `UsageError` when it is there already or cannot be created."""
    try:
        file.parent.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError:
        raise UsageError(
            f"{file} is there already and is not overwritten", code="file-exists", next_command="labctl init OTHER.yaml"
        ) from None
