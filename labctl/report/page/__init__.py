"""The report as one HTML page that needs no network: everything is in it but the pcaps and whole outputs, by link.

The page is made from an evidence folder alone. Its content security policy forbids every request; the one script (for
sorting) is named there by its hash, and the page is complete without it.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from labctl.report.evidencefolder import EvidenceFolder
from labctl.report.page.view import counts, page_view
from labctl.report.text import block


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("labctl.report.page", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=True,
        finalize=_harmless,
    )
    environment.filters |= {"url": quote, "counts": counts}
    return environment


def _harmless(value: Any) -> Any:
    """Escaping makes text no markup; control characters and half a surrogate have no place in a page either."""
    return block(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _part(name: str) -> str:
    return files("labctl.report.page").joinpath(name).read_text(encoding="utf-8")


def html(folder: EvidenceFolder, *, links: str = "") -> str:
    """The page. ``links`` is put before each link to a file of the folder: where the folder is, seen from the page."""
    style, script = _part("page.css"), _part("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            page=page_view(folder),
            links=links,
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            script_hash=digest,
        )
    )


def links_from(page: Path, folder: Path) -> str:
    """Where a folder is, seen from a page: empty when it is the page's own."""
    import os.path

    found = Path(os.path.relpath(folder.resolve(), page.resolve().parent)).as_posix()
    return "" if found == "." else f"{quote(found)}/"
