"""What is written into evidence is in its model, and so in its schema."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from labctl.report.evidencefolder import Environment


def unknown_keys(part: Any) -> list[str]:
    """Keys of a document that its model does not describe: none in what this labctl wrote itself."""
    if isinstance(part, list):
        return [name for row in part for name in unknown_keys(row)]
    if isinstance(part, dict):
        return [name for row in part.values() for name in unknown_keys(row)]
    if not isinstance(part, BaseModel):
        return []
    extra = [] if isinstance(part, Environment) else list(part.model_extra or {})
    return [*extra, *(name for key in type(part).model_fields for name in unknown_keys(getattr(part, key)))]
