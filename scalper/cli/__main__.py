"""`python -m scalper.cli`."""

from scalper.cli import main

main()
