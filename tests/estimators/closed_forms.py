"""Means and variances of single draws, in closed form: what the estimators are held against.

With z = loc + scale·e, e ~ N(0, 1), every answer is a pair (mean, variance) for `loc`, then one for `log_scale`.
References: Monte Carlo Gradient Estimation in Machine Learning, Shakir Mohamed, Mihaela Rosca, Michael Figurnov,
Andriy Mnih, 2020 (section 3), for the three costs; the rest is integration.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

Answer = tuple[float, float]  # mean, variance


def in_logs(loc: Answer, scale_: Answer, scale: float) -> tuple[Answer, Answer]:
    """The answers for loc and scale as those for loc and log scale: chain factor `scale`."""
    return loc, (scale * scale_[0], scale**2 * scale_[1])


# Any q and cost: s the score of one coordinate, f the cost, both given at nodes with weights


def leave_one_out(f: np.ndarray, s: np.ndarray, weight: np.ndarray, draws: int) -> Answer:
    """(E[f̃²s²] − G²)/K + (Var f Var s + G²)/(K(K − 1)), f̃ = f − E f, G = E[f s]."""
    centred = f - weight @ f
    mean = float(weight @ (f * s))
    product = float(weight @ centred**2) * float(weight @ s**2)
    variance = (weight @ (centred * s) ** 2 - mean**2) / draws + (product + mean**2) / (draws * (draws - 1))
    return mean, float(variance)


def score_function(f: np.ndarray, s: np.ndarray, weight: np.ndarray, baseline: float = 0.0) -> Answer:
    """E[(f − c)²s²] − G²."""
    mean = float(weight @ (f * s))
    return mean, float(weight @ ((f - baseline) * s) ** 2) - mean**2


def gaussian_nodes() -> tuple[np.ndarray, np.ndarray]:
    """e and weights of a rule that is exact to rounding for the costs used here."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(180)
    return nodes, weights / weights.sum()


def by_quadrature(
    cost: Callable[[np.ndarray], np.ndarray], loc: float, scale: float, draws: int
) -> tuple[Answer, Answer]:
    """Leave-one-out for any smooth cost of one Gaussian."""
    e, weight = gaussian_nodes()
    f = cost(loc + scale * e)
    return leave_one_out(f, e / scale, weight, draws), leave_one_out(f, e**2 - 1, weight, draws)


# Costs α + βe + γe²: the quadratic, and an ELBO whose q and posterior are Gaussian


@dataclass(frozen=True)
class Polynomial:
    """A cost α + βe + γe² under z = loc + scale·e."""

    alpha: float
    beta: float
    gamma: float
    scale: float

    @property
    def means(self) -> tuple[float, float]:
        """The exact gradient with respect to loc and scale."""
        return self.beta / self.scale, 2 * self.gamma / self.scale

    def score_function(self, baseline: float = 0.0) -> tuple[Answer, Answer]:
        """The score function with a constant baseline."""
        a, b, g, s = self.alpha - baseline, self.beta, self.gamma, self.scale
        loc = (a**2 + 6 * a * g + 2 * b**2 + 15 * g**2) / s**2
        scale = (2 * a**2 + 20 * a * g + 10 * b**2 + 74 * g**2) / s**2
        return in_logs((self.means[0], loc), (self.means[1], scale), s)

    def leave_one_out(self, draws: int) -> tuple[Answer, Answer]:
        """The leave-one-out baseline of K draws; α is of no effect."""
        b, g, s = self.beta, self.gamma, self.scale
        noise = b**2 + 2 * g**2
        answers = []
        for mean, square, score in (
            (self.means[0], (3 * b**2 + 10 * g**2) / s**2, 1 / s**2),
            (self.means[1], (10 * b**2 + 60 * g**2) / s**2, 2 / s**2),
        ):
            variance = (square - mean**2) / draws + (noise * score + mean**2) / (draws * (draws - 1))
            answers.append((mean, variance))
        return in_logs(answers[0], answers[1], s)


def quadratic(k: float, loc: float, scale: float) -> Polynomial:
    """(z − k)²."""
    a = loc - k
    return Polynomial(a**2, 2 * a * scale, scale**2, scale)


