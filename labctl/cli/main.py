"""The ``labctl`` command: a table of verbs, each in the file of its group, imported only when it is used."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from contextlib import suppress
from typing import Any

import click

from labctl import __version__
from labctl.cli.interrupt import listen
from labctl.cli.options import given, kept
from labctl.cli.words import ELSEWHERE, FILES, GROUPS, RENAMED, VERBS, renamed
from labctl.errors import ExitCode, LabctlError, LabError, UsageError, did_you_mean


class Verbs(click.Group):
    """A group that imports a verb's module only when that verb is called or its help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        for title, verbs in GROUPS.items():
            if cmd_name in verbs:
                group: click.Group = importlib.import_module(f"labctl.cli.verbs.{FILES[title]}").group
                return group.commands[cmd_name]
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table of words, so that ``labctl --help`` imports no verb."""
        longest = max(map(len, VERBS))
        for title, verbs in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(verb.ljust(longest), told) for verb, told in verbs.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with our own words of yesterday, what other tools call our verbs, and a did-you-mean."""
        if args[0] in RENAMED:
            word, args = args[0], renamed(args[0], args[1:])
            if not ctx.resilient_parsing:
                click.echo(f"note: labctl {word} is now: {shlex.join(['labctl', *args])}", err=True)
        if args[0] not in VERBS and not args[0].startswith("-"):
            raise _no_verb(*args)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """``labctl help VERB`` is ``labctl VERB --help``."""
        ctx.meta["labctl.typed"] = tuple(args)
        if [word for word in args if not word.startswith("-")][:1] == ["help"]:
            args.remove("help")
            args.append("--help")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """What the operating system refuses is told as a person's error, here for all verbs."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            from labctl.troubles import mute, reader_gone, told

            mute(error)
            if reader_gone(error):
                raise SystemExit(ExitCode.OK) from None
            known = told(error, given("typed"))
            if known is None and isinstance(error, BrokenPipeError):
                known = LabError("a part of the lab closed its connection", next_command="labctl status --all")
            if known is None or given("debug"):
                raise
            raise known from error


def _no_verb(word: str, *rest: str) -> UsageError:
    if word in ELSEWHERE:
        ours, does = ELSEWHERE[word]
        following = "" if any(text.startswith("-") for text in rest) else shlex.join(rest)
        instead = f"labctl {ours} {following}".rstrip()
        return UsageError(f"labctl has no {word}: labctl {ours} {does}", code="no-such-verb", next_command=instead)
    hint = did_you_mean(word, VERBS)
    return UsageError(f"labctl has no {word}", code="no-such-verb", hint=hint, next_command="labctl --help")


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "LABCTL", "max_content_width": 100},
)
@click.version_option(__version__, prog_name="labctl")
@kept("--debug", is_flag=True, envvar="LABCTL_DEBUG", help="Show tracebacks.  [env: LABCTL_DEBUG]")
@kept("-v", "verbosity", count=True, help="Say what labctl does, for a maintainer; -vv: all that it asks, too."
      "  [env: LABCTL_VERBOSITY]")  # fmt: skip
def cli() -> None:
    """From ten lines of YAML to a proven NX-OS VXLAN EVPN lab with Kubernetes and Calico.

    \b
    labctl up whitepaper        boot and prove the white paper's lab
    labctl status               its nodes, and how to reach each
    labctl down whitepaper      remove it
    labctl init && labctl up    begin a lab of your own: lab.yaml
    labctl help repair          which way back is for what; so for every verb

    Exit codes: 0 passed, 1 a check failed or a switch rejected configuration, 2 usage or spec, 3 inconclusive,
    4 this host cannot, 5 internal, 6 changes pending, 130 interrupted;
    exec, ssh and kubectl give the program's own.
    """
    if given("verbosity"):
        from labctl.cli.logfile import log_to_stderr

        log_to_stderr()


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors become text and an exit code; a traceback only with ``--debug``."""
    if "_LABCTL_COMPLETE" in os.environ:
        importlib.import_module("labctl.cli.verbs.host")  # it tells click of our bash
    listen()
    try:
        code = cli.main(args=arguments, prog_name="labctl", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        code = ExitCode.INTERRUPTED
    except click.ClickException as error:
        code = _told(_usage(error))
    except Exception as error:
        if "--debug" in (arguments or sys.argv[1:]) or os.environ.get("LABCTL_DEBUG"):
            raise
        if "labctl.logs" in sys.modules:  # the log of the lab that the verb was about; without a lab there is none
            sys.modules["labctl.logs"].ROOT.info("%s", error, exc_info=error)
        code = _told(error)
    sys.exit(int(code or 0))


def _usage(error: click.ClickException) -> UsageError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "labctl"
    hint = " ".join(context.get_usage().split()[1:]) if context else None
    message = error.format_message().rstrip(".")
    return UsageError(message[:1].lower() + message[1:], hint=hint, next_command=f"{command} --help")


def _told(error: Exception) -> ExitCode:
    """On stderr, plain in a pipe, fitted to a terminal."""
    code, text = ExitCode.INTERNAL, f"labctl broke: {type(error).__name__}: {error} [internal]"
    if isinstance(error, LabctlError):
        code, text = error.exit_code, error.render()
    else:
        text += "\n  next: run it again with --debug"
    with suppress(OSError):  # nobody can be told then: the exit code is the answer
        if sys.stderr.isatty():
            from labctl.cli.output import error_shown
            from labctl.report.style import wants_colour
            from labctl.report.table import width_of

            text = error_shown(text, colour=wants_colour(sys.stderr), width=width_of(sys.stderr) or 80)
        else:
            text = f"error: {text}"
        click.echo(text, err=True)
    return code


if __name__ == "__main__":
    main()
