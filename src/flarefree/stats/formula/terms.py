"""A formula read as a model: response, terms, special terms.

`a*b` is `a + b + a:b`; `(a + b)^2` stops at two-way terms; `a/b` is `a + a:b`; `- a` takes a term out.
Terms are sorted by their order and, within a term, variables stand as they first appeared, as in R.
`strata()`, `frailty()`, `cluster()`, `offset()`, `(1 | subject)` and covariance structures such as
`us(visit | subject)` are special: they give no columns of the design.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import Literal

from flarefree.stats.formula.nodes import Binary, Call, Constant, Expr, Name, Unary, names_in
from flarefree.stats.formula.parser import formula_error, parse_sides

__all__ = ["COVARIANCES", "Formula", "Special", "Term", "parse_formula"]

COVARIANCES = ("us", "toeph", "toep", "ar1h", "ar1", "csh", "cs", "adh", "ad", "vc")
"""Covariance structures, spelled as R's mmrm does; `h` means a variance of its own at each visit."""

_SPECIALS = frozenset({"strata", "frailty", "cluster", "offset", *COVARIANCES})

SpecialKind = Literal["strata", "frailty", "cluster", "offset", "random", "covariance"]


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the model: one variable, or several multiplied (an interaction)."""

    variables: tuple[Expr, ...]

    @property
    def label(self) -> str:
        """The term as R labels it, such as `arm:visit`."""
        return ":".join(map(str, self.variables)) or "(Intercept)"

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True, slots=True)
class Special:
    """A term that is no column of the design.

    Attributes
    ----------
    kind : str
        `strata`, `frailty`, `cluster`, `offset`, `random` for `(1 | subject)`, or `covariance`.
    name : str
        The function as written: `us` for `us(visit | subject)`; empty for `(1 | subject)`.
    variables : tuple of Expr
        What it is about: the strata's variables; the visit of a covariance; empty for `random`.
    subject, group : Expr, optional
        Right of the bar: `us(visit | group / subject)`, `(1 | subject)`.
    terms : tuple of Term
        Left of the bar of a random effect; the intercept is the term without variables.
    options : tuple of (str, value)
        Such as `distribution = "gamma"`.
    """

    kind: SpecialKind
    name: str
    variables: tuple[Expr, ...] = ()
    subject: Expr | None = None
    group: Expr | None = None
    terms: tuple[Term, ...] = ()
    options: tuple[tuple[str, float | int | str | bool | None], ...] = ()
    written: str = ""
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.written

    def option(self, name: str, default: float | int | str | bool | None = None) -> object:
        """The value of an option, or the default."""
        return next((value for key, value in self.options if key == name), default)


@dataclass(frozen=True, slots=True)
class Formula:
    """A model formula that has been read; made by `parse_formula`.

    Attributes
    ----------
    text : str
        As it was written.
    response : Expr, optional
        Left of `~`.
    terms : tuple of Term
        Terms that give columns, without the intercept, in R's order.
    has_intercept : bool
    specials : tuple of Special
    variables : tuple of Expr
        The distinct variables of `terms`, by first appearance.
    """

    text: str
    response: Expr | None
    terms: tuple[Term, ...]
    has_intercept: bool
    specials: tuple[Special, ...]
    variables: tuple[Expr, ...]

    def __str__(self) -> str:
        right = [term.label for term in self.terms] + [str(special) for special in self.specials]
        if not self.has_intercept:
            right.append("0")
        left = "" if self.response is None else f"{self.response} "
        return f"{left}~ {' + '.join(right or ['1'])}"

    def find(self, kind: SpecialKind) -> tuple[Special, ...]:
        """The special terms of one kind, in order."""
        return tuple(special for special in self.specials if special.kind == kind)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the data's columns that the formula reads, by first appearance."""
        return tuple(dict.fromkeys(name.name for name in self._names()))

    def _names(self) -> Iterator[Name]:
        exprs = [] if self.response is None else [self.response]
        exprs += list(self.variables)
        for special in self.specials:
            exprs += [*special.variables, *(v for term in special.terms for v in term.variables)]
            exprs += [e for e in (special.subject, special.group) if e is not None]
        for expr in exprs:
            yield from names_in(expr)

    def error(self, what: str, at: int, *, expected: str = "", try_: str = "") -> Exception:
        """A `FormulaError` with a caret under the place `at` of this formula."""
        return formula_error(what, self.text, at, expected=expected, try_=try_)


def parse_formula(formula: str | Formula) -> Formula:
    """Read a model formula.

    Parameters
    ----------
    formula : str
        In R's grammar: `"Surv(time, event) ~ arm + strata(center)"`.

    Raises
    ------
    FormulaError
        The text cannot be read; the message shows the place with a caret.
    """
    return formula if isinstance(formula, Formula) else _parse(formula)


@lru_cache(maxsize=512)
def _parse(text: str) -> Formula:
    response, right = parse_sides(text)
    specials: list[Special] = []
    order: dict[Expr, int] = {}
    reader = _Reader(text, specials, order)
    sets = reader.expand(right)
    has_intercept = not reader.without_intercept
    sets = [variables for variables in sets if variables]
    sets.sort(key=len)  # stable: terms of one order stay as written
    terms = tuple(Term(tuple(sorted(variables, key=order.__getitem__))) for variables in sets)
    used = {variable for term in terms for variable in term.variables}
    variables = tuple(variable for variable in order if variable in used)
    return Formula(text, response, terms, has_intercept, tuple(specials), variables)


