"""A rich report to look at and to test: two arms of invented patients, every kind of table and figure.

Numbers are made here by the plainest means; none comes from `flarefree`'s own statistics.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from flarefree.results import Figure

ARMS = {"MMF": "Mycophenolate mofetil", "AZA": "Azathioprine"}


def survival_times(n: int, yearly_hazard: float, rng: np.random.Generator) -> list[tuple[float, bool]]:
    """Times in months and whether the event was seen; follow-up ends at 36 months, or before."""
    events = rng.exponential(12 / yearly_hazard, n)
    ends = np.minimum(36.0, rng.exponential(70, n))
    return [(round(min(e, c), 2), bool(e <= c)) for e, c in zip(events, ends, strict=True)]


def product_limit(group: str, label: str, times: list[tuple[float, bool]]) -> list[dict[str, object]]:
    """The product-limit estimate, step by step, with log-log limits."""
    rows, at_risk, survival, greenwood = [], len(times), 1.0, 0.0
    for time in sorted({t for t, _ in times}):
        events = sum(1 for t, seen in times if t == time and seen)
        censored = sum(1 for t, seen in times if t == time and not seen)
        if events:
            survival *= 1 - events / at_risk
            if at_risk > events:
                greenwood += events / (at_risk * (at_risk - events))
        low, high = _log_log(survival, greenwood)
        rows.append(
            {
                "group": group,
                "label": label,
                "time": time,
                "n_risk": at_risk,
                "n_event": events,
                "n_censor": censored,
                "estimate": survival,
                "conf_low": low,
                "conf_high": high,
            }
        )
        at_risk -= events + censored
    return rows


def _log_log(survival: float, greenwood: float) -> tuple[float | None, float | None]:
    if not 0 < survival < 1:
        return None, None
    spread = 1.96 * math.sqrt(greenwood) / abs(math.log(survival))
    return survival ** math.exp(spread), survival ** math.exp(-spread)


def kaplan_meier_figure(
    hazards: dict[str, float] | None = None, labels: dict[str, str] | None = None, **options: object
) -> Figure:
    """Curves of as many groups as there are hazards."""
    rng = np.random.default_rng(20110101)
    labels = labels or ARMS
    main, censored, at_risk = [], [], []
    for group, hazard in (hazards or {"MMF": 0.07, "AZA": 0.15}).items():
        times = survival_times(116 if group == "MMF" else 111, hazard, rng)
        steps = product_limit(group, labels[group], times)
        main += steps
        censored += [
            {"group": group, "time": row["time"], "estimate": row["estimate"]}
            for row in steps
            if row["n_censor"] and row["time"] < 36
        ]
        at_risk += [
            {
                "group": group,
                "label": labels[group],
                "time": float(month),
                "n": sum(1 for t, _ in times if t >= month),
            }
            for month in range(0, 37, 6)
        ]
    return Figure(
        id="treatment_failure",
        title="Time to Treatment Failure",
        kind="kaplan_meier",
        data={
            "main": pl.DataFrame(main),
            "censored": pl.DataFrame(censored),
            "at_risk": pl.DataFrame(at_risk),
        },
        x_label="Months since randomization",
        y_label="Probability of freedom from treatment failure",
        annotations=("Hazard ratio, 0.44 (95% CI, 0.25 to 0.77)", "P=0.003 by log-rank test"),
        footnotes=("Tick marks show censored data.",),
        endpoint="treatment_failure",
        population="itt",
        options={"tick_every": 6, **options},
    )


def forest_figure() -> Figure:
    """Subgroups, one of them without events in an arm."""

    def row(
        label: str,
        indent: int,
        mmf: tuple[int, int, float],
        aza: tuple[int, int, float],
        hr: tuple[float | None, float | None, float | None],
        **more: object,
    ) -> dict[str, object]:
        return {
            "label": label,
            "indent": indent,
            "is_header": False,
            "events_MMF": mmf[0],
            "n_MMF": mmf[1],
            "rate_MMF": mmf[2],
            "events_AZA": aza[0],
            "n_AZA": aza[1],
            "rate_AZA": aza[2],
            "estimate": hr[0],
            "conf_low": hr[1],
            "conf_high": hr[2],
            **more,
        }

    rows: list[dict[str, object]] = [
        row("All patients", 0, (19, 116, 7.2), (36, 111, 16.9), (0.44, 0.25, 0.77), is_overall=True),
        {"label": "Induction treatment", "is_header": True, "p_interaction": 0.21},
        row("Mycophenolate mofetil", 1, (11, 61, 7.6), (15, 57, 13.1), (0.58, 0.27, 1.27)),
        row("IV cyclophosphamide", 1, (8, 55, 6.7), (21, 54, 21.3), (0.33, 0.14, 0.74)),
        {"label": "Race", "is_header": True, "p_interaction": 0.0471},
        row("White", 1, (8, 48, 7.4), (19, 51, 19.6), (0.39, 0.17, 0.89)),
        row("Black", 1, (4, 12, 17.9), (5, 11, 29.7), (0.63, 0.17, 2.37)),
        row("Asian", 1, (5, 39, 5.0), (9, 37, 11.0), (0.46, 0.15, 1.38)),
        row(
            "Other, including mixed and not stated at screening",
            1,
            (2, 17, 5.4),
            (3, 12, 14.8),
            (0.35, 0.02, 9.1),
        ),
        {"label": "Region", "is_header": True, "p_interaction": 0.64},
        row("Asia", 1, (5, 38, 5.1), (9, 34, 12.2), (0.42, 0.14, 1.25)),
        row("Latin America", 1, (6, 31, 8.7), (8, 29, 13.6), (0.64, 0.22, 1.84)),
        row("North America", 1, (5, 23, 10.6), (10, 24, 23.6), (0.47, 0.16, 1.37)),
        row("Rest of world", 1, (0, 24, 0.0), (9, 24, 19.4), (None, None, None)),
    ]
    return Figure(
        id="subgroups",
        title="Risk of Treatment Failure in Subgroups of Patients",
        kind="forest",
        data={"main": pl.DataFrame(rows, infer_schema_length=None)},
        footnotes=("The incidence rate is the number of events per 100 person-years.",),
        endpoint="treatment_failure",
        population="itt",
        options={"arms": ARMS, "favors": ("Mycophenolate mofetil better", "Azathioprine better")},
    )


def flow_figure(arms: dict[str, str] | None = None) -> Figure:
    """Screening to analysis, with reasons for leaving."""
    arms = arms or ARMS
    rows: list[tuple[str, str, str, str, int, str, bool]] = [
        ("screened", "", "", "Assessed for eligibility", 301, "", False),
        (
            "excluded",
            "screened",
            "",
            "Excluded",
            74,
            "No response to induction (n=41)\nWithdrew consent before randomization (n=21)\n"
            "Screen failure (n=12)",
            True,
        ),
        ("enrolled", "screened", "", "Randomized", 227, "", False),
    ]
    counts = {"MMF": (116, 115, 1, 43, 73, 116, 115), "AZA": (111, 111, 0, 57, 54, 111, 111)}
    for arm, label in arms.items():
        n, dosed, not_dosed, out, completed, itt, safety = counts.get(arm, (80, 79, 1, 20, 60, 80, 79))
        rows += [
            (
                f"allocated_{arm}",
                "enrolled",
                arm,
                f"Allocated to {label}",
                n,
                f"Received study drug (n={dosed})\nDid not receive study drug (n={not_dosed})",
                False,
            ),
            (
                f"withdrawn_{arm}",
                f"allocated_{arm}",
                arm,
                "Did not complete",
                out,
                "Adverse event (n=20)\nFlare of lupus nephritis, as judged by the investigator (n=11)\n"
                "Withdrawal of consent (n=7)\nLost to follow-up (n=5)",
                True,
            ),
            (f"completed_{arm}", f"allocated_{arm}", arm, "Completed", completed, "", False),
            (
                f"analyzed_{arm}",
                f"completed_{arm}",
                arm,
                "Analyzed",
                itt,
                f"Intention to treat (n={itt})\nSafety (n={safety})",
                False,
            ),
        ]
    columns = ["id", "parent", "column", "label", "n", "lines", "side"]
    return Figure(
        "participant_flow",
        "Enrollment, Randomization, and Follow-up",
        "flow",
        {"main": pl.DataFrame(rows, schema=columns, orient="row")},
        options={"columns": arms},
    )


def course_figure(arms: dict[str, str] | None = None) -> Figure:
    """Four measures over 36 months."""
    rng = np.random.default_rng(7)
    rows = []
    for panel, start, step, spread in (
        ("Urinary protein:creatinine ratio, mg/mg", 0.9, -0.012, 0.3),
        ("Serum creatinine, mg/dl", 0.85, 0.004, 0.2),
        ("Complement C3, mg/dl", 94.0, 0.35, 9.0),
        ("Estimated GFR (MDRD-186), ml/min/1.73 m²", 101.0, -0.3, 16.0),
    ):
        for i, (group, label) in enumerate((arms or ARMS).items()):
            for month in (0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36):
                center = start + step * month * (1 + i) + rng.normal(0, spread / 12)
                n = 115 - month - 8 * i
                half = 1.96 * spread / math.sqrt(n)
                rows.append(
                    {
                        "panel": panel,
                        "group": group,
                        "label": label,
                        "visit": f"Month {month}",
                        "x": float(month),
                        "n": n,
                        "estimate": center,
                        "conf_low": center - half,
                        "conf_high": center + half,
                    }
                )
    return Figure(
        "laboratory_course",
        "Renal and Immunologic Variables over Time",
        "course",
        {"main": pl.DataFrame(rows)},
        x_label="Months",
        footnotes=("Bars are 95% confidence limits.",),
    )


def bars_figure() -> Figure:
    """Complete remission by visit."""
    rows = [
        {
            "group": g,
            "label": ARMS[g],
            "visit": f"Month {m}",
            "x": float(m),
            "n": n,
            "total": t,
            "percent": 100 * n / t,
        }
        for m, counts in (
            (6, ((41, 108), (35, 101))),
            (12, ((50, 101), (38, 90))),
            (24, ((55, 90), (36, 70))),
            (36, ((47, 73), (30, 54))),
        )
        for g, (n, t) in zip(("MMF", "AZA"), counts, strict=True)
    ]
    return Figure(
        "remission",
        "Complete Renal Remission by Visit",
        "bars",
        {"main": pl.DataFrame(rows)},
        x_label="Visit",
        y_label="Patients (%)",
    )


def subject_figure() -> Figure:
    """One patient, one flare."""
    main = [
        {"panel": panel, "day": float(day), "value": value, "is_marked": day == 274}
        for panel, values in (
            ("UPCR, mg/mg", (0.4, 0.5, 0.38, 1.17, 0.9)),
            ("Creatinine, mg/dl", (0.8, 0.8, 0.9, 1.1, 1.0)),
        )
        for day, value in zip((1, 92, 183, 274, 366), values, strict=True)
    ]
    return Figure(
        "patient_017_004",
        "Course of Patient 017-004",
        "subject_course",
        {
            "main": pl.DataFrame(main),
            "events": pl.DataFrame(
                [{"day": 274, "label": "Proteinuric flare"}, {"day": 300, "label": "Rescue therapy"}]
            ),
            "limits": pl.DataFrame([{"panel": "UPCR, mg/mg", "value": 0.8, "label": "twice baseline"}]),
        },
    )
