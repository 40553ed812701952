"""How members agree with each other, with themselves, and with investigators; how much the rule misses.

Two votes on a case are compared as those of exchangeable raters, since who votes first is no one's
property: Scott's pi [scott1955], which is Fleiss's kappa of two.  A member's first and second vote on one
case have an order: Cohen's kappa [cohen1960].  Standard errors are by the delta method, as in [fleiss1969].
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from flarefree.conduct.adjudication.cases import Case, CaseKind
from flarefree.conduct.adjudication.queue import Queue, days_apart
from flarefree.conduct.adjudication.voting import Answer
from flarefree.results import Cell, Column, Row, Table

__all__ = [
    "InvestigatorWord",
    "Kappa",
    "MissRate",
    "agreement_table",
    "compute_kappa",
    "inter_rater",
    "intra_rater",
    "investigator_table",
    "miss_rate",
]

_Z = 1.959963984540054  # 0.975 quantile of the normal distribution


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement beyond chance between pairs of votes.

    Attributes
    ----------
    n, n_agree : int
        Pairs, and those that agree.
    kappa : float or None
        None without pairs, or where all votes of all pairs are one answer: chance alone would do that.
    std_error, conf_low, conf_high : float or None
        Limits of 95 %; None where every pair agrees: a standard error of zero is no certainty.
    """

    n: int
    n_agree: int
    kappa: float | None
    std_error: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None


def compute_kappa(pairs: Iterable[tuple[Hashable, Hashable]], *, exchangeable: bool) -> Kappa:
    """Kappa of pairs of answers.

    Parameters
    ----------
    pairs : iterable of (answer, answer)
    exchangeable : bool
        Scott's pi (one set of margins) instead of Cohen's kappa (each rater's own).

    Notes
    -----
    With p_o the share of agreement and p_e that expected by chance, kappa = (p_o - p_e) / (1 - p_e).
    Each pair's influence is ((o_i - p_o)(1 - p_e) - (1 - p_o) d_i) / (1 - p_e)^2, with o_i whether it
    agrees and d_i its influence on p_e; the variance is their mean square over n.
    """
    both = list(pairs)
    n = len(both)
    agree = [a == b for a, b in both]
    n_agree = sum(agree)
    if n == 0:
        return Kappa(0, 0, None)
    answers = list(dict.fromkeys(answer for pair in both for answer in pair))
    first = {k: sum(a == k for a, _ in both) / n for k in answers}
    second = {k: sum(b == k for _, b in both) / n for k in answers}
    if exchangeable:
        first = second = {k: (first[k] + second[k]) / 2 for k in answers}
    p_o, p_e = n_agree / n, sum(first[k] * second[k] for k in answers)
    if p_e == 1:
        return Kappa(n, n_agree, None)
    kappa = (p_o - p_e) / (1 - p_e)
    if n_agree == n:
        return Kappa(n, n_agree, kappa)
    squares = 0.0
    for (a, b), o in zip(both, agree, strict=True):
        # In Scott's pi both answers fall on one margin p_k, and p_e is the sum of its squares.
        d = first[b] + second[a] - 2 * p_e
        squares += (((o - p_o) * (1 - p_e) - (1 - p_o) * d) / (1 - p_e) ** 2) ** 2
    error = math.sqrt(squares) / n
    return Kappa(n, n_agree, kappa, error, max(-1.0, kappa - _Z * error), min(1.0, kappa + _Z * error))


# Between members, and of one with themself ---------------------------------------------------------


def inter_rater(queue: Queue, endpoint: str = "") -> Kappa:
    """Agreement of the two first votes on each case and round, copies apart; of one component, or of all.

    Opened votes only: those of rounds that are complete.
    """
    pairs = [
        (one.ballots[0].answer, one.ballots[1].answer)
        for case in queue.cases
        if case.kind is not CaseKind.DUPLICATE and endpoint in ("", case.endpoint)
        for one in case.rounds
        if len(one.ballots) >= queue.rules.votes
    ]
    return compute_kappa(pairs, exchangeable=True)


def intra_rater(queue: Queue, endpoint: str = "") -> Kappa:
    """Agreement of each member's vote with their vote on the same case, shown again unnamed."""
    by_id = {case.id: case for case in queue.cases}
    pairs: list[tuple[Hashable, Hashable]] = []
    for copy in queue.cases:
        if copy.kind is not CaseKind.DUPLICATE or endpoint not in ("", copy.endpoint):
            continue
        before = _votes_on(by_id[copy.copy_of], copy.rounds[0].basis)
        if len(copy.round.ballots) < queue.rules.votes:
            continue
        pairs += [(before[b.member], b.answer) for b in copy.round.ballots if b.member in before]
    return compute_kappa(pairs, exchangeable=False)


def _votes_on(case: Case, basis: str) -> dict[str, Answer]:
    """Votes of the last decided round that rested on these data."""
    rounds = [one for one in case.rounds if one.basis == basis and one.verdict is not None]
    return {b.member: b.answer for b in rounds[-1].ballots} if rounds else {}


