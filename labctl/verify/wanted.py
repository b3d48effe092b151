"""Which checks of a verification are wanted: all, or those that some patterns of check ids name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """``patterns``: shell patterns of check ids (``*`` matches dots too); None: every check."""

    patterns: tuple[str, ...] | None = None

    def check(self, identity: str) -> bool:
        """Whether a check is wanted."""
        return self.patterns is None or any(fnmatchcase(identity, pattern) for pattern in self.patterns)

    def flow(self, prefix: str) -> bool:
        """Whether a check may be wanted whose id begins with ``prefix`` and a dot: those of a flow come together."""
        if self.patterns is None:
            return True
        return any(_meet(f"{prefix}.", pattern) for pattern in self.patterns)

    def scenario(self, name: str) -> bool:
        """Whether a scenario has anything that may be wanted."""
        return self.flow(name)

    def scenarios(self, known: Iterable[str]) -> Sequence[str]:
        """Those of the known ones that have."""
        return [name for name in known if self.scenario(name)]


def _meet(prefix: str, pattern: str) -> bool:
    """Whether some id that begins with ``prefix`` may fit the pattern: they agree up to the first wildcard."""
    wild = WILD.search(pattern)
    fixed = pattern[: wild.start()] if wild else pattern
    if len(fixed) <= len(prefix):
        return prefix.startswith(fixed) if wild else False
    return fixed.startswith(prefix)


EVERY = Wanted()
