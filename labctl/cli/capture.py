"""``labctl capture``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from labctl.cli.app import lab_argument, lab_nodes, open_lab, say
from labctl.errors import ExitCode, UsageError
from labctl.state import lab_state


def _complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    name = context.params.get("lab")
    nodes = lab_nodes(lab_state(name)) if name else []
    return [CompletionItem(f"{node}:") for node in nodes if node.startswith(incomplete)]


@click.command()
@lab_argument
@click.argument("place", shell_complete=_complete, metavar="NODE:IFACE")
@click.argument("expression", nargs=-1, metavar="[FILTER...]")
@click.option("-w", "--write", "target", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
              help="File to write, '-' for stdout.  [default: NODE-IFACE.pcap]")  # fmt: skip
@click.option("-c", "--count", type=click.IntRange(min=1), help="Stop after this many packets.")
def command(lab: str, place: str, expression: tuple[str, ...], target: Path | None, count: int | None) -> None:
    """Capture packets on an interface until Ctrl-C, as a pcap file.

    \b
    labctl capture whitepaper node01:bond0 -w - | wireshark -k -i -
    labctl capture whitepaper leaf2101:port-channel11 -- icmp
    """
    from labctl.cli.pcapstream import copy_pcap

    node, separator, interface = place.partition(":")
    if not separator or not node or not interface:
        raise UsageError(f"{place!r} is no NODE:IFACE", code="bad-place", hint="node01:bond0, leaf2101:port-channel11")
    path = target or Path(f"{node}-{interface.replace('/', '_')}.pcap")
    to_stdout = str(path) == "-"
    if to_stdout and sys.stdout.isatty():
        raise UsageError("a pcap on a terminal helps nobody", code="pcap-on-terminal", hint="-w FILE, or pipe it")
    capture = open_lab(lab).endpoints().capture(node, interface, " ".join(expression))
    say(f"capturing on {interface} of {node}" + ("" if count else "; Ctrl-C ends it"))
    if to_stdout:
        packets = copy_pcap(capture, sys.stdout.buffer, count)
    else:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            packets = copy_pcap(capture, stream, count)
    say(f"{packets} packets" + ("" if to_stdout else f" in {path}"))
    sys.exit(int(ExitCode.OK))
