"""Whether two labels name one thing: outcomes as papers call them, brought to a common form.

Deliberately modest: it joins "Doubling of SCr level" with "sustained doubling of serum creatinine", and
"any adverse event" with "AEs".  What it cannot join, the column `outcome_id` can.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["general_form", "is_estimated", "is_everybody", "is_time_to_event", "outcome_key", "period_parts"]

_WORDS = {
    "ae": "adverse event", "aes": "adverse event", "sae": "serious adverse event",
    "saes": "serious adverse event", "scr": "serum creatinine", "htn": "hypertension",
    "esrd": "end stage renal disease", "eskd": "end stage renal disease", "cr": "complete remission",
    "pr": "partial remission", "uti": "urinary tract infection", "gi": "gastrointestinal",
    "urti": "upper respiratory tract infection", "dm": "diabetes mellitus", "kidney": "renal",
    "deaths": "death", "relapses": "relapse", "flares": "flare", "infections": "infection",
    "events": "event", "diarrhoea": "diarrhea", "leucopenia": "leukopenia", "symptoms": "symptom",
    "syndrome": "symptom", "patients": "patient", "remissions": "remission", "bp": "hypertension",
    "respiratory": "respiratory tract", "hypertensive": "hypertension",
}  # fmt: skip
_EMPTY = frozenset(
    (
        *("of", "the", "a", "an", "any", "all", "at", "least", "one", "with", "in", "to", "for", "and", "or"),
        *("level", "levels", "rate", "rates", "sustained", "patient", "incidence", "number", "no", "total"),
        *("new", "onset", "overall", "during"),
    )
)
_QUALIFIERS = frozenset({"serious", "severe", "major", "fatal"})
_ESTIMATED = re.compile(
    r"kaplan|meier|\bkm\b|cumulative|probabilit|estimated|actuarial|model|adjusted|imput|weighted|standardi[sz]ed",
    re.I,
)
_TIMED = re.compile(r"time.to|hazard|survival|log.?rank|\bcox\b|kaplan", re.I)


@lru_cache(maxsize=4096)
def outcome_key(label: str) -> str:
    """A label without case, brackets, punctuation and words that do not tell outcomes apart."""
    bare = re.sub(r"\[[^]]*\]|\([^)]*\)", " ", label.lower())
    words = " ".join(_WORDS.get(word, word) for word in re.findall(r"[a-z0-9]+", bare)).split()
    kept = [word for i, word in enumerate(words) if word not in _EMPTY and word not in words[:i]]
    return " ".join(kept) or " ".join(words)


def general_form(key: str) -> str:
    """The outcome that includes this one by its name: `serious infection` is an `infection`; else empty."""
    words = key.split()
    if len(words) > 1 and words[0] in _QUALIFIERS:
        return " ".join(words[1:])
    leading = re.match(r"^(adverse event) (?:leading|causing|requiring)\b", key)
    return leading.group(1) if leading else ""


def is_estimated(*texts: str) -> bool:
    """Whether a percentage is said to be estimated (Kaplan-Meier, model), not counted."""
    return any(_ESTIMATED.search(text) for text in texts if text)


def is_everybody(arm: str) -> bool:
    """Whether an arm's name means all patients of the study together."""
    words = set(re.findall(r"[a-z]+", arm.lower()))
    return bool(words) and words <= {
        "both",
        "all",
        "arms",
        "groups",
        "patients",
        "total",
        "overall",
        "pooled",
        "combined",
    }


def is_time_to_event(*texts: str) -> bool:
    return any(_TIMED.search(text) for text in texts if text)


def period_parts(period: str) -> frozenset[str]:
    """Phases that a period covers: `induction + maintenance` covers two."""
    return frozenset(part.strip().lower() for part in re.split(r"\+|&|\band\b", period) if part.strip())
