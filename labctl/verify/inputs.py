"""``checks.yaml`` as frozen models: what a person may edit, refused with file and line where it is wrong."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError

from labctl.errors import Place, Problem, SpecError
from labctl.verify.topics.bgp import BgpInput
from labctl.verify.topics.cluster import ClusterInput
from labctl.verify.topics.curl import CurlInput
from labctl.verify.topics.leafs import LeafsInput
from labctl.verify.topics.links import LinksInput
from labctl.verify.topics.ping import PingInput
from labctl.verify.topics.scale import ScaleInput
from labctl.verify.values import Model
from labctl.yamldoc import parse

SCHEMA = "labctl.checks/v2"
FILE = "checks.yaml"
RENDER_ANEW = "render the folder anew: labctl generate SPEC -o DIR"
_Part = TypeVar("_Part")


class ModeInput(Model):
    bgp: BgpInput = BgpInput()
    ping: tuple[PingInput, ...] = ()
    curl: tuple[CurlInput, ...] = ()


class ChecksInput(Model):
    schema_: Annotated[Literal["labctl.checks/v2"], Field(alias="schema")]
    links: LinksInput = LinksInput()
    modes: dict[Literal["routed", "ipip"], ModeInput] = {}
    cluster: ClusterInput | None = None
    leafs: LeafsInput | None = None
    scale: ScaleInput | None = None

    def of(self, kind: type[_Part], mode: str) -> tuple[_Part, ...]:
        """Every part of a kind, in a mode: a section is one, the pings are several."""
        flows = self.mode(mode)
        sections = (self.links, self.leafs, self.cluster, self.scale, flows.bgp)
        parts = (*sections, *self.links.port_channels, *flows.ping, *flows.curl)
        return tuple(part for part in parts if isinstance(part, kind))

    def mode(self, name: str) -> ModeInput:
        return self.modes.get("ipip" if name == "ipip" else "routed", ModeInput())


def load_checks(folder: Path) -> ChecksInput:
    """Read ``checks.yaml`` of a folder. Raises `SpecError` with every problem."""
    try:
        text = (folder / FILE).read_text()
    except OSError as error:
        raise SpecError([Problem("unreadable", f"{FILE} cannot be read: {error.strerror}", Place(FILE))]) from None
    document, problems = parse(FILE, text)
    if document is None or problems:
        raise SpecError(problems)
    written = document.data.get("schema")
    if written != SCHEMA and str(written).startswith("labctl.checks/"):
        why = f"it is {written}, and this labctl reads {SCHEMA}"
        raise SpecError([Problem("wrong-schema", why, document.place(("schema",)), RENDER_ANEW)])
    try:
        return ChecksInput.model_validate(document.data)
    except ValidationError as error:
        written, found = set(chain.from_iterable(document.keys)), []
        for row in error.errors():
            path = tuple(part for part in row["loc"] if isinstance(part, int) or part in written)
            found.append(Problem("bad-check", f"{'.'.join(map(str, row['loc']))}: {row['msg']}", document.place(path)))
        raise SpecError(found) from None
