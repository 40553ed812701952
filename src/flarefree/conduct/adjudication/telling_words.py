"""Words that could tell the arm: found in text before a committee sees it.

Names of the trial's drugs come from its protocol; those of drugs given in lupus nephritis, of their levels
and of what only one of them does are listed here.  A text is normalized first (case, accents, widths,
invisible characters, points within abbreviations), and long names are also found misspelled.  What is found
is held back, not mended: whoever keeps the cases asks the site for a text without it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from flarefree.protocol.schema import Protocol

__all__ = ["TellingWord", "TellingWords"]

# Generic and trade names, abbreviations and slips as charts have them; one line a drug.
_DRUGS = (
    (
        "mycophenolate",
        "mycophenolic",
        "micofenolato",
        "mofetil",
        "cellcept",
        "myfortic",
        "mmf",
        "mpa",
        "ec-mps",
    ),
    ("azathioprine", "imuran", "immuran", "imurel", "azasan", "aza", "mercaptopurine", "6-mp"),
    (
        "tacrolimus",
        "tacro",
        "prograf",
        "advagraf",
        "envarsus",
        "astagraf",
        "adoport",
        "fk506",
        "fk-506",
        "tac",
    ),
    ("cyclosporine", "ciclosporin", "neoral", "sandimmun", "sandimmune", "csa"),
    ("voclosporin", "lupkynis"),
    ("cyclophosphamide", "cytoxan", "endoxan", "ivcy"),
    ("rituximab", "mabthera", "rituxan"),
    ("belimumab", "benlysta"),
    ("obinutuzumab", "gazyva"),
    ("leflunomide", "arava"),
    ("methotrexate",),
)
# Levels, and laboratory signs and advice that belong to one drug.
_SIGNS = (
    "trough", "drug level", "drug levels", "calcineurin", "cni", "thiopurine", "tpmt", "nudt15", "6-tgn",
    "allopurinol", "febuxostat", "xanthine oxidase", "macrocytosis", "mcv",
)  # fmt: skip
# What tells of treatment whatever its name.
_TREATMENT = (
    "unblinded", "unblinding", "code break", "code broken", "randomized to", "randomised to", "allocated to",
    "treatment arm", "study arm", "active drug", "on active", "on placebo", "dummy", "kit", "blister",
    "dose reduced", "dose increased", "dose reduction", "dose increase", "study drug stopped",
)  # fmt: skip
_SURE = 9  # letters: from here on one of them may be another
_LONG = 7  # letters: from here on a name is found with one slip, and within longer words


@dataclass(frozen=True, slots=True)
class TellingWord:
    """One such word in a text: which, and where it begins in the normalized text."""

    word: str
    place: int


class TellingWords:
    """Finds words that could tell the arm.

    Parameters
    ----------
    words : iterable of str
    """

    def __init__(self, words: Iterable[str]) -> None:
        every = {_normal(word) for word in words} - {""}
        self._short = tuple(sorted(word for word in every if len(word) < _LONG or " " in word))
        self._long = tuple(sorted(word for word in every if len(word) >= _LONG and " " not in word))
        parts = (
            "|".join(
                re.escape(word).replace(r"\ ", r"[\s-]*").replace(r"\-", r"[\s-]*") for word in self._short
            )
            or r"(?!)"
        )
        self._short_pattern = re.compile(rf"(?<![a-z0-9])(?:{parts})(?![a-z])")

    @staticmethod
    def of(spec: Protocol) -> TellingWords:
        """For free text: drugs of every kind, their signs and levels, and a protocol's own names."""
        listed = [word for drug in _DRUGS for word in drug]
        return TellingWords([*listed, *_SIGNS, *_TREATMENT, *_own_words(spec)])

    @staticmethod
    def of_study_drugs(spec: Protocol) -> TellingWords:
        """For coded records: drugs that one arm takes and another does not, by all of their names.

        A rescue by another drug tells no arm, and the committee cannot judge it unseen.
        """
        own = {_normal(word) for word in _own_words(spec)}
        named = [word for drug in _DRUGS if own & set(drug) for word in drug]
        return TellingWords([*own, *named])

    def find(self, text: str) -> tuple[TellingWord, ...]:
        """The words of a text that could tell the arm, in their order."""
        normal = _normal(text)
        found = {m.start(): m.group() for m in self._short_pattern.finditer(normal)}
        for match in re.finditer(r"[a-z0-9][a-z0-9-]*", normal):
            written = match.group().replace("-", "")
            if len(written) < _LONG - 1:
                continue
            for word in self._long:
                if _resembles(written, word.replace("-", "")):
                    found.setdefault(match.start(), word)
                    break
        # Split by a space or a line's end: letters alone, wherever they stand.
        letters = [(place, c) for place, c in enumerate(normal) if c not in " -"]
        run = "".join(c for _, c in letters)
        for word in self._long:
            at = run.find(word.replace("-", ""))
            if at >= 0:
                found.setdefault(letters[at][0], word)
        return tuple(TellingWord(found[place], place) for place in sorted(found))


def _own_words(spec: Protocol) -> list[str]:
    """Names of a protocol's arms, and of the drugs that are not given in every one of them."""
    words: list[str] = []
    given = [
        {regimen.drug for regimen in arm.regimens if not regimen.is_placebo} for arm in spec.arms.values()
    ]
    common = set.intersection(*given) if given else set()
    for key, arm in spec.arms.items():
        words += [key, arm.label, *arm.codes]
        for regimen in arm.regimens:
            if regimen.drug not in common:
                words += [regimen.drug.removesuffix(" placebo"), *regimen.codes]
    return words


_POINTED = re.compile(r"\b(?:[a-z0-9]\.){2,}[a-z0-9]?")
_SPACED = re.compile(r"(?<![a-z0-9])(?:[a-z0-9] ){2,}[a-z0-9](?![a-z0-9])")
_LOOKALIKES = str.maketrans("аеорсхукмтнвіɑ", "aeopcxykmthbia")  # Cyrillic and Greek-like letters


@lru_cache(maxsize=4096)
def _normal(text: str) -> str:
    wide = unicodedata.normalize("NFKD", text).casefold().translate(_LOOKALIKES)
    plain = "".join(c for c in wide if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    plain = re.sub(r"[‐-―−_]", "-", plain)
    joined = _POINTED.sub(lambda m: m.group().replace(".", ""), plain)  # m.m.f.
    joined = _SPACED.sub(lambda m: m.group().replace(" ", ""), joined)  # m m f
    return re.sub(r"\s+", " ", joined).strip()


def _resembles(written: str, word: str) -> bool:
    """The word, the word within a longer one, or the word with one or (if long) two slips."""
    if word in written:
        return True
    if len(word) < _SURE and len(written) == len(word) and sorted(written) != sorted(word):
        return False  # another letter in a short name makes another word: Prograf, program
    if written[0] != word[0] and written[1:3] != word[1:3]:
        return False  # a slip spares the beginning: without this every long word would be compared
    slips = 2 if len(word) >= 10 else 1
    return abs(len(written) - len(word)) <= slips and _distance(written, word, slips) <= slips


def _distance(a: str, b: str, most: int) -> int:
    """Letters to insert, drop, change or swap with the next [damerau1964]; `most + 1` if more."""
    before_last: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        row = [i]
        for j, y in enumerate(b, start=1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, before_last[j - 2] + 1)
            row.append(best)
        if min(row) > most:
            return most + 1
        before_last, last = last, row
    return last[-1]
