"""Looking at a running lab without judging it: its state now, for a picture or a table."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labctl.engine.proving import login
from labctl.folder import load_folder
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.runtime.api import Endpoints
from labctl.state import LabState
from labctl.verify.evidence import Evidence
from labctl.verify.observer import Observer


@contextmanager
def observing(state: LabState, endpoints: Endpoints) -> Iterator[Observer]:
    """Questions to a lab's boxes, for as long as one looks; sessions stay open in between, answers are not kept.

    Raises what `Endpoints` and reading the kubeconfig raise for a lab that is not there.
    """
    api = None
    if load_folder(state.folder).lab.kube_nodes:
        api = Api(access_from_kubeconfig(endpoints.kubeconfig(), state.secrets))
    with tempfile.TemporaryDirectory(prefix="labctl-") as scratch:
        observer = Observer(endpoints, Evidence(Path(scratch)), lambda name: login(state, endpoints, name), {}, api)
        try:
            yield observer
        finally:
            observer.close()
