"""Logs of a containerlab lab: the lines that tell something, kind's nodes while they boot, what ``labctl logs`` gives.

containerlab's forms are those of 0.79: ``10:32:11 INFO text key=value``, and at the end a block headed ``ERROR`` whose
text is wrapped at the terminal's width. kind removes its nodes when one does not boot, and their reasons with them:
what was followed is all there is then.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from labctl.errors import HostError, LabctlError, LabError
from labctl.guest.api import AgentError
from labctl.runtime.api import Progress
from labctl.runtime.containerlab.dockerhost import Container, DockerHost, Hijacked
from labctl.waiting import Cancelled, Deadline, DeadlinePassed, NotYet, wait_for

WIDTH = 140
FILE = "containerlab.log"
"""What containerlab itself writes, in the lab's logs."""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f]")
_LOG = re.compile(r"(?:\d\d:\d\d:\d\d\s+)?(DEBU|INFO|WARN|ERRO|FATA)[A-Z]*\s+(.*)")
_NOISE = re.compile(
    r"Retrying|Containerlab started|Parsing & checking|Failed fetching latest|Adding (host|ssh) |Adding SSH|"
    r"Creating lab directory|unable to adjust Labdir",
    re.IGNORECASE,
)
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
    if "ERROR" in texts:
        block = texts[len(texts) - texts[::-1].index("ERROR") :]
        if any(block):
            return " ".join(" ".join(block).split()).rstrip(".")
    found = [match for text in texts if (match := _LOG.fullmatch(text)) and match[1] in ("ERRO", "FATA")]
    if found:
        return " | ".join(match[2] for match in found[-3:])
    return next((text for text in reversed(texts) if text), "it wrote nothing")


_KNOWN = (
    (r"not found locally|failed to pull image|No such image|pull access denied|manifest unknown",
     "image-missing", "an image is not in Docker", "labctl setup images SPEC"),
    (r"Pool overlaps|overlaps with other|subnet .*overlap|conflicts with network",
     "network-overlap", "give the lab another network: `management:` in the spec", "docker network ls"),
    (r"Cpu virtualization support is required",
     "no-virtualization", "containerlab asks every cisco_n9kv for svm or vmx, stand-ins too", "labctl doctor"),
    (r"requires root privileges|clab_admins|SUID",
     "containerlab-no-rights", "run labctl as root, or make containerlab SUID and join clab_admins", "labctl doctor"),
    (r"Cannot connect to the Docker daemon|Failed to init the container runtime",
     "docker-not-running", "Docker must run, and this user must be allowed to use it", "labctl doctor"),
    (r"already exists outside|is already in use by container|already in use by",
     "name-taken", "another container has a name of this lab: --name gives the lab another", "docker ps -a"),
    (r"port is already allocated|address already in use",
     "port-taken", "something on this host has a port that the lab publishes", "docker ps"),
    (r"could not find a log line that matches",
     "node-image", "the node image did not boot: its log is kept with the lab's", "labctl logs LAB"),
    (r"could not be mapped to an ethX|does not match regexp|unmarshal|yaml:|Could not parse",
     "bad-topology", "topology.clab.yml was edited into something that containerlab does not take",
     "labctl generate SPEC -o DIR"),
    (r"No command specified",
     "image-without-command", "an image has no command of its own: set `cmd:` in the topology",
     "labctl setup images SPEC"),
    (r"no space left on device", "disk-full", "Docker's disk is full", "docker system df"),
)  # fmt: skip
"""Failures that have a way out: pattern, code, hint and next command."""
_OF_THE_LAB = {"node-image", "bad-topology", "image-without-command"}
"""Those that are not this host's fault."""


def as_error(lab: str, what: str, lines: Sequence[str]) -> LabctlError:
    """The error of a containerlab that failed: its own words, and what to do about them."""
    reason = last_words(lines)
    message = f"containerlab could not {what}: {reason}"
    for pattern, code, hint, command in _KNOWN:
        if re.search(pattern, reason, re.IGNORECASE):
            kind = LabError if code in _OF_THE_LAB else HostError
            return kind(message, code=code, hint=hint, next_command=command.replace("LAB", lab))
    return LabError(message, code="containerlab-failed", next_command=f"labctl logs {lab}")


LOOK_EVERY = 1.0
"""Seconds between two looks for new containers."""
LONGEST = 3600.0


