"""YAML text to plain values, with the line of everything in it.

Reading stops at the first thing that is wrong: text that is no YAML, a key given twice, a file that
holds no mapping.  Later checks ask `YamlSource` where a path stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.tokens import TagToken

from flarefree.errors import ProtocolError

__all__ = ["YamlSource", "read_yaml"]

# Aliases let ten lines stand for a billion values, and brackets nest without end: a protocol needs neither.
_LONGEST = 1_000_000  # characters; the largest built-in protocol has 31,000
_MOST_VALUES = 100_000
_DEEPEST = 50
_LONGEST_NUMBER = 300  # digits; a longer one stays text, which the schema refuses where it wants a number


@dataclass(frozen=True, slots=True)
class YamlSource:
    """A YAML file's values and their places.

    Attributes
    ----------
    name : str
        The file, as messages print it.
    text : str
    values : dict
        Plain mappings, lists, texts, numbers.
    lines : mapping of str to int
        The 1-based line of every path (`endpoints.renal_flare.when`, `arms.mmf.regimens.0.drug`).
    starts : mapping of str to int
        Where each text begins in the file, as a character offset.
    """

    name: str
    text: str
    values: dict[str, Any]
    lines: Mapping[str, int]
    starts: Mapping[str, int]

    def place(self, path: str, line: int | None = None) -> str:
        """`alms-maintenance.yaml:61 endpoints.renal_flare`."""
        at = line if line is not None else self.line(path)
        return f"{self.name}:{at} {path}".rstrip() if at else f"{self.name} {path}".rstrip()

    def line(self, path: str) -> int:
        """The line of a path, or of the nearest part above it that the file holds; 0 if none."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path, 0)

    def line_within(self, path: str, sentence: str, offset: int) -> int:
        """The line of a character of a sentence, which YAML may have folded from several lines.

        Folding changes spaces and line ends but no word, so words are counted.
        """
        start = self.starts.get(path)
        if start is None:
            return self.line(path)
        # The word that holds the character, or follows it.
        nth = len(re.findall(r"\S+", sentence[: offset + 1]))
        match = _nth_word(self.text, _body_start(self.text, start), nth)
        return self.text.count("\n", 0, match) + 1


def _body_start(text: str, start: int) -> int:
    """Past the mark of a block (`>`, `|-`) or an opening quotation mark."""
    if text[start : start + 1] in "|>":
        end = text.find("\n", start)
        return len(text) if end < 0 else end
    return start + 1 if text[start : start + 1] in "\"'" else start


def _nth_word(text: str, start: int, nth: int) -> int:
    position = start
    for count, match in enumerate(re.compile(r"\S+").finditer(text, start), 1):
        position = match.start()
        if count >= nth:
            break
    return position


def read_yaml(text: str, name: str, *, as_text: bool = False) -> YamlSource:
    """Read YAML into plain values with places.

    Parameters
    ----------
    text : str
        The file's text.
    name : str
        The file, as messages print it.
    as_text : bool
        Keep numbers as they are written: `0.50` says more than 0.5.

    Raises
    ------
    ProtocolError
        The text is empty or no YAML, a key occurs twice, or the whole is no mapping.
    """
    if len(text) > _LONGEST:
        raise ProtocolError(
            "the file is too long to be read as settings",
            where=name,
            found=f"{len(text):,} characters",
            expected=f"at most {_LONGEST:,}",
        )
    _require_untagged(text, name)
    root = _compose(text, name)
    if root is None:
        raise ProtocolError(
            "the file is empty", where=name, expected="a protocol: name, title, design, arms ..."
        )
    reader = _Reader(name, as_text)
    values = reader.value(root, "")
    if not isinstance(values, dict):
        raise ProtocolError(
            "the file is no protocol",
            where=f"{name}:{root.start_mark.line + 1}",
            found="a list" if isinstance(values, list) else _short(values),
            expected="keys and values: name, title, design, arms ...",
        )
    return YamlSource(name, text, values, reader.lines, reader.starts)


def _require_untagged(text: str, name: str) -> None:
    """A tag (`!!python/object`, `!include`) asks for something to be made of a value: nothing is."""
    if re.search(r"(?:^|[\s\[{,])!", text) is None:
        return  # the usual case; looking at every token takes as long as reading
    try:
        for token in YAML(typ="safe", pure=True).scan(text):
            if isinstance(token, TagToken):
                line = token.start_mark.line
                raise ProtocolError(
                    "tags are not used",
                    where=f"{name}:{line + 1}",
                    found=_short(text.splitlines()[line]),
                    expected="a plain value",
                    try_="remove the tag, or put a text that begins with ! in quotes",
                )
    except (YAMLError, RecursionError):
        return  # composing says what is wrong


