"""The posterior sample as files: a table of draws, and what they were made from."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flarefree.errors import DesignError, OutputError
from flarefree.simulation.calibration.priors import PRIORS, Prior
from flarefree.simulation.calibration.targets import read_yaml_text, text_of
from flarefree.simulation.parameters import Parameters

__all__ = ["DRAWS_FILE", "PROVENANCE_FILE", "Posterior", "load_posterior", "write_posterior"]

Floats = npt.NDArray[np.float64]

DRAWS_FILE = "posterior.csv"
PROVENANCE_FILE = "provenance.yaml"


@dataclass(frozen=True)
class Posterior:
    """Draws of the fitted parameters.

    Attributes
    ----------
    names : tuple of str
        Fields of `Parameters`.
    values : (n, k) float
        On the parameters' own scale.
    provenance : mapping
        Seed, program, digests of what was fitted to, how far it had converged; no date.
    """

    names: tuple[str, ...]
    values: Floats
    provenance: Mapping[str, Any] = field(compare=False)

    def __len__(self) -> int:
        return len(self.values)

    def draws(self, base: Parameters | None = None) -> tuple[Parameters, ...]:
        """Each draw as parameters; what was not fitted is of `base`."""
        used = base or Parameters()
        return tuple(used.changed(**dict(zip(self.names, row, strict=True))) for row in self.values.tolist())

    def medians(self) -> dict[str, float]:
        """Median of each parameter, to three digits: where the defaults of `Parameters` stand."""
        return {
            name: float(f"{value:.3g}")
            for name, value in zip(self.names, np.median(self.values, axis=0).tolist(), strict=True)
        }

    def places(self, priors: Sequence[Prior] = PRIORS) -> Floats:
        """The draws on the priors' scale, in prior standard deviations from the middle: (n, k)."""
        by_name = {prior.name: prior for prior in priors}
        columns = [
            [by_name[name].place(value) for value in column]
            for name, column in zip(self.names, self.values.T.tolist(), strict=True)
        ]
        return np.array(columns).T

    def spread(self) -> dict[str, float]:
        """SD of each parameter against its prior's: near 1, the published numbers tell nothing of it."""
        return dict(zip(self.names, np.asarray(self.places().std(axis=0, ddof=1)).tolist(), strict=True))

    def strongest(self, count: int = 12) -> list[tuple[str, str, float]]:
        """Pairs of parameters by correlation, the strongest first."""
        matrix: Any = np.corrcoef(self.places().T)
        k = len(self.names)
        pairs = [(self.names[i], self.names[j], float(matrix[i, j])) for i in range(k) for j in range(i)]
        return sorted(pairs, key=lambda pair: (-abs(pair[2]), pair[0], pair[1]))[:count]


def load_posterior(folder: str | Path | None = None) -> Posterior:
    """The posterior sample that comes with this version, or one in a folder.

    Raises
    ------
    DesignError
        There is none, or it cannot be read.
    """
    return _shipped() if folder is None else _read(Path(folder))


@lru_cache(maxsize=1)
def _shipped() -> Posterior:
    return _posterior(text_of(DRAWS_FILE), text_of(PROVENANCE_FILE), DRAWS_FILE)


def _read(folder: Path) -> Posterior:
    try:
        texts = [(folder / name).read_text("utf-8") for name in (DRAWS_FILE, PROVENANCE_FILE)]
    except OSError as error:
        raise DesignError(
            "no posterior sample there", where=str(folder), found=error.strerror or str(error),
            expected=f"{DRAWS_FILE} and {PROVENANCE_FILE}", try_="flarefree simulate calibrate --out DIR",
        ) from None  # fmt: skip
    return _posterior(texts[0], texts[1], str(folder / DRAWS_FILE))


def _posterior(table: str, provenance: str, where: str) -> Posterior:
    head, *lines = table.strip().splitlines()
    names = tuple(head.split(","))
    try:
        values = np.array([[float(cell) for cell in line.split(",")] for line in lines])
        if values.shape != (len(lines), len(names)) or not len(lines):
            raise ValueError("rows of different length")
    except ValueError as error:
        raise DesignError("not a table of draws", where=where, found=str(error)) from None
    Parameters().changed(**dict.fromkeys(names, 0.5))  # an unknown name is an error that says so
    return Posterior(names, values, read_yaml_text(provenance))


def write_posterior(posterior: Posterior, folder: Path) -> None:
    """Write both files; the same posterior gives the same bytes.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    rows = [",".join(posterior.names)]
    rows += [",".join(f"{value:.6g}" for value in row) for row in posterior.values.tolist()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DRAWS_FILE).write_text("\n".join(rows) + "\n", encoding="utf-8")
        (folder / PROVENANCE_FILE).write_text(_yaml(posterior.provenance), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            "the folder cannot be written", where=str(folder), found=error.strerror or str(error)
        ) from None


def _yaml(content: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 110
    out = io.StringIO()
    yaml.dump(dict(content), out)
    return out.getvalue()
