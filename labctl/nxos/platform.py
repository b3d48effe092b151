"""What a client has to know of NX-OS's command line, as data: prompts, and the words of refusal."""

from __future__ import annotations

import re

PROMPT = re.compile(r"(?:^|[\r\n])(?P<host>[\w.\-]{1,63})(?P<mode>\((?:config|maint)[\w\-.]*\))?[#>] ?$")
"""``leaf2101# ``, ``leaf2101(config-router-vrf)# ``; at the very end of what was received."""

QUESTION = re.compile(r"(\((?:y/n|yes/no)\)\s?\??\s*(\[(?:y|n|yes|no)\])?:?|\[yes/no\]:?|Proceed\?)\s*$", re.IGNORECASE)
"""A confirmation that waits for an answer although ``terminal dont-ask`` was said (``copp profile strict`` does)."""

UNSAFE = re.compile(r"^.*(reboot|reload|erase|power.?cycle).*$", re.IGNORECASE | re.MULTILINE)
"""Words of a question that labctl answers with no: nothing that it pushes may restart or wipe a switch."""

LOG_LINE = re.compile(
    r"^(?:\d{4} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d(?:\.\d+)? \S+ )?"  # 2026 Nov 27 13:02:11 leaf2101
    r"(?:%\$ .*? %\$ )?:? ?"  # %$ VDC-1 %$
    r"%[A-Z][A-Z0-9_]*(?:-[A-Z0-9_]+)*-\d-\w+:.*$\n?",  # %ETHPORT-5-IF_UP: Interface Ethernet1/1 is up
    re.MULTILINE,
)
"""A message of the switch's log that got between an answer's lines (``terminal monitor``, or a console)."""

SETUP = ("terminal length 0", "terminal width 511", "terminal dont-ask")

REFUSALS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.MULTILINE | re.IGNORECASE)
    for pattern in (
        r"^% ?Invalid\b.*$",
        r"^Invalid .* at '\^' marker.*$",
        r"^.* is already running.*$",
        r"^% ?Incomplete command.*$",
        r"^% ?Ambiguous command.*$",
        r"^% ?Permission denied.*$",
        r"^% ?Unknown command.*$",
        r"^% ?Duplicate .*$",
        r"^% .*(not (found|allowed|enabled|supported|exist)|fail|error|already|cannot).*$",
        r"^ERROR:.*$",
        r"^Error:.*$",
        r"^Syntax error while parsing.*$",
        r"^.*configuration not allowed.*$",
        r"^Duplicate sequence number.*$",
        r"^No corresponding .* configured.*$",
        r"^.*sufficient free entries are not available in tcam bank.*$",
        r"^cannot apply non-existing acl.*$",
        r"^Please configure TCAM region.*$",
        r"^L2 sub-interface is not supported on this platform.*$",
        r"^command failed.*$",
    )
)
"""A superset of what the usual libraries look for (`ERROR: …` is missed by some of them)."""


def refusal(text: str) -> str | None:
    """The switch's words when it refused something; None when it did not."""
    said = without_log(text)
    found = [match.group(0).strip() for pattern in REFUSALS for match in pattern.finditer(said)]
    return found[0] if found else None


def without_log(text: str) -> str:
    """An answer without the messages of the switch's log that came in between."""
    return LOG_LINE.sub("", text)