@contextmanager
def following(
    docker: DockerHost, find: Callable[[Collection[str]], Mapping[str, Container]], logs: Path, progress: Progress
) -> Iterator[None]:
    """Follows every container that ``find`` gives, from the moment it is there.

    ``find``: containers by the node's name in the lab, which becomes the log's name; those of the ids that it is given
    are known, and not to be looked at again: kind needs what an emulated host can do.
    """
    over = threading.Event()
    streams: dict[str, Hijacked] = {}
    threads: list[threading.Thread] = []

    def look() -> NotYet:
        try:
            for name, container in find(streams).items():
                target = f"/containers/{container.id}/attach?logs=1&stream=1&stdout=1&stderr=1"
                stream = streams[container.id] = Hijacked(docker.socket, target, {}, framed=not container.tty)
                threads.append(threading.Thread(target=_copy, args=(name, stream, logs, progress), daemon=True))
                threads[-1].start()
        except (HostError, AgentError) as error:
            progress(f"kind's nodes cannot be followed now: {error.message}")
        return NotYet("the cluster is being made")

    def looks() -> None:
        with suppress(Cancelled, DeadlinePassed):
            wait_for(look, Deadline(LONGEST), every=LOOK_EVERY, cancel=over)

    looker = threading.Thread(target=looks, daemon=True)
    looker.start()
    try:
        yield
    finally:
        over.set()
        looker.join()
        try:
            for name, container in find(streams).items():  # what came and was done between two looks
                path = logs / f"{name}.log"
                path.touch(mode=0o600)
                path.write_text(docker.tail(container.id))
        except HostError as error:
            progress(f"the log of a node of kind cannot be kept: {error.message}")
        for stream in streams.values():
            stream.close()
        for thread in threads:
            thread.join(timeout=5.0)


def _copy(name: str, stream: Hijacked, logs: Path, progress: Progress) -> None:
    half = b""
    path = logs / f"{name}.log"
    path.touch(mode=0o600)
    with path.open("ab") as target:
        while (piece := stream.read()) is not None:
            target.write(piece[1])
            target.flush()
            *whole, half = (half + piece[1]).split(b"\n")
            for line in whole:
                _tell(name, line, progress)
    _tell(name, half, progress)


def _tell(name: str, line: bytes, progress: Progress) -> None:
    if text := of_node(line.decode(errors="replace")):
        progress(f"{name}: {text}")


LINES_OF_ALL = 100
"""Of each container, when the logs of the whole lab are asked for."""


DEFAULT_PASSWORD = "admin"  # noqa: S105 - vrnetlab's own
"""Everybody knows it, and the word is the user's name, too."""


def collect(
    folder: Path, node: str | None, containers: Mapping[str, Container], docker: DockerHost, password: str
) -> str:
    """Texts with a heading each. ``containers``: by the lab's names; ``node``: one of them, or a log's name.

    ``password``: the switches', which vrnetlab prints with its environment; it is taken out.
    """
    pieces = []
    for path in sorted(folder.glob("*.log")):
        text = path.read_text(errors="replace")
        name = path.name.removesuffix(".log")
        if node is None or name == node:
            pieces.append((path.name, text))
        elif path.name == FILE:
            lines = [line for line in text.splitlines() if _speaks_of(line, node, containers)]
            pieces.append((f"{path.name} (lines of {node})", "\n".join(lines)))
    for name, container in containers.items():
        if node is None or name == node:
            try:
                text = docker.tail(container.id, None if node else LINES_OF_ALL)
            except HostError as error:
                text = f"it cannot be read now: {error.message}"
            pieces.append((f"docker: {container.name}", "\n".join(map(plain, text.splitlines()))))
    whole = "\n".join(f"==> {name} <==\n{text.rstrip()}" for name, text in pieces if text.strip())
    return without(whole, password)


def without(text: str, password: str) -> str:
    """The text without the switches' password, unless it is the well-known one."""
    return text if password in {"", DEFAULT_PASSWORD} else text.replace(password, "********")


def _speaks_of(line: str, node: str, containers: Mapping[str, Container]) -> bool:
    names = {node, containers[node].name} if node in containers else {node}
    words = line.replace('"', " ").replace("=", " ").replace(":", " ").split()
    return not names.isdisjoint(words)


def last_line(container: Container, docker: DockerHost, password: str) -> str:
    """The newest line that says anything, without the password; empty when there is none."""
    lines = (plain(line).strip() for line in reversed(docker.tail(container.id, 20).splitlines()))
    return without(next((line[:WIDTH] for line in lines if line), ""), password)
