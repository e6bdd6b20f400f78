"""Wrong methods that split the cost by site; `BySite` is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gradmark.estimators import RaoBlackwellLeaveOneOut, RaoBlackwellScoreFunction
from gradmark.estimators.core import (
    Params,
    Problem,
    State,
    SurrogateEstimator,
    Term,
    detached,
)
from gradmark.estimators.requirements import CostInTerms, Stages
from gradmark.estimators.score_function.base import downstream
from tests.controls.wrong.base import Loss


@dataclass(frozen=True)
class BySite(SurrogateEstimator):
    """A right Rao-Blackwellised score function, with hooks for what may go wrong."""

    requires = (Stages(), CostInTerms())

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        sites = Stages().of(q)
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
    """Terms of earlier stages count, not those of later ones."""

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


@dataclass(frozen=True)
class RaoBlackwellOwnReads(RaoBlackwellScoreFunction):
    """A term counts as downstream of a site only if it reads that site, not if it reads a later stage."""

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        sites = Stages().of(q)
        z = q.sample((num_samples,))
        terms = problem.terms(params, z, problem.distribution(detached(params)))
        values = torch.stack([term.value for term in terms], -1)
        # The mean is off, staged q only. −log p(z²) and −log p(z¹_j | z²) are functions of z², which was drawn given
        # z¹_i: against the score of z¹_i they have a mean, and are left out. In a decision process the rewards to come
        # are left out: the policy is greedy. Where all coordinates are of one stage (mean field) the mask is the right
        # one.
        reads = torch.tensor([[i in term.coordinates for i in range(len(sites.stages))] for term in terms])
        weights = values.detach() @ reads.to(values)
        return ((weights * sites.log_prob_by_site(z)).sum(-1) + values.sum(-1)).mean(0), state


@dataclass(frozen=True)
class RaoBlackwellOfTheFirst(RaoBlackwellScoreFunction):
    """Looks for the stage of a term at the first coordinate it reads instead of the last."""

    # log p(z_i | z²) reads z_i and z², and z² is drawn given the z_j of i's layer: its mean against s_j is not zero
    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> tuple[Tensor, State]:
        q = problem.distribution(params)
        sites = Stages().of(q)
        z, stages = q.sample((num_samples,)), sites.stages
        terms = problem.terms(params, z, problem.distribution(detached(params)))
        reached = [
            [i in term.coordinates or stage < stages[term.coordinates[0]] for i, stage in enumerate(stages)]
            for term in terms
        ]
        values = torch.stack([term.value for term in terms], -1)
        weights = values.detach() @ torch.tensor(reached).to(values)
        return ((weights * sites.log_prob_by_site(z)).sum(-1) + values.sum(-1)).mean(0), state


@dataclass(frozen=True)
class SitesWithBaselines(RaoBlackwellLeaveOneOut):
    """A right leave-one-out of the split score function, with hooks for what may go wrong."""

    properties = ()

    def surrogate(self, problem: Problem, params: Params, state: State, num_samples: int) -> Loss:
        q = problem.distribution(params)
        sites = Stages().of(q)
        z = q.sample((num_samples,))
        terms = problem.terms(params, z, problem.distribution(detached(params)))
        values = torch.stack([term.value for term in terms], -1)
        above = self.above(values.detach(), downstream(terms, sites.stages).to(values))
        return ((above * sites.log_prob_by_site(z)).sum(-1) + values.sum(-1)).mean(0), state

    def above(self, values: Tensor, reached: Tensor) -> Tensor:
        """The weight of each site, less its baseline."""
        weights = values @ reached
        return weights - (weights.sum(0) - weights) / (len(weights) - 1)


class OwnWeightInTheBaseline(SitesWithBaselines):
    """The baseline of a site is the mean over all draws, its own included: q's gradient shrinks by (K − 1)/K."""

    def above(self, values: Tensor, reached: Tensor) -> Tensor:
        weights = values @ reached
        return weights - weights.mean(0)


class BaselineOfTheOtherSites(SitesWithBaselines):
    """The baseline is the mean over sites of the same draw, which the site's own draw has a part in."""

    def above(self, values: Tensor, reached: Tensor) -> Tensor:
        weights = values @ reached
        return weights - weights.mean(-1, keepdim=True)


class SitesNotReachedLessTheirBaseline(SitesWithBaselines):
    """Each term is centred before the sum, and a site is weighed by those that its draw can *not* change."""

    def above(self, values: Tensor, reached: Tensor) -> Tensor:
        return super().above(values, 1 - reached)
