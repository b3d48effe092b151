"""What the verbs share: finding a running lab, printing, completing names."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from labctl.errors import UsageError, did_you_mean
from labctl.state import LabState, all_labs, lab_state

if TYPE_CHECKING:
    from labctl.runtime.api import Endpoints, Runtime


def say(message: str) -> None:
    """The story: stderr."""
    click.echo(message, err=True)


def result(text: str) -> None:
    """The result: stdout."""
    click.echo(text)


def result_json(body: Any) -> None:
    """The result as JSON: stdout."""
    click.echo(json.dumps(body, indent=2, sort_keys=True))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that has a state folder."""

    name: str
    state_folder: LabState
    runtime: Runtime

    @property
    def folder(self) -> Path:
        return self.state_folder.folder

    @property
    def state(self) -> Path:
        return self.state_folder.root

    def endpoints(self) -> Endpoints:
        """Of the running lab; raises InconclusiveError when it does not run."""
        return self.runtime.endpoints()


def open_lab(name: str) -> Lab:
    """Find a lab by name. Raises `UsageError` with did-you-mean when there is none."""
    from labctl.runtime.select import runtime_of

    state = lab_state(name)
    if not state.exists:
        raise UsageError(
            f"there is no lab {name}",
            code="no-such-lab",
            hint=did_you_mean(name, [lab.name for lab in all_labs()]),
            next_command="labctl list",
        )
    return Lab(name, state, runtime_of(state))


def name_of(lab_or_spec: str) -> str:
    """A lab's name from what a person typed: the name itself, a spec file, or an artifact folder."""
    path = Path(lab_or_spec)
    if path.is_dir() and (path / "lab.json").is_file():
        return str(json.loads((path / "lab.json").read_text())["name"])
    if path.is_file():
        return spec_name(path)
    return lab_or_spec


def spec_name(path: Path) -> str:
    """The ``name:`` of a spec, read without judging the rest of it."""
    import yaml

    try:
        document = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"cannot read a lab's name from {path}: {error}", code="unreadable-spec") from None
    name = document.get("name") if isinstance(document, dict) else None
    if not isinstance(name, str):
        raise UsageError(f"{path} has no name", code="no-name", next_command=f"labctl validate {path}")
    return name


def complete_labs(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion: lab names."""
    return [CompletionItem(lab.name) for lab in all_labs() if lab.name.startswith(incomplete)]


def lab_nodes(state: LabState, kinds: tuple[str, ...] = ()) -> list[str]:
    """Node names of a lab from its folder; empty when there is none yet."""
    try:
        nodes = json.loads((state.folder / "lab.json").read_text())["nodes"]
    except (OSError, ValueError, KeyError):
        return []
    return [name for name, node in nodes.items() if not kinds or node.get("kind") in kinds]


def complete_nodes(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion: nodes of the lab that was typed before."""
    name = context.params.get("lab")
    if not name:
        return []
    return [CompletionItem(node) for node in lab_nodes(lab_state(name)) if node.startswith(incomplete)]


lab_argument = click.argument("lab", shell_complete=complete_labs)
node_argument = click.argument("node", shell_complete=complete_nodes)


def is_terminal() -> bool:
    """Whether a person looks at stderr."""
    return sys.stderr.isatty()
