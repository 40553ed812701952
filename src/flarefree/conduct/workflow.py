"""What may become of a trial, a subject, a visit, a case: states and transitions as one table.

A transition says from where to where, by which verb on which field of the role matrix (so that who may do
it stands in one place), in which phases, and which gates must be open.  What is not in the table is
refused.  There is no way back from `randomized`: an allocation is never undone, edited, swapped or freed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flarefree.conduct.roles.matrix import Matrix
from flarefree.conduct.visibility import Actor, Target, decide
from flarefree.errors import ConductError

__all__ = [
    "MACHINES",
    "SYSTEM",
    "Machine",
    "Transition",
    "draw_machine",
    "possible_transitions",
    "require_transition",
]

SYSTEM = "system"
"""What no person does: time passes, the detector runs, a list ends."""

LIVE = ("live",)
FOLLOWED = ("live", "locked")


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table.

    Attributes
    ----------
    name : str
    sources, targets : tuple of str
        States; where there are several targets, the rule that acts says which.
    verb, field : str
        What its actor must be allowed by the role matrix; both empty if the system acts.
    phases : tuple of str
        Of the trial.
    gates : tuple of str
        What must be true; each is evaluated by the rule of that name and told to `require_transition`.
    needs_reason : bool
        Whether a reason in words belongs to it.
    """

    name: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    verb: str = ""
    field: str = ""
    phases: tuple[str, ...] = LIVE
    gates: tuple[str, ...] = ()
    needs_reason: bool = False

    @property
    def is_by_system(self) -> bool:
        """Whether no person does it."""
        return not self.verb


@dataclass(frozen=True, slots=True)
class Machine:
    """States and transitions of one sort of thing.

    Attributes
    ----------
    name : str
    about : str
    states : tuple of str
        The first is where it begins.
    final : tuple of str
        States that nothing leads out of.
    transitions : tuple of Transition
    """

    name: str
    about: str
    states: tuple[str, ...]
    final: tuple[str, ...]
    transitions: tuple[Transition, ...]

    def transition(self, name: str) -> Transition:
        """A row by its name.

        Raises
        ------
        ConductError
            There is none.
        """
        for row in self.transitions:
            if row.name == name:
                return row
        raise ConductError(
            "there is no such transition",
            where=self.name,
            found=name,
            expected=", ".join(row.name for row in self.transitions),
        )


def _row(name: str, sources: str, targets: str, act: str = "", **other: object) -> Transition:
    verb, _, field = act.partition(" ")
    return Transition(name, tuple(sources.split()), tuple(targets.split()), verb, field, **other)  # type: ignore[arg-type]


TRIAL = Machine(
    "trial",
    "the trial and its phases",
    ("before_go_live", "live", "locked", "unblinded"),
    ("unblinded",),
    (
        _row(
            "go_live",
            "before_go_live",
            "live",
            "approve configuration",
            phases=("before_go_live",),
            gates=(
                "protocol_recorded",
                "rules_leak_nothing",
                "matrix_recorded",
                "lists_sealed",
                "simulation_report_signed",
                "keeper_key_published",
            ),
            needs_reason=True,
        ),
        _row(
            "lock",
            "live",
            "locked",
            "lock configuration",
            gates=("everybody_followed_up", "queries_closed", "cases_closed_and_reconciled", "log_anchored"),
            needs_reason=True,
        ),
        _row(
            "unblind",
            "locked",
            "unblinded",
            "release release.key_share",
            phases=("locked",),
            gates=("two_key_holders", "analysis_plan_recorded", "log_anchored"),
            needs_reason=True,
        ),
    ),
)

RANDOMIZATION = Machine(
    "randomization",
    "whether anybody may be randomized",
    ("open", "halted", "closed"),
    ("closed",),
    (
        # A list at its end, a restored backup, a broken chain: the system halts, persons go on.
        _row("halt", "open", "halted"),
        _row(
            "go_on",
            "halted",
            "open",
            "approve configuration",
            gates=("cause_removed", "allocations_reconciled"),
            needs_reason=True,
        ),
        _row("close", "open halted", "closed", "approve configuration", needs_reason=True),
    ),
)

