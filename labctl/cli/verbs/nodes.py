"""Verbs that lead into the nodes of a lab, and bring out what is in them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import threading
from contextlib import closing, nullcontext, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import click

from labctl.cli.labs import Lab, OnLab, complete_nodes, complete_switches, lab_argument, lab_nodes, typed_lab
from labctl.cli.options import completing, json_option, refuse
from labctl.cli.output import answer, json_text, result, say
from labctl.errors import ExitCode, HostError, InconclusiveError, LabctlError, NotStarted, UsageError, did_you_mean
from labctl.state import LabState

if TYPE_CHECKING:
    from labctl.folder import Lab as Rendered
    from labctl.guest.api import Capture
    from labctl.runtime.api import SshEndpoint

group = click.Group()


@group.command(cls=OnLab, context_settings={"ignore_unknown_options": True})
@lab_argument
@click.argument("switch", shell_complete=complete_switches)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD...]")
@click.option("--console", is_flag=True, help="The serial console, before SSH answers. `~.` after Enter leaves it.")
def ssh(lab: Lab, switch: str, argv: tuple[str, ...], console: bool) -> None:
    """Log in to SWITCH of LAB with the host's ssh, or run CMD on it; the exit code is ssh's.

    Any other client logs in with the file that `labctl inventory LAB --format ssh` prints.

    vrnetlab holds the console itself until it has configured the switch: until then nothing comes there, and
    `labctl logs LAB SWITCH` shows what it reads. Without a terminal, what comes is printed until Ctrl-C.

    \b
    labctl ssh whitepaper leaf2101
    labctl ssh whitepaper leaf2101 -- show vpc
    labctl ssh whitepaper leaf2101 --console
    """
    refuse(console and argv, "a console is typed at: CMD goes without --console")
    if console:
        from labctl.cli.terminal import join_console

        join_console(lab.endpoints(), switch)
        return
    shell = shlex.join(["labctl", "exec", lab.name, switch, *(["--", *argv] if argv else [])])
    message = f"{switch} is a node, not a switch: it has a shell, but no SSH"
    node = switch in lab.nodes() and switch not in lab.nodes("switch")
    refuse(node, message, code="no-such-switch", next_command=shell)
    _become_ssh(lab, switch, argv)


def _become_ssh(lab: Lab, switch: str, argv: tuple[str, ...]) -> NoReturn:
    """Replace this process by ssh. Raises `HostError` where there is none."""
    endpoint = lab.endpoints().ssh(switch)
    program = shutil.which("ssh")
    if program is None:
        hint = f"any SSH client can log in: {endpoint.username}@{endpoint.host} port {endpoint.port}"
        message, install = "there is no ssh client on this host", "apt-get install openssh-client"
        raise HostError(message, code="no-ssh", hint=hint, next_command=install)
    os.execv(program, ["ssh", "-F", str(endpoint.config_file), switch, *argv])  # noqa: S606 - becoming ssh is the point


SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")


@group.command("exec", cls=OnLab, context_settings={"ignore_unknown_options": True})
@lab_argument
@click.argument("node", shell_complete=complete_nodes)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD...]")
@click.option("--linux", is_flag=True, help="On a switch: in the Linux below it, not on its NX-OS command line.")
def exec_(lab: Lab, node: str, argv: tuple[str, ...], linux: bool) -> None:
    """Run CMD in NODE of LAB: on a switch at its NX-OS command line. Without CMD, a shell (or the switch's login).

    The exit code is the command's: 127 where NODE has no such program, 126 for one that cannot be executed.

    \b
    labctl exec whitepaper node01 -- ip route
    labctl exec whitepaper leaf2101 -- show bgp l2vpn evpn summary
    labctl exec whitepaper node01
    """
    if node in lab.nodes("switch") and not linux:
        _become_ssh(lab, node, argv)
    from labctl.cli.terminal import join
    from labctl.guest.api import AgentError

    argv = argv or SHELL
    try:
        code = join(lab.endpoints(), node, argv)
    except AgentError as error:
        if error.cause == "ENOENT":
            hint = "a line for a shell goes as: -- sh -c 'LINE'"
            raise NotStarted(f"{node} has no program {argv[0]}", ExitCode.NOT_FOUND, hint=hint) from None
        if error.cause in ("EACCES", "ENOEXEC"):
            raise NotStarted(f"{node}: {argv[0]} cannot be executed", ExitCode.NOT_EXECUTABLE) from None
        raise
    sys.exit(code)


PRINT, SHOW = "--print-kubeconfig", "--show"


@group.command(cls=OnLab, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@lab_argument
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[--] ARGS...")
@click.option(PRINT, "printed", is_flag=True, help="Print the path of LAB's kubeconfig instead of running kubectl.")
@click.option(SHOW, "shown", is_flag=True, help=f"With {PRINT}: its contents instead of its path.")
def kubectl(lab: Lab, argv: tuple[str, ...], printed: bool, shown: bool) -> None:
    """Run kubectl against LAB: one of 1.31 or newer from PATH, else the one that setup brought.

    \b
    labctl kubectl whitepaper -- get pods -A -o wide
    labctl kubectl -- get nodes
    export KUBECONFIG=$(labctl kubectl --print-kubeconfig whitepaper)
    """
    from labctl.cli.hosts import brought_kubectl
    from labctl.kube.kubectl import find_kubectl

    if argv[:1] == (PRINT,):  # typed behind LAB, where all words are kubectl's
        printed, shown = True, shown or SHOW in argv
    kubeconfig = lab.endpoints().kubeconfig()
    if printed:
        result(kubeconfig.read_text().rstrip() if shown else str(kubeconfig))
        return
    program = str(find_kubectl(brought_kubectl()))
    # kubectl's cache of the API's discovery would outlive the lab in the user's home.
    cache = {"KUBECACHEDIR": str(kubeconfig.parent / "kubectl-cache")}
    environment = {**cache, **os.environ, "KUBECONFIG": str(kubeconfig)}
    arguments = argv[1:] if argv[:1] == ("--",) else argv
    os.execve(program, ["kubectl", *arguments], environment)  # noqa: S606 - becoming kubectl is the point


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


@group.command(cls=OnLab)
@lab_argument
@click.argument("place", shell_complete=_complete, metavar="NODE:IFACE")
@click.argument("expression", nargs=-1, metavar="[FILTER...]")
@click.option("-w", "--write", "target", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
              help="File to write, '-' for stdout.  [default: NODE-IFACE.pcap]")  # fmt: skip
@click.option("-c", "--count", type=click.IntRange(min=1), help="Stop after this many packets.")
def capture(lab: Lab, place: str, expression: tuple[str, ...], target: Path | None, count: int | None) -> None:
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
    private = partial(os.open, mode=0o600)
    with nullcontext(sys.stdout.buffer) if to_stdout else open(path, "wb", opener=private) as stream:
        packets = _copy(capture, stream, count)
    say(f"{packets} packets" + ("" if to_stdout else f" in {path}"))


def _copy(capture: Capture, target: BinaryIO, count: int | None) -> int:
    """Until the capture ends, ``count`` packets were copied or the user presses Ctrl-C; returns their number.

    Packet by packet, so that what was written is a whole file whenever it ends.
    """
    from labctl.runtime.pcap import Records

    records, packets = Records(), 0
    with closing(capture), suppress(KeyboardInterrupt):  # the way to end it
        while (count is None or packets < count) and (piece := capture.read()) is not None:
            begun = bool(records.header)
            new = list(islice(records.feed(piece), None if count is None else count - packets))
            target.write(b"".join([b"" if begun else records.header, *new]))
            target.flush()
            packets += len(new)
    return packets


HEADING = re.compile(r"^==> (.*) <==$", re.MULTILINE)
PAUSE = 1.0
"""Seconds between two looks for new lines."""
Logs = dict[str, list[str]]


@group.command(cls=OnLab)
@lab_argument
@click.argument("node", required=False, shell_complete=complete_nodes)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("-n", "--tail", type=click.IntRange(min=0), metavar="N", help="Of each log the last N lines.")
def logs(lab: Lab, node: str | None, follow: bool, tail: int | None) -> None:
    """Logs of LAB: its daemon, guest, control plane and front ends, or those of one NODE (or process) alone.

    \b
    labctl logs whitepaper leaf2101
    labctl logs whitepaper --tail 20 -f
    """
    processes = sorted(path.stem for path in lab.state_folder.logs.glob("*.log"))
    known = list(dict.fromkeys([*lab.nodes(), *processes]))
    if node is not None and node not in known:
        hint = did_you_mean(node, known, f"it has {', '.join(known)}")
        raise UsageError(f"lab {lab.name} has no node or process {node}", code="no-such-node", hint=hint)
    seen = _logs(lab, node)
    if not seen and not follow:
        message = f"nothing was logged{f' of {node}' if node else ''} in lab {lab.name}"
        instead = f"labctl {'logs' if node else 'status'} {lab.name}"
        raise InconclusiveError(message, code="no-logs", next_command=instead)
    last = _tell({name: lines if tail is None else lines[len(lines) - tail :] for name, lines in seen.items()}, "")
    if follow:
        _follow(lab, node, seen, last)


def _logs(lab: Lab, node: str | None) -> Logs:
    """Lines by the heading that stands over them."""
    parts = HEADING.split(lab.runtime.logs(node))
    return {name: body.strip("\n").splitlines() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _tell(found: Logs, last: str) -> str:
    """Print them, with a heading wherever it is another log; returns the one that was printed last."""
    for name, lines in found.items():
        if lines:
            result("\n".join([*([f"==> {name} <=="] if name != last else []), *lines]))
            last = name
    return last


def _follow(lab: Lab, node: str | None, seen: Logs, last: str) -> None:
    pause = threading.Event()
    with suppress(KeyboardInterrupt):  # the way to end it
        while lab.state_folder.exists:
            pause.wait(PAUSE)
            now = _logs(lab, node)
            last = _tell({name: _added(seen.get(name, []), lines) for name, lines in now.items()}, last)
            seen |= now
        say(f"lab {lab.name} is gone")


def _added(before: list[str], now: list[str]) -> list[str]:
    """What has come: a log grows at its end, and of a long one only the end may be shown."""
    same = (kept for kept in range(min(len(before), len(now)), 0, -1) if before[-kept:] == now[:kept])
    return now[next(same, 0) :]


@group.command(cls=OnLab)
@lab_argument
@click.option("--format", "form", type=click.Choice(["ssh", "ansible", "nornir", "json"]), default="ssh",
              show_default=True, help="ssh_config(5); Ansible's YAML; hosts of Nornir's SimpleInventory.")  # fmt: skip
def inventory(lab: Lab, form: str) -> None:
    """Print how stock tools reach the switches of running LAB; json has its other nodes, too.

    Ansible and Nornir get the lab's key, and the password where there is none: keep what is printed to yourself.

    \b
    labctl inventory whitepaper > lab.ssh; ssh -F lab.ssh leaf2101
    labctl inventory whitepaper --format ansible > hosts.yml; ansible-inventory -i hosts.yml --list
    labctl inventory whitepaper --format nornir > hosts.yaml
    """
    endpoints = lab.endpoints()  # a lab that does not run is an error, not an old file
    if form == "ssh":
        config = lab.state_folder.ssh_config
        if not config.is_file():
            message = f"no switch of lab {lab.name} takes logins yet"
            raise InconclusiveError(message, code="not-running", next_command=f"labctl status {lab.name}")
        result(config.read_text().rstrip())
        return
    import yaml

    rendered = lab.folder().lab
    switches = {name: endpoints.ssh(name) for name in rendered.switches}
    if form == "json":
        result(json_text(_json(lab, rendered, switches)))
        return
    body = (_ansible if form == "ansible" else _nornir)(rendered, switches)
    result(yaml.safe_dump(body, sort_keys=False).rstrip())


def _ansible(rendered: Rendered, switches: dict[str, SshEndpoint]) -> dict[str, Any]:
    """One group a role under ``switches``, for cisco.nxos over network_cli. The lab's host keys are not the user's."""
    groups: dict[str, Any] = {}
    for name, ssh in switches.items():
        group = groups.setdefault(f"{rendered.nodes[name].role}s", {"hosts": {}})
        facts = {"ansible_host": ssh.host, "ansible_port": ssh.port, "ansible_user": ssh.username}
        login = ("ssh_private_key_file", str(ssh.key_file)) if ssh.key_file else ("password", ssh.password)
        group["hosts"][name] = facts | {f"ansible_{login[0]}": login[1]}
    settings = {
        "ansible_connection": "ansible.netcommon.network_cli",
        "ansible_network_os": "cisco.nxos.nxos",
        "ansible_host_key_checking": False,
    }
    return {"all": {"children": {"switches": {"vars": settings, "children": groups}}}}


def _nornir(rendered: Rendered, switches: dict[str, SshEndpoint]) -> dict[str, Any]:
    """``hosts.yaml`` of SimpleInventory; the platform is netmiko's name, scrapli has one of its own."""
    body: dict[str, Any] = {}
    for name, ssh in switches.items():
        key = str(ssh.key_file)
        netmiko = {"use_keys": True, "key_file": key} if ssh.key_file else {}
        scrapli = {"auth_strict_key": False} | ({"auth_private_key": key} if ssh.key_file else {})
        login = {"hostname": ssh.host, "port": ssh.port, "username": ssh.username}
        login |= {} if ssh.key_file else {"password": ssh.password}
        options = {"netmiko": {"extras": netmiko}, "scrapli": {"platform": "cisco_nxos", "extras": scrapli}}
        facts = {"platform": "cisco_nxos", "data": {"role": rendered.nodes[name].role}}
        body[name] = login | facts | {"connection_options": options}
    return body


def _json(lab: Lab, rendered: Rendered, switches: dict[str, SshEndpoint]) -> dict[str, Any]:
    seen, rows = lab.runtime.observe().nodes, []
    for name, node in rendered.nodes.items():
        row: dict[str, Any] = {"name": name, "kind": node.kind, "role": node.role}
        if ssh := switches.get(name):
            row |= {"host": ssh.host, "port": ssh.port, "username": ssh.username, "network_os": "nxos"}
            row |= {"key_file": str(ssh.key_file)} if ssh.key_file else {"password": ssh.password}
        else:
            row["exec"] = ["labctl", "exec", lab.name, name, "--"]
        rows.append(row | {"management": seen[name].management if name in seen else None})
    return {
        "schema": "labctl.inventory/v1",
        "lab": lab.name,
        "ssh_config": str(lab.state_folder.ssh_config),
        "kubeconfig": str(lab.endpoints().kubeconfig()) if rendered.kube_nodes else None,
        "nodes": rows,
    }


@group.command(cls=OnLab)
@lab_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR|FILE.tar.gz",
              help="Default: ./LAB-configs; of a test case ./LAB-record.tar.gz.")  # fmt: skip
