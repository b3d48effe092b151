"""The boot of a guest is the trial of its launcher: one whose guest dies or is silent makes way for the next one.

Until its agent's first word a guest has nothing of the lab in it, so that the next launcher begins where this one did.
What became of the launchers is kept, so that one which fails is not tried at each boot. A verdict holds for one
launcher, image, kernel of the host and processor: one that was good, or whose guest ended by itself, until one of these
changes; a guest that was silent or was killed may have had a busy machine, so that holds for a day.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labctl.cache import cache_dir, shared_caches
from labctl.errors import HostError, InconclusiveError
from labctl.guest import launchers
from labctl.guest.image import GuestImage
from labctl.state import state_root
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, wait_for

if TYPE_CHECKING:
    from labctl.guest.machine import RunningGuest

NAME = "launchers.json"
DAY = 86400.0
MOST = 64
"""Rows that a file keeps: hosts may share it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one launcher: why its guest did not boot (empty when it did), when that was, whether it lasts."""

    reason: str
    when: float
    lasting: bool = True

    @property
    def good(self) -> bool:
        return not self.reason

    @property
    def date(self) -> str:
        """As people read it, in their own time zone."""
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(self.when))


def kept_verdict(launcher: str, image: GuestImage) -> Verdict | None:
    """The latest one that holds here and now; None when there is none."""
    here = _here(launcher, image)
    found = [Verdict(row["reason"], row["when"], row["lasting"]) for row in _rows() if row.items() >= here.items()]
    return max(found, key=lambda verdict: verdict.when, default=None)


def keep_verdict(launcher: str, image: GuestImage, verdict: Verdict) -> None:
    """Write it down beside the image, or in the state folder where the cache may not be written."""
    here = _here(launcher, image)
    rows = [row for row in _rows() if not row.items() >= here.items()][-MOST:]
    text = json.dumps([*rows, {**here, **asdict(verdict)}], indent=1)
    for folder in (cache_dir(), state_root()):
        temporary = folder / f".{NAME}.{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text)
            temporary.replace(folder / NAME)
        except OSError:
            continue  # a cache that is only read; without both the launcher is tried again next time
        return


def _rows() -> list[dict[str, Any]]:
    """Of all files; without those that hold no longer."""
    rows: list[dict[str, Any]] = []
    for folder in (state_root(), *shared_caches(), cache_dir()):
        try:
            read = json.loads((folder / NAME).read_text())
            rows += [row for row in read if row["lasting"] or time.time() - row["when"] < DAY]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # nothing kept there, or not by us: the launchers are tried
    return rows


def _here(launcher: str, image: GuestImage) -> dict[str, str]:
    return {"launcher": launcher, "image": image.key, "kernel": os.uname().release, "processor": processor()}


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Model and flags of the first processor, the flags as a hash."""
    lines = dict(line.split("\t", 1) for line in cpuinfo.read_text().partition("\n\n")[0].splitlines() if "\t" in line)
    model, flags = (lines.get(name, "").lstrip("\t: ") for name in ("model name", "flags"))
    return f"{model} {hashlib.sha256(' '.join(sorted(flags.split())).encode()).hexdigest()[:12]}"


SILENCE = 30.0
"""Seconds for the first word of a guest that is tried, when there is another launcher: UML was measured to take 1.6 s,
and 4.4 s on a machine with ten times the load that it has processors for."""
TRIAL_LIMIT = 120.0
TRIAL_MEMORY_MB = 300

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Standing:
    """A launcher on this host: why it cannot be used (None when it can), and the verdict of its last boot, if any."""

    name: str
    refusal: str | None
    tried: Verdict | None

    @property
    def sentence(self) -> str:
        """One clause for a person."""
        if self.refusal is not None:
            return f"cannot be used: {self.refusal}"
        return f"can be used: a guest booted on {self.tried.date}" if self.tried else "not tried here"


def standing(name: str, image: GuestImage) -> Standing:
    """What is known without booting."""
    refusal, tried = launchers.refusal(name, image), kept_verdict(name, image)
    if refusal is None and tried and not tried.good:
        refusal = f"{tried.reason} (on {tried.date})"
    return Standing(name, refusal, tried)


