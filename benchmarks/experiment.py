"""An experiment: a measurement that is neither a cell nor a training run, and returns named tables of plain rows."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

from gradmark.estimators.spec import Spec

Tables = dict[str, list[dict[str, Any]]]


class Experiment(Spec):
    """A question with a fixed procedure: recovery against sample size, seconds against latents, a reverse process.

    A frozen dataclass of literals, whose text is its key in a store. `reports/sections` draws its tables: the section
    is the module of the same name in snake case, and a plain table where there is none.
    """

    title: ClassVar[str]  # heads its section

    @abstractmethod
    def run(self, seed: int) -> Tables:
        """Named tables of rows: numbers, strings, lists of these and quantities (`Quantity.json()`).

        Everything but measured time is a function of the fields and `seed`. Draws come from
        `numpy.random.default_rng(seed)` or from torch inside `gradmark.benchmarks.measurement.block.seeded`.
        """

    def refuses(self) -> str | None:
        """None where the fields fit together; else why not, and the remedy. A hook, None by default."""
        return None


def plain(value: Any) -> Any:
    """Tables as JSON has them: infinite and NaN are null; TypeError names what is not plain data."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    raise TypeError(f"a row holds {value!r}, a {type(value).__name__}; use float(…), int(…), .tolist() or .json()")
