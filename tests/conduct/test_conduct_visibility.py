"""A6, B8, B10, M1 to M4 at the level of rules, and that these checks fail where the code is broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flarefree.conduct import roles, taint, visibility
from flarefree.conduct.checks import blinding, matrix, switching
from flarefree.conduct.checks.matrix_edits import edited, refusal_of, unjudged
from flarefree.conduct.checks.result import Check, run_check
from flarefree.conduct.roles.matrix import built_in_text, load_matrix
from flarefree.conduct.taint import Labeled, Leak, label_of_words, way_of
from flarefree.conduct.visibility import Actor, Decision, Target, decide, require_allowed, visible_fields
from flarefree.errors import ConductError, ProtocolError

CHECKS: dict[str, Check] = {
    check.number: check for module in (blinding, matrix, switching) for check in module.CHECKS
}
MATRIX = load_matrix()
HERE = Target("017")


@pytest.mark.parametrize("number", CHECKS)
def test_check_passes_at_its_reduced_count(number: str) -> None:
    result = run_check(CHECKS[number], quick=True)
    assert result.passed, str(result)


@pytest.mark.slow
@pytest.mark.parametrize("number", CHECKS)
def test_check_passes_at_its_full_count(number: str) -> None:
    result = run_check(CHECKS[number])
    assert result.passed, str(result)


# The checks can fail -----------------------------------------------------------------------------


def _decide_with(change):
    def broken(given, actor, verb, field, phase, target=None):
        return change(decide(given, actor, verb, field, phase, target), actor, verb, field, phase, target)

    return broken


@pytest.mark.parametrize("number", ["A6", "M1", "M3"])
def test_a_check_sees_decisions_that_are_too_kind(monkeypatch, number: str) -> None:
    """M1: one cell more.  M3: sites are not asked.  A6: reading an arm is not logged."""
    kinder = {
        "M1": lambda d, actor, verb, field, phase, target: (
            Decision(True, True) if (actor.role, verb, field) == ("monitor", "see", "allocation.arm") else d
        ),
        "M3": lambda d, actor, verb, field, phase, target: decide(
            MATRIX, actor, verb, field, phase, Target("017", frozenset({actor.person}))
        ),
        "A6": lambda d, actor, verb, field, phase, target: (
            replace(d, is_logged=False) if field == "allocation.arm" else d
        ),
    }
    monkeypatch.setattr(matrix, "decide", _decide_with(kinder[number]))
    assert not run_check(CHECKS[number], quick=True).passed


def test_M2_sees_a_loader_that_does_not_look_for_pairs(monkeypatch) -> None:
    monkeypatch.setattr(taint, "_forbidden_pairs", lambda _: ())
    assert not run_check(CHECKS["M2"], quick=True).passed


def test_M4_sees_a_revocation_that_comes_a_moment_late(monkeypatch) -> None:
    from flarefree.conduct.roles.persons import Grant

    monkeypatch.setattr(
        Grant, "is_in_force", lambda self, at: self.begin <= at and (self.end is None or at <= self.end)
    )
    assert not run_check(CHECKS["M4"], quick=True).passed


@pytest.mark.parametrize("part", ["_read_leaks", "_message_leaks"])
def test_B8_sees_a_loader_that_skips_a_part(monkeypatch, part: str) -> None:
    monkeypatch.setattr(taint, part, lambda _: ())
    assert not run_check(CHECKS["B8"], quick=True).passed


@pytest.mark.parametrize(
    "part", ["_wider_cells", "_wider_clearances", "_lost_labels", "_new_declassifications"]
)
def test_B10_sees_a_comparison_that_skips_a_part(monkeypatch, part: str) -> None:
    monkeypatch.setattr(visibility, part, lambda *_: ())
    monkeypatch.setattr(switching, "_surroundings", lambda *_: ())
    assert not run_check(CHECKS["B10"], quick=True).passed


def _more(grant):
    return lambda values: values["roles"]["monitor"]["may"].append(grant)


# The matrix --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda v: v["fields"].update(x={"about": "subject", "label": "secret"}), "no such label"),
        (lambda v: v["fields"].update(x={"about": "subject", "from": ["nothing"]}), "no such field"),
        (lambda v: v["fields"].update(x={"about": "subject"}), "either a label or sources"),
        (lambda v: v["fields"]["audit.values"].update(label="open"), "either a label or sources"),
        (lambda v: v["fields"].update(x={"about": "somebody", "label": "open"}), "what it is about"),
        (lambda v: v["fields"]["audit.trail"].update(through="trust"), "no such declassifier"),
        (lambda v: v["fields"]["subject.number"].update(through="masked"), "its sources"),
        (lambda v: v["roles"]["monitor"].update(clearence=["arm"]), "no such key"),
        (lambda v: v["roles"]["monitor"].update(scope="everywhere"), "not a scope"),
        (_more({"verbs": ["*"], "fields": ["visits.record"]}), "no such verb"),
        (_more({"verbs": ["see"], "fields": ["*"]}), "no such field or group"),
        (_more({"verbs": "see", "fields": ["visits.record"]}), "a list of"),
        (lambda v: v.pop("forbidden"), "forbidden is missing"),
        (lambda v: v.update(matrix=2), "this version"),
        (lambda v: v["phases"].pop("locked"), "this version"),
        (lambda v: v["forbidden"][0].update(one={}), "a side says"),
        (lambda v: v["messages"]["trough"].update(to=[]), "goes to somebody"),
        (lambda v: v["verbs"]["see"].update(reads="no"), "reads, or does not"),
    ],
)  # fmt: skip
def test_a_matrix_that_says_nonsense_is_refused(edit, words: str) -> None:
    assert words in refusal_of(edited(edit))


def test_fields_derived_from_one_another_are_refused() -> None:
    def circle(values):
        values["fields"]["a"] = {"about": "subject", "from": ["b"]}
        values["fields"]["b"] = {"about": "subject", "from": ["a"]}

    assert "derived from one another" in refusal_of(edited(circle))


def test_a_refusal_names_file_and_line() -> None:
    text = built_in_text().replace("scope: own_site", "scope: own_sight", 1)
    with pytest.raises(ConductError, match=r"mine.yaml:\d+ roles.investigator"):
        load_matrix(text, name="mine.yaml")
    with pytest.raises(ProtocolError):
        load_matrix("roles: [", name="mine.yaml")


def test_a_leak_tells_the_way_it_took() -> None:
    assert way_of(MATRIX, "reports.unmasked", "arm") == ("allocation.arm", "reports.unmasked")
    assert str(Leak("here", ("arm",), ("a", "b"))) == "here: arm, by a -> b"


def test_the_digest_is_of_what_is_said_not_of_how() -> None:
    assert load_matrix(built_in_text() + "\n# a comment\n").digest == MATRIX.digest
    assert unjudged(edited(lambda v: v["roles"].pop("support"))).digest != MATRIX.digest


def test_a_derived_field_has_all_labels_of_its_sources() -> None:
    assert MATRIX.taints["reports.unmasked"] == {"open", "arm", "safety"}
    assert MATRIX.taints["reports.masked"] == {"open", "safety"}
    assert MATRIX.taints["doses.instruction"] == {"open", "safety"}
    assert MATRIX.taints["labs.trough_shown"] == {"open"}


def test_every_declassifier_names_a_check_of_the_acceptance_list() -> None:
    assert {d.check for d in MATRIX.declassifiers.values()} <= {"A8", "B1", "B6", "B7"}


def test_E4_the_committee_sees_none_of_what_the_charter_keeps_from_it() -> None:
    """AE lists, troughs, dose changes, kits, arm, site guesses; nor who the patient is, nor other votes."""
    for role in ("committee_member", "committee_chair", "committee_coordinator"):
        seen = {cell.field for cell in MATRIX.listed if cell.role == role}
        assert not seen & {
            "adverse_events.record", "adverse_events.narrative", "labs.trough_true", "labs.trough_shown",
            "doses.request", "doses.instruction", "allocation.kit", "allocation.arm", "site.guess",
            "cases.is_control", "identity.name", "free_text.site", "labs.safety", "withdrawals.record",
        }  # fmt: skip
    assert not MATRIX.allows("committee_member", "see", "votes.all", "live")


def test_who_enrolls_does_not_see_the_settings_of_the_scheme() -> None:
    """SPIRIT 2025, item 21b."""
    readers = {cell.role for cell in MATRIX.listed if cell.field == "scheme.settings"}
    assert readers == {"unblinded_statistician"}


def test_before_go_live_nobody_sees_a_subject() -> None:
    assert not [
        cell
        for cell in MATRIX.listed
        if cell.phase == "before_go_live" and MATRIX.fields[cell.field].about in {"subject", "case"}
    ]


def test_nothing_is_recorded_corrected_or_randomized_once_locked() -> None:
    changing = {"record", "correct", "sign", "randomize", "dispense", "import", "vote", "decide", "configure"}
    late = {
        (cell.role, cell.verb, cell.field)
        for cell in MATRIX.listed
        if cell.phase in {"locked", "unblinded"} and cell.verb in changing
    }
    assert late == {("medical_monitor", "record", "code_breaks.register")}


# Decisions ---------------------------------------------------------------------------------------


def test_hidden_fields_have_no_key_and_the_order_is_the_matrix() -> None:
    row = {"allocation.arm": "MMF", "visits.record": "v", "subject.number": "1", "no.such.field": "x"}
    shown = visible_fields(MATRIX, Actor("p", "monitor", frozenset({"017"})), "live", row, HERE)
    assert list(shown) == ["subject.number", "visits.record"]


def test_B6_what_a_blinded_person_sees_does_not_depend_on_the_arm() -> None:
    """Two subjects alike but for arm and true trough: the same fields, the same values."""
    common = {
        "subject.number": "1",
        "labs.trough_shown": "5.1",
        "allocation.kit": "K-7",
        "visits.record": "v",
    }
    one = common | {"allocation.arm": "A", "labs.trough_true": "5.1", "labs.arm_typical": "99"}
    other = common | {"allocation.arm": "B", "labs.trough_true": ""}
    for role in MATRIX.blinded_roles:
        for phase in ("before_go_live", "live", "locked"):
            actor = Actor("p", role, frozenset({"017"}))
            assert visible_fields(MATRIX, actor, phase, one, HERE) == visible_fields(
                MATRIX, actor, phase, other, HERE
            )


def test_a_denial_in_words_says_nothing() -> None:
    with pytest.raises(ConductError) as caught:
        require_allowed(MATRIX, Actor("p", "monitor"), "see", "allocation.arm", "live", HERE)
    assert str(caught.value) == "there is nothing here for you"


def test_what_is_denied_is_not_logged_as_done_and_tells_the_log_why() -> None:
    decision = decide(MATRIX, Actor("p", "monitor", frozenset({"018"})), "see", "visits.record", "live", HERE)
    assert (decision.is_allowed, decision.is_logged, decision.reason) == (False, False, "another site")


# Words and values --------------------------------------------------------------------------------


def test_words_written_by_who_sees_arms_are_tainted_by_them() -> None:
    assert "arm" in label_of_words(MATRIX, "unblinded_statistician")
    assert "arm" not in label_of_words(MATRIX, "monitor")
    assert "arm" in label_of_words(MATRIX, "blinded_statistician", "unblinded")


def test_a_labeled_value_that_passes_through_code_keeps_its_labels() -> None:
    arm = Labeled.of_field(MATRIX, "allocation.arm", "MMF")
    length = arm.map(len)
    with pytest.raises(ConductError, match="not cleared"):
        length.for_reader(MATRIX, "monitor", "live")
    assert length.for_reader(MATRIX, "safety_board", "live") == 3


def test_the_public_names_are_those_exported() -> None:
    assert list(roles.__all__) == sorted(roles.__all__)
    assert all(getattr(roles, name) is not None for name in roles.__all__)


def test_the_reference_page_is_what_the_matrix_says() -> None:
    """`docs/reference/roles.md` is made: write `roles_page(load_matrix())` there after a change."""
    from pathlib import Path

    from flarefree.conduct.roles.telling import roles_page

    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "roles.md"
    assert page.read_text("utf-8") == roles_page(MATRIX)
