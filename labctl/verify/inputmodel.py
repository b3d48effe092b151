"""What every model of ``checks.yaml`` is: frozen, with no key that nobody reads."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A mapping of ``checks.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
