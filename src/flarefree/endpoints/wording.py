"""Words in sentences: covariates and measures that are text, compared without regard to case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flarefree.endpoints.kernels import FALSE, TRUE, UNKNOWN
from flarefree.endpoints.panel import Panel
from flarefree.errors import ProtocolError
from flarefree.protocol.language.nodes import ComparisonOperator, Measure, Node, Text

__all__ = ["Words", "compare_words", "words_of", "yes_no"]

Ints8 = npt.NDArray[np.int8]
Ints32 = npt.NDArray[np.int32]

_MEANING = {"yes": TRUE, "y": TRUE, "no": FALSE, "n": FALSE}


@dataclass(frozen=True, slots=True)
class Words:
    """A word at every assessment: indices into `words`, -1 where unknown; shape (n,), or (1,) for one."""

    codes: Ints32
    words: tuple[str, ...]


def words_of(node: Node, panel: Panel, subject: Ints32) -> Words | None:
    """The node as words, if that is what it is; `subject` is the patient of each assessment."""
    if isinstance(node, Text):
        return Words(np.array([0], dtype=np.int32), (node.value,))
    if not isinstance(node, Measure):
        return None
    column = panel.columns.get(node.name)
    if column is not None:
        if not column.texts:
            return None
        return Words(np.where(np.isnan(column.values), -1, column.values).astype(np.int32), column.texts)
    covariate = panel.covariates.get(node.name)
    if covariate is None or covariate.dtype != object:
        return None
    words = tuple(dict.fromkeys(word for word in covariate.tolist() if word is not None))
    index = {word: code for code, word in enumerate(words)}
    by_subject = np.array([index.get(word, -1) for word in covariate.tolist()], dtype=np.int32)
    return Words(by_subject[subject], words)


def compare_words(operator: ComparisonOperator, left: Words, right: Words, n: int) -> Ints8:
    """Whether two words are the same, at each of `n` assessments."""
    if operator not in (ComparisonOperator.EQ, ComparisonOperator.NE):
        raise ProtocolError("words are equal or they are not", found=str(operator), expected="= or !=")
    folded: dict[str, int] = {}
    a, b = (_folded_codes(words, folded) for words in (left, right))
    same = (a == b) == (operator is ComparisonOperator.EQ)
    verdicts = np.where((a < 0) | (b < 0), UNKNOWN, same.astype(np.int8)).astype(np.int8)
    return verdicts if verdicts.size == n else np.repeat(verdicts, n)


def yes_no(words: Words) -> Ints8:
    """A covariate that says yes or no, as a condition."""
    meanings = [_MEANING.get(word.casefold(), UNKNOWN) for word in words.words]
    return np.array([*meanings, UNKNOWN], dtype=np.int8)[words.codes]


def _folded_codes(words: Words, folded: dict[str, int]) -> Ints32:
    codes = [folded.setdefault(word.casefold(), len(folded)) for word in words.words]
    return np.array([*codes, -1], dtype=np.int32)[words.codes]
