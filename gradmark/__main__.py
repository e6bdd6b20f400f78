"""`python -m gradmark …` is the command `gradmark …`."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the current folder, which `-m` put there: it must not hide an installed package

from gradmark.benchmarks.cli.commands import main

main()
