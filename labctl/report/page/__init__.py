"""The report as one HTML page that needs no network: everything is in it but the pcaps and whole outputs, by link.

The page is made from an evidence folder alone. Its content security policy forbids every request; the one script (for
sorting) is named there by its hash, and the page is complete without it.

Python makes no markup but the picture's, the template judges nothing. Rows are those of ``labctl.evidence/v1`` with
what the page adds; no text of them is harmless before the template's ``finalize`` has made it so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os.path
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from labctl.errors import LabctlError, SpecError
from labctl.report.evidencefolder import EvidenceFolder, facts, flat, own_times
from labctl.report.text import UNKNOWN, block, unique
from labctl.verify.capture.match import ExpectedPacket, differences, find
from labctl.verify.capture.packet import Header, Packet, decode, http_request
from labctl.verify.verdict import SCHEMA, troubles

FEW = 10
"""Checks of a scenario that passed; more of them are folded."""
SHOWN = 40_000
"""Characters of one raw output that are in the page; the whole is behind the link."""
LONGEST = 60
"""Rows; what is beyond is counted, and is whole in ``evidence.json``."""
WIDEST = 2000
"""Characters of one value."""
IPIP = "IPIP (4)"
PROTOCOLS = {"icmp": "ICMP", "tcp": "TCP", "udp": "UDP", "ipip": IPIP}
ECHO_TYPES = {("request", False): "8", ("reply", False): "0", ("request", True): "128", ("reply", True): "129"}
"""RFC 792, RFC 4443."""
State = Literal["same", "differs", "lacking", "extra", "open"]


def html(folder: EvidenceFolder, *, links: str = "") -> str:
    """The page. ``links`` is put before each link to a file of the folder: where the folder is, seen from the page."""
    environment = Environment(
        loader=PackageLoader("labctl.report.page", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=True,
        finalize=_harmless,
    )
    environment.filters |= {"url": quote, "counts": counts}
    style, script = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return environment.get_template("page.html.j2").render(
        page=page_view(folder),
        links=links,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _harmless(value: Any) -> Any:
    """Escaping makes text no markup; control characters and half a surrogate have no place in a page either."""
    return block(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def links_from(page: Path, folder: Path) -> str:
    """Where a folder is, seen from a page: empty when it is the page's own."""
    found = Path(os.path.relpath(folder.resolve(), page.resolve().parent)).as_posix()
    return "" if found == "." else f"{quote(found)}/"


# --- what the page shows, made ready for its template -------------------------------------------------------------


def page_view(folder: EvidenceFolder) -> dict[str, Any]:
    """From the evidence alone."""
    body = folder.body
    used: set[str] = set()
    outputs = {path: _output(folder, path, used) for path in _commands(folder)}
    whole = max([body["seconds"], *(row["started"] + row["seconds"] for row in body["scenarios"]), 0.001])
    scenarios = [
        _scenario(folder, row, whole, own, outputs, used)
        for row, own in zip(body["scenarios"], own_times(body), strict=True)
    ]
    checks = [check for scenario in scenarios for check in scenario["checks"]]
    svg, note = _picture(folder)
    return {
        **body,
        "schema": SCHEMA,
        "sentence": _sentence(body),
        "facts": facts(body["environment"], "mode", "runtime", "launcher", "labctl", "guest_speed"),
        "troubles": troubles(checks),
        "picture": svg,
        "no_picture": note,
        "scenarios": scenarios,
        "checks": checks,
        "anchors": {check["id"]: check["anchor"] for check in checks},
        "beside": _beside(checks),
        "outputs": list(outputs.values()),
        "captures": list(count_packets(folder)),
        "environment": list(flat({**body["environment"], "edited": None})),
        "inputs": _inputs(folder),
        "files": [_file(path, **row) for path, row in body["files"].items()],
        "missing": folder.missing,
    }


def counts(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Rows by verdict, the worst first."""
    found = [row["verdict"] for row in rows]
    return {verdict: found.count(verdict) for verdict in ("FAIL", "INCONCLUSIVE", "PASS")}


def _sentence(body: Mapping[str, Any]) -> str:
    """What decided: the first scenario that has the verdict of all."""
    if not body["scenarios"]:
        return "nothing ran"
    if body["verdict"] == "PASS":
        return "every check passed"
    deciding = next((row for row in body["scenarios"] if row["verdict"] == body["verdict"]), None)
    cut = f"; cut short: {body['cut']}" if body["cut"] else ""
    return f"{deciding['title']}: {deciding['sentence']}{cut}" if deciding else str(body["sentence"])


def _anchor(used: set[str], kind: str, text: str) -> str:
    """A fragment identifier, given once."""
    return unique(f"{kind}-{re.sub(r'[^A-Za-z0-9._-]+', '-', text)[:100]}", used, "{}-{}")


def _commands(folder: EvidenceFolder) -> dict[str, None]:
    """What checks name, in their order, then what else was asked, such as where packets had to be looked for."""
    named = (name for check in folder.checks for name in check["commands"])
    there = sorted(f"commands/{path.name}" for path in (folder.path / "commands").glob("*.txt"))
    return dict.fromkeys((*named, *there))


def _output(folder: EvidenceFolder, path: str, used: set[str]) -> dict[str, Any]:
    """A file of ``commands/``: two lines of heading (`labctl.verify.evidence`), then what came."""
    data = folder.read(path)
    text = (data or b"").decode(errors="replace")
    head = re.match(r"# ([^\n]*?): ([^\n]*)\n# (\S+)\n", text)
    target, command, when = head.groups() if head else ("", path, "")
    rest = text[head.end() :] if head else text
    return {
        "path": path, "anchor": _anchor(used, "output", path.removeprefix("commands/").removesuffix(".txt")),
        "target": target, "command": command, "when": when, "text": rest[:SHOWN], "cut": max(0, len(rest) - SHOWN),
        "there": data is not None,
    }  # fmt: skip


def _scenario(
    folder: EvidenceFolder, row: Mapping[str, Any], whole: float, own: Sequence[float], outputs: Mapping[str, Any],
    used: set[str],
) -> dict[str, Any]:  # fmt: skip
    """``at`` and ``long`` are percents of the whole time; ``own``: of each check, seconds of the run's time.

    ``inside`` of a check: what is folded.
    """
    more: dict[str, Any] = {
        "anchor": _anchor(used, "scenario", row["id"]),
        "at": 100 * row["started"] / whole,
        "long": 100 * row["seconds"] / whole,
        "unfolded": row["verdict"] != "PASS" or len(row["checks"]) <= FEW,
        "checks": [],
    }
    for check, took in zip(row["checks"], own, strict=False):
        rows, captures = side_by_side(check["expected"], check["seen"]), captures_shown(folder, check)
        parts = ((rows, "expected beside seen"), (captures, "packets"), (check["commands"], "commands"))
        more["checks"].append({
            **check,
            "anchor": _anchor(used, "check", check["id"]),
            "took": took,
            "rows": [] if any(shown.layers for shown in captures) else rows,  # they are drawn as packets
            "captures": captures,
            "outputs": [outputs[path] for path in check["commands"]],
            "inside": ", ".join(name for there, name in parts if there) or "identity",
        })  # fmt: skip
    return {**row, **more}


def _beside(checks: Iterable[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], CaptureShown]]:
    """Of each capture that the paper prints the first one here that is as expected."""
    found: dict[str, tuple[Mapping[str, Any], CaptureShown]] = {}
    for check in checks:
        for shown in check["captures"]:
            if shown.printed and not shown.wrong:
                found.setdefault(shown.printed.title, (check, shown))
    return list(found.values())


def _inputs(folder: EvidenceFolder) -> list[dict[str, str]]:
    """Images and manifests that the lab's folder names; none where the evidence does not hold it."""
    try:
        rows = json.loads(folder.read("lab/lab.json") or b"{}").get("inputs") or []
        keys = ("name", "version", "source", "sha256")
        return [{key: str(row.get(key) or "") for key in keys} for row in rows if isinstance(row, Mapping)]
    except (ValueError, AttributeError, TypeError):
        return []


def _file(path: str, sha256: str | None, rendered: str | None, **_more: object) -> dict[str, str]:
    """A file of the artifact folder and what became of it since it was rendered."""
    state = "missing" if sha256 is None else "not hashed" if rendered is None else ""
    state = state or ("as rendered" if sha256 == rendered else "edited")
    return {"path": path, "sha256": sha256 or "", "state": state}


def _picture(folder: EvidenceFolder) -> tuple[Markup | None, str]:
    """The topology with what failed marked, as markup; None with the reason: nothing else depends on it."""
    from labctl.graph import draw

    if folder.lab is None:
        return None, "The evidence holds no description of the lab (lab/), so there is no picture of it."
    try:
        drawn = draw(folder.lab, evidence=folder.body)
    except LabctlError as error:
        reason = str(error)
        if isinstance(error, SpecError):
            more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
            reason = f"{error.problems[0].place or 'lab'}: {error.problems[0].message}{more}"
        return None, f"The lab cannot be drawn from this evidence: {reason}."
    # character by character: an escape sequence taken out whole could take markup with it
    harmless = "".join(c if c.isprintable() or c == "\n" else UNKNOWN for c in drawn)
    return Markup(harmless), ""  # noqa: S704 - labctl.graph escapes what it writes


# --- expected beside seen -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pair:
    """``state``: lacking was expected and not seen, extra the reverse; open: the two cannot be laid side by side."""

    key: str
    expected: str
    seen: str
    state: State


def side_by_side(expected: Any, seen: Any) -> list[Pair]:
    """One a key where both are objects, one a line where both are lists; none when neither says anything. Pure."""
    if expected is None and seen is None:
        return []
    pairs = list(_pairs("", expected, {} if isinstance(expected, Mapping) and seen is None else seen))
    if len(pairs) > LONGEST:
        pairs.sort(key=lambda row: row.state in ("same", "open"))  # what differs first: it must not be what is cut
        pairs = [*pairs[:LONGEST], Pair(f"and {len(pairs) - LONGEST} more", "", "", "open")]
    return pairs


def _pairs(name: str, expected: Any, seen: Any) -> Iterator[Pair]:
    if isinstance(expected, Mapping) and isinstance(seen, Mapping):
        yield from _key_by_key(name, expected, seen)
    elif _plain_list(expected) and _plain_list(seen) and (expected or seen) and (expected != seen or not name):
        for item in expected:
            yield Pair(name, _text(item), *((_text(item), "same") if item in seen else ("", "lacking")))
        yield from (Pair(name, "", _text(item), "extra") for item in seen if item not in expected)
    else:
        yield Pair(name, _text(expected), _text(seen), _state(expected, seen))


def _key_by_key(name: str, expected: Mapping[str, Any], seen: Mapping[str, Any]) -> Iterator[Pair]:
    lacking: State = "lacking" if expected.keys() & seen.keys() or not seen else "open"  # else of other things
    for key in dict.fromkeys((*expected, *seen)):
        inner = f"{name}.{key}" if name else str(key)
        if key not in expected:
            yield Pair(inner, "", _text(seen[key]), "open")  # more was seen than was asked for
        elif key not in seen:
            yield Pair(inner, _text(expected[key]), "", lacking)
        else:
            yield from _pairs(inner, expected[key], seen[key])


def _plain_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value)


def _state(expected: Any, seen: Any) -> State:
    if seen in (expected, [expected]):
        return "same"
    if isinstance(expected, Mapping | list) is not isinstance(seen, Mapping | list):
        return "open"
    return "differs"


def _text(value: Any) -> str:
    text = "nothing" if value is None else value
    if _plain_list(value):
        text = ", ".join(map(str, value)) or "none"
    elif not isinstance(text, str):
        text = json.dumps(value, ensure_ascii=False, default=str)
    more = len(text) - WIDEST
    return f"{text[:WIDEST]} … and {more} more characters" if more > 0 else text


# --- captures, read again: the packet that a check was judged by, as layers beside the paper's ------------------------


@dataclass(frozen=True, slots=True)
class Layer:
    """``kind`` is for drawing: ethernet, tag, outer, ip, vxlan, transport, http. ``fields``: name and value."""

    kind: str
    name: str
    fields: tuple[tuple[str, str], ...] = ()


def _layer(kind: str, name: str, **fields: str | None) -> Layer:
    """``from_`` and the like are names that Python has taken, or that have a blank; None: nothing is said of it."""
    rows = tuple((key.strip("_").replace("_", " "), value) for key, value in fields.items() if value is not None)
    return Layer(kind, name, rows)


def _ip(where: str, ends: Sequence[Collection[str]], ttl: str | None, carries: str | None) -> Layer:
    """``where``: outer, inner, or nothing; ``ends``: its sources, its targets."""
    six = any(":" in address for addresses in ends for address in addresses)
    name = f"{where} IPv{6 if six else 4}".strip()
    carried = PROTOCOLS.get(carries, carries) if carries else None
    kind = "outer" if where == "outer" else "ip"
    return _layer(kind, name, from_=_any(ends[0]), to=_any(ends[1]), ttl=ttl, carries=carried)


def _any(values: Collection[str] | None) -> str | None:
    return None if values is None else " or ".join(sorted(values)) or "nothing"


def layers(packet: Packet) -> tuple[Layer, ...]:
    """Every header of a packet, the outermost first."""
    found: list[Layer] = []
    headers = [header for frame in packet.frames for header in frame.headers]
    for frame in packet.frames:
        found += [_layer("vxlan", "VXLAN", VNI=str(frame.vni))] if frame.vni is not None else []
        found.append(_layer("ethernet", "Ethernet", from_=frame.source, to=frame.target))
        found += [_layer("tag", "802.1Q", VLAN=str(frame.vlan))] if frame.vlan is not None else []
        for header in frame.headers:
            where = "" if len(headers) == 1 else "inner" if header is headers[-1] else "outer"
            found.append(_ip(where, ([header.source], [header.target]), str(header.ttl), header.protocol))
            found += _transport(header)
    return tuple(found)


def _transport(header: Header) -> Iterator[Layer]:
    if header.protocol == "icmp":
        six = ":" in header.source
        kind = f"{ECHO_TYPES[header.echo, six]} echo {header.echo}" if header.echo else None
        yield _layer("transport", "ICMPv6" if six else "ICMP", type=kind)
    elif header.protocol in ("tcp", "udp"):
        tcp = header.protocol == "tcp"
        length = str(len(header.payload)) if header.payload and tcp else None
        ports = {"from_": str(header.source_port), "to": str(header.target_port)}
        yield _layer("transport", PROTOCOLS[header.protocol], **ports, length=length)
        request = http_request(header.payload) if tcp else None
        if request:
            yield _layer("http", "HTTP", request=request[0], host=request[1] or None)


def expected_layers(expected: ExpectedPacket) -> tuple[Layer, ...]:
    """What a packet must be, in the same words; a layer of which nothing is asked is left out."""
    found: list[Layer] = []
    if expected.source_macs is not None or expected.macs is not None:
        found.append(_layer("ethernet", "Ethernet", from_=_any(expected.source_macs), one_end=_any(expected.macs)))
    found += [_layer("tag", "802.1Q", VLAN=str(expected.vlan))] if expected.vlan is not None else []
    outer, inner = expected.outer, expected.inner
    if outer:
        found.append(_ip("outer", (outer.sources, outer.targets), None, outer.protocol))
    found.append(_ip("inner" if outer else "", (inner.sources, inner.targets), None, inner.protocol))
    if inner.port:
        found.append(_layer("transport", PROTOCOLS.get(inner.protocol or "", "port"), to=str(inner.port)))
    return tuple(found)


# --- the paper's packets ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Printed:
    """A capture that the white paper prints for one of its two use cases.

    Values are those of the paper, repaired where its print is damaged. A lab's own values differ where the lab says so:
    other pods, other MAC addresses, ports chosen by the sender.
    """

    title: str
    layers: tuple[Layer, ...]


_NODE1, _NODE2, _LEAF = "fe:f8:86:b8:5f:7e", "32:73:87:0b:5f:3f", "6c:31:0e:b3:7c:47"
PING_AT_NODE = Printed(
    "ping pod to pod, at node1's bond0",
    (
        _layer("ethernet", "Ethernet", from_=_NODE1, to=_NODE2),
        _layer("outer", "outer IPv4", from_="192.168.1.10", to="192.168.1.11", carries=IPIP),
        _layer("ip", "inner IPv4", from_="10.233.102.136", to="10.233.75.7", carries="ICMP"),
        _layer("transport", "ICMP", type="8 echo request"),
    ),
)
PING_AT_LEAF = Printed(
    "ping pod to pod, at the leaf's port-channel",
    (
        _layer("ethernet", "Ethernet", from_=_NODE2, to=_NODE1),
        _layer("tag", "802.1Q", VLAN="0", PRI="0", DEI="0"),
        _layer("outer", "outer IPv4", from_="192.168.1.11", to="192.168.1.10", carries=IPIP),
        _layer("ip", "inner IPv4", from_="10.233.75.7", to="10.233.102.136", carries="ICMP"),
        _layer("transport", "ICMP", type="0 echo reply"),
    ),
)
CURL_AT_LEAF = Printed(
    "curl of a ClusterIP, at the leaf's port-channel",
    (
        _layer("ethernet", "Ethernet", from_=f"{_LEAF} (Cisco)", to=_NODE1),
        _layer("tag", "802.1Q", VLAN="3001"),
        _layer("ip", "IPv4", from_="192.168.1.13", to="10.233.102.141", carries="TCP"),
        _layer("transport", "TCP", from_="22996", to="80", length="76"),
        _layer("http", "HTTP", request="GET / HTTP/1.1", host="10.233.0.100"),
    ),
)


def printed_like(found: Sequence[Layer]) -> Printed | None:
    """The paper's capture of the same kind of packet; None where the paper shows none.

    The paper captured IPv4 alone: the echo request at a node, the reply with a tag at the leaf, the HTTP request with a
    tag at the leaf.
    """
    names = {layer.name for layer in found}
    if "VXLAN" in names:
        return None
    if {"outer IPv4", "inner IPv4", "ICMP"} <= names:
        return PING_AT_LEAF if "802.1Q" in names else PING_AT_NODE
    if {"IPv4", "TCP"} <= names and any(("to", "80") in layer.fields for layer in found if layer.name == "TCP"):
        return CURL_AT_LEAF
    return None


@dataclass(frozen=True, slots=True)
class CaptureShown:
    """One pcap file. ``wrong`` says why the packet that is shown does not fit; empty when it does."""

    file: str
    there: bool
    packets: int = 0
    fitting: int = 0
    expected: tuple[Layer, ...] = ()
    layers: tuple[Layer, ...] = ()
    wrong: tuple[str, ...] = ()
    printed: Printed | None = None

    @property
    def sentence(self) -> str:
        """What there is in the file."""
        if not self.there:
            return "the file is missing"
        if not self.packets:
            return "no packet"
        number = self.fitting if self.fitting or self.wrong else "none"
        return f"{self.packets} packet{'s' * (self.packets != 1)}, {number} as expected"


def captures_shown(folder: EvidenceFolder, check: Mapping[str, Any]) -> tuple[CaptureShown, ...]:
    """Every pcap of a check, in its order. What cannot be read is shown as missing, never left out."""
    try:
        expected = ExpectedPacket.from_json(check["expected"] or {})
    except ValueError:
        expected = None
    return tuple(_shown(folder, name, expected) for name in check["captures"])


def _shown(folder: EvidenceFolder, name: str, expected: ExpectedPacket | None) -> CaptureShown:
    data = folder.read(name)
    if data is None:
        return CaptureShown(name, there=False)
    packets = decode(data)
    if expected is None:
        return CaptureShown(name, there=True, packets=len(packets))
    found = find(packets, expected)
    # the first that carries an HTTP request, else the first: a SYN says less
    asking = (packet for packet in found.packets if packet.inner and http_request(packet.inner.payload))
    packet = next(asking, found.packets[0] if found.packets else found.almost)
    drawn = layers(packet) if packet else ()
    wrong = tuple(differences(packet, expected)) if packet and not found.packets else ()
    return CaptureShown(
        name, there=True, packets=len(packets), fitting=len(found.packets), expected=expected_layers(expected),
        layers=drawn, wrong=wrong, printed=printed_like(drawn),
    )  # fmt: skip


def count_packets(folder: EvidenceFolder) -> Iterator[tuple[str, int | None, int]]:
    """(file, packets or None when it is missing, bytes) of every capture that a check names, each once."""
    for name in dict.fromkeys(name for check in folder.checks for name in check["captures"]):
        data = folder.read(name)
        yield name, None if data is None else len(decode(data)), len(data or b"")
