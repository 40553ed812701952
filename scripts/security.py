"""What CI asks of security: bandit over the sources, and an audit of the locked requirements.

`python scripts/security.py` fails on any finding that is not accepted below, with its reason, and on any
acceptance that is no longer needed.  The audit of requirements needs a service of the network: where it
cannot be reached, that is said, and `--require-audit` makes it a failure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

ACCEPTED = {
    ("B101", "*"): "asserts narrow types for the reader and the type checker; no rule rests on one",
    ("B311", "src/flarefree/*"): "checks want chance that comes again; secrets are drawn by `secrets`",
    ("B404", "src/flarefree/*"): "importing subprocess does nothing; each call is judged by itself (B603)",
    ("B603", "src/flarefree/*"): "fixed programs, arguments as a list, no shell, nothing from a request",
    ("B403", "src/flarefree/*"): "importing pickle does nothing; each load is judged by itself (B301)",
    ("B301", "src/flarefree/simulation/workers.py"): "pickles come from our own worker over its own pipe",
    ("B104", "src/flarefree/cli/serve.py"): "compares with the address of all interfaces, to warn",
    ("B105", "src/flarefree/*"): "a mark, a field's name or Django's unusable password: no secret",
    ("B405", "src/flarefree/web/voice/twiml.py"): "XML is written, never read",
    ("B406", "src/flarefree/reports/figures/drawing.py"): "text is escaped for XML, none is read",
    ("B608", "src/flarefree/web/record/append_only.py"): "names of our own tables in a migration's triggers",
    ("B608", "src/flarefree/web/vault/append_only.py"): "names of our own tables in a migration's triggers",
    ("B608", "src/flarefree/web/checks/*"): "checks on scratch databases, with names of our own tables",
    ("B608", "src/flarefree/web/queries/board.py"): "as many placeholders as values; values are parameters",
    ("B608", "src/flarefree/web/vault/chain.py"): "names of our own table and columns; values are parameters",
    ("B608", "src/flarefree/web/record/keeping.py"): "as many placeholders as pairs; values are parameters",
    ("B308", "src/flarefree/web/pages/templatetags/pages.py"): "an SVG drawn here, its title escaped",
    ("B703", "src/flarefree/web/pages/templatetags/pages.py"): "an SVG drawn here, its title escaped",
}  # fmt: skip
"""Test and files, and why what bandit says there is no danger."""


def main() -> int:
    """Both, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--require-audit", action="store_true", help="fail where the audit cannot be made")
    told = parser.parse_args()
    is_clean = _report(bandit_findings())
    return 0 if audit(is_required=told.require_audit) and is_clean else 1


def bandit_findings() -> list[tuple[str, str, int, str]]:
    """Test, file, line and words of all that bandit finds."""
    command = [sys.executable, "-m", "bandit", "-q", "-r", "src", "-f", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    if told["errors"]:
        raise SystemExit(f"bandit could not read: {told['errors']}")
    return [(r["test_id"], r["filename"], r["line_number"], r["issue_text"]) for r in told["results"]]


def unaccepted(findings: list[tuple[str, str, int, str]]) -> tuple[list[str], list[str]]:
    """Findings without an acceptance, and acceptances without a finding."""
    used: Counter[tuple[str, str]] = Counter()
    left = []
    for test, file, line, words in findings:
        name = next((key for key in ACCEPTED if key[0] == test and fnmatch(file, key[1])), None)
        if name is None:
            left.append(f"{file}:{line}: {test} {words}")
        else:
            used[name] += 1
    return left, [
        f"{test} {files}: accepted, but not found" for test, files in ACCEPTED if not used[test, files]
    ]


def _report(findings: list[tuple[str, str, int, str]]) -> bool:
    left, unneeded = unaccepted(findings)
    sys.stdout.write("".join(f"{line}\n" for line in (*left, *unneeded)))
    sys.stdout.write(f"bandit: {len(findings)} found, {len(left)} not accepted, {len(unneeded)} not needed\n")
    return not left and not unneeded


def audit(*, is_required: bool) -> bool:
    """The locked requirements against published vulnerabilities; true if none, or if none could be asked."""
    locked = str(ROOT / "requirements" / "dev.txt")
    command = [sys.executable, "-m", "pip_audit", "--requirement", locked, "--require-hashes",
               "--disable-pip", "--progress-spinner", "off", "--format", "json"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    asked, vulnerable = audited(done.stdout)
    if not asked:
        sys.stdout.write("pip-audit: NOT DONE, the service of vulnerabilities cannot be reached from here\n")
        return not is_required
    sys.stdout.write("".join(f"{line}\n" for line in vulnerable))
    sys.stdout.write(f"pip-audit: {asked} requirements asked about, {len(vulnerable)} vulnerable\n")
    return not vulnerable


def audited(told: str) -> tuple[int, list[str]]:
    """How many requirements the service knew, and those with a known vulnerability.

    Where the service is not there, or is a mirror that knows none, every requirement is skipped: that is no
    clean audit, although the program ends well.
    """
    try:
        rows = json.loads(told)["dependencies"]
    except (ValueError, KeyError):
        return 0, []
    known = [row for row in rows if "skip_reason" not in row]
    vulnerable = [
        f"{r['name']} {r['version']}: {', '.join(v['id'] for v in r['vulns'])}" for r in known if r["vulns"]
    ]
    return len(known), vulnerable


if __name__ == "__main__":
    raise SystemExit(main())
