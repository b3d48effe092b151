"""Every scenario that labctl knows, and those that are files: the folder's failures and a user's own."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from labctl.errors import UsageError, did_you_mean
from labctl.folder import Folder
from labctl.verify.capturing import GATEWAY_MACS
from labctl.verify.inputs import ChecksInput, load_checks
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.steps.expects import counters
from labctl.verify.steps.load import load_scenario
from labctl.verify.steps.run import run
from labctl.verify.topics import bgp, cluster, curl, leafs, links, ping, scale

ALWAYS = links.SCENARIO
"""Every verification runs it, whatever else was asked for."""
SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        bgp.SCENARIO, ping.SCENARIO, curl.SCENARIO, cluster.SCENARIO, leafs.SCENARIO, ping.IPIP, scale.SCENARIO,
    )
}  # fmt: skip
"""In the order in which they are told. A new one is a module in `labctl.verify.topics` and its line here."""
FOLDER = "scenarios"
SUFFIXES = (".yaml", ".yml")
ORDER = (
    "bond-member", "leaf", "leaf-uplink", "spine", "peer-link", "keepalive", "node", "pod-moved", "endpoints-moved",
    "calico-node-restart", "bgp-cleared",
)  # fmt: skip
"""Of the built-in ones; what else lies in the folder follows by name."""


def is_file(wanted: str) -> bool:
    """Whether what a person typed is a file, and not the name of a scenario."""
    return "/" in wanted or wanted.endswith(SUFFIXES)


def names(folder: Path) -> list[str]:
    """The scenarios in a folder's ``scenarios/``, in the order in which they run."""
    found = [path.stem for path in (folder / FOLDER).glob("*.yaml")]
    return sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def of_folder(folder: Folder, checks: ChecksInput, name: str) -> Scenario:
    """One of the folder's. Raises `SpecError` when it is not as it should be."""
    return _scenario(folder.path / FOLDER / f"{name}.yaml", folder, checks, f"{FOLDER}/{name}.yaml")


def of_user(path: Path, folder: Folder, checks: ChecksInput) -> Scenario:
    """A user's file. Raises `SpecError` with every problem, `UsageError` when it cannot be read."""
    return _scenario(path, folder, checks, str(path), (*folder.lab.scenarios, *names(folder.path)))


def _scenario(path: Path, folder: Folder, checks: ChecksInput, shown: str, taken: Collection[str] = ()) -> Scenario:
    file = load_scenario(path, folder, checks, shown=shown, taken=taken)
    return Scenario(file.name, file.title, partial(run, file), disruptive=True)


def chosen(
    folder: Folder, checks: ChecksInput, wanted: Sequence[str] | None, *, disruptive: bool, failures: bool = False
) -> list[Scenario]:
    """The scenarios to run, in their order; a wanted one may be a file. ``failures``: all of the folder's, too.

    Raises `UsageError` for one that the lab does not have, and for ``failures`` where there are none; `SpecError` for a
    file that is not as it should be.
    """
    in_folder = names(folder.path)
    if failures and not in_folder:
        raise UsageError(
            f"lab {folder.lab.name} has no failure scenarios: they need two workers with pods of the workload pingtest",
            code="no-failures",
            hint="add pingtest to workloads of the spec, or write a scenario of your own (docs/scenarios.md)",
        )
    if wanted is None:
        wanted = [name for name in folder.lab.scenarios if disruptive or not _changes_the_lab(name, in_folder)]
    else:
        _judge_wanted(folder, wanted, in_folder, disruptive=disruptive)
    return [
        *(scenario for name, scenario in SCENARIOS.items() if name in wanted),
        *(of_folder(folder, checks, name) for name in in_folder if failures or name in wanted),
        *(of_user(Path(name), folder, checks) for name in wanted if is_file(name)),
    ]


def _judge_wanted(folder: Folder, wanted: Sequence[str], in_folder: Sequence[str], *, disruptive: bool) -> None:
    """Raises `UsageError` for one that the lab does not have, or that changes it when that was not asked for.

    To ask for a file is consent to its faults.
    """
    known = [name for name, row in SCENARIOS.items() if name in folder.lab.scenarios or row.on_request]
    options = [ALWAYS.name, *known, *in_folder]
    for name in wanted:
        if is_file(name):
            continue
        if name not in options:
            raise UsageError(
                f"lab {folder.lab.name} has no scenario {name}",
                code="no-such-scenario",
                hint=did_you_mean(name, options, f"it has {', '.join(options)}"),
            )
        if not disruptive and _changes_the_lab(name, in_folder):
            raise UsageError(f"scenario {name} changes the lab for a while", code="disruptive", hint="add --disruptive")


def _changes_the_lab(name: str, in_folder: Sequence[str]) -> bool:
    return name in in_folder or (name in SCENARIOS and SCENARIOS[name].disruptive)


def switch_commands(folder: Folder) -> dict[str, list[str]]:
    """Which show commands a verification asks each switch, each once: for a recording, and for nothing else.

    Raises `SpecError` when ``checks.yaml`` is wrong.
    """
    inputs = load_checks(folder.path)
    lab = LabUnderTest(folder, inputs, None, threading.Event(), lambda _result: None, folder.path / "journal.jsonl")  # type: ignore[arg-type]
    checks = (*links.checks(lab), *bgp.checks(lab), *leafs.checks(lab))
    asked = [command for check in checks for command in check.commands if command.kind.startswith("nxos")]
    found: dict[str, dict[str, None]] = {name: {} for name in folder.lab.switches}
    for command in (*asked, *counters(lab.section(bgp.BgpInput).sessions)):
        if command.text != leafs.RUNNING:  # a recording reads it back anyway
            found.setdefault(command.target, {})[command.text] = None
    for name in (name for name in found if folder.lab.nodes[name].role != "spine"):
        found[name][GATEWAY_MACS] = None
    return {name: list(texts) for name, texts in found.items()}
