"""Verbs that bring a lab back to what it was."""

from __future__ import annotations

import sys

import click

from labctl.cli.labs import Lab, OnLab, complete_nodes, complete_switches, lab_argument
from labctl.cli.options import Duration, json_option, refuse
from labctl.cli.output import answer, say
from labctl.cli.reporting import exit_code, listening, telling_options, verdicts
from labctl.cli.words import WAYS_BACK
from labctl.errors import ExitCode

group = click.Group()


@group.command(cls=OnLab, epilog=WAYS_BACK)
@lab_argument
@click.option("--dry-run", is_flag=True, help="Only say what would be changed back; exit 6 when something would be.")
@click.option("--verify/--no-verify", "prove", default=True,
              help="End with the checks of links and BGP.  [default: verify]")  # fmt: skip
@click.option("--timeout", type=Duration(), metavar="T", help="Limit of the whole command; default: 10m.")
@telling_options
def reset(lab: Lab, dry_run: bool, prove: bool, timeout: float | None) -> None:
    """Bring LAB back to what its `up` left, in seconds and without a new boot.

    Configurations of switches, links, addresses and static routes of nodes, and objects of the cluster are compared
    with those that `up` kept: what was changed is changed back, what was added is removed, namespaces and pods of the
    user too. Counters, logs, files, processes and firewall rules of nodes are left alone.

    \b
    labctl reset --dry-run
    labctl reset whitepaper
    """
    from labctl.engine.reset import reset
    from labctl.report.compare import render_restored
    from labctl.report.style import wants_colour

    with listening() as listener:
        body, report = reset(lab.state_folder, lab.runtime, listener, prove=prove, look=dry_run, limit=timeout)
    proof = [verdicts(report, lab.state_folder.evidence)] if report else []
    answer(body, render_restored(body, colour=wants_colour(sys.stdout)), *proof)
    if dry_run:
        sys.exit(int(ExitCode.PENDING if body["changes"] else ExitCode.OK))
    sys.exit(int(exit_code(report)))


@group.command(cls=OnLab, epilog=WAYS_BACK)
@lab_argument
@click.argument("node", required=False, shell_complete=complete_nodes)
@click.option("--only", type=click.Choice(["nodes", "faults"]),
              help="Nodes that lost their links, or faults that a killed labctl left; default: both.")  # fmt: skip
@click.option("--rebuild", "switch", metavar="SWITCH", shell_complete=complete_switches,
              help="Make SWITCH anew and push its configuration; everything else stays as it is.")  # fmt: skip
@json_option
def repair(lab: Lab, node: str | None, only: str | None, switch: str | None) -> None:
    """Repair LAB in place: nodes that were restarted, and what a killed labctl left broken.

    Every fault that the lab's journal has as begun is undone; `up` and `verify` do that before anything else, too.
    Then every node that `status` calls broken, or NODE alone, gets its links, bond0 and addresses back.

    \b
    labctl repair whitepaper
    labctl repair whitepaper node01
    labctl repair whitepaper --rebuild leaf2101
    """
    from labctl.engine.repair import rebuild, recover

    refuse(switch and (node or only), "--rebuild makes its switch anew and repairs nothing else")
    refuse(node and only == "faults", "faults are undone in the whole lab: NODE goes without --only faults")
    head = {"schema": "labctl.repair/v1", "lab": lab.name}
    if switch is not None:
        pushed = rebuild(lab.state_folder, lab.runtime, switch, say)
        answer({**head, "rebuilt": switch, "pushed": pushed}, f"{switch} is new: {pushed}")
        return
    done: dict[str, list[str]] = {"healed": [], "recovered": []}
    if only != "nodes" and node is None:  # before nodes, whose bonds would not come up with a fault
        done["healed"] = _healed(lab, must=only == "faults")
    if only != "faults":
        done["recovered"] = list(recover(lab.state_folder, lab.runtime, node, say))
    if only is None and not any(done.values()):
        lab.endpoints()  # one that does not run is not whole
    nothing = {"nodes": "is broken", "faults": "is to be healed", None: "is to be repaired"}[only]
    lines = [f"{verb} {', '.join(names)}" for verb, names in done.items() if names]
    answer({**head, **done}, *(lines or [f"nothing of lab {lab.name} {nothing}"]))


def _healed(lab: Lab, *, must: bool) -> list[str]:
    """Names of the faults that are undone. ``must``: the lab has to run, even if there is nothing to undo."""
    from labctl.engine.proving import heal
    from labctl.restore.changes import open_changes

    if not must and not open_changes(lab.state_folder.journal):
        return []
    with lab.state_folder.lock():
        return heal(lab.state_folder, lab.endpoints(), lambda name: say(f"healed {name}"))