_IN_STUDY = "randomized on_treatment off_treatment"

SUBJECT = Machine(
    "subject",
    "a patient's way through the trial",
    (
        "screening",
        "consented",
        "eligible",
        "randomized",
        "on_treatment",
        "off_treatment",
        "lost",
        "screen_failed",
        "completed",
        "withdrawn",
        "consent_withdrawn",
        "died",
    ),
    ("screen_failed", "completed", "consent_withdrawn", "died"),
    (
        _row(
            "consent", "screening", "consented", "record consent.record", gates=("consent_version_approved",)
        ),
        _row(
            "find_eligible", "consented", "eligible", "record eligibility.record", gates=("eligible_by_data",)
        ),
        _row(
            "find_no_longer_eligible",
            "eligible",
            "consented",
            "correct eligibility.record",
            needs_reason=True,
        ),
        _row(
            "fail_screening",
            "screening consented eligible",
            "screen_failed",
            "record eligibility.record",
            needs_reason=True,
        ),
        _row(
            "randomize",
            "eligible",
            "randomized",
            "randomize allocation.request",
            gates=("randomization_open", "consent_valid", "eligible_by_data", "strata_complete"),
        ),
        _row(
            "begin_treatment",
            "randomized",
            "on_treatment",
            "dispense dispensing.record",
            gates=("kit_is_the_subjects",),
        ),
        # Stopping the drug, the study and the consent are three things; follow-up goes on after the first.
        _row(
            "stop_drug",
            "randomized on_treatment",
            "off_treatment",
            "record withdrawals.record",
            needs_reason=True,
        ),
        _row(
            "resume_drug",
            "off_treatment",
            "on_treatment",
            "dispense dispensing.record",
            gates=("kit_is_the_subjects", "interruption_not_too_long"),
            needs_reason=True,
        ),
        _row("withdraw", f"{_IN_STUDY} lost", "withdrawn", "record withdrawals.record", needs_reason=True),
        _row(
            "withdraw_consent",
            f"screening consented eligible {_IN_STUDY} lost withdrawn",
            "consent_withdrawn",
            "record consent.record",
        ),
        _row(
            "complete",
            "on_treatment off_treatment",
            "completed",
            "sign visits.record",
            gates=("last_visit_done",),
        ),
        _row(
            "lose",
            _IN_STUDY,
            "lost",
            "record vital_status.record",
            gates=("contacts_tried",),
            needs_reason=True,
        ),
        _row("find_again", "lost", "off_treatment", "record contacts.record"),
        _row("die", f"{_IN_STUDY} lost withdrawn", "died", "record vital_status.record"),
    ),
)

VISIT = Machine(
    "visit",
    "a planned visit",
    ("planned", "due", "overdue", "entered", "signed", "verified", "missed", "not_needed"),
    ("not_needed",),
    (
        _row("fall_due", "planned", "due"),
        _row("fall_overdue", "due", "overdue"),
        _row("drop", "planned due overdue", "not_needed", gates=("subject_left_schedule",)),
        _row("enter", "planned due overdue", "entered", "record visits.record"),
        _row("miss", "due overdue", "missed", "record visits.record", needs_reason=True),
        _row("enter_late", "missed", "entered", "correct visits.record", needs_reason=True),
        _row("sign", "entered", "signed", "sign visits.record", gates=("queries_of_visit_answered",)),
        _row("verify", "signed", "verified", "verify visits.record"),
        # A corrected form must be signed and verified anew.
        _row("correct", "entered signed verified", "entered", "correct visits.record", needs_reason=True),
    ),
)

