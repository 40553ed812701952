"""From YAML files to one checked base: each file against the schema, then all of them against each other.

Decides what a base is made of: one file or a folder of them, read in the order of their names, together
with the treatments and outcomes that come with flarefree, which a base may add to or say anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from flarefree.errors import EvidenceError
from flarefree.evidence.problems import raise_first, read_source, refuse
from flarefree.evidence.schema import BaseFile
from flarefree.protocol.yaml_source import YamlSource

__all__ = [
    "Loaded", "builtin_folder", "builtin_words", "file_text", "merge", "read_base", "read_files", "read_text",
    "with_builtin_words",
]  # fmt: skip

_SHARED = ("treatments", "outcomes")
_SUFFIXES = (".yaml", ".yml", ".json")
_LARGEST = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A base and, for everything in it, the file that says it.

    Attributes
    ----------
    content : BaseFile
    sources : mapping of (part, key) to YamlSource
    """

    content: BaseFile
    sources: Mapping[tuple[str, str], YamlSource] = field(default_factory=dict)

    def refuse(self, part: str, key: str, path: Iterable[str | int], what: str, **words: str) -> None:
        """Raise an error at a place of the file that says this part.

        Raises
        ------
        EvidenceError
            Always.
        """
        refuse(self.sources[part, key], (part, key, *path), what, **words)

    def place(self, part: str, key: str, *path: str | int) -> str:
        """`alms.yaml:61 studies.dooley2011`."""
        return self.sources[part, key].place(".".join(map(str, (part, key, *path))))


def builtin_folder() -> Path:
    """Where the reviewed base lies that comes with flarefree."""
    return Path(str(resources.files("flarefree.evidence").joinpath("base")))


def read_base(path: Path) -> Loaded:
    """All of a base: one file, or every YAML file of a folder.

    Raises
    ------
    EvidenceError
        There is no such file, or something in it is wrong.
    """
    loaded = merge(read_files(path))
    if path.resolve() == builtin_folder().resolve():
        return loaded
    return with_builtin_words(loaded)


def read_files(path: Path) -> list[tuple[BaseFile, YamlSource]]:
    """Every file of a base against the schema, each with its places.

    Raises
    ------
    EvidenceError
        There is no such file, or something in one is wrong.
    """
    return [read_text(file_text(file), file.name) for file in _files(path)]


def with_builtin_words(loaded: Loaded) -> Loaded:
    """The base with our treatments and outcomes, where it does not say its own."""
    own, ours = loaded.content, builtin_words()
    content = own.model_copy(
        update={part: {**getattr(ours.content, part), **getattr(own, part)} for part in _SHARED}
    )
    return Loaded(content, MappingProxyType({**ours.sources, **loaded.sources}))


@lru_cache(maxsize=1)
def builtin_words() -> Loaded:
    files = [builtin_folder() / f"{part}.yaml" for part in _SHARED]
    return merge(read_text(file_text(file), file.name) for file in files)


def read_text(text: str, name: str) -> tuple[BaseFile, YamlSource]:
    """One file against the schema.

    Raises
    ------
    EvidenceError
        File, line and path of the first thing that is wrong.
    """
    source = read_source(text, name)
    try:
        return BaseFile.model_validate(source.values), source
    except ValidationError as error:
        raise_first(error, source, BaseFile)


def merge(files: Iterable[tuple[BaseFile, YamlSource]]) -> Loaded:
    """Several files as one base.

    Raises
    ------
    EvidenceError
        Two files say the same study, document or other part.
    """
    parts: dict[str, dict[str, Any]] = {part: {} for part in BaseFile.model_fields}
    sources: dict[tuple[str, str], YamlSource] = {}
    for content, source in files:
        for part, known in parts.items():
            for key, value in getattr(content, part).items():
                if key in known:
                    first = sources[part, key]
                    refuse(
                        source,
                        (part, key),
                        f"{key} is given twice",
                        found=f"{first.place(f'{part}.{key}')} and here",
                        expected="each once, in one file",
                    )
                known[key] = value
                sources[part, key] = source
    return Loaded(BaseFile.model_construct(None, **parts), MappingProxyType(sources))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES)
        if not files:
            raise EvidenceError(
                "there is no evidence in this folder", where=str(path), expected="files that end in .yaml"
            )
        return files
    if not path.is_file():
        raise EvidenceError(
            "there is no such file or folder of evidence",
            where=str(path),
            expected="a YAML file, a folder of them, or a CSV file that flarefree wrote",
        )
    return [path]


def file_text(file: Path) -> str:
    """The text of a file of a base.

    Raises
    ------
    EvidenceError
        It cannot be read, is too large, or is no text.
    """
    try:
        if file.stat().st_size > _LARGEST:
            size = f"{file.stat().st_size / 1e6:.1f} MB"
            raise EvidenceError("the file is too large for a base", where=str(file), found=size)
        return file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise EvidenceError(
            "the file is not text",
            where=str(file),
            found=f"a byte that is no UTF-8, at offset {error.start}",
            expected="a YAML file in UTF-8",
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise EvidenceError("the file cannot be read", where=str(file), found=reason) from None
