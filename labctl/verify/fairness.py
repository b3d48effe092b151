"""Whether a failed check may be called one: not where the host kept the lab from its work meanwhile.

On an overloaded host what is only late looks like what is broken: sessions time out, packets are lost, pods are
Pending.
"""

from __future__ import annotations

from dataclasses import replace

from labctl.host import Load, between, look, not_judged, overloaded
from labctl.verify.verdict import CheckResult


class Fair:
    """Over one scenario, from now on. Thread-safe: what was said of a check once stays said."""

    def __init__(self, guest: int | None) -> None:
        self._guest = guest
        self._began = look(guest)
        self._said: dict[tuple[str, str], CheckResult] = {}

    def load(self) -> Load:
        """Of the host until now."""
        return between(self._began, look(self._guest))

    def judged(self, result: CheckResult) -> CheckResult:
        """A result as it may be told: a FAIL on an overloaded host is INCONCLUSIVE, with both reasons."""
        if result.verdict != "FAIL":
            return result
        return self._said.setdefault((result.id, result.sentence), self._fair(result))

    def _fair(self, result: CheckResult) -> CheckResult:
        why = overloaded(self.load())
        if why is None:
            return result
        sentence, cause = not_judged(why, result.sentence), f"the host was overloaded ({why})"
        return replace(result, verdict="INCONCLUSIVE", sentence=sentence, cause=cause)
