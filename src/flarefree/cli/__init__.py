"""The command line: one module per command group, nothing heavy imported before it is asked for.

Takes words and files; gives pages, files and exit codes (0 done, 1 findings, 2 cannot go on).
Begin reading at `main`; each command's module holds its words and hands on to the library.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; errors that a user can mend are printed without a traceback."""
    from flarefree.cli.app import run

    run()
