"""The limits of the built-in protocols' sentences, one patient each, with what must be found; for check E1.

The expected side is written by hand from the papers' words and the protocols' notes: exactly at a limit and
just short of it, repeats at the first and last day that count, a value missing in the middle, another unit,
a correction that came late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from flarefree.conduct.checks.planted import Patient, Planted

__all__ = ["Expected", "Limit", "alms_limits", "multitarget_limits", "plant"]

Expected = frozenset[tuple[str, int, str]]
"""What must be found: (endpoint, day, level), and nothing else."""
Plant = Callable[[Patient], object]
Values = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Limit:
    """One patient at one limit: what it is, which rows to enter, what must be found."""

    what: str
    plant: Plant
    expected: Expected


def plant(
    planted: Planted, limits: list[Limit], *, baseline: Callable[[Patient], object]
) -> dict[str, Limit]:
    """Enter a patient for each limit; by the patient's name."""
    found = {}
    for number, limit in enumerate(limits, start=1):
        name = f"L-{number:03d}"
        patient = planted.patient(name)
        if "remission_status" in planted.protocol.spec.covariates:
            patient.is_("remission_status", "PR" if "partial" in limit.what else "CR")
        if "own baseline" not in limit.what:
            baseline(patient)
        limit.plant(patient)
        found[name] = limit
    return found


def _found(*events: tuple[str, int, str]) -> Expected:
    return frozenset(events)


_NOTHING: Expected = frozenset()


# ALMS maintenance -----------------------------------------------------------------------------------

_CALM: Values = {
    "upcr": 0.3, "proteinuria": 0.3, "creatinine": 1.0, "red_cells": 1, "dipstick_blood": "NEGATIVE",
    "cellular_casts": "N",
}  # fmt: skip


def alms_baseline(patient: Patient) -> None:
    """The end of induction, from which most limits are taken."""
    patient.at(1, **{**_CALM, "upcr": 0.4, "proteinuria": 0.4})


def _with(day: int, **values: float | str) -> Plant:
    return lambda patient: patient.at(day, **{**_CALM, **values})


def _steps(*steps: tuple[int, Values] | tuple[int, Values, Mapping[str, str]]) -> Plant:
    """Several days' results: (day, values), with units where they are not the usual ones."""

    def entered(patient: Patient) -> None:
        for step in steps:
            patient.at(step[0], step[2] if len(step) == 3 else None, **step[1])

    return entered


def _at_own_baseline(base: Values, day: int, **values: float | str) -> Plant:
    return lambda patient: patient.at(1, **{**_CALM, **base}).at(day, **{**_CALM, **values})


def alms_limits() -> list[Limit]:
    """Limits of the sentences of `alms-maintenance`."""
    return [*_alms_flares(), *_alms_creatinine(), *_alms_records(), *_alms_data()]


