"""The JSON Schema of a model, as editors want it and ``docs/`` holds it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Schema(GenerateJsonSchema):
    """No titles: an editor shows the key itself, and then the description."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def json_schema_of(model: type[BaseModel], title: str) -> dict[str, Any]:
    """Draft 2020-12."""
    schema = model.model_json_schema(schema_generator=_Schema)
    return {"$schema": DIALECT, **schema, "title": title}


def schema_text(model: type[BaseModel], title: str) -> str:
    """As a file of ``docs/`` holds it."""
    return json.dumps(json_schema_of(model, title), indent=2) + "\n"
