"""``labctl kubectl``."""

from __future__ import annotations

import os

import click

from labctl.cli.labs import OnLab, lab_argument, open_lab


@click.command(cls=OnLab, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@lab_argument
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[--] ARGS...")
def command(lab: str, argv: tuple[str, ...]) -> None:
    """Run kubectl against LAB: one of 1.31 or newer from PATH, else the one that setup brought.

    \b
    labctl kubectl whitepaper -- get pods -A -o wide
    labctl kubectl -- get nodes
    """
    from labctl.cli.preparing import brought_kubectl
    from labctl.kube.kubectl import find_kubectl

    kubeconfig = open_lab(lab).endpoints().kubeconfig()
    program = str(find_kubectl(brought_kubectl()))
    # kubectl's cache of the API's discovery would outlive the lab in the user's home.
    cache = {"KUBECACHEDIR": str(kubeconfig.parent / "kubectl-cache")}
    environment = {**cache, **os.environ, "KUBECONFIG": str(kubeconfig)}
    arguments = argv[1:] if argv[:1] == ("--",) else argv
    os.execve(program, ["kubectl", *arguments], environment)  # noqa: S606 - becoming kubectl is the point
