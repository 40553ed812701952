"""Patients on paper for the ALMS maintenance phase: one for each rule, and its boundary.

Month 0 is day 1, month 3 day 92, month 6 day 184, month 9 day 275, month 36 day 1097.  Unless the story says
otherwise a patient enters with UPCR 0.6 mg/mg, proteinuria 0.5 g/day, creatinine 0.8 mg/dL, 1 red cell
per field, a negative dipstick and no casts.
"""

# ruff: noqa: E501 - a case reads better as one table than folded
from __future__ import annotations

from endpoint_rules import Case

from flarefree.units import convert
from patients_on_paper import Patient

QUIET = {"red_cells": 1, "dipstick_blood": 0, "cellular_casts": False}


def enters(p: Patient, **values: float | bool | None) -> Patient:
    """Month 0."""
    return p.at(1, 0, **{"upcr": 0.6, "proteinuria": 0.5, "creatinine": 0.8, **QUIET, **values})


def quiet(p: Patient, day: int, visit: float | None, **values: float | bool | None) -> Patient:
    """A visit at which nothing happened, but for `values`."""
    return p.at(day, visit, **{"upcr": 0.6, "proteinuria": 0.5, "creatinine": 0.8, **QUIET, **values})


def in_units(p: Patient, measure: str, day: int, visit: float, written: float, unit: str, to: str) -> Patient:
    """A value that the laboratory gave in another unit, converted as a reader converts it."""
    value = convert(written, unit, to, measure)
    return p.value(
        measure, day, value, visit=visit, original_value=f"{written:g}", original_unit=unit, unit=to
    )


def _ada(p: Patient) -> None:
    quiet(enters(p), 92, 3, upcr=1.2, proteinuria=1.0)


def _bao(p: Patient) -> None:
    quiet(enters(p), 92, 3, upcr=1.19, proteinuria=1.5)


def _chloe(p: Patient) -> None:
    quiet(enters(p), 92, 3, upcr=1.4, proteinuria=0.99)


def _dana(p: Patient) -> None:
    quiet(
        quiet(enters(p, proteinuria=0.51), 92, 3, upcr=1.5, proteinuria=1.99),
        184,
        6,
        upcr=1.5,
        proteinuria=2.0,
    )


def _elif(p: Patient) -> None:
    p.at(1, 0, proteinuria=0.5, creatinine=0.8, **QUIET)
    in_units(p, "upcr", 1, 0, 50, "mg/mmol", "mg/mg")
    p.at(92, 3, upcr=0.884, creatinine=0.8, **QUIET)
    in_units(p, "proteinuria", 92, 3, 1000, "mg/24h", "g/day")


def _emi(p: Patient) -> None:
    enters(p)
    in_units(p, "creatinine", 92, 3, 141.44, "umol/L", "mg/dL")
    in_units(p, "creatinine", 184, 6, 141.44, "umol/L", "mg/dL")


def _fatima(p: Patient) -> None:
    enters(p).at(90, 3, red_cells=5, upcr=0.6, proteinuria=0.5).at(93, 3, creatinine=1.0)


def _greta(p: Patient) -> None:
    p.at(-90, None, creatinine=0.64)
    quiet(enters(p), 92, 3, cellular_casts=True)


def _hana(p: Patient) -> None:
    quiet(enters(p), 92, 3, creatinine=0.99, cellular_casts=True)


def _ines(p: Patient) -> None:
    enters(p).at(92, 3, upcr=0.6, proteinuria=0.5, creatinine=1.1)


def _ivy(p: Patient) -> None:
    enters(p).at(92, 3, upcr=0.6, proteinuria=0.5, creatinine=1.1, red_cells=None, cellular_casts=True)


def _jana(p: Patient) -> None:
    enters(p).at(92, 3, creatinine=1.6).at(120, None, creatinine=1.6)


