"""`python -m benchmarks …` is `gradmark …`."""

from benchmarks.cli import main

main()
