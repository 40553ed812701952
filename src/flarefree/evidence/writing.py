"""A base as YAML that a person reads and changes, and into a folder without leaving anything half-written.

Decides how values are laid out: cells as they are printed where that says all of them, parts that were not
given left out, and the treatments and outcomes that come with flarefree not repeated.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from flarefree.errors import OutputError
from flarefree.evidence.cells import Cell, Interval
from flarefree.evidence.library import Evidence, evidence_of
from flarefree.evidence.reading import (
    Loaded,
    builtin_words,
    file_text,
    merge,
    read_files,
    read_text,
    with_builtin_words,
)
from flarefree.evidence.schema import BaseFile

__all__ = ["Addition", "plan_addition", "printed", "yaml_text"]


def yaml_text(content: BaseFile) -> str:
    """A base as YAML text that `load_evidence` reads back as the same base."""
    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None  # the innermost lists and mappings on one line
    yaml.width = 160
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False
    yaml.representer.add_representer(Decimal, _as_scalar)
    ours = builtin_words().content
    values = {}
    for part in BaseFile.model_fields:
        known = getattr(ours, part)
        own = {key: _plain(value) for key, value in getattr(content, part).items() if known.get(key) != value}
        if own:
            values[part] = own
    out = io.StringIO()
    yaml.dump(values, out)
    return out.getvalue()


def _as_scalar(representer: Any, number: Decimal) -> Any:
    """A number with its digits; the kind is what YAML would read it as, so that no tag is written."""
    text = f"{number:f}"
    return representer.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)


def printed(cell: Cell) -> str:
    """A cell as papers print it; empty where it holds more than that can say.

    Examples
    --------
    >>> printed(Cell(events=19, n=116, percent="16.4"))
    '19/116 (16.4%)'
    """
    given = {name for name in cell.model_fields_set if getattr(cell, name) not in (None, "")}
    given -= {"status"} if cell.status in (None, "given", "derived") else set()
    if cell.percent_kind == "crude":
        given -= {"percent_kind"}
    if cell.use:
        given -= {"use"}
    rate = f"{cell.rate} per 100{'' if cell.rate_per == '100 patient-years' else ' mo'}"
    match sorted(given - {"rate_per"}):
        case ["mean", "sd"]:
            return f"{cell.mean} ± {cell.sd}"
        case ["median", "q1", "q3"]:
            return f"{cell.median} [{cell.q1} to {cell.q3}]"
        case ["percent"] if cell.status is None:
            return f"{cell.percent}%"
        case ["rate"] if cell.status is None:
            return rate
        case names if {"events", "n"} <= set(names) <= {"events", "n", "percent", "rate"}:
            inside = [f"{cell.percent}%"] if cell.percent is not None else []
            inside += [rate] if cell.rate is not None else []
            mark = "~" if cell.status == "derived" else ""
            return f"{mark}{cell.events}/{cell.n}" + (f" ({'; '.join(inside)})" if inside else "")
    return ""


def _plain(value: Any) -> Any:
    """A part as plain values, without what was not given."""
    if isinstance(value, Cell) and (text := printed(value)):
        return text
    if isinstance(value, Interval):
        return str(value)
    if hasattr(value, "model_fields_set"):
        fields = type(value).model_fields
        given = {
            name: getattr(value, name) for name in fields if getattr(value, name) != fields[name].default
        }
        return {name: _plain(each) for name, each in given.items() if each not in (None, (), {})}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value


@dataclass(frozen=True, slots=True, eq=False)
class Addition:
    """What adding a file to a folder would do; `write` does it.

    Attributes
    ----------
    target : Path or None
        Where the file would stand; None where it is only checked.
    text : str
        What would stand in it.
    evidence : Evidence
        The base with it.
    added : mapping of str to tuple of str
        The keys that are new, by their part.
    """

    target: Path | None
    text: str
    evidence: Evidence
    added: Mapping[str, tuple[str, ...]]

    def write(self) -> Path:
        """Put the file in its place: all of it, or nothing.

        Raises
        ------
        OutputError
            There is a file of its name, or the folder cannot be written.
        """
        assert self.target is not None
        half = self.target.with_name(f".{self.target.name}.part")
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            half.write_text(self.text, "utf-8")
            half.rename(self.target)
        except OSError as error:
            half.unlink(missing_ok=True)
            raise OutputError(
                "this file cannot be written", where=str(self.target), found=str(error.strerror)
            ) from None
        return self.target


def plan_addition(file: Path, folder: Path | None) -> Addition:
    """Check a file together with the base that it is to join, without writing anything.

    Parameters
    ----------
    file : Path
        A YAML file, or a CSV file that becomes one.
    folder : Path, optional
        The base's folder, which need not exist yet; without one the file is checked with the base that comes
        with flarefree.

    Raises
    ------
    EvidenceError
        Something in the file is wrong, or does not fit the base.
    OutputError
        The folder has a file of that name.
    """
    from flarefree.evidence.library import load_evidence

    content, text = _read(file)
    source = read_text(text, file.name)
    if folder is None:
        base = load_evidence().loaded
        loaded = _joined(base.content, base.sources, source)
        target = None
    else:
        target = folder / f"{file.stem}.yaml"
        if target.exists():
            raise OutputError(
                "there is a file already",
                where=str(target),
                expected="a new file",
                try_="another name for the file",
            )
        files = read_files(folder) if folder.is_dir() and any(folder.iterdir()) else []
        loaded = with_builtin_words(merge([*files, source]))
    evidence = evidence_of(loaded, str(folder) if folder else "the base with it")
    return Addition(target, text, evidence, {part: keys for part, keys in content.names().items() if keys})


def _read(file: Path) -> tuple[BaseFile, str]:
    """What the file adds, and its YAML."""
    if file.suffix.lower() == ".csv":
        from flarefree.evidence.exchange import read_csv

        content = read_csv(file).content
        text = yaml_text(content)
        return read_text(text, f"{file.stem}.yaml")[0], text
    text = file_text(file)
    return read_text(text, file.name)[0], text


def _joined(
    content: BaseFile, sources: Mapping[tuple[str, str], Any], source: tuple[BaseFile, Any]
) -> Loaded:
    """A base that is loaded, with one more file; a study of both is refused."""
    texts = {id(each): each for each in sources.values()}
    files = [(_part_of(content, sources, each), each) for each in texts.values()]
    return merge([*files, source])


def _part_of(content: BaseFile, sources: Mapping[tuple[str, str], Any], source: Any) -> BaseFile:
    """What one file of a merged base says."""
    parts = {
        part: {key: value for key, value in getattr(content, part).items() if sources[part, key] is source}
        for part in BaseFile.model_fields
    }
    return BaseFile.model_construct(None, **parts)
