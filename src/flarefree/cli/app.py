"""The commands of `flarefree`, named here and imported only when one of them is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click
import typer

from flarefree.errors import FlarefreeError

__all__ = ["run"]

# Name of the command -> (module, attribute, one line for --help).  `--help` must answer at once, so
# the modules, and what they import, wait until their command is called.
_COMMANDS = {
    "demo": ("flarefree.cli.analyze", "demo", "Run the whole job on one virtual trial."),
    "analyze": ("flarefree.cli.analyze", "analyze", "Analyze a study and write its report."),
    "check": ("flarefree.cli.check", "check_command", "Report everything that is odd in a study's data."),
    "explain": ("flarefree.cli.explain", "explain_command", "Say why a patient had an endpoint, or had not."),
    "protocols": ("flarefree.cli.protocols", "app", "List, show and check protocols."),
}


class LazyCommands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, in the order that a newcomer would try them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        return _as_click(getattr(import_module(module), attribute), cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for a misspelt command."""
        if args and args[0] not in _COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else f" There are {', '.join(_COMMANDS)}."
            raise click.UsageError(f"No command named {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in _COMMANDS.items()])


def _as_click(command: Any, name: str) -> click.Command:
    if isinstance(command, click.Command):
        return command
    app = command
    if not isinstance(app, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        app.command(name=name)(command)
    click_command = typer.main.get_command(app)
    click_command.name = name
    return click_command


_EPILOG = "Example: flarefree demo --out demo, then open demo/report.html"


@click.group(cls=LazyCommands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flarefree", prog_name="flarefree")
def flarefree() -> None:
    """Run a lupus nephritis trial from one protocol file."""


def run(arguments: list[str] | None = None) -> None:
    """Run the command line with these words (the process's own if none) and exit."""
    try:
        code = flarefree.main(args=arguments, prog_name="flarefree", standalone_mode=False)
    except FlarefreeError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        print("Stopped.", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)