@click.option("--test-case", is_flag=True, help="A session with the switches, redacted, as its owner can send it.")
@click.option("--push", "push_again", is_flag=True,
              help="With --test-case: push each configuration once more; traffic may stop meanwhile.")  # fmt: skip
@json_option
def save(lab: Lab, output: Path | None, test_case: bool, push_again: bool) -> None:
    """Save the running configuration of LAB's switches: as startup on each, and a copy of each as a file (0600).

    With --test-case nothing is saved on them, but recorded: every line that they are sent (gates, the show commands of
    checks, the configuration) with the raw answers.

    \b
    labctl save whitepaper -o configs
    labctl save whitepaper --test-case
    """
    refuse(push_again and not test_case, "--push goes with --test-case")
    if test_case:
        _test_case(lab, output or Path(f"{lab.name}-record.tar.gz"), push_again=push_again)
    else:
        _configurations(lab, output or Path(f"{lab.name}-configs"))


def _configurations(lab: Lab, target: Path) -> None:
    from labctl.engine.proving import login
    from labctl.engine.saving import save_all

    refuse(target.is_file(), f"{target} is a file, and each configuration becomes one in a folder")
    endpoints, folder = lab.endpoints(), lab.folder()
    saved = save_all(folder.lab.switches, partial(login, lab.state_folder, endpoints), target)
    rows = [{"switch": name, "file": str(file), "lines": lines} for name, (file, lines) in saved.items()]
    body = {"schema": "labctl.save/v1", "lab": lab.name, "folder": str(target), "switches": rows}
    answer(body, *(f"{name}: saved, {lines} lines in {file}" for name, (file, lines) in saved.items()))


def _test_case(lab: Lab, target: Path, *, push_again: bool) -> None:
    from labctl.engine.proving import open_session
    from labctl.engine.saving import record, write
    from labctl.nxos.session import NxosSession, Tap
    from labctl.parallel import raise_all

    endpoints, folder = lab.endpoints(), lab.folder()

    def login(switch: str, tap: Tap) -> NxosSession:
        return open_session(switch, endpoints, folder.lab.target, tap=tap)

    with lab.state_folder.lock():
        recording = record(folder, login, push_again=push_again)
    path = write(recording, target)
    rows = [{"switch": row["name"], "lines": len(row["exchanges"])} for row in recording.body["switches"]]
    body = {"schema": "labctl.save/v1", "lab": lab.name, "file": str(path), "switches": rows}
    answer(body, f"{path}: {sum(row['lines'] for row in rows)} lines of {len(rows)} switches")
    taken = ", ".join(f"{count} {what}" for what, count in recording.redacted.items())
    say(f"taken out: {taken or 'nothing'}; read it before you send it")
    raise_all(recording.wrong)
