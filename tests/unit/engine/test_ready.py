"""Workloads that are not ready in time: a failure, or the host's fault."""

from __future__ import annotations

from typing import Any

import pytest

from labctl.engine import cluster
from labctl.errors import CheckFailed, ExitCode, InconclusiveError
from labctl.host import Look
from tests.unit.engine.running import a_running, context

WAITED = "the guest waited 80% of the time for a processor"


class Empty:
    """An API with a Deployment whose pod never comes."""

    def list(self, resource: Any, _namespace: str | None = None, **_query: str) -> list[dict[str, Any]]:
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}}
        web = {"metadata": {"name": "web", "namespace": "default"}, "spec": spec, "status": {}}
        return [web] if resource.plural == "deployments" else []


@pytest.mark.parametrize(
    ("waited", "kind", "words"),
    [
        (4, CheckFailed, "not ready: web: no pods yet"),
        (
            40,
            InconclusiveError,
            f"not judged: the host was overloaded ({WAITED}); last: web: no pods yet",
        ),
    ],
)
def test_not_ready(monkeypatch: pytest.MonkeyPatch, waited: float, kind: type[Exception], words: str) -> None:
    looks = iter([Look(0, 0, 0, 0, 0, 0, 0), Look(60, 60, 0, 0, 12000, 10, waited)])
    monkeypatch.setattr(cluster, "look", lambda _guest: next(looks))
    with pytest.raises(kind) as missed:
        cluster.await_ready(a_running(Empty()), context(0), ("default",))
    assert str(missed.value) == words
    assert missed.value.exit_code is (ExitCode.FAILED if kind is CheckFailed else ExitCode.INCONCLUSIVE)  # type: ignore[attr-defined]
