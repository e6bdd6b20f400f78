"""gradmark: benchmarks for stochastic gradient estimators.

    import gradmark
    from gradmark.benchmarks.problems import BernoulliToy
    from gradmark.estimators import LeaveOneOut

    gradmark.measure(BernoulliToy(), LeaveOneOut(), num_samples=2)
    gradmark.check_estimator(LeaveOneOut())
    gradmark.recommend(BernoulliToy())

torch is imported when a function is first used, and not before.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradmark.benchmarks.checks import check_estimator as check_estimator
    from gradmark.benchmarks.checks import parametrize_with_checks as parametrize_with_checks
    from gradmark.benchmarks.recommendation.recommend import recommend as recommend
    from gradmark.benchmarks.studies.measure import measure as measure
    from gradmark.benchmarks.studies.terminal import run as run
    from gradmark.reports.document import write as report
    from gradmark.reports.results.results import read as load

    __version__: str

__all__ = ["__version__", "check_estimator", "load", "measure", "parametrize_with_checks", "recommend", "report", "run"]

_MODULES = {  # where a name of the front door comes from, and what it is called there
    "check_estimator": ("gradmark.benchmarks.checks", "check_estimator"),
    "load": ("gradmark.reports.results.results", "read"),
    "measure": ("gradmark.benchmarks.studies.measure", "measure"),
    "parametrize_with_checks": ("gradmark.benchmarks.checks", "parametrize_with_checks"),
    "recommend": ("gradmark.benchmarks.recommendation.recommend", "recommend"),
    "report": ("gradmark.reports.document", "write"),
    "run": ("gradmark.benchmarks.studies.terminal", "run"),
}
_CHECKOUT = Path(__file__).resolve().parent.parent
if (_CHECKOUT / "pyproject.toml").is_file() and str(_CHECKOUT) not in __path__:
    __path__.append(str(_CHECKOUT))  # in a checkout, `estimators`, `benchmarks` and `reports` lie beside this folder


def __getattr__(name: str) -> Any:
    """Import what a name stands for."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("gradmark")
        except PackageNotFoundError:  # a checkout that is not installed
            return "unknown"
    if name not in _MODULES:
        raise AttributeError(f"module 'gradmark' has no attribute {name!r}")
    module, attribute = _MODULES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
