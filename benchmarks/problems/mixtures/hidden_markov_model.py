"""A hidden Markov model: the posterior is a chain, the evidence a recursion, and EM is Baum's and Welch's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence
from torch.nn.functional import one_hot, pad

from gradmark.benchmarks.problems.distributions.markov_chain import MarkovChain
from gradmark.benchmarks.problems.distributions.one_hot import one_hot_vectors
from gradmark.benchmarks.problems.mixtures.base import EMPTY
from gradmark.benchmarks.problems.sizes import MOST_STEPS, check_at_most, check_seed, check_sizes
from gradmark.benchmarks.shared_data import shared
from gradmark.estimators.core import LatentVariableModel, Params, linear


@dataclass(frozen=True)
class HiddenMarkovModel(LatentVariableModel):
    """z_1 ~ π, z_{t+1} | z_t ~ A, symbols x_t | z_t ~ B; q(z_t|x) = softmax of an affine map of x_{t−1}, x_t, x_{t+1}.

    Parameters `initial_logits` `[states]`, `transition_logits` `[states, states]`, `emission_logits`
    `[states, symbols]`, `encoder_weight` `[states, 3 symbols]`, `encoder_bias` `[states]`; a row of data is a sequence
    of `steps` symbols, one-hot, side by side. q is of mean field: the gap to the posterior, a Markov chain, does not
    close. By recursion,

        α_1 = π b_1,  α_{t+1} = (α_t A) b_{t+1},  log p(x) = log Σ α_T;    β_T = 1,  β_t = A (b_{t+1} β_{t+1})
        p(z_{t+1} = j | z_t = i, x) ∝ A_ij b_{t+1, j} β_{t+1, j}

    The oracle is KL(q ‖ p(z)) − Σ_t q_t log b_t, in closed form. EM's step counts expected moves and emissions. The
    data: logits `contrast`·N(0, 1), and more to stay.

    Shapes: z `[*S, *R, rows, steps, states]`, cost `[*S, *R, rows]`, oracle and evidence `[*R, rows]`.

    Raises ValueError for a size out of range, a contrast that is not positive or a negative seed.

    Reference: baum1970
    """

    states: int = 2
    symbols: int = 3
    steps: int = 8
    rows: int = 40
    contrast: float = 1.5
    seed: int = 0

    def validate(self) -> None:
        encoder = self.states * 3 * self.symbols
        check_sizes(self, "states", "symbols", "steps", "rows", encoder_weight=encoder)
        check_at_most(self, MOST_STEPS, "the steps are taken one by one, forward and backward", steps=self.steps)
        if self.steps < 2:
            raise ValueError(f"HiddenMarkovModel(steps={self.steps}): a chain makes a move; pass 2 or more")
        if self.contrast <= 0:
            raise ValueError(f"HiddenMarkovModel(contrast={self.contrast}): it is positive; use 1.5")
        check_seed(self, self.seed)

    def init(self) -> Params:
        draw = np.random.default_rng(0)  # the start does not depend on the data's seed
        shapes = {
            "initial_logits": (self.states,),
            "transition_logits": (self.states, self.states),
            "emission_logits": (self.states, self.symbols),
            "encoder_weight": (self.states, 3 * self.symbols),
            "encoder_bias": (self.states,),
        }
        return {name: torch.from_numpy(draw.normal(scale=0.5, size=shape)) for name, shape in shapes.items()}

    def true_parameters(self) -> Params:
        """The model's parameters that the data were drawn from."""
        draw = np.random.default_rng(self.seed)
        stay = self.contrast * np.eye(self.states)
        logits = {
            "initial_logits": np.zeros(self.states),
            "transition_logits": stay + 0.3 * draw.standard_normal((self.states, self.states)),
            "emission_logits": self.contrast * draw.standard_normal((self.states, self.symbols)),
        }
        return {name: torch.from_numpy(value) for name, value in logits.items()}

    def data_rows(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """The symbols as one-hot vectors side by side, `[rows, steps · symbols]`."""
        return _rows(self, dtype, device)

    @property
    def num_rows(self) -> int:
        return self.rows

    def _symbols(self, params: Params) -> Tensor:
        return self.observations(params).unflatten(-1, (self.steps, self.symbols))

    def distribution(self, params: Params) -> Distribution:
        x = self._symbols(params)
        padded = pad(x, (0, 0, 1, 1))
        window = torch.cat([padded[..., :-2, :], x, padded[..., 2:, :]], -1).flatten(-3, -2)
        logits = linear(window, params["encoder_weight"], params["encoder_bias"]).unflatten(-2, (-1, self.steps))
        return one_hot_vectors(logits)

    def prior(self, params: Params) -> MarkovChain:
        size = self.observations(params).shape[-2]
        initial, moves = params["initial_logits"].unsqueeze(-2), params["transition_logits"][..., None, None, :, :]
        shape = moves.shape[:-4]
        return MarkovChain(
            initial.expand(*shape, size, -1), moves.expand(*shape, size, self.steps - 1, self.states, self.states)
        )

    def _emitted(self, params: Params) -> Tensor:
        """log b_t: of each symbol from each state, `[*R, rows, steps, states]`."""
        return self._symbols(params) @ params["emission_logits"].log_softmax(-1).mT.unsqueeze(-3)

    def log_likelihood(self, params: Params, z: Float[Tensor, "*batch d C"]) -> Float[Tensor, "*batch"]:
        return (z * self._emitted(params)).sum((-2, -1))

    def exact(self, params: Params) -> Tensor:
        q = self.distribution(params)
        bound = kl_divergence(q, self.prior(params)) - (q.mean * self._emitted(params)).sum((-2, -1))
        return bound * self.likelihood_weight

    @property
    def no_oracle(self) -> None:
        return None

    def log_evidence(self, params: Params) -> Tensor:
        """log p(x) of each row, forward; under `select` with the weight of the row, as the cost."""
        emitted, moves = self._emitted(params), params["transition_logits"].log_softmax(-1).unsqueeze(-3)
        alpha = params["initial_logits"].log_softmax(-1).unsqueeze(-2) + emitted[..., 0, :]
        for step in range(1, self.steps):
            alpha = (alpha.unsqueeze(-1) + moves).logsumexp(-2) + emitted[..., step, :]
        return alpha.logsumexp(-1) * self.likelihood_weight

    def posterior(self, params: Params) -> MarkovChain:
        """p(z|x), a chain with its own moves at each step, backward."""
        emitted, moves = self._emitted(params), params["transition_logits"].log_softmax(-1).unsqueeze(-3)
        found: list[Tensor] = []
        ahead = emitted[..., -1, :]  # log b_t β_t
        for step in range(self.steps - 2, -1, -1):
            found.append(moves + ahead.unsqueeze(-2))
            ahead = emitted[..., step, :] + found[-1].logsumexp(-1)
        initial = params["initial_logits"].log_softmax(-1).unsqueeze(-2) + ahead
        return MarkovChain(initial, torch.stack(found[::-1], -3))

    def maximise(self, params: Params) -> Params:
        """EM's step: expected counts of starts, moves and emissions; q's parameters stay as they are.

        Raises ValueError where a state is never visited.
        """
        posterior = self.posterior(params)
        visits, moves = posterior.mean, posterior.pairs.sum((-4, -3))
        emitted = (visits.unsqueeze(-1) * self._symbols(params).unsqueeze(-2)).sum((-4, -3))
        least = torch.minimum(moves.sum(-1), emitted.sum(-1))
        if float(least.min()) < EMPTY:
            raise ValueError(
                f"{self}.maximise: state {int(least.flatten().argmin()) % self.states} is empty: it answers for "
                f"{float(least.min()):.3g} of {self.rows * self.steps} symbols; use fewer states, or start elsewhere"
            )
        counts = {"initial": visits[..., 0, :].sum(-2), "transition": moves, "emission": emitted}
        tiny = torch.finfo(visits.dtype).tiny  # what was never seen has a finite logit
        found = {
            f"{name}_logits": (count / count.sum(-1, keepdim=True)).clamp_min(tiny).log()
            for name, count in counts.items()
        }
        return {**params, **found}

    @property
    def footprint(self) -> int:
        return self.rows * self.steps * max(3 * self.symbols, self.states**2)


@shared
def _rows(problem: HiddenMarkovModel, dtype: torch.dtype, device: torch.device) -> Tensor:
    true = {name: value.numpy() for name, value in problem.true_parameters().items()}
    draw = np.random.default_rng([problem.seed, 1])

    def drawn(logits: np.ndarray) -> np.ndarray:
        return (logits + draw.gumbel(size=logits.shape)).argmax(-1)

    state = drawn(np.broadcast_to(true["initial_logits"], (problem.rows, problem.states)))
    seen = [drawn(true["emission_logits"][state])]
    for _ in range(problem.steps - 1):
        state = drawn(true["transition_logits"][state])
        seen.append(drawn(true["emission_logits"][state]))
    return one_hot(torch.from_numpy(np.stack(seen, 1)), problem.symbols).flatten(1).to(device, dtype)
