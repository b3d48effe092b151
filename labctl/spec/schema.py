"""The JSON Schema of a spec, generated from the model."""

from __future__ import annotations

from typing import Any

from labctl.spec.model import Spec


def json_schema() -> dict[str, Any]:
    """Draft 2020-12, for editors."""
    schema = Spec.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "labctl spec", **schema}
