"""Patients on paper for the multitarget maintenance trial: one for each rule, and its boundary.

Month 0 is day 1, month 1 day 31, month 3 day 92, month 6 day 184, month 18 day 549.  Unless the story says
otherwise a patient enters in complete remission with proteinuria 0.3 g/day, albumin 40 g/L, creatinine
0.9 mg/dL (the laboratory's upper limit is 1.1), 2 red and 2 white cells per field and no casts.
"""

# ruff: noqa: E501 - a case reads better as one table than folded
from __future__ import annotations

from endpoint_rules import Case

from patients_on_paper import Patient

SEDIMENT = {"red_cells": 2, "white_cells": 2, "red_cell_casts": False, "white_cell_casts": False}
COMPLETE = {"remission_status": "Complete", "end": 549}
PARTIAL = {"remission_status": "Partial", "end": 549}


def visit(
    p: Patient, day: int, number: float | None, *, limit: float | None = 1.1, creatinine: float | None = 0.9,
    **values: float | bool | None,
) -> Patient:  # fmt: skip
    """A whole visit; only what the story tells differs from entry."""
    p.at(day, number, **{"proteinuria": 0.3, "albumin": 40, **SEDIMENT, **values})
    if creatinine is not None:
        p.value("creatinine", day, creatinine, visit=number, upper_limit=limit)
    return p


def relapse(p: Patient, again: int, value: float = 1.0) -> Patient:
    """1 g/day at month 3, and `value` again some days later."""
    return visit(p, 1, 0).at(92, 3, proteinuria=1.0).at(92 + again, 100, proteinuria=value)


def _jing(p: Patient) -> None:
    relapse(p, 43)


def _lan(p: Patient) -> None:
    relapse(p, 13).at(184, 6, proteinuria=1.5)


def _qiu(p: Patient) -> None:
    visit(p, 1, 0).at(92, 3, proteinuria=1.2).at(106, 100, proteinuria=0.9).at(122, 101, proteinuria=1.2)


def _rui(p: Patient) -> None:
    visit(p, 1, 0, proteinuria=1.5).at(92, 3, proteinuria=3.5).at(106, 100, proteinuria=3.6)


def _shu(p: Patient) -> None:
    visit(p, 1, 0, proteinuria=1.5).at(92, 3, proteinuria=3.4).at(106, 100, proteinuria=3.4)


def _ting(p: Patient) -> None:
    visit(visit(p, 1, 0, proteinuria=1.5), 92, 3, proteinuria=0.4, albumin=35)
    p.at(184, 6, proteinuria=1.2).at(200, 100, proteinuria=1.2)


def _tao(p: Patient) -> None:
    visit(visit(p, 1, 0, proteinuria=1.5), 92, 3, proteinuria=0.41, albumin=35)
    p.at(184, 6, proteinuria=1.2).at(200, 100, proteinuria=1.2)


def _wei(p: Patient) -> None:
    for day, number in ((92, 3), (106, 100)):
        visit(p, day, number, creatinine=1.35, red_cells=10)
    visit(p, 1, 0)


def _xiu(p: Patient) -> None:
    visit(p, 1, 0, creatinine=1.3, red_cells=4)
    visit(p, 92, 3, creatinine=1.69, red_cells=8)
    visit(p, 106, 100, creatinine=1.69, red_cells=8)


def _xue(p: Patient) -> None:
    visit(p, 1, 0, creatinine=1.3, red_cells=4)
    visit(p, 92, 3, creatinine=1.68, red_cells=8)
    visit(p, 106, 100, creatinine=1.68, red_cells=8)


def _yan(p: Patient) -> None:
    visit(p, 1, 0, red_cells=0)
    visit(p, 92, 3, creatinine=1.5, red_cells=0)
    visit(p, 106, 100, creatinine=1.5, red_cells=0)


def _zhen(p: Patient) -> None:
    visit(p, 1, 0)
    visit(p, 92, 3, creatinine=1.5, red_cells=30, urinary_infection=True)
    visit(p, 106, 100, creatinine=1.5, red_cells=30)


def _bing(p: Patient) -> None:
    visit(visit(p, 1, 0), 92, 3, limit=None, creatinine=1.4)
    visit(p, 184, 6, limit=None, creatinine=1.41)


def _chun(p: Patient) -> None:
    relapse(p, 14).leaves(95, "ADVERSE EVENT")


def _dan(p: Patient) -> None:
    visit(p, 1, 0, creatinine=0.5)
    visit(p, 92, 3, creatinine=1.05)
    visit(visit(p, 184, 6, creatinine=1.11), 275, 9, creatinine=1.11)


def _gao(p: Patient) -> None:
    visit(p, 1, None).at(92, None, proteinuria=1.0).at(106, None, proteinuria=1.0)


