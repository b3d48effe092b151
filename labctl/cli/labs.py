"""Labs on the command line: finding a running one, the one that is meant, completing names of labs and nodes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from labctl.cli.options import Complete, completing
from labctl.errors import UsageError, did_you_mean
from labctl.state import NAME, LabState, all_labs, lab_state

if TYPE_CHECKING:
    from labctl.folder import Folder
    from labctl.runtime.api import Endpoints, Runtime


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab that has a state folder."""

    name: str
    state_folder: LabState
    runtime: Runtime

    def folder(self) -> Folder:
        """Its artifact folder, read and judged. Raises `SpecError`."""
        from labctl.folder import load_folder

        return load_folder(self.state_folder.folder)

    def nodes(self, *kinds: str) -> list[str]:
        """As `lab_nodes`."""
        return lab_nodes(self.state_folder, *kinds)

    def endpoints(self) -> Endpoints:
        """Of the running lab; raises InconclusiveError when it does not run."""
        return self.runtime.endpoints()


def logged_lab(name: str) -> LabState:
    """The state of a lab by name; from now on its log is kept. Raises `UsageError` for what cannot be a name."""
    from labctl.cli.logfile import log_to

    state = lab_state(name)
    log_to(state)
    return state


def open_lab(name: str) -> Lab:
    """A lab by name, with its runtime. Raises `UsageError` with did-you-mean when there is none."""
    from labctl.runtime.select import runtime_of

    state = logged_lab(name)
    if not state.exists:
        hint = did_you_mean(name, [lab.name for lab in all_labs()])
        raise UsageError(f"there is no lab {name}", code="no-such-lab", hint=hint, next_command="labctl status --all")
    return Lab(name, state, runtime_of(state))


def the_lab() -> str:
    """The only lab there is, else the only one that runs. Raises `UsageError` with all of them."""
    labs = all_labs()
    if len(labs) > 1:
        from labctl.runtime.select import runtime_of

        labs = [state for state in labs if runtime_of(state).observe().alive] or labs
    if len(labs) == 1:
        return labs[0].name
    if not labs:
        why, start = "no lab is named, and none runs", "labctl up whitepaper"
        raise UsageError(why, code="which-lab", next_command=start)
    why, hint = f"no lab is named, and there are {len(labs)}", f"name one of {', '.join(state.name for state in labs)}"
    raise UsageError(why, code="which-lab", hint=hint, next_command="labctl status --all")


def lab_nodes(state: LabState, *kinds: str) -> list[str]:
    """Names of a lab's nodes, of these kinds or all, from its folder; empty when there is none yet."""
    try:
        nodes = json.loads((state.folder / "lab.json").read_text())["nodes"]
    except (OSError, ValueError, KeyError):
        return []
    return [name for name, node in nodes.items() if not kinds or node.get("kind") in kinds]


# --- completion --------------------------------------------------------------------------------------------------


def typed_lab(context: click.Context) -> LabState | None:
    """The lab that was typed before, else the only one there is.

    click leaves arguments unread where an option still wants its value: they are in ``args`` then.
    """
    labs = {state.name: state for state in all_labs()}
    words = [word for word in (context.params.get("lab"), *context.args) if isinstance(word, str)]
    for word in words:
        if word in labs:
            return labs[word]
    only = next(iter(labs.values())) if len(labs) == 1 else None
    return only if only and (not words or words[0] in lab_nodes(only)) else None


def _nodes(*kinds: str) -> Complete:
    """Nodes of the lab that was typed before."""
    return completing(lambda context: lab_nodes(lab, *kinds) if (lab := typed_lab(context)) else [])


complete_nodes = _nodes()
complete_switches = _nodes("switch")


def complete_labs(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Lab names, and nodes where the lab may be left out."""
    labs = [lab.name for lab in all_labs()]
    nodes = [one for one in context.command.params if one.name in NODES and isinstance(context.command, OnLab)]
    more = nodes[0].shell_complete(context, incomplete) if nodes and len(labs) == 1 else []
    return [*(name for name in labs if name.startswith(incomplete)), *(item.value for item in more)]


# --- the argument ------------------------------------------------------------------------------------------------

NODES = frozenset({"node", "nodes", "switch", "place"})
"""Names of second arguments that are a node of the lab."""


class OnLab(click.Command):
    """A verb whose first argument is a LAB: left out, the one that is there is meant.

    It counts as left out when nothing is given, when a command (``-- CMD``) begins at once, and when the first word is
    no lab, but a node of the one lab (``labctl ssh leaf2101``).
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ours = args[: args.index("--")] if "--" in args else args
        asked = ctx.resilient_parsing or any(word in ctx.help_option_names for word in ours)
        if not asked and (name := self.left_out(ctx, args)) is not None:
            args = [name, *args]
        return super().parse_args(ctx, args)

    def left_out(self, ctx: click.Context, args: list[str]) -> str | None:
        """The lab that is meant where none is named."""
        first = self.make_parser(ctx).parse_args(list(args))[0].get("lab")
        if args[:1] == ["--"] or not isinstance(first, str) or not first:
            return the_lab()
        if NODES.isdisjoint(one.name or "" for one in self.params):
            return None
        if NAME.fullmatch(first) and lab_state(first).exists:
            return None
        labs = all_labs()
        return labs[0].name if len(labs) == 1 and first.partition(":")[0] in lab_nodes(labs[0]) else None


def _opened(context: click.Context, _parameter: click.Parameter, name: str) -> Lab | str:
    return name if context.resilient_parsing else open_lab(name)


lab_argument = click.argument("lab", callback=_opened, shell_complete=complete_labs, metavar="[LAB]")
