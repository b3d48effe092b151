"""What a verification of a lab in its state folder needs, for ``up`` and for ``verify`` alike."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from labctl.engine.actions.profile import profile_of
from labctl.engine.actions.switches import open_session
from labctl.engine.drift import drift
from labctl.events import Listener
from labctl.nxos.session import NxosSession
from labctl.paper.catalogue import as_evidence
from labctl.runtime.api import Endpoints, Observation
from labctl.state import LabState
from labctl.verify.run import VerifyRequest


def verify_request(
    state: LabState, endpoints: Endpoints, now: Observation, listener: Listener, *, disruptive: bool
) -> VerifyRequest:
    """All scenarios of the lab, disruptive ones when wanted; `dataclasses.replace` says what else is wanted."""
    enter = partial(login, state, endpoints)
    return VerifyRequest(
        state.folder,
        endpoints,
        state.evidence,
        state.journal,
        state.secrets,
        listener,
        enter,
        disruptive=disruptive,
        catalogue=as_evidence,
        guest=now.guest,
        environment={
            "runtime": now.runtime,
            "launcher": now.launcher or "",
            **({} if now.speed is None else {"guest_speed": round(now.speed, 3)}),
            **_inputs(state),
        },
        drift=partial(drift, state, endpoints, enter) if state.first_state.is_dir() else None,
    )


def _inputs(state: LabState) -> dict[str, Any]:
    """What came from elsewhere and was really used (``inputs-used.json``), name → version, source, hashes."""
    try:
        rows = json.loads((state.root / "inputs-used.json").read_text())["inputs"]
    except FileNotFoundError:
        return {}  # all that this lab runs is labctl's own
    return {"inputs": {row["name"]: {key: value for key, value in row.items() if key != "name"} for row in rows}}


def login(state: LabState, endpoints: Endpoints, switch: str) -> NxosSession:
    """With the patience that the lab's switches need."""
    target = json.loads((state.folder / "lab.json").read_text())["target"]
    return open_session(switch, endpoints, profile=profile_of(target))
