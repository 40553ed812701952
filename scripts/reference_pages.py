"""Write the reference pages that are made: commands, Python names, literature, glossary.

`python scripts/reference_pages.py` writes them; `tests/unit/test_docs_reference.py` fails where one is
out of date.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo

import flarefree
from flarefree.cli.app import COMMANDS, SUBCOMMANDS, help_text

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"
BIBLIOGRAPHY = REFERENCE.parent / "references.bib"
GLOSSARY = REFERENCE.parents[1] / "GLOSSARY.md"
MADE = "<!-- Made by scripts/reference_pages.py: change the program's own words, then run it again. -->"


def main() -> None:
    """Write the pages whose text has changed, and say which."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from api_page import api_page  # it loads the application: only to write, not to test the other pages

    for name, text in (pages() | {"api.md": api_page(MADE)}).items():
        path = REFERENCE / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"wrote docs/reference/{name}\n")


def pages() -> dict[str, str]:
    """The pages by their names in `docs/reference`."""
    return {
        "commands.md": commands_page(),
        "python.md": python_page(),
        "literature.md": literature_page(),
        "glossary.md": glossary_page(),
    }


# Commands ----------------------------------------------------------------------------------------


def commands_page() -> str:
    """Every command as its own `--help` describes it."""
    parts = [
        "# Commands",
        MADE,
        "What `--help` says of every command.",
        f"```text\n{help_text()}\n```",
    ]
    parts += [command_section(command) for command in walk_commands()]
    return "\n\n".join(parts) + "\n"


@dataclass(frozen=True)
class Command:
    """A command by its full name, the function behind it, and the names of its subcommands."""

    name: str
    function: Callable[..., None]
    children: tuple[str, ...] = ()

    @property
    def paragraphs(self) -> list[str]:
        """What its help says."""
        return [" ".join(p.split()) for p in (inspect.getdoc(self.function) or "").split("\n\n")]

    @property
    def example(self) -> str:
        """The command line that its help gives as an example."""
        (example,) = [p for p in self.paragraphs if p.startswith(EXAMPLE)]
        return example.removeprefix(EXAMPLE)


EXAMPLE = "Example: "


