"""A whole virtual trial through the application: over HTTP, by people of every role, to the analysis.

Takes a protocol and a folder; gives the served trial, its export, its analysis, and the same patients
analyzed directly, compared decision by decision.  Nobody in it exists.
The demonstration (`flarefree.web.demo`) and the check of blinding (B1) act the same script.
Begin reading at `rehearsing.py`; `patients.py` says where patients come from, `script.py` what happens when.
"""

from __future__ import annotations

__all__: list[str] = []