def _compose(text: str, name: str) -> Node | None:
    try:
        return YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        lines = text.splitlines()
        line = mark.line + 1 if mark else 0
        found = lines[line - 1] if 0 < line <= len(lines) else ""
        raise ProtocolError(
            "this is not YAML",
            where=f"{name}:{line}" if line else name,
            found=_short(found),
            expected=_problem(error),
            try_=_remedy(error, found),
        ) from None
    except YAMLError as error:
        raise ProtocolError("this is not YAML", where=name, expected=str(error).splitlines()[0]) from None
    except RecursionError:
        raise _too_deep(name) from None


def _too_deep(name: str) -> ProtocolError:
    return ProtocolError(
        "lists and mappings are nested too deeply", where=name, expected=f"at most {_DEEPEST} levels"
    )


def _problem(error: MarkedYAMLError) -> str:
    problem = str(error.problem or "").strip()
    if "\\t" in problem or "'\\t'" in problem:
        return "spaces for indentation, not tabs"
    return f"text that YAML can read ({problem})" if problem else ""


def _remedy(error: MarkedYAMLError, line: str) -> str:
    """What to do about the slips that people make most: colons in text, open quotes, uneven indentation."""
    said = f"{error.problem} {error.context}"
    if "expected ',' or" in said:
        return "close the bracket that opens here or above, and part its items by commas"
    if "mapping values" in said and len(re.findall(r":\s", line)) > 1:
        return "put a text that has a colon in it in quotes"
    if "quoted scalar" in said:
        return "close the quotation marks that open here or above"
    if re.search(r"mapping values|block (mapping|collection)|<block", said):
        return "indent the keys of a block by the same number of spaces; close every quotation mark above"
    return ""


class _Reader:
    """Turns composed nodes into plain values, and notes where each stands."""

    def __init__(self, name: str, as_text: bool) -> None:
        self.name = name
        self.as_text = as_text
        self.lines: dict[str, int] = {}
        self.starts: dict[str, int] = {}
        self._values = 0

    def value(self, node: Node, path: str) -> Any:
        self._require_finite(node, path)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._item(item, f"{path}.{i}".lstrip(".")) for i, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        self.starts[path] = node.start_mark.index
        return str(node.value) if self.as_text else _scalar(node)

    def _require_finite(self, node: Node, path: str) -> None:
        self._values += 1
        where = f"{self.name}:{node.start_mark.line + 1}"
        if self._values > _MOST_VALUES:
            raise ProtocolError(
                "the file stands for too many values",
                where=where,
                expected=f"at most {_MOST_VALUES:,}, each alias (*name) counted with all that it stands for",
                try_="write the values out, without aliases of aliases",
            )
        if path.count(".") >= _DEEPEST:
            raise _too_deep(where)

    def _item(self, node: Node, path: str) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def _mapping(self, node: MappingNode, path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            place = f"{path}.{key}".lstrip(".")
            line = key_node.start_mark.line + 1
            if key in values:
                raise ProtocolError(
                    f"{key} is given twice",
                    where=f"{self.name}:{line} {place}",
                    found=f"{key} on line {self.lines[place]} and on line {line}",
                    expected="each key once",
                )
            self.lines[place] = line
            values[key] = self.value(value_node, place)
        return values

    def _key(self, node: Node, path: str) -> str:
        if isinstance(node, ScalarNode) and node.value:
            return str(node.value)
        raise ProtocolError(
            "a key is not a name",
            where=f"{self.name}:{node.start_mark.line + 1} {path}".rstrip(),
            expected="a word before the colon",
        )


def _scalar(node: ScalarNode) -> Any:
    text = str(node.value)
    match str(node.tag).rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if len(text) <= _LONGEST_NUMBER:
            return int(text.replace("_", ""), 0) if not re.fullmatch(r"[-+]?\d+", text) else int(text)
        case "float":
            return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text  # dates too: the schema says what they are


def _short(value: Any) -> str:
    text = str(value).strip()
    return text if len(text) <= 80 else text[:77] + "..."
