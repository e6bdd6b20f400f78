"""`python -m reports STORE -o report.pdf`, the same as `gradmark report STORE -o report.pdf`."""

import os
import sys

if not sys.flags.safe_path and sys.path[0] != os.path.dirname(os.path.dirname(os.path.abspath(__file__))):  # noqa: PTH100, PTH120
    del sys.path[0]  # the current folder, which hides no module; with os alone, as it may have a file pathlib.py

from gradmark.benchmarks.cli.commands import main

main(sys.argv[1:] if sys.argv[1:2] == ["report"] else ["report", *sys.argv[1:]])
