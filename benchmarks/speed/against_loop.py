"""Many replicates at once against a hand-written loop that makes one replicate at a time: how many times faster.

`python -m gradmark.benchmarks.speed.against_loop` measures it: float32, 2 threads, the median over interleaved rounds
of the ratio of seconds. The loop is what one writes by hand: torch.distributions, `torch.autograd.grad`, a running
variance. The harness measures as many whole blocks as hold the replicates, folded and merged; the loop makes fewer
replicates in each round, and its seconds are scaled up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from . import cells

REPLICATES = 10_000  # of the harness, rounded up to whole blocks
TURNS = 300  # of the loop in each round
ROUNDS = 15
THREADS = 2
SEED = 0

Loss = Callable[[Any, Any], Any]  # of (loc, log_scale)


@dataclass(frozen=True)
class Case:
    """A cell of the harness, and the loss that a loop differentiates for the same estimate."""

    problem: str
    estimator: str
    num_samples: int
    target: int  # times faster
    loss: Callable[[int], Loss]


def toy_score(num_samples: int) -> Loss:
    """The score function's surrogate for E[z²]."""
    normal = cells.torch.distributions.Normal

    def loss(loc: Any, log_scale: Any) -> Any:
        q = normal(loc, log_scale.exp())
        z = q.sample((num_samples,))
        return (z**2 * q.log_prob(z)).mean()

    return loss


def toy_leave_one_out(num_samples: int) -> Loss:
    """The same with the mean cost of the other draws as baseline."""
    normal = cells.torch.distributions.Normal

    def loss(loc: Any, log_scale: Any) -> Any:
        q = normal(loc, log_scale.exp())
        z = q.sample((num_samples,))
        cost = z**2
        others = (cost.sum(0) - cost) / (num_samples - 1)
        return ((cost - others) * q.log_prob(z)).mean()

    return loss


def toy_reparameterization(num_samples: int) -> Loss:
    """The cost of a draw that can be differentiated."""
    normal = cells.torch.distributions.Normal
    return lambda loc, log_scale: (normal(loc, log_scale.exp()).rsample((num_samples,)) ** 2).mean()


def regression_score(num_samples: int) -> Loss:
    """The score function's surrogate for minus the ELBO of the logistic regression."""
    torch, normal = cells.torch, cells.torch.distributions.Normal
    rows = cells.specs.problem("BayesianLogisticRegression()").data_rows(torch.float32, torch.device("cpu"))
    prior = normal(torch.zeros(rows.shape[1]), torch.ones(rows.shape[1]))

    def loss(loc: Any, log_scale: Any) -> Any:
        q = normal(loc, log_scale.exp())
        z = q.sample((num_samples,))
        log_q = q.log_prob(z).sum(-1)
        log_joint = prior.log_prob(z).sum(-1) + torch.nn.functional.logsigmoid(z @ rows.T).sum(-1)
        return ((log_q - log_joint).detach() * log_q).mean()

    return loss


CASES = {
    "toy, ScoreFunction": Case("GaussianToy()", "ScoreFunction()", 1, 300, toy_score),
    "toy, LeaveOneOut, 2 draws": Case("GaussianToy()", "LeaveOneOut()", 2, 300, toy_leave_one_out),
    "toy, Reparameterization": Case("GaussianToy()", "Reparameterization()", 1, 300, toy_reparameterization),
    "logistic regression, ScoreFunction, 1 draw": Case(
        "BayesianLogisticRegression()", "ScoreFunction()", 1, 50, regression_score
    ),
    "logistic regression, ScoreFunction, 10 draws": Case(
        "BayesianLogisticRegression()", "ScoreFunction()", 10, 12, regression_score
    ),
}


def harness(case: Case, replicates: int) -> Callable[[], Any]:
    """A call that measures at least `replicates` replicates, block by block, and merges their moments."""
    setting = cells.setting(case.problem, case.estimator, case.num_samples)
    size = cells.block.block_size(setting.problem, setting.num_samples, setting.params)
    blocks = [cells.one_block(setting, index) for index in range(-(-replicates // size))]
    return lambda: cells.moments.merged([measure() for measure in blocks])


def hand_written(case: Case, turns: int) -> Callable[[], Any]:
    """A call that makes `turns` replicates, one at a time: the gradient's mean and variance by Welford's recurrence."""
    torch = cells.torch
    start = [value.float() for value in cells.specs.problem(case.problem).init().values()]
    loss = case.loss(case.num_samples)

    def loop() -> tuple[Any, Any]:
        params = [value.clone().requires_grad_() for value in start]
        mean = torch.zeros(sum(value.numel() for value in params))
        second = torch.zeros_like(mean)
        for turn in range(1, turns + 1):
            gradient = torch.cat(torch.autograd.grad(loss(*params), params))
            step = gradient - mean
            mean = mean + step / turn
            second = second + step * (gradient - mean)
        return mean, second / (turns - 1)

    return loop


def compare(case: Case, rounds: int = ROUNDS, replicates: int = REPLICATES, turns: int = TURNS) -> list[float]:
    """How many times faster the harness is than the loop, in each round; both have their turn in every round."""
    blocks, loop = harness(case, replicates), hand_written(case, turns)
    ratios = []
    with cells.block.seeded(SEED, cells.torch.device("cpu")):
        for _ in range(rounds + 1):
            one_turn = _seconds(loop) / turns
            ratios.append(one_turn * replicates / _seconds(blocks))
    return ratios[1:]  # the first warms up


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class ShareOfTheLoop:
    """The harness's seconds as a part of the loop's."""

    version = "1"
    params: ClassVar[list[str]] = list(CASES)
    param_names = ("case",)
    timeout = 600

    def setup(self, case: str) -> None:
        """n/a where the commit lacks the estimator."""
        cells.setting(CASES[case].problem, CASES[case].estimator, CASES[case].num_samples)

    def track_share(self, case: str) -> dict[str, Any]:
        """One over the ratio; a sample is one round's."""
        with cells.lacking_is_na():
            return {"samples": [1 / ratio for ratio in compare(CASES[case], rounds=5)], "number": 1}


def main() -> None:
    """Measure all cases and print them as a Markdown table, with what they were measured on."""
    with cells.block.threads(THREADS):
        print("| case | times faster | 95 % interval | target |\n| --- | --- | --- | --- |")
        for name, case in CASES.items():
            found = cells.quantities.median(cells.np.array(compare(case)))
            low, high = found.ci
            print(f"| {name} | {found.value:.0f} | {low:.0f} to {high:.0f} | {case.target} |")
        facts = cells.provenance.gather()
    versions = ", ".join(f"{name} {facts['versions'][name]}" for name in ("torch", "numpy"))
    print(f"\n{facts['processor']}, {facts['cores']} cores, {THREADS} threads; float32; seed {SEED};", end=" ")
    print(
        f"Python {facts['python']}, {versions}; {REPLICATES} replicates in whole blocks, and {TURNS} turns of the loop,"
    )
    print(f"scaled up, in each of {ROUNDS} rounds.")


if __name__ == "__main__":
    main()
