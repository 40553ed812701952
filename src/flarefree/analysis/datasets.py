"""ADaM-shaped datasets of a derivation: ADSL, ADLB, ADTTE, ADAE, ADEVENT.

Names have at most 8 characters and labels at most 40, as SAS transport files want them; rows are
sorted by the dataset's keys.  What each column holds: docs/reference/adam.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from flarefree.analysis import adam_events, adam_subjects, adam_values
from flarefree.analysis.adam import Dataset
from flarefree.analysis.trial import Trial, open_trial

if TYPE_CHECKING:
    from flarefree.endpoints.derivation import Derivation

__all__ = ["Dataset", "build_datasets"]


def build_datasets(derivation: Derivation, *, masked: bool | None = None) -> Mapping[str, Dataset]:
    """Every dataset, by name, in the order in which they build on one another.

    Parameters
    ----------
    derivation : Derivation
    masked : bool, optional
        Leave the arms out; if not given, they are left out where the data hold none.
    """
    trial = open_trial(derivation, masked=masked)
    builders: dict[str, Callable[[Trial], Dataset]] = {
        "ADSL": adam_subjects.build_adsl,
        "ADLB": adam_values.build_adlb,
        "ADTTE": adam_events.build_adtte,
        "ADAE": adam_events.build_adae,
        "ADEVENT": adam_events.build_adevent,
    }
    return MappingProxyType({name: build(trial) for name, build in builders.items()})
