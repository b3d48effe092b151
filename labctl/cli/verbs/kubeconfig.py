"""``labctl kubeconfig``."""

from __future__ import annotations

import click

from labctl.cli.labs import OnLab, lab_argument, open_lab
from labctl.cli.output import result


@click.command(cls=OnLab)
@lab_argument
@click.option("--show", is_flag=True, help="Print its contents instead of its path.")
def command(lab: str, show: bool) -> None:
    """Print the path of LAB's kubeconfig: export KUBECONFIG=$(labctl kubeconfig LAB).

    \b
    labctl kubeconfig whitepaper
    """
    path = open_lab(lab).endpoints().kubeconfig()
    result(path.read_text().rstrip() if show else str(path))