def boot(
    wanted: str,
    image: GuestImage,
    start: Callable[[str], RunningGuest],
    *,
    limit: float,
    cancel: threading.Event,
    say: Say,
) -> RunningGuest:
    """A guest whose agent has spoken, on the launcher ``wanted`` or, with ``auto``, on the first that works.

    ``start`` starts a guest on a launcher. Each has a limit of its own: ``limit`` seconds for the last one and for
    those that have worked here before, `SILENCE` for the others. Raises `HostError` when none boots,
    `InconclusiveError` when it was cancelled; nothing runs then.
    """
    names, reasons = _candidates(wanted, image)
    for reason in reasons:
        say(f"not {reason}")
    if not names:
        raise HostError(
            "no launcher can be used: " + "; ".join(reasons), code="no-launcher", next_command=_instead(wanted, image)
        )
    for name, following in zip(names, [*names[1:], None], strict=True):
        known = kept_verdict(name, image)
        was_good = known is not None and known.good
        guest = start(name)
        try:
            patience = limit if following is None or was_good else min(SILENCE, limit)
            verdict = first_word(guest, patience, cancel)
        except BaseException:
            guest.power_off()
            raise
        if not (verdict.good and was_good):
            # one that was good can boot: what was in its way may be gone tomorrow
            keep_verdict(name, image, replace(verdict, lasting=verdict.lasting and not was_good))
        if verdict.good:
            return guest
        guest.power_off()
        trouble = f"{name}: {verdict.reason}"
        if following is not None:
            slower = ", which is slower" if launchers.LAUNCHERS[following].slower else ""
            say(f"{trouble}; going on with {following}{slower}")
    raise HostError(trouble, code="guest-does-not-boot", next_command=_instead(wanted, image))


def _candidates(wanted: str, image: GuestImage) -> tuple[list[str], list[str]]:
    """The launchers to try, and why not the others. What failed before is tried again when it is all there is."""
    if wanted != "auto":
        reason = launchers.refusal(wanted, image)
        return ([wanted], []) if reason is None else ([], [f"{wanted}: {reason}"])
    known = [standing(name, image) for name in launchers.AUTO]
    able = [one.name for one in known if one.refusal is None]
    if not able:
        able = [one.name for one in known if launchers.refusal(one.name, image) is None]
    return able, [f"{one.name}: {one.refusal}" for one in known if one.refusal and one.name not in able]


def _instead(wanted: str, image: GuestImage) -> str:
    """The command after a failure: the launcher that somebody wanted is not the only one."""
    others = [name for name in launchers.AUTO if name != wanted and standing(name, image).refusal is None]
    return f"labctl up … --launcher {others[0]}" if wanted != "auto" and others else "labctl doctor"


def first_word(guest: RunningGuest, seconds: float, cancel: threading.Event) -> Verdict:
    """Wait for it. Raises `InconclusiveError` when that was cancelled."""

    def question() -> int | NotYet | None:
        if guest.answers():
            return None
        code = guest.exit_code()
        return NotYet("the guest's agent does not answer yet") if code is None else code

    cancelled = InconclusiveError("cancelled while the guest booted", code="cancelled")
    try:
        code = wait_for(question, Deadline(seconds), every=0.02, cancel=cancel)
    except Cancelled:
        raise cancelled from None
    except DeadlinePassed:
        line = telling_line(guest.console_text())
        said = f" ({line})" if line else ""
        return Verdict(f"the guest said no word within {seconds:.0f} s{said}", time.time(), lasting=False)
    if code is None:
        return Verdict("", time.time())
    if cancel.is_set():  # whoever cancelled has ended it
        raise cancelled
    ended = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
    reason = f"the guest died while booting ({telling_line(guest.console_text()) or ended})"
    # SIGKILL and SIGTERM come from outside, mostly from a host that is short of memory
    return Verdict(reason, time.time(), lasting=code not in (-9, -15))


_TELLING = (
    re.compile(r"errno|\bkilled\b|out of memory", re.IGNORECASE),
    re.compile(r"\bpanic\b", re.IGNORECASE),
    re.compile(r"\b(failed|cannot|could not|unable|error|fatal)\b", re.IGNORECASE),
)
"""What tells most is first: a console of a guest that is well has a "failed" in it, too."""
_DUMP = re.compile(r"^\W*(?:<?[0-9a-f]{8,}>?(?:[\s\]:]|$)|[A-Z0-9]{2,6}: *[0-9a-f]{4}|Call Trace|Modules linked)")
_PREFIX = re.compile(r"^(\[[ \d.]+\]\s*)?(\w+ - )?")


def telling_line(console: str) -> str:
    """The line of a console that says why it ended: the first that tells most, else the last; never one of a dump."""
    lines = [line for line in (raw.strip() for raw in console.splitlines()) if line]
    lines = [line for line in (_PREFIX.sub("", line) for line in lines) if line and not _DUMP.match(line)]
    telling = (line for pattern in _TELLING for line in lines if pattern.search(line))
    return next(telling, lines[-1] if lines else "")[:160]


def try_host(image: GuestImage, say: Say) -> None:
    """Boot a guest as ``auto`` would, and end it: the verdicts are known then. Raises `HostError` as `boot` does."""
    names, _ = _candidates("auto", image)
    known = kept_verdict(names[0], image) if names else None
    if known and known.good:
        return
    from labctl.guest.machine import Machine

    with tempfile.TemporaryDirectory(prefix="labctl-trial-") as folder:
        work = Path(folder)

        def start(name: str) -> RunningGuest:
            say(f"a guest is booted once, on {name}")
            machine = Machine(TRIAL_MEMORY_MB, work, work / f"{name}.log", work / "agent.sock")
            return launchers.start_guest(name, image, machine)

        boot("auto", image, start, limit=TRIAL_LIMIT, cancel=threading.Event(), say=say).power_off()
