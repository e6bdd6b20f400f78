"""Answers which estimator to use on a problem: what `gradmark recommend` prints."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Cell
from gradmark.benchmarks.checks.timeout import WALL, Clock
from gradmark.benchmarks.errors import LONGEST, BadInput, shortened
from gradmark.benchmarks.execution.limits import Limits
from gradmark.benchmarks.recommendation.answer import Recommendation, Row, biased_row, row_of, rows_of
from gradmark.benchmarks.recommendation.biased_methods import biased_methods
from gradmark.benchmarks.recommendation.budget import Budget, Spent, seconds_of
from gradmark.benchmarks.recommendation.candidates import BY, Candidate, LeftOut, not_measured
from gradmark.benchmarks.recommendation.comparison import ranked
from gradmark.benchmarks.recommendation.halving import ROUNDS, Race, race
from gradmark.benchmarks.recommendation.measuring import Measuring, measuring
from gradmark.benchmarks.recommendation.participants import NUM_SAMPLES, Participants, merged, participants
from gradmark.benchmarks.recommendation.sentences import sentences
from gradmark.benchmarks.recommendation.training_loop import training_loop
from gradmark.benchmarks.studies.progress import SILENT, Progress
from gradmark.benchmarks.training import points
from gradmark.estimators.core import Estimator, Problem

DEVICES, DTYPES = ("cpu", "cuda"), ("float64", "float32")
MORE = 0.1  # of the budget, for the timing at the end


def recommend(
    problem: Problem | str,
    estimators: Sequence[Estimator | str] | Estimator | str = "all",
    at: str = "init",
    device: str = "cpu",
    dtype: str = "float64",
    seed: int = 0,
    *,
    budget: float | str = 60.0,
    by: str = "evaluations",
    num_samples: Sequence[int] = NUM_SAMPLES,
    include_biased: bool = False,
    limits: Limits = Limits(),  # noqa: B008  # frozen
    progress: Progress = SILENT,
    clock: Clock = WALL,
) -> Recommendation:
    """Say which estimator to use on a problem, and with how many samples.

    Every estimator is measured with every number of samples. After each of five rounds of blocks, those whose
    work-normalised variance is separated from the smallest one are dropped. The probability that any of them is dropped
    by mistake is at most 5 %, over all candidates and rounds. A ratio below 1.01 is a tie. Learned baselines are warmed
    up before they are measured.

    Args:
        problem: The expectation whose gradient is wanted; an object, or the text that spells one.
        estimators: What is compared, one or several: objects, texts, `"all"`, or a family such as
            `"family:score_function"`.
        at: The parameter point: `init`, `optimum`, `step=500`, or a file of parameters.
        device: `cpu` or `cuda`.
        dtype: `float64` or `float32`.
        seed: The seed that all blocks' seeds are made from. The same seed gives the same answer, if no budget ends it.
        budget: Seconds, as a number or as `"60s"`. What is under way when it ends is left.
        by: The work that one estimate takes: `evaluations` of the cost, which do not depend on how busy the machine is,
            or `seconds`, which are timed in three new processes in each round.
        num_samples: Draws of one estimate that are tried; what a method refuses is left out, with the reason.
        include_biased: Measure the methods that declare a bias, and say how large it is. They are not recommended.
        limits: Of time and memory, for code from outside gradmark.
        progress: Hears what is measured.
        clock: What the budget is measured by.

    Returns:
        The answer: `choice`, `survivors`, `dropped`, `left_out`, `code`. `str` of it is the answer in sentences.

    Raises:
        BadInput: A spec, the budget or the point cannot be read, or no estimator fits.

    Examples:
        >>> import gradmark
        >>> from gradmark.benchmarks.problems import GaussianToy
        >>> found = gradmark.recommend(GaussianToy(), ["ScoreFunction()", "Reparameterization()"], num_samples=[1])
        >>> found.choice.estimator
        'Reparameterization()'
    """
    for name, value, known in (("by", by, BY), ("device", device, DEVICES), ("dtype", dtype, DTYPES)):
        if value not in known:
            shown, first = shortened(repr(value), 60), next(iter(known))
            raise BadInput(f"recommend({name}={shown}): must be {' or '.join(known)}; pass {first}")
    limit = Budget(seconds_of(budget), clock)
    compared = [estimators] if isinstance(estimators, str | Estimator) else estimators
    with specs.given(problem, *compared) as (problem_text, *texts), measuring(limit, limits, progress) as worker:
        point = points.parse_point(at)
        like = Cell(str(specs.problem(problem_text)), "", 1, point, device, dtype, seed, replicates=ROUNDS[-1])
        found = participants(like, texts, num_samples, include_biased)
        state = race(found.compared, by, worker)
        return _answered(like, state, found, worker)


def _answered(like: Cell, state: Race, found: Participants, worker: Measuring) -> Recommendation:
    """The answer to a race, after what is measured at its end: biased methods, exact ones, and seconds."""
    best = (ranked(state.alive, state.by) or [None])[0]
    exact, unfit = _exact(found, worker, state)
    methods, others, spent = biased_methods(found.biased, best, worker)
    state.spent |= spent
    _time(state, [*exact, *(method.candidate for method in methods)], worker)
    survivors, dropped, undecided = rows_of(state)
    left_out = merged([*state.left_out, *unfit, *others, *found.left_out])
    if not (survivors or dropped or undecided or exact or methods or state.spent):
        raise BadInput(_nothing_fits(like.problem, left_out))
    result = Recommendation(
        where=like,
        by=state.by,
        survivors=survivors,
        dropped=dropped,
        undecided=undecided,
        left_out=left_out,
        biased=[biased_row(method, best, state.by) for method in methods],
        exact=[row_of(each, None, state.by, None, False) for each in exact],
        tests=state.tests,
        round=state.round,
        budget=worker.budget.seconds,
        seconds=worker.budget.used,
        spent=state.spent,
    )
    return replace(result, answer=sentences(result), code=_code(like, result.choice))


def _exact(found: Participants, worker: Measuring, state: Race) -> tuple[list[Candidate], list[LeftOut]]:
    """The methods that give the exact gradient, each at the first number of samples, as it needs none."""
    fitting, left_out = list[Candidate](), list[LeftOut]()
    for cells in found.exact:
        try:
            prepared = worker.prepared(cells[0])
            failed = worker.grown(prepared, 1) if isinstance(prepared, Candidate) else None
        except Spent:
            state.spent, failed = True, None
            prepared = not_measured(cells[0].estimator)
        if isinstance(prepared, Candidate) and failed is None:
            fitting.append(prepared)
        else:
            left_out += [each for each in (prepared, failed) if isinstance(each, LeftOut)]
    return fitting, left_out


def _time(state: Race, others: list[Candidate], worker: Measuring) -> None:
    """Time what is left in turn, and the best one that was dropped; seconds that decided were timed before.

    After the budget is spent these are the first two only. Timing may take a tenth of the budget more, and what is not
    timed by then has no seconds.
    """
    if state.by == "seconds":
        return
    alive, dropped = ranked(state.alive, state.by), ranked([each.candidate for each in state.dropped], state.by)
    with suppress(Spent):
        worker.timed([*alive, *dropped][:2] if state.spent else [*alive, *dropped[:1], *others], MORE)


def _nothing_fits(problem: str, left_out: list[LeftOut]) -> str:
    """One line: every estimator refuses the problem, with the first reason."""
    call = f"recommend(problem={shortened(problem, 70)})"
    names = len({each.estimator for each in left_out})
    biased = [each for each in left_out if each.kind == "biased"]
    if biased:
        return (
            f"{call}: must fit an unbiased estimator, and {names} do not; pass --include-biased to measure biased ones"
        )
    first = next((each for each in left_out if each.kind != "other target"), left_out[0])
    need = f"must fit one of {names} estimators, and fits none; `gradmark list estimators` says what each needs"
    return shortened(f"{call}: {need}; the first: {first.reason}", LONGEST)


def _code(like: Cell, choice: Row | None) -> str:
    if choice is None:
        return ""
    problem, estimator = specs.problem(like.problem), specs.estimator(choice.estimator)
    return training_loop(problem, estimator, choice.num_samples, like.device, like.dtype)
