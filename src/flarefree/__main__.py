"""`python -m flarefree` is the `flarefree` command."""

from flarefree.cli import main

main()
