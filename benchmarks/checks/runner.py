"""Judges one estimator: every law on every trial, deterministic laws first, within a budget of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.checks.api import (
    gradient_has_the_form_of_the_parameters,
    gradient_is_finite,
    inputs_are_not_touched,
    nothing_stays_attached,
    state_keeps_its_form,
    surroundings_are_not_touched,
    text_is_identity,
)
from gradmark.benchmarks.checks.cases import Case, Fixture
from gradmark.benchmarks.checks.control_variates import gradient_norm
from gradmark.benchmarks.checks.exact_moments import exact_variance_falls, expectation_is_exact, is_bias
from gradmark.benchmarks.checks.exceptions import blamed, located
from gradmark.benchmarks.checks.independence import replicates_are_independent, seeds_decide
from gradmark.benchmarks.checks.missing_gradients import cost_reaches_its_parameters
from gradmark.benchmarks.checks.monte_carlo import variance_falls_with_draws
from gradmark.benchmarks.checks.precision import draws_have_digits_enough, single_precision_is_enough
from gradmark.benchmarks.checks.properties import CLAIMS, claims_are_known
from gradmark.benchmarks.checks.reports import Ruling, Verdict, ruled
from gradmark.benchmarks.checks.results import BROKEN, Finding, declined, failed, raised
from gradmark.benchmarks.checks.shared_draws import draws_are_not_shared, rows_draw_for_themselves
from gradmark.benchmarks.checks.suite import COURT, Trial, tried
from gradmark.benchmarks.checks.timeout import WALL, Clock, TimedOut
from gradmark.benchmarks.checks.two_stage_test import LEVEL, mean_by_monte_carlo
from gradmark.benchmarks.measurement.block import threads
from gradmark.estimators.core import Estimator

BUDGET = 60.0  # seconds for one estimator
SHORTEST = 1.0  # seconds that any law may take
STUCK = 100  # times as long as a plain estimate: what takes longer does not return
SHARE = 3  # one law on one case takes at most this part of the budget: what takes longer never returns
FORM = (
    gradient_has_the_form_of_the_parameters,
    gradient_is_finite,
    state_keeps_its_form,
    inputs_are_not_touched,
    nothing_stays_attached,
    surroundings_are_not_touched,
    draws_have_digits_enough,
    single_precision_is_enough,
    seeds_decide,
    replicates_are_independent,
    draws_are_not_shared,
    rows_draw_for_themselves,
    cost_reaches_its_parameters,
)
OF_TEXT = (text_is_identity, claims_are_known)  # which make no estimate
CLAIMED = {law.__name__: law for law in CLAIMS}
OF_THE_MEAN = ("expectation_is_exact", "mean_of_many_is_exact")
Law = Callable[[Case], Finding]


def judge(
    estimator: Estimator,
    trials: Sequence[Trial] = COURT,
    level: float = LEVEL,
    budget: float = BUDGET,
    seed: int = 0,
    told: Callable[[Ruling], object] = lambda ruling: None,
    clock: Clock = WALL,
) -> Verdict:
    """The verdict on an estimator; each ruling is `told` as it falls. One intra-op thread, float64."""
    start = clock.now()
    rulings: list[Ruling] = []
    sitting = _Sitting(estimator, start + budget, max(budget / SHARE, SHORTEST), level, seed, clock)
    with threads(1):
        for ruling in sitting.rulings(trials):
            rulings.append(ruling)
            told(ruling)
    declared = "unbiased" if estimator.unbiased else "biased"
    found = tuple(sitting.counted(ruling) for ruling in rulings)
    return Verdict(_text(estimator), declared, outcome(rulings), clock.now() - start, found)


def rule(
    estimator: Estimator,
    trials: Sequence[Trial] = COURT,
    level: float = LEVEL,
    budget: float = BUDGET,
    seed: int = 0,
) -> Iterator[Ruling]:
    """The rulings on an estimator, one by one: who wants no more than the first broken law stops there."""
    with threads(1):
        limit = max(budget / SHARE, SHORTEST)
        yield from _Sitting(estimator, WALL.now() + budget, limit, level, seed).rulings(trials)


def outcome(rulings: Sequence[Ruling]) -> str:
    """wrong where a law is broken or the estimator raised, right where its mean was judged, else undecided."""
    if any(ruling.status in BROKEN for ruling in rulings):
        return "wrong"
    judged = any(ruling.status == "passed" and ruling.law in (*OF_THE_MEAN, "bias_is_found") for ruling in rulings)
    return "right" if judged else "undecided"


@dataclass
class _Sitting:
    estimator: Estimator
    deadline: float
    limit: float
    level: float
    seed: int
    clock: Clock = WALL
    stopped: bool = False
    returned: set[Fixture] = field(default_factory=set)
    raised: dict[str, set[str]] = field(default_factory=dict)  # the cases on which the same was raised

    def rulings(self, trials: Sequence[Trial]) -> Iterator[Ruling]:
        """All rulings, but of the same exception from the same line the first only: `counted` says how often it was."""
        for ruling in self._on_all(trials):
            known = ruling.exception in self.raised
            if ruling.exception is not None:
                self.raised.setdefault(ruling.exception, set()).add(f"{ruling.fixture}; {ruling.num_samples}")
            if not known:
                yield ruling

    def counted(self, ruling: Ruling) -> Ruling:
        """The ruling with the number of cases on which the same was raised."""
        cases = len(self.raised.get(ruling.exception or "", ()))
        return replace(ruling, detail=f"{ruling.detail}; it was raised on {cases} cases") if cases > 1 else ruling

    def _on_all(self, trials: Sequence[Trial]) -> Iterator[Ruling]:
        """On every trial the laws of form, then exact means and variances; at the end what is left to chance."""
        found = [(trial, self._cases(trial)) for trial in trials]
        yield from (ruling for _, cases in found if isinstance(cases, Ruling) for ruling in [cases])
        tries = [(trial, cases) for trial, cases in found if not isinstance(cases, Ruling) and cases]
        if not tries:
            refusals = {str(self._refusal(trial)) for trial in trials}
            yield Ruling("refuses", "every one", None, "declined", detail="; ".join(sorted(refusals))[:600])
            return
        means: list[Ruling] = []
        yield from (self.tried(law, tries[0][1][-1]) for law in OF_TEXT)
        for ruling in self._on(tries, means):
            yield ruling
            if self.stopped:
                return
        if not self.estimator.unbiased:
            yield self._bias(means, set(COURT) <= set(trials))

    def _cases(self, trial: Trial) -> list[Case] | Ruling:
        """The cases, or what is wrong with the estimator that they cannot even be listed."""
        try:
            with self.clock.limited(self.limit):
                return tried(self.estimator, trial)
        except (Exception, SystemExit) as fault:
            finding = raised(fault, Case(self.estimator, trial.fixture))
            return ruled("refuses", str(trial.fixture), None, finding)
        except TimedOut as fault:
            detail = f"did not return within {self.limit:.3g} seconds{blamed(fault.stack)}"
            return Ruling("refuses", str(trial.fixture), None, "failed", detail=detail)

    def _refusal(self, trial: Trial) -> str | None:
        return Case(self.estimator, trial.fixture, max(trial.counts)).refusal

    def _on(self, tries: list[tuple[Trial, list[Case]]], means: list[Ruling]) -> Iterator[Ruling]:
        formed = []
        for trial, cases in tries:
            malformed = False
            for ruling in self._of_form(trial, cases):
                yield ruling
                malformed |= ruling.law == FORM[0].__name__ and ruling.status == "failed"
            if malformed or not trial.mean:  # what is no gradient has no mean
                continue
            formed.append((trial, cases))
            yield from self._of_exactness(cases, means)
        yield from self._of_chance(formed, means)

    def _of_form(self, trial: Trial, cases: list[Case]) -> Iterator[Ruling]:
        most = [case for case in cases if case.num_samples == cases[-1].num_samples]  # draws, in every state
        for case in most if trial.contract else []:
            for law in FORM:
                yield (ruling := self.tried(law, case))
                if law is FORM[0] and ruling.status == "failed":
                    return
        for name, law in CLAIMED.items():
            if name in self.estimator.claims:
                yield self.tried(law, cases[-1])

    def _of_exactness(self, cases: list[Case], means: list[Ruling]) -> Iterator[Ruling]:
        yield from (self._of_mean(expectation_is_exact, case, means) for case in cases)
        yield self.tried(exact_variance_falls, cases[0])

    def _of_chance(self, tries: list[tuple[Trial, list[Case]]], means: list[Ruling]) -> Iterator[Ruling]:
        """Monte Carlo where the exact mean is not to be had, but an oracle is; the dearest last."""
        if self.estimator.unbiased and any(ruling.status == "failed" for ruling in means):
            return  # what is known to be wrong need not be measured
        judged = {(ruling.fixture, ruling.num_samples) for ruling in means if ruling.status in ("passed", "failed")}
        left = [case for _, cases in tries for case in cases if (case.place, case.num_samples) not in judged]
        warm = {(case.fixture, case.num_samples) for case in left if case.state == "warm"}
        left = [case for case in left if case.state != "cold" or (case.fixture, case.num_samples) not in warm]
        law = mean_by_monte_carlo(self.level, self.seed, self.limit / 2)
        for case in sorted(left, key=lambda case: case.num_samples * case.fixture.problem.footprint):
            yield self._of_mean(law, case, means)
        if not any(case.fixture.is_source for case in left[-1:]):
            yield from (self.tried(variance_falls_with_draws, case) for case in left[-1:])

    def _of_mean(self, law: Law, case: Case, means: list[Ruling]) -> Ruling:
        """A law of the mean; a bias that is declared is no fault, and where there is none, nothing is said."""
        finding = self._finding(law, case)
        if not self.estimator.unbiased and finding.status != "declined":
            off = is_bias(finding)
            said = "declared biased, and is" if off else "declared biased, and is not here"
            if off or not finding.failed:
                finding = replace(finding, status="declined", detail=f"{said}: {finding.detail}")
                means.append(replace(_ruling(law, case, finding), status="failed" if off else "passed"))
                return _ruling(law, case, finding)
        ruling = replace(_ruling(law, case, finding), relative=self._relative(case, finding))
        means.append(ruling)
        return ruling

    def _relative(self, case: Case, finding: Finding) -> float | None:
        """The smallest bias that would have been seen, over the gradient's norm; None where that is zero."""
        if finding.status not in ("passed", "failed") or finding.visible is None:
            return None
        norm = gradient_norm(case)
        return None if norm is None else finding.visible / norm

    def _bias(self, means: list[Ruling], everywhere: bool) -> Ruling:
        """A declared bias has to be found somewhere where it is tried `everywhere`; the largest is shown."""
        biased = [ruling for ruling in means if ruling.status == "failed" and ruling.size is not None]
        if not biased and not any(ruling.status == "passed" for ruling in means):
            return Ruling("bias_is_found", "every one", None, "declined", detail="the mean could be judged nowhere")
        if not biased and not everywhere:
            detail = "declared biased, and not found so on these problems"
            return Ruling("bias_is_found", "every one", None, "passed", detail=detail)
        if not biased:
            return Ruling("bias_is_found", "every one", None, "failed", detail="declared biased, and found so nowhere")
        worst = max(biased, key=lambda ruling: abs(ruling.size or 0.0))
        detail = f"declared biased, and found so on {len(biased)} of {len(means)}; the largest is shown"
        return replace(worst, law="bias_is_found", status="passed", detail=detail)

    def tried(self, law: Law, case: Case) -> Ruling:
        """What a law finds on a case."""
        return _ruling(law, case, self._finding(law, case))

    def _finding(self, law: Law, case: Case) -> Finding:
        left = self.deadline - self.clock.now()
        if left <= 0:
            return declined("the budget is spent; a larger --budget tries this too")
        limit = min(self.limit, max(left, 1.0))
        try:
            with self.clock.limited(limit):
                finding = law(case)
        except SystemExit as fault:
            finding = raised(fault, case)
        except TimedOut as fault:
            if left < self.limit:
                return declined("the budget ended here; a larger --budget tries this too")
            if case.fixture in self.returned or law.__name__ == OF_THE_MEAN[1]:  # which has made some estimates first
                return declined(f"took longer than {limit:.3g} seconds; a larger --budget tries this too")
            if not self._stuck(case, limit):
                return declined(f"took longer than {limit:.3g} seconds; a larger --budget tries this too")
            self.stopped = True
            finding = failed(f"did not return within {limit:.3g} seconds{blamed(fault.stack)}")
        else:
            if finding.status == "passed" and law not in OF_TEXT:
                self.returned.add(case.fixture)  # so what takes long there is slow, and not stuck
        finally:
            torch.set_num_threads(1)
        return replace(finding, detail=located(finding.detail, self.estimator)) if finding.failed else finding

    def _stuck(self, case: Case, limit: float) -> bool:
        """Whether a single cold estimate does not return either, though it takes others a hundredth of the limit."""
        alone = replace(case, state="none" if case.state == "none" else "cold")
        plain = replace(case, estimator=specs.catalogue("estimator")["ScoreFunction"](), state="none")
        try:
            start = self.clock.now()
            plain.estimate(plain.params((1,)))
            if STUCK * (self.clock.now() - start) > limit:
                return False
            with self.clock.limited(limit):
                alone.estimate(alone.params((1,)))
        except TimedOut:
            return True
        except Exception:  # which is another law's
            pass
        return False


def _ruling(law: Law, case: Case, finding: Finding) -> Ruling:
    return ruled(law.__name__, case.place, case.num_samples, finding)


def _text(estimator: Estimator) -> str:
    try:
        return str(estimator)
    except Exception:  # its text may be what is broken
        return repr(estimator)