def quadratic_pathwise(k: float, loc: float, scale: float) -> tuple[Answer, Answer]:
    """Reparameterization of (z − k)²: 4σ², and 4a² + 8σ² for σ."""
    a = loc - k
    return in_logs((2 * a, 4 * scale**2), (2 * scale, 4 * a**2 + 8 * scale**2), scale)


# cos(kz)


def cosine(k: float, loc: float, scale: float) -> dict[str, tuple[Answer, Answer]]:
    """The score function and reparameterization of cos(kz)."""
    s, t = scale, 2 * k * scale
    c = math.cos(2 * k * loc) * math.exp(-2 * k**2 * s**2)
    damping = math.exp(-(k**2) * s**2 / 2)
    mean, mean_scale = -k * math.sin(k * loc) * damping, -(k**2) * s * math.cos(k * loc) * damping
    path = k**2 / 2 * (1 - c) - mean**2, k**2 / 2 * (1 - (1 - t**2) * c) - mean_scale**2
    score = (1 + (1 - t**2) * c) / (2 * s**2) - mean**2, (2 + (2 - 4 * t**2 + t**4) * c) / (2 * s**2) - mean_scale**2
    return {
        "pathwise": in_logs((mean, path[0]), (mean_scale, path[1]), s),
        "score function": in_logs((mean, score[0]), (mean_scale, score[1]), s),
    }


# exp(−kz²)


def bell(k: float, loc: float, scale: float) -> dict[str, tuple[Answer, Answer]]:
    """The score function and reparameterization of exp(−kz²); its square is a Gaussian tilted by c = 2k."""
    s = scale
    single, double = 1 + 2 * k * s**2, 1 + 4 * k * s**2
    value, square = (q**-0.5 * math.exp(-c * loc**2 / q) for q, c in ((single, k), (double, 2 * k)))
    m, v = loc / double, s**2 / double
    d = m - loc
    mean = -2 * k * loc / single * value
    mean_scale = value * (-2 * k * s / single + 4 * k**2 * s * loc**2 / single**2)
    second, fourth = d**2 + v, d**4 + 6 * d**2 * v + 3 * v**2
    score = square * second / s**4, square * (fourth - 2 * s**2 * second + s**4) / s**6
    moved = m**2 * d**2 + m**2 * v + 4 * m * v * d + v * d**2 + 3 * v**2
    path = 4 * k**2 * square * (m**2 + v), 4 * k**2 * square * moved / s**2
    return {
        "pathwise": in_logs((mean, path[0] - mean**2), (mean_scale, path[1] - mean_scale**2), s),
        "score function": in_logs((mean, score[0] - mean**2), (mean_scale, score[1] - mean_scale**2), s),
    }


# One Bernoulli with cost (b − t)², and several


def bit_score_function(p: float, t: float, baseline: float = 0.0) -> Answer:
    """p(1 − p)[(1 − p)f₁ + p f₀ − c]²."""
    on, off = (1 - t) ** 2, t**2
    return (on - off) * p * (1 - p), p * (1 - p) * ((1 - p) * on + p * off - baseline) ** 2


def bit_leave_one_out(p: float, t: float, draws: int) -> Answer:
    """g = D n(K − n)/(K(K − 1)) with n ~ Binomial(K, p) ones among the draws, D = 1 − 2t."""
    n = np.arange(draws + 1)
    values = (1 - 2 * t) * n * (draws - n) / (draws * (draws - 1))
    weight = stats.binom.pmf(n, draws, p)
    mean = float(weight @ values)
    return mean, float(weight @ values**2) - mean**2


def bit_straight_through(p: float, t: float) -> Answer:
    """2p(1 − p)(p − t) and 4[p(1 − p)]³; the exact gradient is p(1 − p)(1 − 2t)."""
    return 2 * p * (1 - p) * (p - t), 4 * (p * (1 - p)) ** 3


def bits(probs: Sequence[float], t: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All states' costs `[2^D]`, scores with respect to the logits `[D, 2^D]` and probabilities `[2^D]`."""
    states = np.array(list(itertools.product((0.0, 1.0), repeat=len(probs))))
    p = np.array(probs)
    weight = np.where(states == 1, p, 1 - p).prod(1)
    return ((states - t) ** 2).sum(1), (states - p).T, weight