def _alms_flares() -> Iterator[Limit]:
    flare = _found(("renal_flare", 92, "met"))
    yield Limit(
        "proteinuric: ratio exactly doubled, exactly 1 g", _with(92, upcr=0.8, proteinuria=1.0), flare
    )
    yield Limit("proteinuric: ratio just short", _with(92, upcr=0.79, proteinuria=1.0), _NOTHING)
    yield Limit("proteinuric: 0.99 g", _with(92, upcr=0.8, proteinuria=0.99), _NOTHING)
    low: Values = {"upcr": 0.5, "proteinuria": 0.5}
    yield Limit("own baseline 0.5 g: 1 g", _at_own_baseline(low, 92, upcr=1.0, proteinuria=1.0), flare)
    high: Values = {"upcr": 0.5, "proteinuria": 0.51}
    yield Limit(
        "own baseline 0.51 g: 1.99 g", _at_own_baseline(high, 92, upcr=1.0, proteinuria=1.99), _NOTHING
    )
    yield Limit("own baseline 0.51 g: 2 g", _at_own_baseline(high, 92, upcr=1.0, proteinuria=2.0), flare)
    yield Limit(
        "nephritic: creatinine exactly 1.25 fold, 5 red cells", _with(92, creatinine=1.25, red_cells=5), flare
    )
    yield Limit("nephritic: creatinine 1.24 fold", _with(92, creatinine=1.24, red_cells=5), _NOTHING)
    yield Limit("nephritic: 4 red cells", _with(92, creatinine=1.25, red_cells=4), _NOTHING)
    many: Values = {"red_cells": 5}
    yield Limit(
        "own baseline 5 red cells: 5", _at_own_baseline(many, 92, creatinine=1.25, red_cells=5), _NOTHING
    )
    yield Limit(
        "own baseline 5 red cells: 6", _at_own_baseline(many, 92, creatinine=1.25, red_cells=6), flare
    )
    yield Limit("nephritic: dipstick 2+", _with(92, creatinine=1.25, dipstick_blood="2+"), flare)
    yield Limit("nephritic: dipstick 1+", _with(92, creatinine=1.25, dipstick_blood="1+"), _NOTHING)
    yield Limit("nephritic: casts appear", _with(92, creatinine=1.25, cellular_casts="Y"), flare)
    casts: Values = {"cellular_casts": "Y"}
    yield Limit(
        "own baseline with casts: casts",
        _at_own_baseline(casts, 92, creatinine=1.25, cellular_casts="Y"),
        _NOTHING,
    )
    gram: Values = {"proteinuria": 1.0, "upcr": 1.2}
    yield Limit(
        "own baseline 1 g: 2 g with creatinine",
        _at_own_baseline(gram, 92, creatinine=1.25, proteinuria=2.0, upcr=1.2),
        flare,
    )
    yield Limit(
        "own baseline 1 g: 1.99 g with creatinine",
        _at_own_baseline(gram, 92, creatinine=1.25, proteinuria=1.99, upcr=1.2),
        _NOTHING,
    )
    yield Limit(
        "nephritic: ratio 2 mg/mg stands for 2 g",
        _with(92, creatinine=1.25, upcr=2.0, proteinuria=0.5),
        flare,
    )
    yield Limit("on day 1 it is the baseline", lambda p: p.at(1, creatinine=1.25, red_cells=9), _NOTHING)
    yield Limit(
        "on day 2",
        lambda p: p.at(2, **{**_CALM, "creatinine": 1.25, "red_cells": 5}),
        _found(("renal_flare", 2, "met")),
    )
    lowest = _steps((-90, {"creatinine": 0.8}), (92, {**_CALM, "creatinine": 1.0, "red_cells": 5}))
    yield Limit("nephritic: lowest of screening counts", lowest, flare)
    again = _steps(
        (92, {**_CALM, "upcr": 0.8, "proteinuria": 1.0}),
        (184, _CALM),
        (275, {**_CALM, "upcr": 0.9, "proteinuria": 1.1}),
    )
    yield Limit(
        "two flares with a calm visit between",
        again,
        _found(("renal_flare", 92, "met"), ("renal_flare", 275, "met")),
    )
    yield Limit(
        "both kinds on one day are one event",
        _with(92, upcr=0.8, proteinuria=1.0, creatinine=1.25, red_cells=5),
        flare,
    )
    grades: Values = {"bilag_mucocutaneous": "B", "bilag_musculoskeletal": "B", "bilag_hematological": "B"}
    yield Limit(
        "BILAG B in three", lambda p: p.at(92, **(grades)), _found(("major_extrarenal_flare", 92, "met"))
    )
    yield Limit(
        "BILAG A in one",
        lambda p: p.at(92, bilag_mucocutaneous="A"),
        _found(("major_extrarenal_flare", 92, "met")),
    )


