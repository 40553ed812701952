"""M1, M4, A1, A3, A5, A6: the checks of the installed application, as the tests run them."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("number", ["M1", "M4", "A1", "A3", "A5", "A6"])
def test_the_check_passes(databases, number):
    from flarefree.conduct.checks.result import run_check
    from flarefree.web.checks.persons_and_log import CHECKS

    (check,) = (one for one in CHECKS if one.number == number)
    result = run_check(check, quick=True)
    print(result)
    assert result.passed, str(result)


def test_every_command_asks_the_matrix_for_a_right_that_somebody_has(record):
    """A command whose verb nobody holds could never be done; a verb of its own would ask for nothing."""
    from flarefree.web.commands.registry import all_commands
    from flarefree.web.trial import running_trial

    matrix = running_trial().matrix
    held = {cell.verb for cell in matrix.listed}
    for name, command in all_commands().items():
        assert command.verb in matrix.verbs, name
        assert command.is_machine or command.verb in held, name
        assert not any(word in name for word in ("delete", "undo", "remove", "swap", "unrandomize")), name


def test_a_command_that_asks_for_no_right_is_denied_to_everybody(record):
    from datetime import UTC, datetime
    from typing import ClassVar

    from flarefree.conduct.visibility import Actor
    from flarefree.errors import ConductError
    from flarefree.web.commands.base import Asked, Command, Plan, Write
    from flarefree.web.commands.executing import execute
    from flarefree.web.trial import running_trial

    class Careless(Command):
        name: ClassVar[str] = "careless"
        verb: ClassVar[str] = "see"

        def plan(self, asked: Asked) -> Plan:
            write = Write("x", "y", "z", "configuration", "planted", is_consequence=True)
            return Plan("x/y", writes=(write,))

    for role in running_trial().matrix.roles:
        with pytest.raises(ConductError, match="there is nothing here for you"):
            execute(Careless(), Asked(Actor("eve", role), f"r-{role}", datetime(2026, 1, 5, tzinfo=UTC)))


@pytest.mark.slow
def test_what_every_test_does_is_tried_by_every_role_first(tmp_path):
    """The tests of all commands run again with everybody whom the matrix does not list before them (M1)."""
    import os
    import subprocess
    import sys
    from pathlib import Path

    here = Path(__file__).parent
    names = (
        "people_commands", "people_phases", "subjects", "visits", "follow_up", "committee",
        "committee_checks", "doses", "laboratory", "release", "study",
    )  # fmt: skip
    files = [str(path) for name in names if (path := here / f"test_web_{name}.py").exists()]
    table = tmp_path / "table.tsv"
    # Without this process's installation, which pytest-django would take for that of its own tests.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("FLAREFREE_", "DJANGO_"))}
    environment = {**inherited, "FLAREFREE_TRY_ROLES": str(table)}
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *files], env=environment, check=False, cwd=here.parents[1]
    )
    rows = [line.split("\t") for line in table.read_text("utf-8").splitlines()]
    commands, cells = len({row[0] for row in rows}), len(rows)
    print(f"{commands} commands, {cells} cells, {sum(row[3] == 'denied' for row in rows)} denied")
    assert commands > 60
    assert [row for row in rows if row[3] not in {"allowed", "denied", "refused"}] == []
