"""The JSON Schema of a spec, generated from the model."""

from __future__ import annotations

from typing import Any

from labctl.modelschema import json_schema_of
from labctl.spec.model import Spec


def json_schema() -> dict[str, Any]:
    """Draft 2020-12, for editors."""
    return json_schema_of(Spec, "labctl spec")