def _alms_creatinine() -> Iterator[Limit]:
    def repeat(later: int, value: float) -> Plant:
        return lambda p: p.at(92, **{**_CALM, "creatinine": 2.0}).at(later, **{**_CALM, "creatinine": value})

    # Doubled creatinine without new sediment is no nephritic flare: the first value meets `doubling` alone.
    met, lacking = _found(("doubling", 92, "met")), _found(("doubling", 92, "unconfirmed"))
    yield Limit("doubled, and 28 days later", repeat(120, 2.0), met)
    yield Limit("doubled, and 27 days later", repeat(119, 2.0), lacking)
    yield Limit("doubled, 28 days later just short", repeat(120, 1.99), _NOTHING)
    yield Limit(
        "just short of doubled",
        lambda p: p.at(92, **{**_CALM, "creatinine": 1.99}).at(120, **{**_CALM, "creatinine": 1.99}),
        _NOTHING,
    )
    middle = _steps(
        (92, {**_CALM, "creatinine": 2.0}),
        (106, {"red_cells": 1, "upcr": 0.3, "proteinuria": 0.3}),
        (120, {**_CALM, "creatinine": 2.0}),
    )
    yield Limit("doubled, creatinine missing in the middle", middle, lacking)
    dip = _steps(
        (92, {**_CALM, "creatinine": 2.0}),
        (106, {**_CALM, "creatinine": 1.9}),
        (120, {**_CALM, "creatinine": 2.0}),
    )
    yield Limit("doubled, not so in the middle: begins again", dip, _found(("doubling", 120, "unconfirmed")))
    failing = _steps((92, {**_CALM, "creatinine": 6.0}), (181, {**_CALM, "creatinine": 6.0}))
    yield Limit(
        "eGFR below 15 for 89 days", failing, _found(("doubling", 92, "met"), ("esrd", 92, "unconfirmed"))
    )
    failed = _steps((92, {**_CALM, "creatinine": 6.0}), (182, {**_CALM, "creatinine": 6.0}))
    yield Limit("eGFR below 15 for 90 days", failed, _found(("doubling", 92, "met"), ("esrd", 92, "met")))


def _alms_records() -> Iterator[Limit]:
    def pill(
        dose: float, why: str = "lupus nephritis", route: str = "ORAL", drug: str = "PREDNISONE"
    ) -> Plant:
        return lambda p: p.takes(drug, 92, why, dose, "mg", route)

    rescue = _found(("rescue", 92, "met"))
    yield Limit("prednisone 10 mg for nephritis", pill(10), _NOTHING)
    yield Limit("prednisone 10.5 mg for nephritis", pill(10.5), rescue)
    yield Limit("prednisone 40 mg for asthma", pill(40, "asthma"), _NOTHING)
    yield Limit(
        "methylprednisolone intravenously",
        pill(5, "renal flare", "INTRAVENOUS", "METHYLPREDNISOLONE"),
        rescue,
    )
    yield Limit(
        "cyclophosphamide for nephritis", pill(500, "lupus nephritis", "ORAL", "CYCLOPHOSPHAMIDE"), rescue
    )
    yield Limit("plasma exchange", lambda p: p.has_procedure("PLASMA EXCHANGE", 92, 92), rescue)
    yield Limit(
        "dialysis for 28 days",
        lambda p: p.has_procedure("HEMODIALYSIS", 92, 119),
        _found(("esrd", 92, "met")),
    )
    yield Limit("dialysis for 27 days", lambda p: p.has_procedure("HEMODIALYSIS", 92, 118), _NOTHING)
    yield Limit(
        "transplantation",
        lambda p: p.has_procedure("KIDNEY TRANSPLANTATION", 92, 92),
        _found(("esrd", 92, "met")),
    )
    yield Limit("death", lambda p: p.dies(92), _found(("death", 92, "met")))
    yield Limit(
        "suspected renal flare, recorded",
        lambda p: p.has_event("SUSPECTED RENAL FLARE", 92),
        _found(("suspected_renal_flare", 92, "met")),
    )
    yield Limit(
        "suspected extrarenal flare, recorded",
        lambda p: p.has_event("Suspected extrarenal flare", 92),
        _found(("suspected_extrarenal_flare", 92, "met")),
    )


