"""Forms that several steps of a scenario file take: names, limits, ends of a traffic."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SCHEMA = "labctl.scenario/v1"
NAME = r"^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$"
LABEL = r"^[^=\s]+=[^=\s]+$"
SERVICE = r"^[^/\s]+/[^/\s]+$"
Family = Literal["ipv4", "ipv6"]
Platform = Literal["standin", "n9kv"]


class StepModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def as_place(value: Any) -> Any:
    """A bare word is a node's name, or an address."""
    if not isinstance(value, str):
        return value
    try:
        ip_address(value)
    except ValueError:
        return {"node": value}
    return {"address": value}


def as_limit(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"standin": value, "n9kv": value} if number else value


Names = Annotated[tuple[str, ...], BeforeValidator(listed), Field(min_length=1)]
Limit = Annotated[dict[Platform, Annotated[float, Field(ge=0)]], BeforeValidator(as_limit), Field(min_length=1)]
"""A number, or one for each platform of the switches: ``{standin: 2500, n9kv: 5000}``."""
Seconds = Annotated[float, Field(gt=0, le=3600)]
StepName = Annotated[str, Field(pattern=NAME)]


class Pod(StepModel):
    """A pod by its label, ``key=value``; ``node`` says which where there are several."""

    pod: str | None = Field(default=None, pattern=LABEL, description="its label, `app=pingtest`")
    namespace: str = "default"
    node: str | None = Field(default=None, description="the node that it runs on; alone: the node or host itself")
    address: str | None = Field(default=None, description="an IP address, as a target")

    @model_validator(mode="after")
    def _one(self) -> Pod:
        if (self.pod is None and self.node is None) == (self.address is None):
            raise ValueError("say pod (with a label), node, or address")
        return self


End = Annotated[Pod, BeforeValidator(as_place)]
"""A node, a host, a pod or an address."""
