"""Network models of the counts themselves, for rare events: no increments, no normal approximation.

Takes arm rows of events with patients or person-time; gives effects of all treatments with their likelihood.
Begin reading at `fitting.py`; `mantel_haenszel.py`, `conditional.py` and `mixed.py` hold the three models.
"""

from flarefree.evidence.networks.counts.fitting import CountFit, Likelihood, fit_counts

__all__ = ["CountFit", "Likelihood", "fit_counts"]
