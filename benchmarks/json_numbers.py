"""Numbers as JSON can hold them: NaN and infinity are not JSON, and most other programs refuse a file with them."""

from __future__ import annotations

import math
from typing import Any


def finite(tree: Any) -> Any:
    """The same tree of dictionaries and lists, with None for every number that is NaN or infinite."""
    if isinstance(tree, dict):
        return {key: finite(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree
