"""``labctl capture``."""

from __future__ import annotations

import os
import re
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from labctl.cli.labs import Lab, OnLab, lab_argument, lab_nodes, typed_lab
from labctl.cli.options import completing, refuse
from labctl.cli.output import say
from labctl.errors import LabctlError, UsageError
from labctl.state import LabState

if TYPE_CHECKING:
    from labctl.guest.api import Capture


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Nodes, then the ports that the lab's cables have, and bundles."""
    lab = typed_lab(context)
    node, separator, _ = incomplete.partition(":")
    names = _interfaces(lab, node) if lab and separator else lab_nodes(lab) if lab else []
    places = [f"{node}:{name}" if separator else f"{name}:" for name in names]
    return completing(lambda _context: places)(context, parameter, incomplete)


def _interfaces(lab: LabState, node: str) -> list[str]:
    """Of the folder alone, so that Tab asks no node; empty where there is none that can be read."""
    from labctl.folder import load_folder

    try:
        folder = load_folder(lab.folder)
        config = (folder.path / "nxos" / f"{node}.cfg").read_text() if node in folder.lab.switches else ""
        ports = folder.lab.interfaces(node)
    except (LabctlError, OSError, KeyError):
        return []
    bundles = re.findall(r"(?m)^interface (port-channel\d+)$", config) if config else ["bond0"]
    return [*ports, *bundles]


@click.command(cls=OnLab)
@lab_argument
@click.argument("place", shell_complete=_complete, metavar="NODE:IFACE")
@click.argument("expression", nargs=-1, metavar="[FILTER...]")
@click.option("-w", "--write", "target", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
              help="File to write, '-' for stdout.  [default: NODE-IFACE.pcap]")  # fmt: skip
@click.option("-c", "--count", type=click.IntRange(min=1), help="Stop after this many packets.")
def command(lab: Lab, place: str, expression: tuple[str, ...], target: Path | None, count: int | None) -> None:
    """Capture packets on an interface until Ctrl-C, as a pcap file. On a switch short names do: eth1/1, po11.

    \b
    labctl capture whitepaper node01:bond0 -w - | wireshark -k -i -
    labctl capture whitepaper leaf2101:po11 -- icmp
    labctl capture whitepaper leaf2101:eth1/1 -c 10
    """
    from labctl.guest.api import AgentError
    from labctl.nxos.normal import interface_name

    node, _, interface = place.partition(":")
    hint = "node01:bond0, leaf2101:port-channel11"
    refuse(not node or not interface, f"{place!r} is no NODE:IFACE", code="bad-place", hint=hint)
    path = target or Path(f"{node}-{interface.replace('/', '_')}.pcap")
    to_stdout = str(path) == "-"
    terminal = to_stdout and sys.stdout.isatty()
    refuse(terminal, "a pcap on a terminal helps nobody", code="pcap-on-terminal", hint="-w FILE, or pipe it")
    if node in lab.nodes("switch"):
        interface = interface_name(interface) or interface
    wanted = " ".join(expression)
    try:
        capture = lab.endpoints().capture(node, interface, wanted)
    except AgentError as error:
        if error.cause != "filter":
            raise
        why = error.message.removeprefix("capture: ").removeprefix("tcpdump: ")
        message = f"{wanted!r} is no capture filter: {why}"
        raise UsageError(message, code="bad-filter", hint="see pcap-filter(7)") from None
    say(f"capturing on {interface} of {node}" + ("" if count else "; Ctrl-C ends it"))
    if to_stdout:
        packets = _copy(capture, sys.stdout.buffer, count)
    else:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            packets = _copy(capture, stream, count)
    say(f"{packets} packets" + ("" if to_stdout else f" in {path}"))


def _copy(capture: Capture, target: BinaryIO, count: int | None) -> int:
    """Until the capture ends, ``count`` packets were copied or the user presses Ctrl-C; returns their number.

    Packet by packet, so that what was written is a whole file whenever it ends.
    """
    from labctl.runtime.pcap import Records

    records, packets = Records(), 0
    try:
        while (count is None or packets < count) and (piece := capture.read()) is not None:
            begun = bool(records.header)
            new = list(islice(records.feed(piece), None if count is None else count - packets))
            target.write(b"".join([b"" if begun else records.header, *new]))
            target.flush()
            packets += len(new)
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        capture.close()
    return packets
