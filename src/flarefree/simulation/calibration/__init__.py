"""Calibration: the virtual patients' parameters fitted to published trials, and how well they then agree.

Takes published numbers (`targets.yaml`) and priors (`priors.py`); gives a posterior sample, and published
numbers beside what virtual trials of their size would print.  Begin reading at `targets.py`, then
`fitting.py` (moments, then the posterior) and `comparing.py`; `docs/methods/calibration.md` has the method.
"""

from __future__ import annotations
