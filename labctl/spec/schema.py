"""The JSON Schema of a spec, generated from the model."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from labctl.spec.model import Spec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Schema(GenerateJsonSchema):
    """No titles: an editor shows the key itself, and then the description."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def json_schema() -> dict[str, Any]:
    """Draft 2020-12, for editors."""
    schema = Spec.model_json_schema(schema_generator=_Schema)
    return {"$schema": DIALECT, **schema, "title": "labctl spec"}
