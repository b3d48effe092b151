"""What is remembered of a containerlab lab: enough to take it down when spec, folder and labctl are gone.

``runtime.json``; the switches' login is a secret and in a file of its own. It is written before containerlab is
started, so that whatever containerlab leaves has an owner.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from labctl import pace
from labctl.errors import LabError
from labctl.runtime.api import SwitchLogin
from labctl.runtime.containerlab.nodes import TOPOLOGY, Plan
from labctl.state import LabState, all_labs

NAME = "containerlab"
KIND_NETWORK = "kind"
"""Docker network that kind makes for all clusters of a machine and never removes."""


@dataclass(frozen=True, slots=True)
class Record:
    """One lab. What began before it is not its own."""

    began: float = 0.0
    """Seconds since the epoch when its first container can have been made; 0: none was ever tried."""
    created: bool = False
    """Whether every node and link was there once."""
    network: str = ""
    cluster: str | None = None
    containers: tuple[str, ...] = ()
    kind_network_ours: bool = False
    """Whether the network ``kind`` came with a lab of this user, so that the last of them removes it."""
    topologies: tuple[str, ...] = ()
    """SHA-256 of each topology file that was deployed: containerlab keeps copies."""
    veths_before: tuple[str, ...] = ()
    """Interfaces of this host that looked like half a link of containerlab's before."""
    speed: float | None = None
    """Of this host, as a factor of the reference guest's, measured before the nodes were made."""
    backups_before: bool = True
    """Whether containerlab's folder of backups was there before."""


def read_record(state: LabState) -> Record:
    """Raises `LabError` when the file is broken; an empty record when there is none."""
    try:
        data = json.loads(state.runtime_file.read_text())
        known = {name: data[name] for name in Record.__slots__ if name in data}
        for name in ("containers", "topologies", "veths_before"):
            if name in known:
                known[name] = tuple(str(item) for item in known[name])
        return Record(**known)
    except FileNotFoundError:
        return Record()
    except (ValueError, TypeError, AttributeError) as error:
        raise LabError(f"{state.runtime_file} is broken: {error}", hint="it says what belongs to the lab") from None


def write_record(state: LabState, record: Record) -> None:
    """All at once: a reader sees the one before or this one."""
    new = state.runtime_file.with_suffix(".new")
    state.write(new, json.dumps({"runtime": NAME, **asdict(record)}, indent=1))
    new.replace(state.runtime_file)


def begin(
    state: LabState, plan: Plan, *, now: float, kind_network_there: bool, veths: tuple[str, ...], backups: bool
) -> Record:
    """The record of a creation that begins. What an interrupted one before it had made stays the lab's."""
    before = read_record(state)
    topology = hashlib.sha256((state.folder / TOPOLOGY).read_bytes()).hexdigest()
    inherited = not kind_network_there or any(other.kind_network_ours for other in other_records(state))
    record = replace(
        before,
        began=before.began or now,
        created=False,
        speed=pace.speed(),
        network=plan.network,
        cluster=plan.cluster,
        containers=tuple(sorted({*before.containers, *(node.container for node in plan.nodes.values())})),
        kind_network_ours=plan.cluster is not None and (before.kind_network_ours or inherited),
        topologies=tuple(sorted({*before.topologies, topology})),
        veths_before=before.veths_before if before.began else veths,
        backups_before=before.backups_before if before.began else backups,
    )
    write_record(state, record)
    return record


def other_records(state: LabState) -> Iterator[Record]:
    """Records of this user's other labs of this runtime."""
    for other in all_labs():
        if other.root != state.root and is_containerlab(other):
            yield read_record(other)


def is_containerlab(state: LabState) -> bool:
    """Whether a state folder is a lab of this runtime."""
    try:
        return bool(json.loads(state.runtime_file.read_text()).get("runtime") == NAME)
    except (OSError, ValueError, AttributeError):
        return False


def _login_file(state: LabState) -> Path:
    return state.secrets / "switch_login.json"


def write_login(state: LabState, login: SwitchLogin) -> None:
    """0600 in the lab's secrets."""
    state.write(_login_file(state), json.dumps({"username": login.username, "password": login.password}))


def read_login(state: LabState) -> SwitchLogin:
    """containerlab's own (admin, admin) when none was given."""
    try:
        row = json.loads(_login_file(state).read_text())
        return SwitchLogin(str(row["username"]), str(row["password"]))
    except FileNotFoundError:
        return SwitchLogin()
    except (ValueError, KeyError, TypeError):
        raise LabError(f"{_login_file(state)} is broken", next_command=f"labctl down {state.name}") from None
