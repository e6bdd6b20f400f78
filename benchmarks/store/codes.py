"""What a number was made with: versions, and a digest of each source and data file; imports no torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property

NAMED = 3  # changed files in a sentence


@dataclass(frozen=True)
class Code:
    """The versions and files behind a cell, a training run, an experiment or a parameter point."""

    gradmark: str | None
    torch: str | None
    files: dict[str, str] = field(default_factory=dict)  # name to digest: sources, and the data behind a problem

    @cached_property
    def digest(self) -> str:
        """One digest of all of it."""
        return hashlib.blake2b(self.text().encode(), digest_size=16).hexdigest()

    def text(self) -> str:
        """The code as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def versions(self) -> str:
        """Both versions, as a sentence has them."""
        return f"gradmark {self.gradmark}, torch {self.torch}"


def changes(old: Code | None, new: Code) -> str:
    """What differs between the code that made a number and today's: 'mine.py changed', 'torch 2.12 is now 2.13'."""
    if old is None:
        return "its code was not recorded"
    versions = [
        f"{name} {before} is now {after}"
        for name, before, after in (("gradmark", old.gradmark, new.gradmark), ("torch", old.torch, new.torch))
        if before != after
    ]
    files = sorted(name for name in old.files | new.files if old.files.get(name) != new.files.get(name))
    own = [name for name in files if not name.startswith(("benchmarks/", "estimators/"))]
    named = own or (files if not versions else [])
    rest = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return ", ".join([*versions, *([", ".join(named[:NAMED]) + rest + " changed"] if named else [])])
