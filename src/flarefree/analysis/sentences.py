"""Which sentences of the protocol asked for an analysis: the reason why its numbers are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flarefree.analysis.trial import Trial
from flarefree.protocol.language.nodes import Holds
from flarefree.protocol.language.walking import walk
from flarefree.protocol.loaded import LoadedProtocol
from flarefree.results import Sentence

__all__ = ["analysis_sentences", "endpoint_sentences", "named_endpoints"]


def analysis_sentences(trial: Trial, name: str) -> tuple[Sentence, ...]:
    """The sentences behind the analysis `name`: its population, its endpoints, its own."""
    protocol = trial.protocol
    spec = protocol.spec.analyses[name]
    paths = [f"populations.{spec.population}.when"]
    paths += [f"populations.{key}.when" for key in getattr(spec, "of", ())]
    endpoints = [*named_endpoints(spec)]
    own = [path for path in protocol.sentences if path.startswith(f"analyses.{name}.")]
    covariates = [f"covariates.{key}.when" for key in _named_covariates(spec)]
    kept = [path for path in [*paths, *covariates, *own] if path in protocol.sentences]
    found = [protocol.sentence(path) for path in kept[:1]]
    found += endpoint_sentences(protocol, endpoints)
    found += [protocol.sentence(path) for path in kept[1:]]
    return tuple(dict.fromkeys(found))


def endpoint_sentences(protocol: LoadedProtocol, endpoints: Iterable[str]) -> tuple[Sentence, ...]:
    """The sentences of endpoints, then those of the endpoints they name, each once."""
    return tuple(dict.fromkeys(_walk(protocol, list(endpoints), set())))


def _walk(protocol: LoadedProtocol, endpoints: list[str], seen: set[str]) -> Iterator[Sentence]:
    for endpoint in endpoints:
        if endpoint in seen or endpoint not in protocol.spec.endpoints:
            continue
        seen.add(endpoint)
        spec = protocol.spec.endpoints[endpoint]
        if spec.first_of:
            text = f"first of {', '.join(spec.first_of)}"
            if spec.censor_at:
                text += f"; censored at {', '.join(spec.censor_at)}"
            yield Sentence(text, protocol.place(f"endpoints.{endpoint}"))
            yield from _walk(protocol, list(spec.first_of), seen)
            continue
        path = f"endpoints.{endpoint}.{'when' if spec.when else 'state' if spec.state else 'value'}"
        if path in protocol.sentences:
            yield protocol.sentence(path)
            yield from _walk(
                protocol,
                [part.name for part in walk(protocol.sentences[path]) if isinstance(part, Holds)],
                seen,
            )


def named_endpoints(spec: object) -> Iterator[str]:
    """The endpoints that an analysis names."""
    for key in ("endpoint", "among_events_of"):
        if getattr(spec, key, ""):
            yield getattr(spec, key)
    for key in ("endpoints", "events"):
        yield from getattr(spec, key, ())


def _named_covariates(spec: object) -> Iterator[str]:
    yield from getattr(spec, "by", ())
    yield from (variable.variable for variable in getattr(spec, "variables", ()))
    for model in getattr(spec, "models", ()):
        yield from model.covariates