def _hong(p: Patient) -> None:
    visit(p, 1, 0).at(549, 18, proteinuria=1.4).decided("committee", "renal_relapse", True, 549)


def _kai(p: Patient) -> None:
    visit(p, 1, 0, white_blood_cells=5.0).at(31, 1, white_blood_cells=4.0).at(92, 3, white_blood_cells=3.99)


def _lei(p: Patient) -> None:
    visit(p, 1, 0, alt=20, ast=20).at(31, 1, alt=50, ast=50).at(92, 3, ast=51)


def _min(p: Patient) -> None:
    visit(p, 1, 0, sledai=0, skin_erythema=False)
    p.at(92, 3, sledai=4, skin_erythema=True).at(106, 100, sledai=4, skin_erythema=True)


def _ning(p: Patient) -> None:
    visit(p, 1, 0, sledai=0, skin_erythema=False)
    p.at(92, 3, sledai=3, skin_erythema=True).at(106, 100, sledai=4, skin_erythema=True)


def _ping(p: Patient) -> None:
    visit(p, 1, 0, platelets=150)
    p.at(92, 3, sledai=6, platelets=49.9).at(106, 100, sledai=6, platelets=49.9)


def _rong(p: Patient) -> None:
    visit(p, 1, 0).at(92, 3, proteinuria=1.0).at(106, 100, albumin=38).at(184, 6, proteinuria=0.3)


