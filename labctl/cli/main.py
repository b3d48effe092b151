"""The ``labctl`` command: a table of verbs, each in its own file, imported only when it is used."""

from __future__ import annotations

import importlib
import os
import sys

import click

from labctl import __version__
from labctl.cli.interrupt import listen
from labctl.errors import ExitCode, LabctlError

VERBS: dict[str, str] = {
    "init": "Write a commented spec to start from.",
    "validate": "Check a spec; all problems at once.",
    "generate": "Render the artifact folder of a spec.",
    "up": "Boot, configure and prove a lab.",
    "verify": "Run the scenarios on a running lab.",
    "reset": "Bring a lab back to what up left, without a new boot.",
    "watch": "A live table of a lab's sessions, links and pods.",
    "report": "Render a verification's report again, or compare two.",
    "down": "Remove a lab; nothing is left behind.",
    "list": "Every lab of this user.",
    "status": "What a lab's boxes are doing.",
    "graph": "Draw a lab: boxes, ports, bundles, BGP; as it is configured, or as it runs.",
    "calico": "Calico on the nodes: BGP sessions.",
    "figures": "The white paper's figures and claims, with results.",
    "exec": "Run a command in a node.",
    "ssh": "Log in to a switch.",
    "save": "Save the switches' configurations, there and here.",
    "record": "Record a session with the switches as a test case.",
    "console": "Serial console of a switch, before SSH answers.",
    "kubeconfig": "Path of a lab's kubeconfig.",
    "kubectl": "kubectl against a lab's cluster.",
    "capture": "Capture packets on an interface of a node.",
    "logs": "Logs of a lab or of one node.",
    "images": "Images that a lab needs; load an archive.",
    "recover": "Repair boxes that were restarted.",
    "heal": "Undo what a killed labctl left broken.",
    "rebuild": "Make one switch anew.",
    "setup": "Prepare this host: guest image and control plane.",
    "doctor": "What this host can and cannot do.",
}


class Verbs(click.Group):
    """A group that imports a verb's module only when that verb is called or its help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"labctl.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table above, so that ``labctl --help`` imports no verb."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with a did-you-mean."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}. Did you mean '{near[0]}'?", error.ctx) from None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "LABCTL"})
@click.version_option(__version__, prog_name="labctl")
@click.option("--debug", is_flag=True, envvar="LABCTL_DEBUG", help="Show tracebacks.  [env: LABCTL_DEBUG]")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """From ten lines of YAML to a proven NX-OS VXLAN EVPN lab with Kubernetes and Calico.

    \b
    labctl up topologies/whitepaper.yaml     boot it, prove it
    labctl down whitepaper                   remove it

    Exit codes: 0 passed, 1 a check failed or a switch rejected configuration, 2 usage or spec, 3 inconclusive,
    4 this host cannot, 5 internal, 6 changes pending, 130 interrupted.
    """
    context.obj = {"debug": debug}


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors become text and an exit code; a traceback only with ``--debug``."""
    debug = "--debug" in (arguments or sys.argv[1:]) or bool(os.environ.get("LABCTL_DEBUG"))
    listen()
    try:
        code = cli.main(args=arguments, prog_name="labctl", standalone_mode=False)
    except LabctlError as error:
        if debug:
            raise
        click.echo(f"error: {error.render()}", err=True)
        code = error.exit_code
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        code = ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except BrokenPipeError:
        # the reader of a pipe went away (`labctl list | head`): not an error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    except Exception as error:
        if debug:
            raise
        click.echo(
            f"error: labctl broke: {type(error).__name__}: {error} [internal]\n  next: run it again with --debug",
            err=True,
        )
        code = ExitCode.INTERNAL
    sys.exit(int(code or 0))


if __name__ == "__main__":
    main()
