"""What a model formula says, as frozen nodes.

`parse_formula` makes them, `terms` reads them as a model, `evaluate` computes their columns.  A node
prints back as R would write it; two nodes are equal if they say the same, wherever they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Binary", "Call", "Constant", "Expr", "Name", "Unary", "names_in"]


@dataclass(frozen=True, slots=True)
class Name:
    """A column of the data."""

    name: str
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.name if _is_plain(self.name) else f"`{self.name}`"


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, a text in quotes, or TRUE and FALSE."""

    value: float | int | str | bool | None
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if isinstance(self.value, str):
            return f'"{self.value}"'
        if isinstance(self.value, bool):
            return "TRUE" if self.value else "FALSE"
        if self.value is None:
            return "NULL"
        return f"{self.value:.15g}"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of columns: `log(x)`, `Surv(time, event)`, `frailty(center, distribution = "gamma")`."""

    function: str
    args: tuple[Expr, ...]
    options: tuple[tuple[str, Expr], ...] = ()
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        options = [f"{name} = {value}" for name, value in self.options]
        return f"{self.function}({', '.join([*map(str, self.args), *options])})"

    def option(self, name: str) -> Expr | None:
        """The value given for an option, or None."""
        return next((value for key, value in self.options if key == name), None)


@dataclass(frozen=True, slots=True)
class Unary:
    """A sign before an expression."""

    op: str
    operand: Expr
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.op}{_inside(self.operand, 8)}"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two expressions and what joins them; what `+` means depends on where it stands."""

    op: str
    left: Expr
    right: Expr
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        power = BINDING[self.op]
        gap = "" if self.op in TIGHT else " "
        return f"{_inside(self.left, power)}{gap}{self.op}{gap}{_inside(self.right, power + 1)}"


Expr = Name | Constant | Call | Unary | Binary

# R's order of precedence, loosest first (R language definition, section 10.4.2).
BINDING = {
    "|": 2,
    "&": 3,
    "==": 4,
    "!=": 4,
    "<": 4,
    "<=": 4,
    ">": 4,
    ">=": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    ":": 7,
    "^": 9,
}
TIGHT = frozenset({":", "^"})


def _is_plain(name: str) -> bool:
    return name.replace(".", "_").isidentifier()


def _inside(expr: Expr, power: int) -> str:
    """The expression, in parentheses where it would otherwise be read differently."""
    own = BINDING[expr.op] if isinstance(expr, Binary) else 8 if isinstance(expr, Unary) else 10
    return f"({expr})" if own < power else str(expr)


def names_in(expr: Expr) -> Iterator[Name]:
    """The columns that an expression reads, in order, with repetitions."""
    match expr:
        case Name():
            yield expr
        case Call():
            for arg in expr.args:
                yield from names_in(arg)
        case Unary():
            yield from names_in(expr.operand)
        case Binary():
            yield from names_in(expr.left)
            yield from names_in(expr.right)
        case Constant():
            return
