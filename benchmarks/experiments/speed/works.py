"""The work that is timed: a problem, an estimator and a number of samples, at the problem's initial parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.benchmarks.experiments.speed.convolutional import ConvolutionalVAE
from gradmark.benchmarks.measurement.block import Setting
from gradmark.benchmarks.problems import BayesianLogisticRegression, BernoulliVAE, GaussianToy, GaussianVAE
from gradmark.estimators import DisARM, LeaveOneOut, Reparameterization, ScoreFunction
from gradmark.estimators.core import Estimator, LatentVariableModel, Params, Problem


@dataclass(frozen=True)
class Work:
    """The variance of one estimator at one problem's initial parameters, in float32."""

    problem: Problem
    estimator: Estimator
    num_samples: int
    per_coordinate: bool = False  # whether the variance of every coordinate is wanted, or the total one only

    def setting(self, device: torch.device) -> Setting:
        """The work as gradmark measures it."""
        return Setting(self.problem, self.estimator, self.num_samples, self.params(device))

    def params(self, device: torch.device) -> Params:
        """The parameters at which all contenders measure."""
        return {name: value.to(device, torch.float32) for name, value in self.problem.init().items()}

    def rows(self, device: torch.device) -> Tensor | None:
        """The data that all contenders see."""
        model = self.problem
        return (
            model.data_rows(torch.float32, device)[: model.num_rows] if isinstance(model, LatentVariableModel) else None
        )

    @property
    def shape_of_noise(self) -> tuple[int, ...]:
        """How many numbers one replicate draws: `[num_samples, …]`, a pair of draws of DisARM sharing theirs."""
        draws = self.num_samples // 2 if isinstance(self.estimator, DisARM) else self.num_samples
        latents = getattr(self.problem, "latents", None)
        if latents is None:
            return (draws, *self.problem.init()["loc"].shape)
        assert isinstance(self.problem, LatentVariableModel), "what has latents has rows"
        return (draws, self.problem.num_rows, latents)


Sized = Callable[[bool], Problem]  # the problem, or with True a small one of its kind


def _toy(small: bool) -> Problem:
    return GaussianToy()


def _regression(small: bool) -> Problem:
    return BayesianLogisticRegression()


def _gaussian_vae(small: bool) -> Problem:
    return GaussianVAE(hidden=16, rows=5) if small else GaussianVAE(data="mnist-5k", latents=20, hidden=500, rows=100)


def _bernoulli_vae(small: bool) -> Problem:
    return BernoulliVAE(rows=5) if small else BernoulliVAE(data="mnist-5k", latents=200, rows=100)


def _convolutional_vae(small: bool) -> Problem:
    return ConvolutionalVAE(latents=2, channels=2, rows=3) if small else ConvolutionalVAE()


_LISTED: dict[str, tuple[Sized, Estimator, int, bool]] = {
    "toy, ScoreFunction": (_toy, ScoreFunction(), 1, False),
    "toy, LeaveOneOut, 2 draws": (_toy, LeaveOneOut(), 2, False),
    "toy, Reparameterization": (_toy, Reparameterization(), 1, False),
    "logistic regression, ScoreFunction, 1 draw": (_regression, ScoreFunction(), 1, False),
    "logistic regression, Reparameterization, 1 draw": (_regression, Reparameterization(), 1, False),
    "logistic regression, ScoreFunction, 10 draws": (_regression, ScoreFunction(), 10, False),
    "logistic regression, Reparameterization, 10 draws": (_regression, Reparameterization(), 10, False),
    "Gaussian VAE, total variance": (_gaussian_vae, Reparameterization(), 1, False),
    "Gaussian VAE, variance of each coordinate": (_gaussian_vae, Reparameterization(), 1, True),
    "Bernoulli VAE, LeaveOneOut, 2 draws": (_bernoulli_vae, LeaveOneOut(), 2, False),
    "Bernoulli VAE, DisARM, 2 draws": (_bernoulli_vae, DisARM(), 2, False),
    "convolutional VAE, modules of a user": (_convolutional_vae, Reparameterization(), 1, False),
}
NAMES = tuple(_LISTED)


def work(name: str, small: bool = False) -> Work:
    """The work of that name; `small` is for a first look and for tests: networks of a few units on a few rows."""
    sized, estimator, num_samples, per_coordinate = _LISTED[name]
    return Work(sized(small), estimator, num_samples, per_coordinate)
