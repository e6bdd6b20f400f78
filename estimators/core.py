"""The five words that every method is written in: problem, model, estimator, surrogate, target.

Shapes, everywhere: `*S` draws, `*R` replicates, `*B` conditionally independent rows of data, `d` coordinates of z
(`d C` where each is one-hot). A replicate is a leading axis of every parameter: one call makes many estimates.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from gradmark.estimators.divergences import closed_form_kl
from gradmark.estimators.enumerated import Enumerated as Enumerated
from gradmark.estimators.layers import linear as linear
from gradmark.estimators.spec import Spec

Params: TypeAlias = dict[str, Tensor]  # every tensor is [*R, …]; unconstrained coordinates only
State: TypeAlias = Any  # a pytree of tensors [*R, …]; () for the stateless


class Term(NamedTuple):
    """One term of a cost, `[*S, *R, *B]`, and the coordinates of z that it is a function of: all others are idle."""

    value: Tensor
    coordinates: tuple[int, ...]


class Problem(Spec):
    """An expectation `E_{z ~ q(z; params)}[cost(params, z)]`, summed over rows, whose gradient is wanted: a loss.

    A problem is deterministic: its fields are its identity and it draws nothing, except a *source* of problems
    (`gradmark.benchmarks.problems.Minibatch`), whose `draw` gives every replicate its own rows.
    """

    @abstractmethod
    def init(self) -> Params:
        """The parameters to start from, float64 on the CPU, without a replicate axis."""

    @abstractmethod
    def distribution(self, params: Params) -> Distribution:
        """q(z; params): batch `(*R, *B)`, event `(d,)`; `(d, C)` where z is d one-hot vectors of C categories."""

    @abstractmethod
    def cost(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Float[Tensor, "*batch"]:
        """The cost of each draw: z `[*S, *R, *B, *event]` to `[*S, *R, *B]`, the shape of `q.log_prob(z)`.

        q is handed in, so that a method may pass a q of detached parameters.
        """

    def terms(self, params: Params, z: Float[Tensor, "*batch d"], q: Distribution) -> Sequence[Term]:
        """The terms that add up to the cost, each with the coordinates it reads; a hook, empty where it does not split.

        A log density given other coordinates reads those too: log q(z_2 | z_1) names z_1 and z_2.
        """
        return ()

    def exact(self, params: Params) -> Tensor | None:
        """The oracle: the expected cost `[*R, *B]`, differentiable in params; None where `no_oracle` says why."""
        return None

    def coordinate(self, params: Params) -> Params | None:
        """Coordinate ascent's sweep: each factor of q set in turn to the best given the others, where that is known."""
        return None

    @property
    def no_oracle(self) -> str | None:
        """None where `exact` answers; else the reason why it does not, as a clause that names the remedy."""
        return "no closed form, quadrature or enumeration is known for this problem"

    @property
    def differentiable(self) -> bool:
        """Whether the cost's derivative in z says how the cost changes with z: not where it has steps."""
        return True

    @property
    def footprint(self) -> int:
        """How many numbers the largest tensor of one draw's cost holds; it sets the block size."""
        return 1

    @property
    def template(self) -> Problem:
        """The kind of problem that an estimator sees: itself, or what a source of problems draws from."""
        return self

    @property
    def seen(self) -> Problem:
        """The problem that `refuses` is asked about, as an estimator sees it: of a source, one of those that it draws.

        A source whose problems are not like its template says so here.
        """
        return self.template

    @property
    def partial(self) -> bool:
        """Whether a part of the rows stands for all of them, as in a minibatch: what `refuses` may look at."""
        return False

    def draw(self, replicates: int, sharing: int = 2) -> Problem:
        """The problem that `replicates` estimates see: itself, or with the rows that a source of problems drew.

        `sharing` consecutive replicates see the same rows: 2 where noises are told apart, 1 where runs are independent.
        """
        return self