class _Reader:
    """Expands the right side; collects special terms and the order in which variables appear."""

    def __init__(self, text: str, specials: list[Special], order: dict[Expr, int]) -> None:
        self.text = text
        self.specials = specials
        self.order = order
        self.without_intercept = False

    def expand(self, expr: Expr) -> list[frozenset[Expr]]:
        match expr:
            case Constant(value=1 | 0 as value) if not isinstance(value, bool):
                self.without_intercept = value == 0
                return []
            case Unary(op="-"):
                self._remove([], expr.operand)
                return []
            case Unary():
                return self.expand(expr.operand)
            case Binary(op="+"):
                return _union(self.expand(expr.left), self.expand(expr.right))
            case Binary(op="-"):
                return self._remove(self.expand(expr.left), expr.right)
            case Binary(op="*"):
                left, right = self._factors(expr)
                return _union(_union(left, right), _product(left, right))
            case Binary(op=":"):
                left, right = self._factors(expr)
                return _product(left, right)
            case Binary(op="/"):
                left, right = self._factors(expr)
                return _union(left, _product([frozenset().union(*left)], right))
            case Binary(op="^"):
                return self._power(expr)
            case Binary(op="|"):
                self._add(self._random(expr))
                return []
            case Call() if expr.function in _SPECIALS:
                self._add(self._special(expr))
                return []
            case Name() | Call():
                self.order.setdefault(expr, len(self.order))
                return [frozenset({expr})]
        raise formula_error(
            "this is no term of a model",
            self.text,
            expr.at,
            expected="a column, a function of columns, 0 or 1",
            try_="I(...) around arithmetic, such as I(x^2) or I(a / b)",
        )

    def _factors(self, expr: Binary) -> tuple[list[frozenset[Expr]], list[frozenset[Expr]]]:
        before = len(self.specials)
        sides = self.expand(expr.left), self.expand(expr.right)
        if len(self.specials) > before:
            raise formula_error(
                f"{self.specials[-1]} cannot be part of an interaction",
                self.text,
                expr.at,
                expected="special terms added with +",
            )
        return sides

    def _remove(self, terms: list[frozenset[Expr]], removed: Expr) -> list[frozenset[Expr]]:
        if isinstance(removed, Constant) and removed.value in (0, 1):
            self.without_intercept = removed.value == 1
            return terms
        gone = set(self.expand(removed))
        return [term for term in terms if term not in gone]

    def _power(self, expr: Binary) -> list[frozenset[Expr]]:
        if not (
            isinstance(expr.right, Constant) and isinstance(expr.right.value, int) and expr.right.value >= 1
        ):
            raise formula_error(
                "a power of terms must be a whole number",
                self.text,
                expr.right.at,
                try_="(a + b)^2 or I(x^2)",
            )
        base = self.expand(expr.left)
        terms: list[frozenset[Expr]] = []
        for size in range(1, min(expr.right.value, len(base)) + 1):
            terms = _union(terms, [frozenset().union(*chosen) for chosen in combinations(base, size)])
        return terms

    def _add(self, special: Special) -> None:
        if special not in self.specials:
            self.specials.append(special)

    def _random(self, expr: Binary) -> Special:
        inner = _Reader(self.text, [], {})
        sets = inner.expand(expr.left)
        if inner.specials:
            raise formula_error("a special term cannot stand left of |", self.text, expr.at)
        terms = tuple(Term(tuple(sorted(s, key=inner.order.__getitem__))) for s in sets)
        if not inner.without_intercept:
            terms = (Term(()), *terms)
        return Special("random", "", (), expr.right, None, terms, (), f"({expr})", expr.at)

    def _special(self, call: Call) -> Special:
        options = tuple((name, self._plain(value)) for name, value in call.options)
        if call.function in COVARIANCES:
            return self._covariance(call, options)
        if not call.args or (call.function != "strata" and len(call.args) > 1):
            how_many = "one variable or more" if call.function == "strata" else "one variable"
            raise formula_error(
                f"{call.function}() takes {how_many}",
                self.text,
                call.at,
                try_=f"{call.function}(center)",
            )
        kind: SpecialKind = call.function  # type: ignore[assignment]
        return Special(kind, call.function, call.args, options=options, written=str(call), at=call.at)

    def _covariance(
        self, call: Call, options: tuple[tuple[str, float | int | str | bool | None], ...]
    ) -> Special:
        bar = call.args[0] if len(call.args) == 1 else None
        if not (isinstance(bar, Binary) and bar.op == "|"):
            raise formula_error(
                f"{call.function}() needs a visit and a subject",
                self.text,
                call.at,
                expected=f"{call.function}(visit | subject) or {call.function}(visit | group / subject)",
            )
        subject: Expr = bar.right
        group: Expr | None = None
        match bar.right:
            case Binary(op="/", left=outer, right=inner):
                subject, group = inner, outer
        return Special(
            "covariance", call.function, (bar.left,), subject, group, (), options, str(call), call.at
        )

    def _plain(self, expr: Expr) -> float | int | str | bool | None:
        if isinstance(expr, Constant):
            return expr.value
        if isinstance(expr, Name):  # distribution = gamma, without quotes
            return expr.name
        if isinstance(expr, Unary) and isinstance(expr.operand, Constant):
            value = expr.operand.value
            if isinstance(value, (int, float)):
                return -value if expr.op == "-" else value
        raise formula_error("an option's value must be a number or a text", self.text, expr.at)


def _union(left: list[frozenset[Expr]], right: list[frozenset[Expr]]) -> list[frozenset[Expr]]:
    return list(dict.fromkeys([*left, *right]))


def _product(left: list[frozenset[Expr]], right: list[frozenset[Expr]]) -> list[frozenset[Expr]]:
    return list(dict.fromkeys(a | b for a in left for b in right))
