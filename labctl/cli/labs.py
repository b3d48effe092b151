"""Labs on the command line: finding a running one, the one that is meant, completing names of labs and nodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from labctl.errors import UsageError, did_you_mean
from labctl.state import NAME, LabState, all_labs, lab_state

if TYPE_CHECKING:
    from labctl.runtime.api import Endpoints, Runtime


Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that has a state folder."""

    name: str
    state_folder: LabState
    runtime: Runtime

    @property
    def folder(self) -> Path:
        return self.state_folder.folder

    def endpoints(self) -> Endpoints:
        """Of the running lab; raises InconclusiveError when it does not run."""
        return self.runtime.endpoints()


def logged_lab(name: str) -> LabState:
    """The state of a lab by name; from now on its log is kept. Raises `UsageError` for what cannot be a name."""
    from labctl.cli.logfile import log_to

    state = lab_state(name)
    log_to(state)
    return state


def known_lab(name: str) -> LabState:
    """A lab by name. Raises `UsageError` with did-you-mean when there is none."""
    state = logged_lab(name)
    if not state.exists:
        raise UsageError(
            f"there is no lab {name}",
            code="no-such-lab",
            hint=did_you_mean(name, [lab.name for lab in all_labs()]),
            next_command="labctl status --all",
        )
    return state


def open_lab(name: str) -> Lab:
    """A lab by name, with its runtime. Raises as `known_lab`."""
    from labctl.runtime.select import runtime_of

    state = known_lab(name)
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

    from labctl.spec.textfile import label, read_text

    text, trouble = read_text(path)
    try:
        document = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise UsageError(f"cannot read a lab's name from {label(path)}: {error}", code="unreadable-spec") from None
    if trouble is not None:
        raise UsageError(f"cannot read a lab's name: {trouble.render()}", code="unreadable-spec")
    name = document.get("name") if isinstance(document, dict) else None
    if not isinstance(name, str):
        raise UsageError(f"{label(path)} has no name", code="no-name", next_command=f"labctl validate {path}")
    return name


def complete_labs(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion: lab names, and nodes where the lab may be left out."""
    labs = [lab.name for lab in all_labs()]
    found = [CompletionItem(name) for name in labs if name.startswith(incomplete)]
    nodes = [one for one in context.command.params if one.name in NODES] if isinstance(context.command, OnLab) else []
    return [*found, *(nodes[0].shell_complete(context, incomplete) if nodes and len(labs) == 1 else [])]


def lab_nodes(state: LabState, kinds: tuple[str, ...] = ()) -> list[str]:
    """Node names of a lab from its folder; empty when there is none yet."""
    try:
        nodes = json.loads((state.folder / "lab.json").read_text())["nodes"]
    except (OSError, ValueError, KeyError):
        return []
    return [name for name, node in nodes.items() if not kinds or node.get("kind") in kinds]


def typed_lab(context: click.Context) -> LabState | None:
    """For completion: the lab that was typed before, else the only one there is.

    click leaves arguments unread where an option still wants its value: they are in ``args`` then.
    """
    labs = {state.name: state for state in all_labs()}
    words = [word for word in (context.params.get("lab"), *context.args) if isinstance(word, str)]
    for word in words:
        if word in labs:
            return labs[word]
    only = next(iter(labs.values())) if len(labs) == 1 else None
    return only if only and (not words or words[0] in lab_nodes(only)) else None


def completing(*kinds: str) -> Complete:
    """Shell completion: nodes of the lab that was typed before, of these kinds or all."""

    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        lab = typed_lab(context)
        return [CompletionItem(node) for node in lab_nodes(lab, kinds) if node.startswith(incomplete)] if lab else []

    return complete


complete_nodes = completing()
complete_switches = completing("switch")


NODES = frozenset({"node", "nodes", "switch", "place"})
"""Names of second arguments that are a node of the lab."""


class OnLab(click.Command):
    """A verb whose first argument is a LAB: left out, the one that is there is meant.

    It counts as left out when nothing is given, when a command (``-- CMD``) begins at once, and when the first word is
    no lab, but a node of the one lab (``labctl ssh leaf2101``).
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asked = ctx.resilient_parsing or any(word in ctx.help_option_names for word in args[: _end(args)])
        if not asked and (name := self.left_out(ctx, args)) is not None:
            args = [name, *args]
        return super().parse_args(ctx, args)

    def left_out(self, ctx: click.Context, args: list[str]) -> str | None:
        given = self.make_parser(ctx).parse_args(list(args))[0].get("lab")
        first = given[0] if isinstance(given, tuple) and given else given
        if args[:1] == ["--"] or not isinstance(first, str) or not first:
            return the_lab()
        if NODES.isdisjoint(one.name or "" for one in self.params) or (
            NAME.fullmatch(first) and lab_state(first).exists
        ):
            return None
        labs = all_labs()
        return labs[0].name if len(labs) == 1 and first.partition(":")[0] in lab_nodes(labs[0]) else None


def _end(args: list[str]) -> int:
    return args.index("--") if "--" in args else len(args)


def the_lab() -> str:
    """The only lab there is, else the only one that runs. Raises `UsageError` with all of them."""
    labs = all_labs()
    if len(labs) > 1:
        from labctl.runtime.select import runtime_of

        labs = [state for state in labs if runtime_of(state).observe().alive] or labs
    if len(labs) == 1:
        return labs[0].name
    names = ", ".join(state.name for state in labs)
    raise UsageError(
        "no lab is named, and " + (f"there are {len(labs)}" if labs else "none runs"),
        code="which-lab",
        hint=f"name one of {names}" if labs else None,
        next_command="labctl status --all" if labs else "labctl up whitepaper",
    )


lab_argument = click.argument("lab", shell_complete=complete_labs, metavar="[LAB]")
node_argument = click.argument("node", shell_complete=complete_nodes)


def last_verdict(evidence: Path) -> tuple[str, float] | None:
    """PASS, FAIL or INCONCLUSIVE of an evidence folder, and when (seconds since the epoch); None: never verified."""
    file = evidence / "evidence.json"
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["verdict"]), file.stat().st_mtime
    except (OSError, ValueError, KeyError, TypeError):
        return None  # cut short, or none: nothing was judged
