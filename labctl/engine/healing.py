"""Undoing what a labctl that was killed in the middle of a change left in a lab."""

from __future__ import annotations

from collections.abc import Callable

from labctl.engine.proving import verify_request
from labctl.folder import load_folder
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.runtime.api import Endpoints, Observation
from labctl.state import LabState
from labctl.verify.change import heal_left_over, open_changes
from labctl.verify.hands import Hands
from labctl.verify.healing import HEALERS


def heal(state: LabState, endpoints: Endpoints, now: Observation, told: Callable[[str], None]) -> list[str]:
    """Names of what was healed; the caller holds the lab. Raises `labctl.verify.change.NotHealed`."""
    if not open_changes(state.journal):
        return []
    folder = load_folder(state.folder)
    request = verify_request(state, endpoints, now, lambda _event: None, disruptive=True)
    api = None
    if folder.lab.kube_nodes:
        api = Api(access_from_kubeconfig(endpoints.kubeconfig(), state.secrets))
    return heal_left_over(state.journal, Hands(folder, endpoints, request.login, api), HEALERS, told)
