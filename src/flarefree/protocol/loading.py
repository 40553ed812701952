"""From a YAML file to a protocol that is known to be consistent.

`load_protocol` reads the file, checks it against the schema, finds every name that one part gives
another, and parses every sentence.  It stops at the first thing that is wrong, and says where.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources
from os import PathLike
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from flarefree.errors import ProtocolError
from flarefree.protocol.consistency import check_consistency
from flarefree.protocol.language.messages import suggest
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.protocol.schema import Protocol
from flarefree.protocol.schema_errors import raise_first_error
from flarefree.protocol.sentences import ordered_endpoints, read_sentences
from flarefree.protocol.yaml_source import YamlSource, read_yaml

__all__ = ["builtin_path", "builtin_protocols", "load_protocol", "parse_protocol"]

_LARGEST = 4_000_000


def load_protocol(name_or_path: str | PathLike[str]) -> LoadedProtocol:
    """Read a protocol, and check it from end to end.

    Parameters
    ----------
    name_or_path : str or path
        The name of a built-in protocol (`alms-maintenance`), or a YAML file.

    Returns
    -------
    LoadedProtocol

    Raises
    ------
    ProtocolError
        There is no such protocol or file, or something in it is wrong: file, line and path, what was
        found, what was expected, what to try.
    LanguageError
        A sentence of it cannot be read or makes no sense; shows the place with a caret.
    """
    name = str(name_or_path)
    if name in builtin_protocols():
        path = builtin_path(name)
        return parse_protocol(_text(path.read_bytes(), path.name), path.name, str(path.parent))
    return parse_protocol(_text(_bytes(name), name), name, str(Path(name).parent))


def builtin_protocols() -> tuple[str, ...]:
    """Names of the protocols that come with flarefree."""
    folder = resources.files("flarefree.protocol").joinpath("library")
    return tuple(
        sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    )


def builtin_path(name: str) -> Path:
    """The file of a built-in protocol."""
    return Path(str(resources.files("flarefree.protocol").joinpath("library", f"{name}.yaml")))


@lru_cache(maxsize=16)
def parse_protocol(text: str, name: str = "protocol", folder: str = "") -> LoadedProtocol:
    """Read a protocol from YAML text; `name` is what messages call the file, `folder` where it lies.

    Raises
    ------
    ProtocolError, LanguageError
        See `load_protocol`.
    """
    source = read_yaml(text, name)
    spec = _validated(source)
    check_consistency(spec, source)
    sentences = read_sentences(spec, source)
    order = ordered_endpoints(spec, sentences, source)
    return LoadedProtocol(
        spec=spec,
        path=Path(name).name,
        digest=hashlib.sha256(text.encode("utf-8")).hexdigest(),
        sentences=MappingProxyType(sentences),
        lines=MappingProxyType(dict(source.lines)),
        order=order,
        folder=folder,
    )


def _validated(source: YamlSource) -> Protocol:
    try:
        return Protocol.model_validate(source.values)
    except ValidationError as error:
        raise_first_error(error, source)


def _bytes(name: str) -> bytes:
    path = Path(name)
    looks_like_file = path.suffix.lower() in (".yaml", ".yml", ".json") or "/" in name or "\\" in name
    if not looks_like_file and not path.exists():
        raise ProtocolError(
            f"there is no protocol called {name}",
            found=name,
            expected="a built-in protocol (" + ", ".join(builtin_protocols()) + ") or a YAML file",
            try_=suggest(name, builtin_protocols()),
        )
    try:
        if path.is_dir():
            raise ProtocolError("this is a folder, not a protocol", where=name, expected="a YAML file")
        if path.stat().st_size > _LARGEST:
            size = f"{path.stat().st_size / 1e6:.1f} MB"
            raise ProtocolError("the file is too large for a protocol", where=name, found=size)
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ProtocolError("the file cannot be read", where=name, found=reason) from None


def _text(content: bytes, name: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProtocolError(
            "the file is not text",
            where=name,
            found=f"a byte that is no UTF-8, at offset {error.start}",
            expected="a YAML file in UTF-8",
        ) from None
    if "\x00" in text:
        raise ProtocolError(
            "the file is not text", where=name, found="zero bytes", expected="a YAML file in UTF-8"
        )
    return text.replace("\r\n", "\n")