def _kira(p: Patient) -> None:
    enters(p).at(92, 3, creatinine=1.7).at(119, None, creatinine=1.7).at(184, 6, creatinine=1.5)


def _lena(p: Patient) -> None:
    enters(p).at(1097, 36, creatinine=1.7)


def _mona(p: Patient) -> None:
    enters(p).dies(1)


def _nora(p: Patient) -> None:
    enters(p).at(92, 3, upcr=1.3, proteinuria=1.1).at(95, 3, upcr=0.7, proteinuria=0.6)


def _olga(p: Patient) -> None:
    enters(p).at(92, 3, upcr=1.3, proteinuria=1.1).at(92, 3, upcr=0.7)


def _pia(p: Patient) -> None:
    quiet(enters(p), 184, 6, upcr=1.3, proteinuria=1.1).leaves(184)


def _rosa(p: Patient) -> None:
    quiet(enters(p), 184, 6, upcr=1.3, proteinuria=1.1).leaves(183)


def _sara(p: Patient) -> None:
    quiet(enters(p), 184, 6, upcr=1.3, proteinuria=1.1).begins("Rituximab", 100, "Lupus nephritis")


def _tova(p: Patient) -> None:
    quiet(enters(p), 92, 3, upcr=1.3, proteinuria=1.1).begins("Rituximab", 92, "Lupus nephritis")


def _uma(p: Patient) -> None:
    enters(p).leaves(200, "ADVERSE EVENT").dies(400)


def _vera(p: Patient) -> None:
    quiet(enters(p), 92, 3, upcr=1.3, proteinuria=1.1)
    quiet(quiet(p, 184, 6), 275, 9, upcr=1.5, proteinuria=1.2).decided("committee", "renal_flare", False, 92)


def _wanda(p: Patient) -> None:
    quiet(enters(p), 92, 3, upcr=1.3, proteinuria=1.1).decided("committee", "renal_flare", True, 85)


def _xenia(p: Patient) -> None:
    quiet(enters(p), 92, 3, upcr=1.3, proteinuria=1.1)
    p.decided("investigator", "renal_flare", False, 92).decided("committee", "renal_flare", True, 92)


def _yara(p: Patient) -> None:
    quiet(enters(p), 92, 3, upcr=1.3, proteinuria=1.1)
    p.decided("investigator", "renal_flare", False, 92).decided("committee", "renal_flare", None, 92)


def _zoe(p: Patient) -> None:
    enters(p).has("procedures", 100, name="Hemodialysis (dialysis)", end_day=126)
    p.has("procedures", 300, name="Hemodialysis (dialysis)", end_day=327)


def _alba(p: Patient) -> None:
    enters(p).at(92, 3, bilag_constitutional=4, bilag_mucocutaneous=4, bilag_musculoskeletal=4)


def _bina(p: Patient) -> None:
    enters(p).at(92, 3, bilag_constitutional=4, bilag_mucocutaneous=4)


def _cira(p: Patient) -> None:
    quiet(enters(p), 92, 3, proteinuria=0.5)
    quiet(quiet(p, 184, 6, proteinuria=0.49, creatinine=1.0), 275, 9, proteinuria=0.49, creatinine=1.01)


def _dora(p: Patient) -> None:
    enters(p).at(
        92, 3, white_cells=9, red_cells=2, dipstick_blood=0, red_cell_casts=False, urinary_infection=True
    )
    p.at(184, 6, white_cells=9, red_cells=2, dipstick_blood=0, red_cell_casts=False)
    p.at(275, 9, white_cells=5, red_cells=5, dipstick_blood=1, red_cell_casts=False)


def _edda(p: Patient) -> None:
    enters(p).begins("Prednisone", 50, "Lupus nephritis", dose=10.0, unit="mg")
    p.begins("Prednisone", 80, "Lupus nephritis", dose=10.5, unit="mg")


def _faye(p: Patient) -> None:
    enters(p, creatinine=None).at(92, 3, creatinine=2.4, cellular_casts=True)