def agreement_table(queue: Queue, labels: dict[str, str]) -> Table:
    """Kappa of each component with limits: between members, and of members with themselves.

    Parameters
    ----------
    queue : Queue
    labels : dict of str to str
        Components by name, in order, as they are to be printed.
    """
    columns = (
        Column("inter_n", "Pairs of votes that agree"),
        Column("inter", "Kappa (95% CI)"),
        Column("intra_n", "Votes repeated alike"),
        Column("intra", "Kappa (95% CI), same member"),
    )
    rows = []
    for name, label in {**labels, "": "All components"}.items():
        between, within = inter_rater(queue, name), intra_rater(queue, name)
        cells = {
            "inter_n": _n_of(between.n_agree, between.n),
            "inter": _kappa_cell(between),
            "intra_n": _n_of(within.n_agree, within.n),
            "intra": _kappa_cell(within),
        }
        rows.append(Row(label, cells, "kappa", name or "all", endpoint=name))
    return Table(
        "committee_agreement",
        "Agreement within the end-points committee",
        columns,
        tuple(rows),
        stub="Component",
        footnotes=(
            "Between members: Scott's pi of the first two votes.  Same member: Cohen's kappa of copies.",
            "No limits where all pairs agree; no kappa where all votes are one answer.",
        ),
        method="Scott's pi and Cohen's kappa, delta-method limits",
    )


def _kappa_cell(kappa: Kappa) -> Cell:
    stats = {"estimate": kappa.kappa, "conf_low": kappa.conf_low, "conf_high": kappa.conf_high}
    return Cell("estimate_ci", stats, digits=2)


def _n_of(n: int, total: int) -> Cell:
    return Cell("n_of_total", {"n": n, "total": total})


# What the rule misses -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MissRate:
    """How often the committee saw an event in a patient-period where the rule saw none.

    Attributes
    ----------
    confirmed, decided : int
        Controls confirmed as events, and controls decided.
    rate, conf_low, conf_high : float or None
        Exact limits [clopper1934]; None before any is decided.
    """

    confirmed: int
    decided: int
    rate: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None


def miss_rate(queue: Queue, endpoint: str = "") -> MissRate:
    """The miss rate of the rule, from negative controls; of one component, or of all."""
    from flarefree.stats.proportions import clopper_pearson

    verdicts = [
        case.verdict
        for case in queue.cases
        if case.kind is CaseKind.CONTROL and endpoint in ("", case.endpoint) and case.verdict is not None
    ]
    confirmed = sum(verdict.answer is Answer.CONFIRMED for verdict in verdicts)
    if not verdicts:
        return MissRate(0, 0)
    found = clopper_pearson(confirmed, len(verdicts))
    return MissRate(confirmed, len(verdicts), confirmed / len(verdicts), found.conf_low, found.conf_high)


# Investigators --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InvestigatorWord:
    """What an investigator said of a suspected event; kept from the committee.

    `day` is the event's, or, where there was none, the day in question.
    """

    subject: str
    endpoint: str
    day: int
    is_event: bool | None


_WORDS = {True: "event", False: "no event", None: "undecidable"}
_ANSWERS = {Answer.CONFIRMED: True, Answer.REFUTED: False, Answer.UNDECIDABLE: None}


def investigator_table(queue: Queue, words: Sequence[InvestigatorWord], labels: dict[str, str]) -> Table:
    """Investigator against committee, component by component: all pairs of answers, agreement, kappa.

    A word and a case are of one event if no more than `same_event_days` lie between them; each word is
    matched once, the nearest first.  Cases on which the investigator said nothing are counted apart.
    """
    pairs = {name: _paired(queue, words, name) for name in labels}
    answers = (True, False, None)
    columns = tuple(Column(f"{a}_{b}", f"{_WORDS[a]} / {_WORDS[b]}") for a in answers for b in answers)
    columns = (
        *columns,
        Column("silent", "Committee alone"),
        Column("agree", "Agree"),
        Column("kappa", "Kappa (95% CI)"),
    )
    rows = []
    for name, label in labels.items():
        both, silent = pairs[name]
        kappa = compute_kappa(both, exchangeable=False)
        counts = {
            f"{a}_{b}": Cell("count", {"n": sum(pair == (a, b) for pair in both)})
            for a in answers
            for b in answers
        }
        cells = {
            **counts,
            "silent": Cell("count", {"n": silent}),
            "agree": _n_of(kappa.n_agree, kappa.n),
            "kappa": _kappa_cell(kappa),
        }
        rows.append(Row(label, cells, "investigator_committee", name, endpoint=name))
    return Table(
        "investigator_committee",
        "Investigators and the end-points committee",
        columns,
        tuple(rows),
        stub="Component (investigator / committee)",
        method="Counts; Cohen's kappa, delta-method limits",
    )


Pair = tuple[bool | None, bool | None]


def _paired(queue: Queue, words: Sequence[InvestigatorWord], endpoint: str) -> tuple[list[Pair], int]:
    decided = [c for c in queue.suspected if c.endpoint == endpoint and c.verdict is not None]
    said = [word for word in words if word.endpoint == endpoint]
    near = sorted(
        (days_apart(word.day, case.day), case.id, i, j)
        for i, word in enumerate(said)
        for j, case in enumerate(decided)
        if word.subject == case.subject and days_apart(word.day, case.day) <= queue.same_event_days
    )
    words_used: set[int] = set()
    cases_used: set[int] = set()
    pairs: list[Pair] = []
    for _, _, i, j in near:
        verdict = decided[j].verdict
        if i not in words_used and j not in cases_used and verdict is not None:
            words_used.add(i)
            cases_used.add(j)
            pairs.append((said[i].is_event, _ANSWERS[verdict.answer]))
    return pairs, len(decided) - len(cases_used)
