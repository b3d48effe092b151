"""Jinja2 as labctl uses it: strict about missing names, quiet about white space, templates compiled once."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from labctl.render.yamltext import flow

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
    """The one environment. Filter ``yaml``: a value as YAML on one line."""
    made = Environment(
        loader=PackageLoader("labctl.render"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - configuration text, not HTML
        bytecode_cache=_Compiled(str(COMPILED)),
    )
    made.filters["yaml"] = flow
    return made


def render(template: str, **values: Any) -> str:
    """Render one template."""
    return environment().get_template(template).render(**values)


def render_files(template: str, **values: Any) -> dict[str, str]:
    """Path → text of a template with several files in it, each after a line ``== path``."""
    _, *parts = re.split(r"^== (.+)\n", render(template, **values), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))
