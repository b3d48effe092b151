"""What a client has to know of NX-OS's command line, as data: prompts, and the words of refusal."""

from __future__ import annotations

import re

PROMPT = re.compile(r"(?:^|[\r\n])(?P<host>[\w.\-]{1,63})(?P<mode>\((?:config|maint)[\w\-.]*\))?[#>] ?$")
"""``leaf2101# ``, ``leaf2101(config-router-vrf)# ``; at the very end of what was received."""

QUESTION = re.compile(r"(\(y/n\)\??\s*(\[[yn]\])?|\[yes/no\]|Proceed\?)\s*$", re.IGNORECASE)
"""A confirmation that waits for an answer although ``terminal dont-ask`` was said."""

SETUP = ("terminal length 0", "terminal width 511", "terminal dont-ask")

REFUSALS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.MULTILINE | re.IGNORECASE)
    for pattern in (
        r"^% ?Invalid (command|input|parameter|number|range|ip|interface|argument).*$",
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
    found = [match.group(0).strip() for pattern in REFUSALS for match in pattern.finditer(text)]
    return found[0] if found else None