def walk_commands() -> Iterator[Command]:
    """Every command and subcommand."""
    for name, (module, attribute, _) in COMMANDS.items():
        found: Any = getattr(import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            below = {word: place for (above, word), place in SUBCOMMANDS.items() if above == name}
            yield Command(f"flarefree {name}", found, tuple(below))
            for word, (home, attribute) in below.items():
                yield Command(f"flarefree {name} {word}", getattr(import_module(home), attribute))
            continue
        children = [(str(info.name), info.callback) for info in found.registered_commands]
        yield Command(f"flarefree {name}", callback_of(found), tuple(child for child, _ in children))
        yield from (Command(f"flarefree {name} {child}", made) for child, made in children if made)


def callback_of(app: typer.Typer) -> Callable[..., None]:
    """The function that a group of commands runs before any of them."""
    assert app.registered_callback and app.registered_callback.callback
    return app.registered_callback.callback


def command_section(command: Command) -> str:
    """One command: what it does, an example, its arguments and options."""
    told = [one_sentence_a_line(p) for p in command.paragraphs if not p.startswith(EXAMPLE)]
    parts = [f"## {command.name}", *told, f"```console\n$ {command.example}\n```"]
    if rows := [parameter_row(*parameter) for parameter in parameters(command.function)]:
        parts.append("\n".join([*PARAMETER_HEADER, *rows]))
    if command.children:
        parts.append("\n".join(f"- `{command.name} {child}`" for child in command.children))
    return "\n\n".join(parts)


PARAMETER_HEADER = ("| | takes | what it is | if not given |", "| --- | --- | --- | --- |")


def one_sentence_a_line(text: str) -> str:
    """As all our pages are written."""
    return re.sub(r"(?<=\.) (?=[A-Z])", "\n", text)


def parameters(function: Callable[..., None]) -> Iterator[tuple[str, Any, Any, Any]]:
    """A command's arguments and options: name, type, what Typer was told of it, default."""
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        if get_origin(hints[name]) is Annotated:
            kind, told = get_args(hints[name])
            yield name, kind, told, parameter.default


def parameter_row(name: str, kind: Any, told: Any, default: Any) -> str:
    """One argument or option as a row of its command's table."""
    # Within Annotated, Typer holds the first name of an option as its `default`.
    declared = [d for d in (told.default, *(told.param_decls or ())) if str(d).startswith("-")]
    names = declared or [f"--{name.replace('_', '-')}"]
    shown = f"`{name.upper()}`" if isinstance(told, ArgumentInfo) else ", ".join(f"`{n}`" for n in names)
    return f"| {shown} | {_takes(kind, told)} | {told.help} | {_default(default)} |"


def _takes(kind: Any, told: Any) -> str:
    (kind,) = [k for k in (get_args(kind) or (kind,)) if k is not type(None)]
    if get_origin(kind) is list:  # an option that may be given more than once
        return f"{_takes(get_args(kind)[0], told)}, once or more"
    if issubclass(kind, Enum):
        return ", ".join(f"`{choice.value}`" for choice in kind)
    if told.min is not None and told.max is None:
        return f"a number, {told.min:,} or more"
    if told.min is not None:
        return f"a number, {told.min:,} to {told.max:,}"
    return {bool: "", int: "a number", float: "a number", Path: "a path", str: "text"}[kind]


def _default(default: Any) -> str:
    if default is inspect.Parameter.empty:
        return "needed"
    return "" if default is None or default is False else f"`{getattr(default, 'value', default)}`"


# Python ------------------------------------------------------------------------------------------


def python_page() -> str:
    """The public names of `flarefree`, by their own docstrings."""
    functions = [name for name in flarefree.__all__ if name not in MODULES]
    parts = [
        "# Python",
        MADE,
        f"```python\n{IMPORTS}\n```",
        "How they are used together is in [use it from Python](../how-to/use-from-python.md).\n"
        "Frames are Polars frames; results are immutable.",
        *(function_section(name) for name in functions),
        *(module_section(name) for name in MODULES),
    ]
    return "\n\n".join(parts) + "\n"


IMPORTS = "import flarefree as ff"

MODULES = {
    "evidence": "Rows of published trials, or our reviewed base of them, go in; frozen results come out.\n"
    "How to begin is in [read the evidence](../how-to/read-the-evidence.md).",
    "simulation": "A design and a seed go in; trials that can be replayed, patient by patient, come out.\n"
    "How each is made is in the pages on methods.",
    "stats": "Arrays, or a formula and a frame, go in; frozen results come out, with `.tidy()`.\n"
    "How each is computed is in the pages on methods.",
}


def function_section(name: str) -> str:
    """A function: its signature and what its docstring says, section by section."""
    function = getattr(flarefree, name)
    summary, *rest = re.split(r"\n(\w+)\n-+\n", inspect.getdoc(function) or "")
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    parts = [f"## ff.{name}", f"`ff.{name}{signature(function)}`", summary.strip()]
    parts += [f"{heading}:\n\n{_terms(text)}" for heading, text in sections.items() if heading != "Examples"]
    return "\n\n".join(parts)


def signature(function: Any) -> str:
    """A function's parameters without their types, which its docstring says in words."""
    plain = inspect.signature(function)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in plain.parameters.values()]
    return str(plain.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _terms(text: str) -> str:
    """A NumPy section as a list: each name with its type, and what is said of it."""
    items: list[list[str]] = []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            items.append([_term(line)])
        elif line.strip():
            items[-1].append(line.strip())
    return "\n".join(f"- {' '.join(item)}" for item in items)


def _term(line: str) -> str:
    name, _, kind = line.partition(" : ")
    return f"`{name}` ({kind})." if kind else f"`{name}`."


def module_section(name: str) -> str:
    """A module's names, with the first line of each one's docstring."""
    home = import_module(f"flarefree.{name}")
    rows = [f"| `ff.{name}.{each}` | {first_line(getattr(home, each))} |" for each in sorted(home.__all__)]
    table = "\n".join(["| name | what it is |", "| --- | --- |", *rows])
    return "\n\n".join([f"## ff.{name}", MODULES[name], table])


def first_line(thing: Any) -> str:
    """The first sentence of a docstring, in one line that may stand in a table."""
    first = (inspect.getdoc(thing) or "").split("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|")


# Literature --------------------------------------------------------------------------------------


def literature_page() -> str:
    """The bibliography as a page: what each key that pages and docstrings cite stands for."""
    lines = [f"- **[{key}]** {work(fields)}" for key, fields in sorted(bibliography().items())]
    return "\n\n".join(["# Literature", MADE, "\n".join(lines)]) + "\n"


def bibliography(path: Path = BIBLIOGRAPHY) -> dict[str, dict[str, str]]:
    """The entries of a BibTeX file by key.  One field a line, each value in braces."""
    entries: dict[str, dict[str, str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if opened := re.fullmatch(r"@\w+\{(\w+),", line):
            if opened[1] in entries:
                raise ValueError(f"{path.name} has {opened[1]} twice")
            entries[opened[1]] = {}
        elif field := re.fullmatch(r"  (\w+) = \{(.*)\},", line):
            entries[list(entries)[-1]][field[1]] = field[2]
        elif line not in ("", "}") and not line.startswith("%"):
            raise ValueError(f"{path.name}: this line cannot be read: {line}")
    return entries


def work(fields: dict[str, str]) -> str:
    """One work as references are written: authors, title, where, when."""
    authors = fields["author"].replace(" and ", ", ").replace(", others", ", et al")
    where = fields.get("journal") or fields.get("publisher") or fields.get("school") or fields["institution"]
    place = f"*{where}* {fields['year']}"
    if "volume" in fields:
        place += f";{fields['volume']}"
    if "pages" in fields:
        place += f":{fields['pages'].replace('--', '–')}"
    edition = f", {fields['edition']} edition" if "edition" in fields else ""
    return f"{authors}. {plain(fields['title'])}{edition}. {place}."


def plain(text: str) -> str:
    """A title without the braces that keep its capitals."""
    return text.replace("{", "").replace("}", "")


# Glossary ----------------------------------------------------------------------------------------


def glossary_page() -> str:
    """`GLOSSARY.md`, which stands at the top of the repository, as a page of the site."""
    heading, rest = GLOSSARY.read_text("utf-8").split("\n", 1)
    return f"{heading}\n\n{MADE}\n{rest}"


if __name__ == "__main__":
    main()
