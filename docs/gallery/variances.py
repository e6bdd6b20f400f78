"""Measures the variances that the gallery shows, and writes `variances.json`: `python -m docs.gallery.variances`."""

from __future__ import annotations

import json

import gradmark
import gradmark.estimators
from docs.gallery.figures import FILE, Point, Strip
from gradmark.benchmarks import specs

SAMPLES = 4
REPLICATES = 4096  # where the variance is not known exactly
PROBLEMS = (
    "GaussianToy(k=-3.0)",
    "StepToy()",
    "BernoulliToy()",
    "CategoricalToy()",
    "GammaPosterior()",
    "LinearGaussian(observed=3, rows=3)",
)


def _point(problem: str, method: str) -> Point | None:
    """The variance of a method with its default fields; None where it does not fit the problem."""
    estimator = specs.estimator(f"{method}()")
    summary = gradmark.measure(problem, estimator, SAMPLES, replicates=REPLICATES)
    if summary["status"] != "measured":
        return None
    exact, measured = summary["total_variance"]["exact"], summary["total_variance"]["value"]
    value = 0.0 if estimator.deterministic else measured if exact is None else exact
    known = exact is not None or estimator.deterministic
    return Point(method=method, target=estimator.target.name, unbiased=estimator.unbiased, value=value, exact=known)


def main() -> None:
    """Measure every method on every problem."""
    found: list[Strip] = []
    for problem in PROBLEMS:
        points = [point for name in gradmark.estimators.__all__ if (point := _point(problem, name))]
        found.append(Strip(problem=problem, at="init", num_samples=SAMPLES, points=points))
        FILE.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