class LatentVariableModel(Problem):
    """Minus the evidence lower bound: cost = log q(z|x) − log p(z) − log p(x|z), for rows x of data.

    `per_row` latents have one z for each row (`*B` are the rows); a shared z (Bayesian regression) has `*B = ()` and a
    likelihood that sums over rows. Under `select` a part of the rows stands for all of them, reweighted.
    """

    per_row: ClassVar[bool] = True

    @abstractmethod
    def prior(self, params: Params) -> Distribution:
        """p(z; params): batch broadcastable to `(*R, *B)`, event `(d,)`."""

    @abstractmethod
    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
        """log p(x|z): z `[*S, *R, *B, d]` to `[*S, *R, *B]`; summed over the observed rows where z is shared."""

    @abstractmethod
    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """All rows of data, `[rows, D]`; cached by the loader, so that the call is cheap."""

    def posterior(self, params: Params) -> Distribution | None:
        """The exact p(z|x), batch `(*R, *B)`, where there is one."""
        return None

    def log_evidence(self, params: Params) -> Tensor | None:
        """The exact log p(x), `[*R, *B]`, where there is one."""
        return None

    def maximise(self, params: Params) -> Params | None:
        """EM's step: argmax of E[log p(x, z)] over z ~ p(z|x) at `params`, where there is one; q's parameters stay."""
        return None

    @property
    def num_states(self) -> int | None:
        """How many values a row's z has, all of which `log_joint_of` goes through; None where they are not finite."""
        return None

    def log_joint_of(self, params: Params, first: int, last: int) -> Float[Tensor, "*batch states"]:
        """log p(x, z) of the states number `first` to `last` − 1, `[*R, rows, states]`, without weights of rows."""
        raise NotImplementedError(f"{self}.log_joint_of: z has no finite number of states; ask num_states first")

    def exact_bound(self, params: Params, num_samples: int) -> Tensor | None:
        """The exact importance-weighted bound E[log 1/K Σ_k p(x, z_k)/q(z_k|x)] of K draws, `[*R, *B]`, if known."""
        return None

    def observations(self, params: Params) -> Tensor:
        """The data that this problem sees, in the parameters' dtype and device: `[rows, D]`, or `[*R, size, D]`."""
        like = next(iter(params.values()))
        rows, selected = self.data_rows(like.dtype, like.device), self._selected
        return rows if selected is None else rows[selected.to(like.device)]

    @property
    def num_rows(self) -> int:
        """How many rows the whole data set has. A hook: fill it where the number is known without loading the data."""
        return self.data_rows(torch.float64, torch.device("cpu")).shape[0]

    def select(self, index: Tensor) -> LatentVariableModel:
        """The same problem on the rows `index`, `[size]` or `[*R, size]`, reweighted by rows/size."""
        view = copy.copy(self)
        object.__setattr__(view, "_selection", index)  # not a field: a view has the identity of its problem
        return view

    @property
    def partial(self) -> bool:
        return self._selected is not None

    @property
    def _selected(self) -> Tensor | None:
        return getattr(self, "_selection", None)

    @property
    def likelihood_weight(self) -> float:
        """rows/size under `select`, else 1: the factor that makes a part of the rows stand for all."""
        return 1.0 if self._selected is None else self.num_rows / self._selected.shape[-1]

    @property
    def latent_weight(self) -> float:
        """The factor of log q(z) and log p(z): a shared z is counted once, however many rows are seen."""
        return self.likelihood_weight if self.per_row else 1.0

    def log_joint(self, params: Params, z: Tensor) -> Tensor:
        """log p(x, z) with the weights of the selected rows: z `[*S, *R, *B, d]` to `[*S, *R, *B]`."""
        prior = self.prior(params).log_prob(z) * self.latent_weight
        return prior + self.log_likelihood(params, z) * self.likelihood_weight

    def cost(self, params: Params, z: Float[Tensor, "*draws"], q: Distribution) -> Float[Tensor, "*batch"]:
        return q.log_prob(z) * self.latent_weight - self.log_joint(params, z)

    def cost_analytic_kl(self, params: Params, z: Float[Tensor, "*draws"], q: Distribution) -> Float[Tensor, "*batch"]:
        """The cost with log q(z) − log p(z) replaced by its mean, KL(q ‖ p(z)) in closed form."""
        divergence = closed_form_kl(q, self.prior(params)) * self.latent_weight
        return divergence - self.log_likelihood(params, z) * self.likelihood_weight


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


class Estimator(Spec):
    """A rule that turns a problem and parameters into one random gradient, and its own next state.

    Hyper-parameters are fields; everything else is in the call: state in, state out, also for the stateless.
    """

    unbiased: ClassVar[bool] = True  # for its target
    target: ClassVar[Target] = EXPECTED_COST
    deterministic: ClassVar[bool] = False  # the same gradient every time: one replicate is enough
    claims: ClassVar[
        tuple[str, ...]
    ] = ()  # laws beyond those that bind all, by the names in `gradmark.benchmarks.checks.CLAIMS`

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        """None where the estimator fits the problem; else why not, and the remedy. A hook, None by default.

        It is asked about the problem as `estimate` will see it: a minibatch is a model that is `partial`.
        """
        return None

    def init(self, problem: Problem, params: Params) -> State:
        """The state before the first estimate, for parameters `[*R, …]`. A hook, () by default."""
        return ()

    @abstractmethod
    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        """One gradient for every replicate, each from `num_samples` draws: tensors shaped as the parameters'."""


class SurrogateEstimator(Estimator):
    """An estimator given by a loss whose gradient is the estimate."""

    @abstractmethod
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        """The loss `[*R, *B]` and the next state, detached."""

    def estimate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Estimate:
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        with torch.enable_grad():
            loss, state = self.surrogate(problem, leaves, state, num_samples)
        return Estimate(gradient_of_sum(loss, leaves), state)


def gradient_of_sum(loss: Tensor, params: Params) -> Params:
    """The gradient of the summed loss: row r of it is replicate r's; zero where the loss does not reach a parameter."""
    if not loss.requires_grad:
        return {name: torch.zeros_like(value) for name, value in params.items()}
    found = torch.autograd.grad(loss.sum(), list(params.values()), materialize_grads=True, allow_unused=True)
    return {name: part.detach() for name, part in zip(params, found, strict=True)}  # torch 2.6 attaches its zeros


def detached(params: Params) -> Params:
    """The same parameters as constants."""
    return {name: value.detach() for name, value in params.items()}


def replicate_axes(problem: Problem, params: Params) -> torch.Size:
    """The replicate axes `*R`: what the parameters have in front of the shapes that the problem gives them."""
    name, value = next(iter(problem.init().items()))
    given = params[name].shape
    return given[: len(given) - value.dim()]
