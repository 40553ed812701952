"""The commands of `flarefree`, named here and imported only when one of them is called."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

from flarefree.errors import FlarefreeError

__all__ = ["COMMANDS", "HELP", "SUBCOMMANDS", "run"]

_TRACE = "FLAREFREE_TRACEBACK"  # environment variable: show the whole trace of an unforeseen error
_LONGEST = 300

# Name of the command -> (module, attribute, one line for --help).  `--help` must answer at once, so
# the modules, and what they import, wait until their command is called.
COMMANDS = {
    "demo": ("flarefree.cli.analyze", "demo", "Run the whole job on one virtual trial."),
    "analyze": ("flarefree.cli.analyze", "analyze", "Analyze a study and write its report."),
    "check": ("flarefree.cli.check", "check_command", "Report everything that is odd in a study's data."),
    "export": ("flarefree.cli.export", "export", "Take the study out of a running trial, without arms."),
    "explain": ("flarefree.cli.explain", "explain_command", "Say why a patient had an endpoint, or had not."),
    "randomization": (
        "flarefree.cli.randomization",
        "app",
        "Compare schemes of randomization before the first patient.",
    ),
    "simulate": ("flarefree.cli.simulate", "simulate", "Simulate a protocol's trial thousands of times."),
    "serve": ("flarefree.cli.serve", "serve", "Conduct a trial in the browser."),
    "backup": ("flarefree.cli.backup", "backup", "Back up an installation that conducts a trial."),
    "restore": ("flarefree.cli.backup", "restore", "Bring a backup into a new data folder."),
    "protocols": ("flarefree.cli.protocols", "app", "List, show and check protocols."),
    "rehearse": (
        "flarefree.cli.rehearse",
        "rehearse",
        "Rehearse a whole virtual trial through the web API.",
    ),
    "validate": (
        "flarefree.cli.validate",
        "validate",
        "Run the acceptance checks on this copy; a signed report.",
    ),
    "evidence": ("flarefree.cli.evidence", "app", "Read, check and pool the evidence of published trials."),
}

# Commands of a command that has an argument of its own: a word that is one of these is no argument.
SUBCOMMANDS = {
    ("simulate", "calibrate"): ("flarefree.cli.simulate_calibrate", "calibrate_command"),
    ("simulate", "compare"): ("flarefree.cli.simulate_compare", "compare_command"),
}

HELP = """\
Usage: flarefree COMMAND [OPTIONS] [ARGUMENTS]

Run a lupus nephritis trial from one protocol file.

Commands:
{commands}

Options:
  --help     Show this message, or a command's: flarefree analyze --help
  --version  Show the version.

Example:
  flarefree demo --out demo, then open demo/report.html

Exit codes: 0 done, 1 findings (check), 2 cannot go on."""


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line with these words (the process's own if none) and exit."""
    # Our matrices are small: threads of BLAS only wait for one another, for seconds where cores are busy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that has no such character shows a ? for it
            stream.reconfigure(errors="replace")
    if not words or words[0] in ("--help", "-h", "help"):
        _print(help_text())
        sys.exit(0)
    if words[0] in ("--version", "-V"):
        from flarefree._version import __version__

        _print(f"flarefree {__version__}")
        sys.exit(0)
    if words[0] not in COMMANDS:
        _refuse(words[0])
    try:
        _call(words[0], words[1:])
    except FlarefreeError as error:
        _complain(f"{type(error).__name__}: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _complain("Stopped.")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if os.environ.get(_TRACE):
            raise
        _complain(_unexpected(error))
        sys.exit(2)  # 1 would say that there are findings
    sys.exit(0)


def _unexpected(error: Exception) -> str:
    """An error that nobody foresaw, in the four parts of those that were."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "flarefree" in Path(f.filename).parts]
    said = f"{type(error).__name__}: {error}".splitlines()[0]
    if len(said) > _LONGEST:
        said = said[: _LONGEST - 3] + "..."
    if isinstance(error, OSError):  # a file or disk of the user's, most likely
        what, where = "a file cannot be read or written", str(error.filename or "")
        found, try_ = error.strerror or said, ""
    else:
        what = "flarefree met something that it does not expect, and cannot go on"
        where = f"{Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
        found, try_ = said, f"set {_TRACE}=1 to see where; it is an error of flarefree: please report it"
    return f"{type(error).__name__}: {FlarefreeError(what, where=where[:_LONGEST], found=found, try_=try_)}"


def help_text() -> str:
    """What `flarefree --help` prints."""
    lines = (f"  {name:<13} {line}" for name, (_, _, line) in COMMANDS.items())
    return HELP.format(commands="\n".join(lines))


def _call(name: str, words: list[str]) -> None:
    module, attribute, _ = COMMANDS[name]
    if words and (name, words[0]) in SUBCOMMANDS:
        module, attribute = SUBCOMMANDS[name, words[0]]
        name, words = f"{name} {words[0]}", words[1:]
    app: Any = getattr(import_module(module), attribute)
    if not hasattr(app, "registered_commands"):
        import typer

        single = typer.Typer(
            add_completion=False,
            pretty_exceptions_enable=False,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        single.command(name=name)(app)
        app = single
    app(args=words, prog_name=f"flarefree {name}")


def _refuse(word: str) -> NoReturn:
    from difflib import get_close_matches

    near = get_close_matches(word, COMMANDS, n=1)
    hint = f"Did you mean `{near[0]}`?" if near else f"There are {', '.join(COMMANDS)}."
    _complain(f"flarefree has no command {word!r}. {hint}")
    sys.exit(2)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")
