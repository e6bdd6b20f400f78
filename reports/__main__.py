"""`python -m reports STORE -o report.pdf`, the same as `gradmark report STORE -o report.pdf`."""

import sys

from benchmarks.cli import main

main(sys.argv[1:] if sys.argv[1:2] == ["report"] else ["report", *sys.argv[1:]])
