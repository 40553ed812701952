"""From the text of a formula to its nodes; errors show a caret under the place.

The grammar is R's: `^` binds closest, then a sign, `:`, `*` and `/`, `+` and `-`, comparisons, `&`, `|`,
and `~` last.  Names with other signs stand in backquotes; `**` is read as `^`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from flarefree.errors import FormulaError
from flarefree.stats.formula.nodes import BINDING, Binary, Call, Constant, Expr, Name, Unary

__all__ = ["formula_error", "parse_sides"]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?L?)
    | (?P<name>[^\W\d][\w.]*|\.[^\W\d][\w.]*|\.(?!\d))
    | `(?P<quoted>[^`]+)`
    | (?P<text>"[^"]*"|'[^']*')
    | (?P<op>\*\*|==|!=|<=|>=|[~+\-*/:^|&(),=<>])
    )""",
    re.VERBOSE,
)
_CONSTANTS = {"TRUE": True, "FALSE": False, "True": True, "False": False, "NULL": None, "None": None}
_SIGN = 8  # a sign binds closer than ':' and less than '^', as in R


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def formula_error(what: str, text: str, at: int, *, expected: str = "", try_: str = "") -> FormulaError:
    """An error that shows the formula with a caret under the place `at`."""
    line = " ".join(text.splitlines()) if "\n" in text else text
    return FormulaError(what, where="formula", found=f"{line}\n{' ' * at}^", expected=expected, try_=try_)


@lru_cache(maxsize=512)
def parse_sides(text: str) -> tuple[Expr | None, Expr]:
    """The response (None where there is none) and the right side of a formula."""
    return _Parser(text).formula()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            place = at + len(text[at:]) - len(text[at:].lstrip())
            raise formula_error(
                "this sign has no meaning in a formula",
                text,
                place,
                expected="names, numbers, texts in quotes, and ~ + - * / : ^ | & ( ) ,",
                try_="put a column's name that has other signs in `backquotes`",
            )
        kind = match.lastgroup or ""
        found.append(_Token("name" if kind == "quoted" else kind, match[kind], match.start(kind)))
        if kind == "quoted":  # `TRUE` in backquotes is a column, not a constant
            found[-1] = _Token("column", match[kind], match.start(kind))
        at = match.end()
    found.append(_Token("end", "", end))
    return found


class _Parser:
    """Precedence climbing over the tokens of one formula."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.position = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.position]

    def take(self) -> _Token:
        token = self.token
        self.position += 1
        return token

    def meets(self, op: str) -> bool:
        return self.token.kind == "op" and self.token.text == op

    def error(self, what: str, **parts: str) -> FormulaError:
        return formula_error(what, self.text, self.token.at, **parts)

    def formula(self) -> tuple[Expr | None, Expr]:
        if self.token.kind == "end":
            raise self.error("the formula is empty", try_='"Surv(time, event) ~ arm"')
        response = None if self.meets("~") else self.expression(0)
        if not self.meets("~"):
            what = "the formula has no ~" if self.token.kind == "end" else "this cannot stand here"
            raise self.error(what, expected="response ~ terms", try_='"y ~ arm" or "Surv(time, event) ~ arm"')
        self.take()
        right = self.expression(0)
        if self.token.kind != "end":
            raise self.error("this cannot stand here", expected="an operator or the end of the formula")
        return response, right

    def expression(self, minimum: int) -> Expr:
        left = self.prefix()
        while self.token.kind == "op":
            op = "^" if self.token.text == "**" else self.token.text
            power = BINDING.get(op)
            if power is None or power < minimum:
                break
            at = self.take().at
            # '^' groups from the right, all others from the left.
            left = Binary(op, left, self.expression(power if op == "^" else power + 1), at)
        return left

    def prefix(self) -> Expr:
        if self.token.kind == "op" and self.token.text in "+-":
            sign = self.take()
            return Unary(sign.text, self.expression(_SIGN), sign.at)
        return self.primary()

    def primary(self) -> Expr:
        token = self.token
        match token.kind:
            case "number":
                self.take()
                return Constant(_number(token.text), token.at)
            case "text":
                self.take()
                return Constant(token.text[1:-1], token.at)
            case "column":
                self.take()
                return Name(token.text, token.at)
            case "name":
                self.take()
                if token.text in _CONSTANTS:
                    return Constant(_CONSTANTS[token.text], token.at)
                return self.call(token) if self.meets("(") else Name(token.text, token.at)
        if self.meets("("):
            self.take()
            inner = self.expression(0)
            self.close(token)
            return inner
        what = "the formula ends too early" if token.kind == "end" else "this cannot stand here"
        raise self.error(what, expected="a column, a function, a number or an opening parenthesis")

    def close(self, opened: _Token) -> None:
        if not self.meets(")"):
            raise formula_error(
                "this parenthesis is not closed",
                self.text,
                opened.at,
                expected=") before " + (f"{self.token.text!r}" if self.token.text else "the end"),
            )
        self.take()

    def call(self, name: _Token) -> Call:
        opened = self.take()
        args: list[Expr] = []
        options: list[tuple[str, Expr]] = []
        while not self.meets(")"):
            ahead = self.tokens[min(self.position + 1, len(self.tokens) - 1)]
            if self.token.kind == "name" and ahead.kind == "op" and ahead.text == "=":
                option = self.take().text
                self.take()
                options.append((option, self.expression(0)))
            else:
                args.append(self.expression(0))
            if not self.meets(","):
                break
            self.take()
        self.close(opened)
        return Call(name.text, tuple(args), tuple(options), name.at)


def _number(text: str) -> float | int:
    text = text.removesuffix("L")
    return int(text) if text.isdigit() else float(text)
