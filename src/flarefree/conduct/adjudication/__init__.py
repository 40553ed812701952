"""Adjudication: suspected events become cases, members vote unseen by each other, verdicts go out.

Takes what `conduct.detecting` finds in patients' data, a committee, and times as arguments; gives frozen
queues, dossiers made from a list of what may be seen, and the `decisions` that the analysis reads.
Begin reading at `cases.py` (its table of transitions), then `queue.py` (what data that change do), then
`releasing.py` (controls and copies), `dossier.py` (what a member sees) and `decisions.py` (the lock).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flarefree.conduct.adjudication.agreement import (
        InvestigatorWord,
        Kappa,
        MissRate,
        agreement_table,
        compute_kappa,
        inter_rater,
        intra_rater,
        investigator_table,
        miss_rate,
    )
    from flarefree.conduct.adjudication.cases import TRANSITIONS, Case, CaseKind, CaseState, Entry, Round
    from flarefree.conduct.adjudication.committee import Committee, Conflict, Member
    from flarefree.conduct.adjudication.decisions import (
        AdjudicationLock,
        SafetyReferral,
        decisions_frame,
        lock,
        safety_referrals,
    )
    from flarefree.conduct.adjudication.desk import DeskCase, desk_case, desk_list
    from flarefree.conduct.adjudication.dossier import AllowList, Dossier, Note, build_dossier
    from flarefree.conduct.adjudication.queue import Queue, reconcile
    from flarefree.conduct.adjudication.releasing import release
    from flarefree.conduct.adjudication.telling_words import TellingWords
    from flarefree.conduct.adjudication.voting import Answer, Ballot, Verdict, seal

_HOME = {
    "AdjudicationLock": "decisions",
    "AllowList": "dossier",
    "Answer": "voting",
    "Ballot": "voting",
    "Case": "cases",
    "CaseKind": "cases",
    "CaseState": "cases",
    "Committee": "committee",
    "Conflict": "committee",
    "DeskCase": "desk",
    "Dossier": "dossier",
    "Entry": "cases",
    "InvestigatorWord": "agreement",
    "Kappa": "agreement",
    "Member": "committee",
    "MissRate": "agreement",
    "Note": "dossier",
    "Queue": "queue",
    "Round": "cases",
    "SafetyReferral": "decisions",
    "TRANSITIONS": "cases",
    "TellingWords": "telling_words",
    "Verdict": "voting",
    "agreement_table": "agreement",
    "build_dossier": "dossier",
    "compute_kappa": "agreement",
    "decisions_frame": "decisions",
    "desk_case": "desk",
    "desk_list": "desk",
    "inter_rater": "agreement",
    "intra_rater": "agreement",
    "investigator_table": "agreement",
    "lock": "decisions",
    "miss_rate": "agreement",
    "reconcile": "queue",
    "release": "releasing",
    "safety_referrals": "decisions",
    "seal": "voting",
}

__all__ = [
    "TRANSITIONS",
    "AdjudicationLock",
    "AllowList",
    "Answer",
    "Ballot",
    "Case",
    "CaseKind",
    "CaseState",
    "Committee",
    "Conflict",
    "DeskCase",
    "Dossier",
    "Entry",
    "InvestigatorWord",
    "Kappa",
    "Member",
    "MissRate",
    "Note",
    "Queue",
    "Round",
    "SafetyReferral",
    "TellingWords",
    "Verdict",
    "agreement_table",
    "build_dossier",
    "compute_kappa",
    "decisions_frame",
    "desk_case",
    "desk_list",
    "inter_rater",
    "intra_rater",
    "investigator_table",
    "lock",
    "miss_rate",
    "reconcile",
    "release",
    "safety_referrals",
    "seal",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"flarefree.conduct.adjudication.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