def _gwen(p: Patient) -> None:
    quiet(enters(p), 92, 3, upcr=1.3, proteinuria=1.1)
    quiet(p, 184, 6).decided("committee", "renal_flare", False)


def _hope(p: Patient) -> None:
    enters(p).decided("committee", "renal_flare", True, 300)


CASES = [
    Case("Ada", "Month 3: UPCR 1.2, proteinuria 1.0 g/day.", "2 × 0.6 = 1.2: exactly twofold counts. Proteinuria was "
         "0.5, so 1 g/day is asked, and 1.0 reaches it.", _ada,
         {"proteinuric_flare": "event on day 92", "treatment_failure": "event on day 92 by renal_flare"}),
    Case("Bao", "Month 3: UPCR 1.19, proteinuria 1.5 g/day.", "1.19 < 1.2: not doubled.", _bao,
         {"proteinuric_flare": "no event; end of follow-up, day 1097",
          "proteinuric_flare assessed": "known at 1, unknown at 0"}),
    Case("Chloe", "Month 3: UPCR 1.4, proteinuria 0.99 g/day.", "Doubled, but 0.99 < 1 g/day.", _chloe,
         {"proteinuric_flare": "no event; end of follow-up, day 1097"}),
    Case("Dana", "Enters with 0.51 g/day. Month 3: UPCR 1.5, 1.99 g/day; month 6: UPCR 1.5, 2.0 g/day.",
         "0.51 > 0.5, so 2 g/day is asked: 1.99 misses it, 2.0 reaches it.", _dana,
         {"proteinuric_flare": "event on day 184"}),
    Case("Elif", "The laboratory changes units. Month 0: UPCR 50 mg/mmol; month 3: UPCR 0.884 mg/mg, 1000 mg/24 h.",
         "50 × 8.84 / 1000 = 0.442 mg/mg; 2 × 0.442 = 0.884: exactly twofold. 1000 mg is 1 g.", _elif,
         {"proteinuric_flare": "event on day 92"}),
    Case("Emi", "Month 3 and month 6: creatinine 141.44 umol/L.",
         "141.44 / 88.4 = 1.6 = 2 × 0.8: exactly twofold; day 92 to day 184 is 92 days, at least 28.", _emi,
         {"doubling": "event on day 92, borne out on day 184"}),
    Case("Fatima", "Month 3 over two days: 5 red cells per field on day 90, creatinine 1.0 on day 93.",
         "Creatinine 1.0 = 1.25 × 0.8, exactly 25% above; 5 red cells, more than 1. One visit, so one assessment; the "
         "latest of the two values is of day 93.", _fatima,
         {"nephritic_flare": "event on day 93"}),
    Case("Greta", "Creatinine 0.64 at screening, 0.8 at month 0. Month 3: creatinine 0.8, cellular casts.",
         "The lowest of induction is 0.64, not month 0; 1.25 × 0.64 = 0.8: exactly 25% above. Casts are new.", _greta,
         {"nephritic_flare": "event on day 92"}),
    Case("Hana", "Month 3: creatinine 0.99, cellular casts.", "1.25 × 0.8 = 1.0 > 0.99.", _hana,
         {"nephritic_flare": "no event; end of follow-up, day 1097"}),
    Case("Ines", "Month 3: creatinine 1.1, proteinuria as before; the sediment was not examined.",
         "Creatinine is up and protein is not; blood and casts are unknown, so the sentence is unknown. An unknown is "
         "no event, and is counted.", _ines,
         {"nephritic_flare": "no event; end of follow-up, day 1097",
          "nephritic_flare assessed": "known at 0, unknown at 1"}),
    Case("Ivy", "As Ines, but casts were seen; the red cells alone are missing.",
         "One true clause is enough, whatever the unknown ones are.", _ivy,
         {"nephritic_flare": "event on day 92", "nephritic_flare assessed": "known at 1, unknown at 0"}),
    Case("Jana", "Creatinine 1.6 on day 92 and on day 120.",
         "1.6 = 2 × 0.8. Day 120 is 28 days later: sustained for exactly 28 days.", _jana,
         {"doubling": "event on day 92, borne out on day 120",
          "treatment_failure": "event on day 92 by doubling, borne out on day 120"}),
    Case("Kira", "Creatinine 1.7 on days 92 and 119, 1.5 on day 184.",
         "Day 119 is 27 days later, not enough; the first assessment at least 28 days later is day 184, with 1.5 < 1.6. "
         "From day 119 it is day 184 too.", _kira, {"doubling": "no event; end of follow-up, day 1097"}),
    Case("Lena", "Creatinine 1.7 at month 36, the last visit.",
         "Whether it lasts is not known: follow-up ends before.", _lena,
         {"doubling": "no event; end of follow-up, day 1097", "doubling assessed": "known at 0, unknown at 1"}),
    Case("Mona", "Dies on the day of randomization.", "Time runs from day 1, which is 1.", _mona,
         {"death": "event on day 1", "treatment_failure": "event on day 1 by death",
          "broad_treatment_failure": "event on day 1 by death", "renal_flare": "no event; end of follow-up, day 1"},
         {"end": 1}),
    Case("Nora", "Month 3 was measured twice: day 92 UPCR 1.3 and 1.1 g/day, day 95 UPCR 0.7 and 0.6 g/day.",
         "Of one visit the later day counts: 0.7 < 1.2.", _nora,
         {"proteinuric_flare": "no event; end of follow-up, day 1097",
          "proteinuric_flare assessed": "known at 1, unknown at 0"}),
    Case("Olga", "Month 3, day 92: the file has UPCR 1.3, and further down UPCR 0.7.",
         "Of one day the later row counts, as a correction: 0.7 < 1.2.", _olga,
         {"proteinuric_flare": "no event; end of follow-up, day 1097"}),
    Case("Pia", "Flares at month 6, day 184, and withdraws on that day.",
         "An event on the day of censoring counts.", _pia,
         {"treatment_failure": "event on day 184 by renal_flare",
          "broad_treatment_failure": "event on day 184 by renal_flare"}, {"end": 184}),
    Case("Rosa", "Withdraws on day 183, and is found to have flared at a visit on day 184.",
         "After withdrawal, so not used; by the broader definition she failed by withdrawing.", _rosa,
         {"treatment_failure": "no event; withdrawal, day 183",
          "broad_treatment_failure": "event on day 183 by withdrawal", "renal_flare": "event on day 184 by "
          "proteinuric_flare"}, {"end": 183}),
    Case("Sara", "Rituximab for nephritis from day 100; flares at month 6.",
         "Rescue comes first and ends the time to treatment failure; the flare stays an event of its own.", _sara,
         {"treatment_failure": "event on day 100 by rescue", "renal_flare": "event on day 184 by proteinuric_flare",
          "rescue": "event on day 100 by rescue_immunosuppressant"}),
    Case("Tova", "Flares and gets rituximab on the same day, 92.",
         "Of two components on one day the protocol's first is named: renal flare stands before rescue.", _tova,
         {"treatment_failure": "event on day 92 by renal_flare"}),
    Case("Uma", "Withdraws for an adverse event on day 200; dies on day 400, by the yearly vital status.",
         "After withdrawal, so not a treatment failure; her death is counted as such.", _uma,
         {"treatment_failure": "no event; withdrawal, day 200", "death": "event on day 400",
          "broad_treatment_failure": "event on day 200 by withdrawal"}, {"end": 200}),
    Case("Vera", "Month 3: UPCR 1.3, 1.1 g/day; quiet at month 6; month 9: UPCR 1.5, 1.2 g/day. The committee refutes "
         "the first.", "The flare of day 92 is not used; nothing was decided on that of day 275, which stands.", _vera,
         {"renal_flare": "event on day 275 by proteinuric_flare",
          "treatment_failure": "event on day 275 by renal_flare", "proteinuric_flare": "event on day 92"}),
    Case("Wanda", "Month 3: UPCR 1.3, 1.1 g/day. The committee confirms the flare and dates it to day 85.",
         "The committee's date counts.", _wanda,
         {"renal_flare": "event on day 85 by proteinuric_flare, as the committee decided",
          "treatment_failure": "event on day 85 by renal_flare, as the committee decided"}),
    Case("Xenia", "A flare on day 92, which the investigator refutes and the committee confirms.",
         "The committee goes before the investigator.", _xenia,
         {"renal_flare": "event on day 92 by proteinuric_flare, as the committee decided"}),
    Case("Yara", "A flare on day 92, which the investigator refutes; the committee could not decide.",
         "Where the committee did not decide, the investigator's word counts.", _yara,
         {"renal_flare": "no event; end of follow-up, day 1097"}),
    Case("Zoe", "Dialysis from day 100 to 126, and again from day 300 to 327.",
         "Both ends counted: 27 days, then 28. The second is end-stage renal disease, from its first day.", _zoe,
         {"esrd": "event on day 300 by dialysis", "dialysis": "event on day 300"}),
    Case("Alba", "Month 3: BILAG B in three systems; the five others were not graded.",
         "Three are B whatever the others are.", _alba, {"major_extrarenal_flare": "event on day 92"}),
    Case("Bina", "Month 3: BILAG B in two systems; the six others were not graded.",
         "There may be a third, or an A: unknown.", _bina,
         {"major_extrarenal_flare": "no event; end of follow-up, day 1097",
          "major_extrarenal_activity on day 92": "unknown"}),
    Case("Cira", "Proteinuria 0.5 at month 3; 0.49 and creatinine 1.0 at month 6; 0.49 and creatinine 1.01 at month 9.",
         "0.5 is not below 0.5. 1.0 = 1.25 × 0.8, within 25%; 1.01 is not.", _cira,
         {"complete_remission on day 92": "does not hold", "complete_remission on day 184": "holds",
          "complete_remission on day 275": "does not hold", "remission_reached": "event on day 184"}),
    Case("Dora", "9 white cells per field: at month 3 with a urinary infection, at month 6 none is recorded. Month 9: 5 "
         "white and 5 red cells, dipstick 1+.", "An infection excuses the sediment; one that nobody recorded does not. "
         "More than 5 is asked, so 5 is not active.", _dora,
         {"active_sediment on day 92": "does not hold", "active_sediment on day 184": "holds",
          "active_sediment on day 275": "does not hold"}),
    Case("Edda", "Prednisone for nephritis: 10 mg from day 50, 10.5 mg from day 80.",
         "Up to 10 mg/day is part of the regimen; more is rescue.", _edda,
         {"rescue": "event on day 80 by rescue_glucocorticoid"}),
    Case("Faye", "No creatinine at month 0 or before; 2.4 and casts at month 3.",
         "There is no baseline and no lowest value: unknown.", _faye,
         {"nephritic_flare": "no event; end of follow-up, day 1097",
          "nephritic_flare assessed": "known at 0, unknown at 1"}),
    Case("Gwen", "A flare on day 92; the committee refutes renal flare, without a date.",
         "A refutation without a date is about all of the patient's candidates.", _gwen,
         {"renal_flare": "no event; end of follow-up, day 1097", "proteinuric_flare": "event on day 92"}),
    Case("Hope", "No rule finds a flare; the committee confirms one on day 300.",
         "The committee's event counts, with no component behind it.", _hope,
         {"renal_flare": "event on day 300, as the committee decided",
          "treatment_failure": "event on day 300 by renal_flare, as the committee decided"}),
]  # fmt: skip