CASES = [
    Case("Mei", "1.0 g/day at month 3, day 92, and again on day 106.",
         "After complete remission 1 g/day is asked, and reached; day 106 is 14 days later, the first day that confirms.",
         lambda p: relapse(p, 14), {"relapse_of_proteinuria": "event on day 92, borne out on day 106",
                                    "renal_relapse": "event on day 92 by relapse_of_proteinuria, borne out on day 106"},
         COMPLETE),
    Case("Lan", "1.0 g/day on day 92, again on day 105; 1.5 at month 6, day 184.",
         "Day 105 is 13 days later and day 184 is 92: none within 14 to 42. From day 105, day 184 is 79 days later. Not "
         "known, so no event; month 6 has nothing after it.", _lan,
         {"relapse_of_proteinuria": "no event; end of follow-up, day 549",
          "relapse_of_proteinuria assessed": "known at 0, unknown at 3"}, COMPLETE),
    Case("Hua", "1.0 g/day on day 92, and again on day 134.", "42 days later: the last day that confirms.",
         lambda p: relapse(p, 42), {"relapse_of_proteinuria": "event on day 92, borne out on day 134"}, COMPLETE),
    Case("Jing", "1.0 g/day on day 92, and again on day 135.", "43 days later confirms nothing.", _jing,
         {"relapse_of_proteinuria": "no event; end of follow-up, day 549",
          "relapse_of_proteinuria assessed": "known at 0, unknown at 2"}, COMPLETE),
    Case("Qiu", "1.2 g/day on day 92, 0.9 on day 106, 1.2 on day 122.",
         "Any assessment in the window confirms: day 122 is 30 days later.", _qiu,
         {"relapse_of_proteinuria": "event on day 92, borne out on day 122"}, COMPLETE),
    Case("Rong", "1.0 g/day on day 92; on day 106 urine was not collected; 0.3 at month 6.",
         "The one assessment in the window says nothing: unknown, not refuted.", _rong,
         {"relapse_of_proteinuria": "no event; end of follow-up, day 549",
          "relapse_of_proteinuria assessed": "known at 1, unknown at 2"}, COMPLETE),
    Case("Rui", "In partial remission with 1.5 g/day; 3.5 on day 92, 3.6 on day 106.",
         "A rise of exactly 2.0 g/day counts.", _rui,
         {"relapse_of_proteinuria": "event on day 92, borne out on day 106"}, PARTIAL),
    Case("Shu", "In partial remission with 1.5 g/day; 3.4 on days 92 and 106.", "A rise of 1.9 < 2.0 g/day.", _shu,
         {"relapse_of_proteinuria": "no event; end of follow-up, day 549"}, PARTIAL),
    Case("Ting", "In partial remission; month 3: 0.4 g/day, albumin 35, sediment quiet; then 1.2 on days 184 and 200.",
         "0.4 and 35 are within complete remission, so from then on 1 g/day is a relapse.", _ting,
         {"relapse_of_proteinuria": "event on day 184, borne out on day 200",
          "complete_remission on day 92": "holds"}, PARTIAL),
    Case("Tao", "As Ting, but 0.41 g/day at month 3.",
         "Never in complete remission, so a rise of 2 g/day would be asked.", _tao,
         {"relapse_of_proteinuria": "no event; end of follow-up, day 549",
          "complete_remission on day 92": "does not hold"}, PARTIAL),
    Case("Wei", "Creatinine 1.35 and 10 red cells per field on days 92 and 106.",
         "0.9 is normal (limit 1.1): 1.5 × 0.9 = 1.35, exactly 50% above. 10 red cells reach 10.", _wei,
         {"relapse_of_creatinine": "event on day 92, borne out on day 106"}, COMPLETE),
    Case("Xiu", "Enters with creatinine 1.3 (limit 1.1) and 4 red cells; 1.69 and 8 on days 92 and 106.",
         "1.3 is abnormal: 1.3 × 1.3 = 1.69, exactly 30% above. 8 = 2 × 4: doubled.", _xiu,
         {"relapse_of_creatinine": "event on day 92, borne out on day 106"}, COMPLETE),
    Case("Xue", "As Xiu, but creatinine 1.68.", "1.68 < 1.69.", _xue,
         {"relapse_of_creatinine": "no event; end of follow-up, day 549"}, COMPLETE),
    Case("Yan", "Creatinine 1.5, no red cells, on days 92 and 106; none at month 0 either.",
         "None is no doubling of none.", _yan, {"relapse_of_creatinine": "no event; end of follow-up, day 549"},
         COMPLETE),
    Case("Zhen", "Creatinine 1.5 and 30 red cells with a urinary infection on day 92; without one on day 106.",
         "With the infection day 92 does not count; day 106 would, and nothing confirms it.", _zhen,
         {"relapse_of_creatinine": "no event; end of follow-up, day 549",
          "relapse_of_creatinine assessed": "known at 1, unknown at 1"}, COMPLETE),
    Case("Bing", "All quiet, but a laboratory without limits of normal; creatinine 1.40 on day 92, 1.41 on day 184.",
         "The protocol's own range, up to 1.40 mg/dL, stands in.", _bing,
         {"complete_remission on day 1": "holds", "complete_remission on day 92": "holds",
          "complete_remission on day 184": "does not hold"}, COMPLETE),
    Case("Chun", "1.0 g/day on day 92; withdraws on day 95; 1.0 again on day 106.",
         "The relapse is of day 92, before withdrawal; what bears it out may come later.", _chun,
         {"renal_relapse": "event on day 92 by relapse_of_proteinuria, borne out on day 106"},
         {**COMPLETE, "end": 95}),
    Case("Dan", "Enters with creatinine 0.5; 1.05 on day 92, 1.11 on days 184 and 275.",
         "1.05 is more than doubled but normal; 1.11 is beyond 1.1, and lasts.", _dan,
         {"doubling": "event on day 184, borne out on day 275"}, COMPLETE),
    Case("Gao", "Rows without any visit: 1.0 g/day on day 92, and again on day 106.",
         "Both days are in month 3's window; the repeat is no correction but another occasion.", _gao,
         {"relapse_of_proteinuria": "event on day 92, borne out on day 106"}, COMPLETE),
    Case("Hong", "1.4 g/day at month 18, never repeated; the committee confirms a relapse on day 549.",
         "Unconfirmed, so unknown by the rule; the committee decides.", _hong,
         {"renal_relapse": "event on day 549, as the committee decided",
          "relapse_of_proteinuria": "no event; end of follow-up, day 549"}, COMPLETE),
    Case("Kai", "White cells 4.0 × 10^9/L at month 1, 3.99 at month 3.",
         "Below 4000/uL is asked; 4.0 × 10^9/L is 4000/uL.", _kai, {"leukopenia": "event on day 92"}, COMPLETE),
    Case("Lei", "ALT and AST 50 U/L at month 1; AST 51 at month 3.", "Above 50 is asked; ALT was not measured, and AST "
         "alone is enough.", _lei, {"liver_dysfunction": "event on day 92"}, COMPLETE),
    Case("Min", "New skin erythema with SLEDAI 4 on days 92 and 106.", "4 reaches 4.", _min,
         {"extrarenal_relapse": "event on day 92, borne out on day 106"}, COMPLETE),
    Case("Ning", "New skin erythema with SLEDAI 3 on day 92, 4 on day 106.",
         "3 < 4 on day 92; nothing confirms day 106.", _ning,
         {"extrarenal_relapse": "no event; end of follow-up, day 549"}, COMPLETE),
    Case("Ping", "Platelets 150 × 10^9/L at month 0, 49.9 with SLEDAI 6 on days 92 and 106.",
         "49.9 × 10^9/L is 49 900/mm3, below 50 000. The other manifestations were not recorded; one is enough.", _ping,
         {"extrarenal_relapse": "event on day 92, borne out on day 106"}, COMPLETE),
]  # fmt: skip
