"""What REBAR and RELAX share: a control variate on relaxed draws, learned by descending the estimate's own variance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution

from gradmark.estimators.adam import adam_step
from gradmark.estimators.core import (
    Estimate,
    Estimator,
    Evaluations,
    Params,
    Problem,
    State,
    detached,
    gradient_of_sum,
    replicate_axes,
)
from gradmark.estimators.couplings import Relaxation
from gradmark.estimators.requirements import BitsOrCategories, DifferentiableCost

Cost = Callable[[Tensor], Tensor]  # z [K, *R, *B, *event] to [K, *R, *B], every parameter held constant


@dataclass(frozen=True)
class RelaxedControlVariate(Estimator):
    """Correct the score function by a function c of a relaxed draw z, and by c of z̃, drawn anew given b = hard(z).

        g = 1/K Σ_k { [cost(b_k) − c(z̃_k)] ∇ log q(b_k) + ∇c(z_k) − ∇c(z̃_k) + ∂cost(b_k)/∂params }

    Unbiased for every c that does not depend on these draws: z and z̃ have the same distribution, and the gradient of
    E[c(z̃) | b] meets the score in E[c(z̃) ∇ log q(b)] + E[∇c(z̃)] = ∇E[c(z̃)]. That needs ∇c(z̃) through all that z̃
    depends on, p(z | b) included. The coefficients ψ of c take a step of Adam down ∇_ψ |g|², whose mean is the gradient
    of the variance, as the mean of g is free of ψ: what an estimate learns is used from the next one on.

    Shapes: state `coefficients`, `mean`, `square` `[*R, …]` and `count` `[*R]`: each replicate learns by itself.
    """

    requires = (BitsOrCategories(), DifferentiableCost())
    evaluations = Evaluations(forward=3, backward=3)

    temperature: float = 0.5  # at the start
    rate: float = 0.01

    def validate(self) -> None:
        for name in ("temperature", "rate"):
            if (value := getattr(self, name)) <= 0:
                raise ValueError(f"{type(self).__name__}({name}={value}): it is positive; try 0.01 to 1")

    @abstractmethod
    def coefficients(self, problem: Problem, params: Params) -> Params:
        """ψ at the start, `[*R, …]`, for parameters `[*R, …]`."""

    @abstractmethod
    def control(self, cost: Cost, relaxed: Relaxation, z: Tensor, coefficients: Params) -> Tensor:
        """c(z), `[K, *R, *B]`: differentiable twice in z, and in ψ."""

    def relaxation(self, q: Distribution) -> Relaxation:
        """How draws of q are made from z, and z̃ from them."""
        return BitsOrCategories().of(q)

    def init(self, problem: Problem, params: Params) -> State:
        coefficients = self.coefficients(problem, params)
        like = next(iter(params.values()))
        count = torch.zeros(replicate_axes(problem, params), dtype=torch.int64, device=like.device)
        mean, square = ({n: torch.zeros_like(value) for n, value in coefficients.items()} for _ in range(2))
        return {"coefficients": coefficients, "mean": mean, "square": square, "count": count}

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        like = next(iter(params.values()))
        learned = {n: value.detach().to(like.dtype).requires_grad_() for n, value in state["coefficients"].items()}
        with torch.enable_grad():
            gradient = self._gradient(problem, leaves, learned, num_samples)
            size = torch.stack([value.square().sum() for value in gradient.values()]).sum()
        return Estimate(detached(gradient), _descended(state, gradient_of_sum(size, learned), self.rate))

    def _gradient(self, problem: Problem, leaves: Params, coefficients: Params, num_samples: int) -> Params:
        """g, itself differentiable in ψ; the weights of the sums are what the backward pass is fed with."""
        q, held = problem.distribution(leaves), detached(leaves)
        fixed, relaxed = problem.distribution(held), self.relaxation(q)
        z = relaxed.noisy(num_samples)
        b = relaxed.hard(z)
        cost = problem.cost(leaves, b, fixed)
        first, again = (
            self.control(lambda x: problem.cost(held, x, fixed), relaxed, each, coefficients)
            for each in (z, relaxed.given(b))
        )
        one = torch.full_like(cost, 1 / num_samples)
        terms = [(q.log_prob(b), (cost.detach() - again) * one), (cost, one), (first, one), (again, -one)]
        reached = [term for term in terms if term[0].requires_grad]
        found = torch.autograd.grad(
            [value for value, _ in reached],
            list(leaves.values()),
            [weight for _, weight in reached],
            create_graph=True,
            materialize_grads=True,
            allow_unused=True,
        )
        return dict(zip(leaves, found, strict=True))


def _descended(state: State, slope: Params, rate: float) -> State:
    """Adam's step for every replicate, with its own count."""
    count, means, squares = state["count"] + 1, state["mean"], state["square"]
    moved, mean, square = {}, {}, {}
    for name, value in state["coefficients"].items():
        steps = over_rows(count, value.dim() - count.dim()).to(value.dtype)
        moved[name], mean[name], square[name] = adam_step(value, slope[name], means[name], squares[name], steps, rate)
    return {"coefficients": moved, "mean": mean, "square": square, "count": count}


def over_rows(value: Tensor, axes: int) -> Tensor:
    """One number for each replicate, `[*R]`, broadcast against tensors with `axes` axes after those."""
    return value.reshape((*value.shape, *[1] * axes))


def start(problem: Problem, params: Params, value: float) -> Tensor:
    """The same number for each replicate, `[*R]`, in the parameters' dtype and device."""
    return next(iter(params.values())).new_full(replicate_axes(problem, params), value)


def relaxed_cost(cost: Cost, relaxed: Relaxation, z: Tensor, coefficients: Params) -> Tensor:
    """`eta` times the cost at z softened at the temperature exp(`log_temperature`), `[K, *R, *B]`."""
    eta, temperature = coefficients["eta"], coefficients["log_temperature"].exp()
    found = cost(relaxed.soft(z, over_rows(temperature, z.dim() - 1 - temperature.dim())))
    return over_rows(eta, found.dim() - 1 - eta.dim()) * found
