"""The shipped topologies as artifact folders, for each target: rendered when a test first asks, and then shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from labctl.design.design import Design, Target
from labctl.design.plan import design
from labctl.render.folder import render_folder, write_folder
from labctl.spec.load import loads

TOPOLOGIES = Path(__file__).parent.parent / "topologies"
PEER_LINK = {
    "whitepaper": ("peer_link: fabric", "peer_link: {}"),
    "minimal": ("leaf_pairs: 1", "leaf_pairs: [{{leafs: [leaf101, leaf102], peer_link: {}}}]"),
    "fabric": ("leaf_pairs: 1", "leaf_pairs: [{{leafs: [leaf101, leaf102], peer_link: {}}}]"),
}
"""What stands in a topology of one peer-link, and what is put there instead."""


@dataclass(frozen=True)
class Lab:
    """One topology for one target. ``peer_link``: None leaves it to the topology."""

    topology: str
    target: Target
    peer_link: str | None = None

    def design(self) -> Design:
        path = TOPOLOGIES / f"{self.topology}.yaml"
        text = path.read_text(encoding="utf-8")
        if self.peer_link:
            written, wanted = PEER_LINK[self.topology]
            assert text.count(written) == 1
            text = text.replace(written, wanted.format(self.peer_link))
        return design(loads(str(path), text, target=(self.target.switch, self.target.cluster)), self.target)


STANDIN, REAL = Target("standin", "standin"), Target("n9kv", "kind")
LABS = {
    **{
        f"{name}-{target.switch}-{peer_link}": Lab(name, target, peer_link)
        for name in PEER_LINK
        for target in (STANDIN, REAL)
        for peer_link in ("fabric", "physical")
    },
    "whitepaper-n9kv-standin-fabric": Lab("whitepaper", Target("n9kv", "standin"), "fabric"),
    "whitepaper-standin-kind-fabric": Lab("whitepaper", Target("standin", "kind"), "fabric"),
    "whitepaper-usecases-standin": Lab("whitepaper-usecases", STANDIN),
    "coloured-pairs-standin": Lab("coloured-pairs", STANDIN),
    "coloured-pairs-n9kv": Lab("coloured-pairs", REAL),
}
_ROOT = TemporaryDirectory(prefix="labctl-rendered-", ignore_cleanup_errors=True)


@cache
def rendered(name: str) -> Mapping[str, str]:
    """Path → text of one of `LABS`."""
    return render_folder(LABS[name].design())


@cache
def rendered_folder(name: str) -> Path:
    """The folder of one of `LABS`. All tests read the same one: who writes makes a copy."""
    path = Path(_ROOT.name) / name
    write_folder(dict(rendered(name)), path)
    return path
