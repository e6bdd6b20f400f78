"""Negative controls among the methods that split the cost by site: each with one bug that the exact mean shows.

(`EveryTermForEverySite` leaves the mean as it is, and is for the test of the variance.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators.core import Params, Problem, State, SurrogateEstimator, Term, detached
from gradmark.estimators.requirements import no_terms, staged


@dataclass(frozen=True)
class BySite(SurrogateEstimator):
    """A right Rao-Blackwellised score function, with hooks for what may go wrong."""

    def refuses(self, problem: Problem, num_samples: int) -> str | None:
        return no_terms(problem)

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        sites = staged(q)
        assert sites is not None
        z = q.sample((num_samples,))
        terms = problem.terms(params, z, problem.distribution(detached(params)))
        weight = torch.stack([self.weight(terms, i, sites.stages) for i in range(len(sites.stages))], -1)
        return ((weight * self.scored(sites.log_prob_by_site(z))).sum(-1) + self.cost(terms)).mean(0), state

    def weight(self, terms: Sequence[Term], site: int, stages: tuple[int, ...]) -> Tensor:
        """What the site's score is weighed by."""
        return self.added([term for term in terms if self.is_downstream(term, site, stages)], terms)

    def added(self, chosen: Sequence[Term], terms: Sequence[Term]) -> Tensor:
        """The sum of the chosen terms, held constant."""
        return sum((term.value.detach() for term in chosen), torch.zeros_like(terms[0].value))

    def is_downstream(self, term: Term, site: int, stages: tuple[int, ...]) -> bool:
        """Whether the site's draw can change the term."""
        return site in term.coordinates or any(stages[i] > stages[site] for i in term.coordinates)

    def scored(self, log_q: Tensor) -> Tensor:
        """log q of each site."""
        return log_q

    def cost(self, terms: Sequence[Term]) -> Tensor:
        """What carries the cost's own gradient."""
        return sum((term.value for term in terms), torch.zeros_like(terms[0].value))


class LikelihoodForgotten(BySite):
    """The term that reads the most coordinates, the likelihood, weighs no score."""

    def weight(self, terms: Sequence[Term], site: int, stages: tuple[int, ...]) -> Tensor:
        return super().weight(terms[:-1], site, stages)


class LaterStagesForgotten(BySite):
    """Only terms that read the site itself count: the lower layer's scores lose the prior of the upper one."""

    def is_downstream(self, term: Term, site: int, stages: tuple[int, ...]) -> bool:
        return site in term.coordinates


class MeanFieldBlanket(BySite):
    """log q(z²_j | z¹) is put down to z²_j alone: right where q is independent, biased where it is staged."""

    def is_downstream(self, term: Term, site: int, stages: tuple[int, ...]) -> bool:
        latest = max(stages[i] for i in term.coordinates)
        last = [i for i in term.coordinates if stages[i] == latest]
        conditional = len(last) == 1 and len(term.coordinates) > 1
        return site in last if conditional else super().is_downstream(term, site, stages)


class StagesReversed(BySite):
    """Terms of earlier stages count in place of those of later ones."""

    def is_downstream(self, term: Term, site: int, stages: tuple[int, ...]) -> bool:
        return site in term.coordinates or any(stages[i] < stages[site] for i in term.coordinates)


class ScoreOfTheNextSite(BySite):
    """Each site's terms weigh the score of its neighbour."""

    def scored(self, log_q: Tensor) -> Tensor:
        return log_q.roll(1, -1)


class TermsAttached(BySite):
    """The weights are not detached: log q times their gradient comes on top."""

    def added(self, chosen: Sequence[Term], terms: Sequence[Term]) -> Tensor:
        return sum((term.value for term in chosen), torch.zeros_like(terms[0].value))


class OwnGradientForgotten(BySite):
    """The cost's own gradient, which is all that the model's parameters have, is lost."""

    def cost(self, terms: Sequence[Term]) -> Tensor:
        return super().cost(terms).detach()


class OwnGradientOncePerSite(BySite):
    """The cost's own gradient is added for each site."""

    def cost(self, terms: Sequence[Term]) -> Tensor:
        return super().cost(terms) * max(len(term.coordinates) for term in terms)


class EveryTermForEverySite(BySite):
    """Nothing is left out: the plain score function, right in its mean."""

    def is_downstream(self, term: Term, site: int, stages: tuple[int, ...]) -> bool:
        return True
