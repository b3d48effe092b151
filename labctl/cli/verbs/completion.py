"""``labctl completion``, and what bash needs beyond click's own completion: it cuts words at ``:`` and ``=``."""

from __future__ import annotations

import os
import re

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class
from click.shell_completion import split_arg_string as split

from labctl.cli.output import result


class Bash(BashComplete):
    """``node01:eth1`` comes from bash as three words, and what is offered replaces the last of them alone."""

    source_template = BashComplete.source_template.replace(
        "    return 0\n", "    [[ ${COMPREPLY[0]} == *[:=/] ]] && compopt -o nospace\n    return 0\n"
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        cut, current = split(os.environ["COMP_WORDS"]), int(os.environ["COMP_CWORD"])
        words = [""]
        for word in [*cut[: current + 1], *([""] if current >= len(cut) else [])]:
            joined = word in (":", "=") or words[-1].endswith((":", "="))
            words[len(words) - joined :] = [words[-1] + word if joined else word]
        self._kept = len(words[-1]) - len(re.split("[:=]", words[-1])[-1])
        return words[2:-1], words[-1]

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type},{item.value[self._kept :]}"


add_completion_class(Bash)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what SHELL is to read, so that Tab completes verbs, labs, nodes, interfaces, figures and scenarios.

    \b
    source <(labctl completion bash)          in ~/.bashrc
    source <(labctl completion zsh)           in ~/.zshrc, after compinit
    labctl completion fish | source           in ~/.config/fish/config.fish
    """
    from labctl.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has the three that the choice above names
    result(kind(cli, {}, "labctl", "_LABCTL_COMPLETE").source().strip())
