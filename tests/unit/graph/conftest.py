"""Folders of the topologies that labctl comes with, as they are rendered."""

from __future__ import annotations

from typing import Any

from tests.rendered import rendered_folder

WHITEPAPER = rendered_folder("whitepaper-standin-fabric")
FOLDERS = {
    "whitepaper": WHITEPAPER,
    "minimal": rendered_folder("minimal-standin-physical"),
    "fabric": rendered_folder("fabric-standin-fabric"),
}


def check(identity: str, sentence: str = "", *, verdict: str = "FAIL", **more: Any) -> dict[str, Any]:
    return {"id": identity, "verdict": verdict, "sentence": sentence, "expected": None, "seen": None} | more


def evidence(*checks: dict[str, Any]) -> dict[str, Any]:
    return {"schema": "labctl.evidence/v1", "scenarios": [{"checks": list(checks)}]}