CASE = Machine(
    "case",
    "a suspected end point before the committee; the same rows as `adjudication.cases.TRANSITIONS`",
    ("waiting", "voting", "disagreed", "decided", "void"),
    (),
    (
        _row("assign", "waiting", "voting", "prepare cases.dossier", gates=("no_conflict", "not_own_site")),
        _row("renew", "waiting voting disagreed", "waiting voting"),
        _row("withdraw", "waiting voting disagreed", "void"),
        _row("cast", "voting", "voting disagreed decided", "vote votes.own"),
        _row("replace", "voting", "voting", "prepare cases.dossier", gates=("no_conflict", "not_own_site")),
        _row("third", "disagreed", "voting", "prepare cases.dossier", gates=("no_conflict", "not_own_site")),
        _row("decide", "disagreed", "decided", "decide decisions.record"),
        _row("reopen", "decided void", "waiting"),
        _row("note", "decided", "decided"),
    ),
)

MACHINES = (TRIAL, RANDOMIZATION, SUBJECT, VISIT, CASE)


def possible_transitions(machine: Machine, state: str, phase: str) -> tuple[Transition, ...]:
    """The rows that lead out of a state in a phase, whoever acts."""
    return tuple(row for row in machine.transitions if state in row.sources and phase in row.phases)


def require_transition(
    matrix: Matrix,
    machine: Machine,
    name: str,
    *,
    state: str,
    phase: str,
    actor: Actor | None,
    target: Target | None = None,
    open_gates: Iterable[str] = (),
    reason: str = "",
    to: str = "",
) -> str:
    """The state that a thing comes to.

    Parameters
    ----------
    matrix : Matrix
    machine : Machine
    name : str
        The transition asked for.
    state, phase : str
        Where the thing and the trial stand.
    actor : Actor or None
        Who acts; None for the system.
    target : Target, optional
        What the thing belongs to.
    open_gates : iterable of str
        The gates that the rules found open.
    reason : str
    to : str
        Which target, where there are several.

    Raises
    ------
    ConductError
        It does not lead out of this state or phase, the actor may not, a gate is closed, the reason is
        missing.  Nothing was changed.
    """
    row = machine.transition(name)
    _require_place(machine, row, state, phase)
    _require_actor(matrix, machine, row, phase, actor, target)
    closed = [gate for gate in row.gates if gate not in set(open_gates)]
    if closed:
        raise ConductError(
            "not yet",
            where=f"{machine.name}, {name}",
            found=f"closed: {', '.join(closed)}",
            expected="all open",
        )
    if row.needs_reason and not reason.strip():
        raise ConductError("a reason belongs to this", where=f"{machine.name}, {name}")
    return _target_of(machine, row, to)


def _require_place(machine: Machine, row: Transition, state: str, phase: str) -> None:
    if state not in row.sources or phase not in row.phases:
        raise ConductError(
            "this does not lead out of here",
            where=f"{machine.name}, {row.name}",
            found=f"{state}, trial {phase}",
            expected=f"{' or '.join(row.sources)}, trial {' or '.join(row.phases)}",
        )


def _require_actor(
    matrix: Matrix, machine: Machine, row: Transition, phase: str, actor: Actor | None, target: Target | None
) -> None:
    if row.is_by_system:
        if actor is not None:
            raise ConductError("nobody does this; it happens", where=f"{machine.name}, {row.name}")
        return
    if actor is None or not decide(matrix, actor, row.verb, row.field, phase, target).is_allowed:
        raise ConductError("there is nothing here for you")


def _target_of(machine: Machine, row: Transition, to: str) -> str:
    if not to and len(row.targets) == 1:
        return row.targets[0]
    if to not in row.targets:
        raise ConductError(
            "this does not lead there",
            where=f"{machine.name}, {row.name}",
            found=to or "no state named",
            expected=" or ".join(row.targets),
        )
    return to


def draw_machine(machine: Machine) -> str:
    """The table as a diagram in Mermaid's notation, for the documentation."""
    lines = ["stateDiagram-v2", f"    [*] --> {machine.states[0]}"]
    for row in machine.transitions:
        lines += [f"    {s} --> {t}: {row.name}" for s in row.sources for t in row.targets]
    return "\n".join([*lines, *(f"    {state} --> [*]" for state in machine.final)])
