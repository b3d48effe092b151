"""``labctl init``."""

from __future__ import annotations

from pathlib import Path

import click

from labctl.cli.options import completing
from labctl.cli.output import result
from labctl.errors import UsageError
from labctl.shipped import beside, copy_of, starter, topologies
from labctl.state import NAME, lab_state


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default="lab.yaml")
@click.option("--name", help="The lab's name; default: after FILE, or the topology's own.")
@click.option("--from", "topology", metavar="TOPOLOGY", shell_complete=completing(lambda _context: topologies()),
              help="Copy a shipped topology.")  # fmt: skip
def command(file: Path, name: str | None, topology: str | None) -> None:
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
