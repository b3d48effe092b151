"""What containerlab and kind write to their logs: which lines tell a person something, and what a failure means.

The forms are those of containerlab 0.79: ``10:32:11 INFO text key=value``, and at the end a block headed ``ERROR``
whose text is wrapped at the terminal's width.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from labctl.errors import HostError, LabctlError, LabError

WIDTH = 140
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f]")
_LOG = re.compile(r"(?:\d\d:\d\d:\d\d\s+)?(DEBU|INFO|WARN|ERRO|FATA)[A-Z]*\s+(.*)")
_NOISE = re.compile(
    r"Retrying|Containerlab started|Parsing & checking|Failed fetching latest|Adding (host|ssh) |Adding SSH|"
    r"Creating lab directory|unable to adjust Labdir",
    re.IGNORECASE,
)
WAITING = re.compile(r"depends on external container.*Retrying", re.IGNORECASE)
"""A worker that waits for a container of kind: harmless while kind works, the dead-lock when it does not."""
_NODE_TELLS = re.compile(
    r"Reached target .*(Multi-User|multi-user)|\bfail|\berror|\bfatal|panic|no space left|too many open files",
    re.IGNORECASE,
)


def plain(line: str) -> str:
    """Without colours and control characters."""
    return _ESCAPES.sub("", line).rstrip()


def of_containerlab(line: str) -> str | None:
    """What a line of its log tells, None when it is noise."""
    match = _LOG.fullmatch(plain(line).strip())
    if not match or match.group(1) == "DEBU" or _NOISE.search(match.group(2)):
        return None
    text = " ".join(match.group(2).split())
    return text if match.group(1) == "INFO" else f"{match.group(1).lower()}: {text}"[:WIDTH]


def of_node(line: str) -> str | None:
    """What a line of a kind node's boot tells, None when it is like any other."""
    text = " ".join(plain(line).split())
    return text[:WIDTH] if _NODE_TELLS.search(text) else None


def last_words(lines: Sequence[str]) -> str:
    """containerlab's own reason: the block under its last ERROR, else its last error lines, else its last line."""
    texts = [plain(line).strip() for line in lines]
    heads = [index for index, text in enumerate(texts) if text == "ERROR"]
    if heads:
        block = " ".join(text for text in texts[heads[-1] + 1 :] if text)
        if block:
            return re.sub(r"\s+", " ", block).rstrip(".")
    errors = [
        match.group(2) for text in texts if (match := _LOG.fullmatch(text)) and match.group(1) in ("ERRO", "FATA")
    ]
    if errors:
        return " | ".join(errors[-3:])
    return next((text for text in reversed(texts) if text), "it wrote nothing")


@dataclass(frozen=True, slots=True)
class _Known:
    """A failure that has a way out."""

    pattern: str
    code: str
    hint: str
    next_command: str
    host: bool = True


_KNOWN = (
    _Known(r"not found locally|failed to pull image|No such image|pull access denied|manifest unknown",
           "image-missing", "an image is not in Docker", "labctl setup images SPEC"),
    _Known(r"Pool overlaps|overlaps with other|subnet .*overlap|conflicts with network",
           "network-overlap", "give the lab another network: `management:` in the spec", "docker network ls"),
    _Known(r"Cpu virtualization support is required",
           "no-virtualization", "containerlab asks every cisco_n9kv for svm or vmx, stand-ins too", "labctl doctor"),
    _Known(r"requires root privileges|clab_admins|SUID",
           "containerlab-no-rights", "run labctl as root, or make containerlab SUID and join clab_admins",
           "labctl doctor"),
    _Known(r"Cannot connect to the Docker daemon|Failed to init the container runtime",
           "docker-not-running", "Docker must run, and this user must be allowed to use it", "labctl doctor"),
    _Known(r"already exists outside|is already in use by container|already in use by",
           "name-taken", "another container has a name of this lab: --name gives the lab another", "docker ps -a"),
    _Known(r"port is already allocated|address already in use",
           "port-taken", "something on this host has a port that the lab publishes", "docker ps"),
    _Known(r"could not find a log line that matches",
           "node-image", "the node image did not boot: its log is kept with the lab's", "labctl logs LAB", host=False),
    _Known(r"could not be mapped to an ethX|does not match regexp|unmarshal|yaml:|Could not parse",
           "bad-topology", "topology.clab.yml was edited into something that containerlab does not take",
           "labctl generate SPEC -o DIR", host=False),
    _Known(r"No command specified",
           "image-without-command", "an image has no command of its own: set `cmd:` in the topology",
           "labctl setup images SPEC", host=False),
    _Known(r"no space left on device", "disk-full", "Docker's disk is full", "docker system df"),
)  # fmt: skip


def as_error(lab: str, what: str, lines: Sequence[str]) -> LabctlError:
    """The error of a containerlab that failed: its own words, and what to do about them."""
    words = last_words(lines)
    message = f"containerlab could not {what}: {words}"
    for known in _KNOWN:
        if re.search(known.pattern, words, re.IGNORECASE):
            kind = HostError if known.host else LabError
            return kind(message, code=known.code, hint=known.hint, next_command=known.next_command.replace("LAB", lab))
    return LabError(message, code="containerlab-failed", next_command=f"labctl logs {lab}")