def _alms_data() -> Iterator[Limit]:
    flare = _found(("renal_flare", 92, "met"))
    micromol = _steps((92, {**_CALM, "creatinine": 110.5, "red_cells": 5}, {"creatinine": "umol/L"}))
    yield Limit("creatinine in umol/L, exactly 1.25 mg/dL", micromol, flare)
    short = _steps((92, {**_CALM, "creatinine": 110.4, "red_cells": 5}, {"creatinine": "umol/L"}))
    yield Limit("creatinine in umol/L, just short", short, _NOTHING)
    ratio = _steps(
        (92, {**_CALM, "upcr": 800, "proteinuria": 1000}, {"upcr": "mg/g", "proteinuria": "mg/day"})
    )
    yield Limit("ratio in mg/g, protein in mg", ratio, flare)
    lowered = _steps((92, {**_CALM, "upcr": 0.8, "proteinuria": 1.0}), (92, {"upcr": 0.4}))
    yield Limit("late correction: no longer", lowered, _NOTHING)
    raised = _steps((92, {**_CALM, "proteinuria": 1.0}), (92, {"upcr": 0.8}))
    yield Limit("late correction: now", raised, flare)
    only = _steps((92, {"upcr": 0.8}))
    yield Limit(
        "ratio doubled, protein and the rest not measured", only, _found(("renal_flare", 92, "possible"))
    )
    plain = _steps((92, {"creatinine": 1.25}))
    yield Limit("creatinine risen, urine not examined", plain, _found(("renal_flare", 92, "possible")))
    yield Limit("only weight at a visit", lambda p: p.at(92, weight=60), _NOTHING)


# Multitarget maintenance ----------------------------------------------------------------------------

_STILL: Values = {
    "proteinuria": 0.2, "creatinine": 0.8, "red_cells": 1, "white_cells": 1, "red_cell_casts": "N",
    "white_cell_casts": "N", "albumin": 4.0, "sledai": 0, "skin_erythema": "N", "platelets": 200,
}  # fmt: skip


def multitarget_baseline(patient: Patient) -> None:
    """Month 0, in remission."""
    patient.at(1, **_STILL)


def _twice(first: Values, second: Values, later: int) -> Plant:
    return lambda p: p.at(92, **{**_STILL, **first}).at(92 + later, **{**_STILL, **second})


def multitarget_limits() -> list[Limit]:
    """Limits of the sentences of `multitarget-maintenance`."""
    return [*_relapses(), *_extrarenal()]


