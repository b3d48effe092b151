"""Jinja2 as labctl uses it: strict about missing names, quiet about white space, templates compiled once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The one environment."""
    return Environment(
        loader=PackageLoader("labctl.render"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - configuration text, not HTML
    )


def render(template: str, **values: Any) -> str:
    """Render one template."""
    return environment().get_template(template).render(**values)
