"""Seconds, memory and noise of one estimate, for every estimator of the catalogue on one problem of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from . import cells

BLOCKS = 8  # few and large: asv compares medians, and the median of small samples of a variance is biased low


class _Problem:
    """The benchmarks of one problem, in float32 at its initial parameters; what the estimator refuses is n/a."""

    version = "1"
    params = (cells.catalogue(), cells.DEVICES)
    param_names = ("estimator", "device")
    problem: ClassVar[str]
    num_samples: ClassVar[int] = 2  # the fewest that all estimators take
    setting: Any
    estimate: Callable[[], object]
    wait: Callable[[], object]
    block: Callable[[], object]

    def setup(self, estimator: str, device: str) -> None:
        """Build the cell: all tensors are made here."""
        self.setting = cells.setting(self.problem, f"{estimator}()", self.num_samples, device)
        with cells.lacking_is_na():
            self.estimate = cells.timing.one_estimate(self.setting)
        self.wait = cells.torch.cuda.synchronize if device == "cuda" else lambda: None
        self.block = cells.one_block(self.setting)

    def time_estimate(self, estimator: str, device: str) -> None:
        """One estimate of one replicate."""
        self.estimate()
        self.wait()

    def peakmem_block(self, estimator: str, device: str) -> None:
        """A block of replicates, in the memory of the whole process."""
        self.block()

    def track_variance(self, estimator: str, device: str) -> dict[str, Any]:
        """The total variance of one estimate; a sample is one block's."""
        return _samples(self._variances())

    def track_work_normalised_variance(self, estimator: str, device: str) -> dict[str, Any]:
        """The total variance of one estimate times its seconds; a sample is one block's and one round's."""
        with cells.lacking_is_na():
            (seconds,) = cells.timing.interleaved([self.estimate], cells.torch.device(device))
        return _samples([each * second for each, second in zip(self._variances(), seconds, strict=False)])

    def _variances(self) -> list[float]:
        if self.setting.estimator.deterministic:
            return [0.0] * BLOCKS  # the same gradient every time
        with cells.lacking_is_na():
            return [float(cells.one_block(self.setting, index)().traces[:, 0].mean()) for index in range(BLOCKS)]

    track_variance.unit = "variance"  # type: ignore[attr-defined]
    track_work_normalised_variance.unit = "variance × s"  # type: ignore[attr-defined]


def _samples(values: list[float]) -> dict[str, Any]:
    """What asv takes for repeated measurements: it keeps an interval and compares by it."""
    return {"samples": values, "number": 1}


class Toy(_Problem):
    """One Gaussian."""

    problem = "GaussianToy()"


class LinearModel(_Problem):
    """The model whose posterior is known."""

    problem = "LinearGaussian()"


class LogisticRegression(_Problem):
    """All rows of breast_cancer, 31 weights."""

    problem = "BayesianLogisticRegression()"


class ContinuousVAE(_Problem):
    """Gaussian latents, on a hundred images."""

    problem = 'GaussianVAE(data="digits", rows=100)'


class DiscreteVAE(_Problem):
    """Binary latents, on a hundred images."""

    problem = 'BernoulliVAE(data="digits", latents=4, rows=100)'


class ConjugateModel(_Problem):
    """A Gamma posterior: neither a location and a scale nor discrete."""

    problem = "GammaPosterior()"
