"""`python -m gradmark.reports STORE -o report.pdf`, the same as `gradmark report STORE -o report.pdf`."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the current folder, which `-m` put there: it must not hide an installed package

from gradmark.benchmarks.cli.commands import main

main(sys.argv[1:] if sys.argv[1:2] == ["report"] else ["report", *sys.argv[1:]])