def _relapses() -> Iterator[Limit]:
    gram: Values = {"proteinuria": 1.0}
    met = _found(("renal_relapse", 92, "met"))
    lacking = _found(("renal_relapse", 92, "unconfirmed"))
    late = _found(("renal_relapse", 92, "unconfirmed"))
    yield Limit("1 g, and 14 days later", _twice(gram, gram, 14), met)
    yield Limit("1 g, and 13 days later", _twice(gram, gram, 13), lacking)
    yield Limit("1 g, and 42 days later", _twice(gram, gram, 42), met)
    yield Limit("1 g, and 43 days later", _twice(gram, gram, 43), late)
    yield Limit("1 g, 14 days later 0.99 g", _twice(gram, {"proteinuria": 0.99}, 14), _NOTHING)
    yield Limit("0.99 g twice", _twice({"proteinuria": 0.99}, {"proteinuria": 0.99}, 14), _NOTHING)
    between = _steps((92, {**_STILL, **gram}), (106, _STILL), (120, {**_STILL, **gram}))
    yield Limit(
        "1 g, refuted at 14 days, again at 28",
        between,
        _found(("renal_relapse", 92, "met"), ("renal_relapse", 120, "unconfirmed")),
    )
    missing = _steps(
        (92, {**_STILL, **gram}), (106, {"creatinine": 0.8, "red_cells": 1}), (120, {**_STILL, **gram})
    )
    yield Limit("1 g, protein missing at 14 days, again at 28", missing, met)
    base: Values = {"proteinuria": 1.0}
    up = _steps(
        (1, {**_STILL, **base}),
        (92, {**_STILL, "proteinuria": 3.0}),
        (106, {**_STILL, "proteinuria": 3.0}),
    )
    yield Limit("own baseline 1 g, partial: up by 2 g", up, met)
    less = _steps(
        (1, {**_STILL, **base}),
        (92, {**_STILL, "proteinuria": 2.99}),
        (106, {**_STILL, "proteinuria": 2.99}),
    )
    yield Limit("own baseline 1 g, partial: up by 1.99 g", less, _NOTHING)
    rise: Values = {"creatinine": 1.2, "red_cells": 10}
    yield Limit("creatinine 1.5 fold, 10 red cells", _twice(rise, rise, 14), met)
    almost: Values = {"creatinine": 1.19, "red_cells": 10}
    yield Limit("creatinine 1.49 fold, 10 red cells", _twice(almost, almost, 14), _NOTHING)
    calm: Values = {"creatinine": 1.2, "red_cells": 1}
    yield Limit("creatinine 1.5 fold, red cells as before", _twice(calm, calm, 14), _NOTHING)
    doubled: Values = {"creatinine": 1.2, "red_cells": 2}
    yield Limit("creatinine 1.5 fold, red cells doubled", _twice(doubled, doubled, 14), met)
    infected: Values = {"creatinine": 1.2, "red_cells": 30, "urinary_infection": "Y"}
    yield Limit("creatinine 1.5 fold, red cells of an infection", _twice(infected, infected, 14), _NOTHING)
    abnormal = _steps(
        (1, {**_STILL, "creatinine": 1.5}),
        (92, {**_STILL, "creatinine": 1.95, "red_cells": 10}),
        (106, {**_STILL, "creatinine": 1.95, "red_cells": 10}),
    )
    yield Limit("own baseline abnormal: 1.3 fold", abnormal, met)
    below = _steps(
        (1, {**_STILL, "creatinine": 1.5}),
        (92, {**_STILL, "creatinine": 1.94, "red_cells": 10}),
        (106, {**_STILL, "creatinine": 1.94, "red_cells": 10}),
    )
    yield Limit("own baseline abnormal: short of 1.3 fold", below, _NOTHING)
    units = _steps(
        (92, {**_STILL, "proteinuria": 1000}, {"proteinuria": "mg/day"}), (106, {**_STILL, **gram})
    )
    yield Limit("in mg the first time, in g the second", units, met)
    corrected = _steps((92, {**_STILL, **gram}), (106, {**_STILL, **gram}), (106, {"proteinuria": 0.2}))
    yield Limit("late correction of the repeat", corrected, _NOTHING)


def _extrarenal() -> Iterator[Limit]:
    rash: Values = {"sledai": 4, "skin_erythema": "Y"}
    yield Limit("SLEDAI 4, new erythema", _twice(rash, rash, 14), _found(("extrarenal_relapse", 92, "met")))
    mild: Values = {"sledai": 3, "skin_erythema": "Y"}
    yield Limit("SLEDAI 3, new erythema", _twice(mild, mild, 14), _NOTHING)
    few: Values = {"sledai": 4, "platelets": 49.9}
    yield Limit("SLEDAI 4, platelets 49.9", _twice(few, few, 14), _found(("extrarenal_relapse", 92, "met")))
    fifty: Values = {"sledai": 4, "platelets": 50}
    # The other manifestations were not recorded: nothing speaks against one of them.
    yield Limit(
        "SLEDAI 4, platelets 50, the rest not recorded",
        _twice(fifty, fifty, 14),
        _found(("extrarenal_relapse", 92, "possible")),
    )
