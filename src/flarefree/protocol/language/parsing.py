"""From a sentence to nodes: the parser, and what it says when a sentence cannot be read.

`parse_condition`, `parse_value` and `parse_record_condition` differ in what the sentence as a whole
must be.  Names are looked up later, by `checking.py`, which knows the protocol.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NoReturn

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from flarefree.protocol.language.building import Builder
from flarefree.protocol.language.messages import SentenceError, suggest
from flarefree.protocol.language.nodes import Node, Span
from flarefree.protocol.language.slips import find_slip
from flarefree.protocol.language.words import KEYWORDS, TABLES

__all__ = ["parse_condition", "parse_record_condition", "parse_value"]

_DEEPEST = 150


def parse_condition(text: str) -> Node:
    """Read a sentence that is true, false or unknown (`when`, `state`, populations).

    Parameters
    ----------
    text : str
        The sentence, such as `upcr >= 2 * baseline(upcr)`.

    Returns
    -------
    Node
        Each node's `span` is its place in `text`.

    Raises
    ------
    LanguageError
        The sentence cannot be read; the message shows the place with a caret.
    """
    return Builder(text).condition(_tree(text))


def parse_value(text: str) -> Node:
    """Read a sentence that gives a value (`value`); see `parse_condition`."""
    return Builder(text).value(_tree(text))


def parse_record_condition(text: str) -> Node:
    """Read what a record is tested for (`where` of an analysis); see `parse_condition`."""
    return Builder(text).record_condition(_tree(text))


@cache
def _parser() -> Lark:
    grammar = resources.files("flarefree.protocol.language").joinpath("grammar.lark").read_text("utf-8")
    return Lark(grammar, start="sentence", parser="lalr", propagate_positions=True, maybe_placeholders=False)


def _tree(text: str) -> Tree[Token] | Token:
    if not text.strip():
        raise SentenceError("the sentence is empty", Span(0, 0), text, expected="a condition or a value")
    try:
        sentence = _parser().parse(text)
    except UnexpectedInput as error:
        _explain(error, text)
    (tree,) = sentence.children
    _require_shallow(tree, text)
    return tree


def _require_shallow(tree: Tree[Token] | Token, text: str) -> None:
    """Every later step walks down the sentence; one nested without end would exhaust it."""
    level: list[Tree[Token] | Token] = [tree]
    for _ in range(_DEEPEST):
        level = [part for parent in level if isinstance(parent, Tree) for part in parent.children]
        if not level:
            return
    raise SentenceError(
        f"the sentence is nested more than {_DEEPEST} levels deep",
        Span(0, 1),
        text,
        try_="name parts of it as endpoints of their own, and put these together",
    )


# What to say of a sentence that cannot be read ----------------------------------------------------


def _explain(error: UnexpectedInput, text: str) -> NoReturn:
    _explain_slip(error, text)
    if isinstance(error, UnexpectedCharacters):
        _explain_character(text, error.pos_in_stream or 0)
    if isinstance(error, UnexpectedEOF) or (
        isinstance(error, UnexpectedToken) and error.token.type == "$END"
    ):
        end = len(text.rstrip())
        missing = _unclosed(text)
        raise SentenceError(
            "the sentence ends too early",
            Span(end, end + 1),
            text.rstrip(),
            expected=_expected(error) if missing is None else "a closing parenthesis )",
        ) from None
    assert isinstance(error, UnexpectedToken)
    _explain_token(error, text)


def _explain_slip(error: UnexpectedInput, text: str) -> None:
    position = len(text) if error.pos_in_stream is None else int(error.pos_in_stream)
    slip = find_slip(text, position)
    if slip is not None:
        raise SentenceError(slip.message, Span(slip.start, slip.stop), text, try_=slip.try_) from None


def _explain_character(text: str, position: int) -> NoReturn:
    here = Span(position, position + 1)
    if text[position] in "\"'":
        try_ = "close the quotation mark" if text[position] == '"' else 'put text in double quotes: "MMF"'
        raise SentenceError("this text does not end", here, text, try_=try_) from None
    raise SentenceError(f"{text[position]!r} has no meaning here", here, text) from None


def _explain_token(error: UnexpectedToken, text: str) -> NoReturn:
    token = _culprit(error)
    start = int(token.start_pos or 0)
    here = Span(start, start + len(token))
    word = str(token)
    before = text[:start].split()
    if word == "where" and before:
        raise SentenceError(
            "a test of records needs parentheses around it when it is a part of a sentence",
            here,
            text,
            try_=f"( ... {before[-1]} where ... )" if before[-1] in TABLES else "(medication where ...)",
        ) from None
    if token.type == "COMPARISON" and "COMPARISON" not in error.accepts:
        raise SentenceError(
            "two comparisons in a row", here, text, try_="join them with and: 1 <= x and x < 2"
        ) from None
    if word == ")":
        raise SentenceError("this parenthesis closes none", here, text, expected=_expected(error)) from None
    hint = suggest(word, KEYWORDS) if token.type in ("NAME", "UNIT") and word not in KEYWORDS else ""
    expected = _expected(error) if token is error.token else ""
    raise SentenceError(f"{word} does not fit here", here, text, expected=expected, try_=hint) from None


def _culprit(error: UnexpectedToken) -> Token:
    """The word to blame: where reading stopped, or a misspelt word before it that was taken for a unit.

    `1.2 an x` reads `an` as a unit.
    """
    before = error.token_history[-1] if error.token_history else None
    if before is not None and before.type == "UNIT" and suggest(str(before), ("and", "or", "if", "else")):
        return before
    return error.token


_MEANINGS = (
    ({"NAME", "NUMBER", "STRING"}, "a name, a number or text in quotes"),
    ({"COMPARISON"}, "a comparison such as >="),
    ({"AND", "OR"}, "and, or"),
    ({"ELSE"}, "else"),
    ({"UNIT"}, "a unit"),
    ({"COMMA"}, "a comma"),
    ({"RPAR"}, "a closing parenthesis )"),
    ({"$END"}, "the end of the sentence"),
    ({"LPAR"}, "an opening parenthesis ("),
    ({"DAY"}, "day"),
    ({"KNOWN"}, "known"),
    ({"FAR"}, "far"),
    ({"TO"}, "to"),
)


def _expected(error: UnexpectedInput) -> str:
    terminals = getattr(error, "accepts", None) or getattr(error, "expected", None) or ()
    accepts: set[str] = set(terminals)
    found = [words for terminals, words in _MEANINGS if terminals <= accepts]
    if "NAME" in accepts and "NUMBER" not in accepts:
        found.insert(0, "a name")
    if "NAME" in accepts and "an opening parenthesis (" in found:
        found.remove("an opening parenthesis (")
    if "NUMBER" in accepts and "NAME" not in accepts:
        found.insert(0, "a number")
    if "STRING" in accepts and "NAME" not in accepts:
        found.insert(0, 'text in quotes: "..."')
    return ", or ".join(found)


def _unclosed(text: str) -> int | None:
    """Where a parenthesis opens that nothing closes."""
    open_at: list[int] = []
    is_text = False
    for position, character in enumerate(text):
        if character == '"':
            is_text = not is_text
        elif not is_text and character == "(":
            open_at.append(position)
        elif not is_text and character == ")" and open_at:
            open_at.pop()
    return open_at[-1] if open_at else None
