"""What every method is written in: problem, latent-variable model, estimator, surrogate and target.

Shapes, everywhere: `*S` draws, `*R` replicates, `*B` conditionally independent rows of data, `d` coordinates of z
(`d C` where each is one-hot). A replicate is a leading axis of every parameter: one call makes many estimates.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, TypeAlias

import torch
from torch import Tensor

from gradmark.estimators.enumerated import Enumerated as Enumerated
from gradmark.estimators.latent_variable_model import LatentVariableModel as LatentVariableModel
from gradmark.estimators.layers import linear as linear
from gradmark.estimators.module_model import ModuleModel as ModuleModel
from gradmark.estimators.problem import Params as Params
from gradmark.estimators.problem import Problem as Problem
from gradmark.estimators.problem import Term as Term
from gradmark.estimators.requirements.base import Requirement as Requirement
from gradmark.estimators.spec import Spec

State: TypeAlias = Any  # a pytree of tensors [*R, …]; () for the stateless


class Target(NamedTuple):
    """What an estimator is an estimate of: `exact(problem, params, num_samples)`, `[*R, *B]`, or None."""

    name: str
    exact: Callable[[Problem, Params, int], Tensor | None]
    moves: bool = False  # whether it is another one for each num_samples


def _minus_log_evidence(problem: Problem, params: Params, num_samples: int) -> Tensor | None:
    evidence = problem.log_evidence(params) if isinstance(problem, LatentVariableModel) else None
    return None if evidence is None else -evidence


def _minus_bound(problem: Problem, params: Params, num_samples: int) -> Tensor | None:
    if not isinstance(problem, LatentVariableModel):
        return None
    if num_samples == 1:  # the evidence lower bound, which more problems know
        return problem.exact(params)
    bound = problem.exact_bound(params, num_samples)
    return None if bound is None else -bound


EXPECTED_COST = Target("expected cost", lambda problem, params, num_samples: problem.exact(params))
MINUS_LOG_EVIDENCE = Target("minus log evidence", _minus_log_evidence)
MINUS_IMPORTANCE_WEIGHTED_BOUND = Target("minus importance-weighted bound", _minus_bound, moves=True)


class Estimate(NamedTuple):
    """One random gradient for each replicate, and the estimator's next state."""

    gradient: Params
    state: State


class Evaluations(NamedTuple):
    """How often one draw of an estimate evaluates the cost, and how often that is differentiated in z.

    A cost with parameters of its own is differentiated in those as well, once, by every method that evaluates it.
    """

    forward: int
    backward: int
    forward_per_coordinate: int = 0  # so many more for each coordinate of z


class Estimator(Spec):
    """A rule that turns a problem and parameters into one random gradient, and its own next state.

    Hyper-parameters are fields; everything else is in the call: state in, state out, also for the stateless.

    Examples:
        >>> import torch
        >>> from gradmark.benchmarks.problems import BernoulliToy
        >>> from gradmark.estimators import LeaveOneOut
        >>> problem, estimator = BernoulliToy(), LeaveOneOut()
        >>> params = {name: value.expand(5, *value.shape) for name, value in problem.init().items()}
        >>> state = estimator.init(problem, params)
        >>> gradient, state = estimator.estimate(problem, params, state, num_samples=2)
        >>> gradient["logits"].shape  # five replicates
        torch.Size([5, 1])
    """

    unbiased: ClassVar[bool] = True  # for its target
    target: ClassVar[Target] = EXPECTED_COST
    deterministic: ClassVar[bool] = False  # the same gradient every time: one replicate is enough
    requires: ClassVar[tuple[Requirement, ...]] = ()  # of the problem and of num_samples; see `refuses`
    evaluations: ClassVar[Evaluations | str | None] = None  # of the cost, for each draw; None where not declared
    keeps: ClassVar[tuple[str, ...]] = ()  # the names of the state's tensors, or of groups of them
    properties: ClassVar[tuple[str, ...]] = ()  # declared, and so checked: names in `benchmarks.checks.PROPERTIES`

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        """Say whether the estimator fits a problem: the first of `requires` that is not met.

        Declare `requires`, with a `Requirement` of your own where the built-in ones do not say it.

        Args:
            problem: The problem as `estimate` will see it: a minibatch is a model that is `partial`.
            num_samples: Draws of one estimate.

        Returns:
            None where it fits; else the reason and the remedy.
        """
        for requirement in self.requires:
            reason = requirement.unmet(problem, num_samples)
            if reason is not None:
                value = problem if requirement.argument == "problem" else num_samples
                return f"{type(self).__name__}.estimate({requirement.argument}={value}): {reason}"
        return None

    def init(self, problem: Problem, params: Params) -> State:
        """The state before the first estimate. A hook, () by default.

        Args:
            problem: The problem.
            params: The parameters, `[*R, …]`.

        Returns:
            A pytree of tensors `[*R, …]`.
        """
        return ()

    @abstractmethod
    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        """One gradient for every replicate.

        Args:
            problem: The problem.
            params: The parameters, `[*R, …]`.
            state: The state from `init` or from the last estimate.
            num_samples: Draws of z for one estimate.

        Returns:
            The gradient, tensors shaped as the parameters', and the next state.
        """


class SurrogateEstimator(Estimator):
    """An estimator given by a loss whose gradient is the estimate."""

    @abstractmethod
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        """A loss whose gradient is the estimate.

        Args:
            problem: The problem.
            params: The parameters, `[*R, …]`, which require gradients.
            state: The state from `init` or from the last estimate.
            num_samples: Draws of z for one estimate.

        Returns:
            The loss, `[*R, *B]`, and the next state, detached.
        """

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        with torch.enable_grad():
            loss, state = self.surrogate(problem, leaves, state, num_samples)
        return Estimate(gradient_of_sum(loss, leaves), state)


def gradient_of_sum(loss: Tensor, params: Params, retain_graph: bool = False) -> Params:
    """The gradient of the summed loss: row r of it is replicate r's; zero where the loss does not reach a parameter.

    With `retain_graph` what the loss is made of can be differentiated once more.
    """
    if not loss.requires_grad:
        return {name: torch.zeros_like(value) for name, value in params.items()}
    found = torch.autograd.grad(
        loss.sum(), list(params.values()), retain_graph=retain_graph, materialize_grads=True, allow_unused=True
    )
    return {name: part.detach() for name, part in zip(params, found, strict=True)}  # torch 2.6 attaches its zeros


def detached(params: Params) -> Params:
    """The same parameters as constants."""
    return {name: value.detach() for name, value in params.items()}


def replicate_axes(problem: Problem, params: Params) -> torch.Size:
    """The replicate axes `*R`: what the parameters have in front of the shapes that the problem gives them."""
    name, value = next(iter(problem.init().items()))
    given = params[name].shape
    return given[: len(given) - value.dim()]
