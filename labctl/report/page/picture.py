"""The picture of the topology, with what failed marked."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from labctl.errors import LabctlError, SpecError
from labctl.report.evidencefolder import EvidenceFolder
from labctl.report.text import UNKNOWN, clean


@dataclass(frozen=True, slots=True)
class Picture:
    """``svg`` is markup; None with the reason in ``note``."""

    svg: Markup | None
    note: str = ""


def picture(folder: EvidenceFolder) -> Picture:
    """Drawn from the evidence's copy of the lab. Without a picture the page says why; nothing else depends on it."""
    from labctl.graph import draw, marks_of

    if folder.lab is None:
        return Picture(None, "The evidence holds no description of the lab (lab/), so there is no picture of it.")
    try:
        drawn = draw(folder.lab, marks=marks_of(folder.body, folder.lab))
    except SpecError as error:
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        reason = f"{error.problems[0].place or 'lab'}: {error.problems[0].message}{more}"
        return Picture(None, clean(f"The lab cannot be drawn from this evidence: {reason}."))
    except LabctlError as error:
        return Picture(None, clean(f"The lab cannot be drawn from this evidence: {error}."))
    # character by character: an escape sequence taken out whole could take markup with it
    harmless = "".join(c if c.isprintable() or c == "\n" else UNKNOWN for c in drawn)
    return Picture(Markup(harmless))  # noqa: S704 - labctl.graph escapes what it writes
