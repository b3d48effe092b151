"""``labctl repair``."""

from __future__ import annotations

import click

from labctl.cli.labs import Lab, OnLab, complete_nodes, complete_switches, lab_argument, open_lab
from labctl.cli.options import json_option
from labctl.cli.output import result, result_json, say
from labctl.cli.words import WAYS_BACK
from labctl.errors import UsageError


@click.command(cls=OnLab, epilog=WAYS_BACK)
@lab_argument
@click.argument("node", required=False, shell_complete=complete_nodes)
@click.option("--only", type=click.Choice(["boxes", "faults"]),
              help="Boxes that lost their wires, or faults that a killed labctl left; default: both.")  # fmt: skip
@click.option("--rebuild", "switch", metavar="SWITCH", shell_complete=complete_switches,
              help="Make SWITCH anew and push its configuration; everything else stays as it is.")  # fmt: skip
@json_option
def command(lab: str, node: str | None, only: str | None, switch: str | None, as_json: bool) -> None:
    """Repair LAB in place: boxes that were restarted, and what a killed labctl left broken.

    Every fault that the lab's journal has as begun is undone; `up` and `verify` do that before anything else, too.
    Then every box that `status` calls broken, or NODE alone, gets its wires, bond0 and addresses back.

    \b
    labctl repair whitepaper
    labctl repair whitepaper node01
    labctl repair whitepaper --rebuild leaf2101
    """
    if switch is not None and (node is not None or only is not None):
        raise UsageError("--rebuild makes its switch anew and repairs nothing else", code="usage")
    if node is not None and only == "faults":
        raise UsageError("faults are undone in the whole lab: NODE goes without --only faults", code="usage")
    opened = open_lab(lab)
    done: dict[str, object] = {"schema": "labctl.repair/v1", "lab": lab}
    told = []
    if switch is not None:
        from labctl.engine.rebuild import rebuild

        done["pushed"] = rebuild(opened.state_folder, opened.runtime, switch, say)
        done["rebuilt"] = switch
        told.append(f"{switch} is new: {done['pushed']}")
    else:
        repaired = {"healed": _healed(opened, must=only == "faults") if only != "boxes" and node is None else []}
        repaired["recovered"] = _recovered(opened, node) if only != "faults" else []
        if only is None and not any(repaired.values()):
            opened.endpoints()  # one that does not run is not whole
        done |= repaired
        told += [f"{word} {', '.join(names)}" for word, names in repaired.items() if names]
    if as_json:
        result_json(done)
    else:
        nothing = {"boxes": "is broken", "faults": "is to be healed", None: "is to be repaired"}[only]
        result("\n".join(told) or f"nothing of lab {lab} {nothing}")


def _recovered(lab: Lab, node: str | None) -> list[str]:
    """Names of the boxes that have their wires again."""
    from labctl.engine.recover import recover

    return list(recover(lab.state_folder, lab.runtime, node, say))


def _healed(lab: Lab, *, must: bool) -> list[str]:
    """Names of the faults that are undone; before the boxes, whose bonds would not come up with one of them.

    ``must``: the lab has to run, even if there is nothing to undo.
    """
    from labctl.engine.healing import heal
    from labctl.verify.change import open_changes

    if not must and not open_changes(lab.state_folder.journal):
        return []
    with lab.state_folder.lock():
        return heal(lab.state_folder, lab.endpoints(), lab.runtime.observe(), lambda name: say(f"healed {name}"))
