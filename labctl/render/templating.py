"""Jinja2 as labctl uses it: strict about missing names, quiet about white space, templates compiled once."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

COMPILED = Path(__file__).parent / "templates" / "__pycache__"
"""Beside the templates, as Python keeps its own: compiling them costs as much as the rest of a small folder."""


class _Compiled(FileSystemBytecodeCache):
    def dump_bytecode(self, bucket: Bucket) -> None:
        """Where nobody may or wants to write it goes without, as Python does."""
        if sys.dont_write_bytecode:
            return
        with suppress(OSError):
            COMPILED.mkdir(exist_ok=True)
            super().dump_bytecode(bucket)


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
        bytecode_cache=_Compiled(str(COMPILED)),
    )


def render(template: str, **values: Any) -> str:
    """Render one template."""
    return environment().get_template(template).render(**values)
