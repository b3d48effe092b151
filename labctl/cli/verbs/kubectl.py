"""``labctl kubectl``."""

from __future__ import annotations

import os

import click

from labctl.cli.labs import Lab, OnLab, lab_argument
from labctl.cli.output import result

PRINT, SHOW = "--print-kubeconfig", "--show"


@click.command(cls=OnLab, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@lab_argument
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[--] ARGS...")
@click.option(PRINT, "printed", is_flag=True, help="Print the path of LAB's kubeconfig instead of running kubectl.")
@click.option(SHOW, "shown", is_flag=True, help=f"With {PRINT}: its contents instead of its path.")
def command(lab: Lab, argv: tuple[str, ...], printed: bool, shown: bool) -> None:
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
