"""What a method needs of a model: an ELBO, a z for each row, a KL in closed form, terms, or an exact answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from gradmark.estimators.divergences import NoClosedForm, closed_form_kl, kind
from gradmark.estimators.latent_variable_model import LatentVariableModel
from gradmark.estimators.problem import Params, Problem
from gradmark.estimators.requirements.base import Requirement
from gradmark.estimators.requirements.paths import SCORE, fitting


@dataclass(frozen=True)
class ELBO(Requirement):
    """A cost that is minus an evidence lower bound."""

    consequence: str = ""  # of not being one: "there are no importance weights"

    summary: ClassVar[str] = "an ELBO"

    def of(self, problem: Problem) -> LatentVariableModel:
        """The problem as a latent-variable model; ValueError where it is not one."""
        if not isinstance(problem, LatentVariableModel):
            raise ValueError(f"ELBO.of({problem}): the cost is not an ELBO; {fitting(problem)}")
        return problem

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if isinstance(problem, LatentVariableModel):
            return None
        return f"the cost is not an ELBO{self.consequence and f', so {self.consequence}'}; {fitting(problem)}"


@dataclass(frozen=True)
class RowLatents(Requirement):
    """A latent-variable model with a z of its own for each row of data."""

    summary: ClassVar[str] = "a z for each row"

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if not isinstance(problem, LatentVariableModel):
            return "there are no rows of data; use MovingAverageBaseline()"
        return None if problem.per_row else f"all rows share one z; {SCORE}"


@dataclass(frozen=True)
class ClosedFormKL(Requirement):
    """A KL divergence of q to the prior in closed form: torch's, or the model's own `cost_analytic_kl`."""

    summary: ClassVar[str] = "a KL in closed form"

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if not isinstance(problem, LatentVariableModel):
            return ELBO("there is no KL term").unmet(problem, num_samples)
        reason = _no_closed_form_kl(problem)
        return None if reason is None else f"{reason}; {fitting(problem)}"


@cache
def _no_closed_form_kl(model: LatentVariableModel) -> str | None:
    """Why the KL term cannot be computed; None where it can.

    torch registers a KL for two kinds of distributions, and finds out only when called whether it has one for what they
    are made of: so it is called, once, at the initial parameters. A model may bring a closed form of its own.
    """
    if type(model).cost_analytic_kl is not LatentVariableModel.cost_analytic_kl:
        return None
    params = model.init()
    q, prior = model.distribution(params), model.prior(params)
    try:
        with torch.no_grad():
            closed_form_kl(q, prior)
    except NoClosedForm as fault:
        return str(fault).partition(";")[0]
    except Exception as fault:  # a KL that is registered, and cannot be computed for these
        text = " ".join(str(fault).split()).partition(". ")[0][:120] or type(fault).__name__
        return f"the KL of {kind(q)} to {kind(prior)} cannot be computed at init ({text})"
    return None


@dataclass(frozen=True)
class CostInTerms(Requirement):
    """A cost that comes in terms, each with the coordinates of z that it reads."""

    summary: ClassVar[str] = "a cost split into terms"

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if _has_terms(problem):
            return None
        return f"its cost does not split into terms of some coordinates of z each; {fitting(problem)}"


@cache
def _has_terms(problem: Problem) -> bool:
    params = problem.init()
    q, like = problem.distribution(params), next(iter(params.values()))
    with torch.no_grad():
        return bool(problem.terms(params, like.new_zeros(q.batch_shape + q.event_shape), q))


@dataclass(frozen=True)
class Oracle(Requirement):
    """The exact expected cost, `[*R, *B]`."""

    summary: ClassVar[str] = "an exact answer"

    def of(self, problem: Problem, params: Params) -> Tensor:
        """The exact expected cost; ValueError where the problem gives none."""
        exact = problem.exact(params)
        if exact is None:
            missing = "exact() must return a tensor where no_oracle is None"
            raise ValueError(f"Oracle.of({problem}): {missing}; let no_oracle give the reason")
        return exact

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if problem.no_oracle is None:
            return None
        why = problem.no_oracle or "the problem does not say why"
        return f"there is no oracle: {why}" + ("" if "; use " in why else f"; {SCORE}")  # it may name a remedy itself


@dataclass(frozen=True)
class Posterior(Requirement):
    """The exact p(z|x) of a model with parameters of its own."""

    summary: ClassVar[str] = "an exact posterior"

    def of(self, problem: Problem, params: Params) -> Distribution:
        """The exact p(z|x); ValueError where it is not known."""
        posterior = ELBO().of(problem).posterior(params)
        if posterior is None:
            raise ValueError(f"Posterior.of({problem}): {NO_POSTERIOR}")
        return posterior

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if not isinstance(problem, LatentVariableModel):
            return f"the problem is not a latent-variable model, so it has no posterior; {_exact(problem)}"
        if not _has_posterior(problem):
            return NO_POSTERIOR
        return NO_PARAMETERS if _evidence_has_parameters(problem) is False else None


@dataclass(frozen=True)
class LogEvidence(Requirement):
    """log p(x): in closed form, or as a sum over at most `most_states` states of z."""

    most_states: int

    summary: ClassVar[str] = "an exact log p(x)"

    def of(self, problem: Problem, params: Params) -> Tensor:
        """log p(x) in closed form, `[*R, *B]`; ValueError where it is not known."""
        evidence = ELBO().of(problem).log_evidence(params)
        if evidence is None:
            raise ValueError(f"LogEvidence.of({problem}): log p(x) has no closed form here; {fitting(problem)}")
        return evidence

    def unmet(self, problem: Problem, num_samples: int) -> str | None:
        if not isinstance(problem, LatentVariableModel):
            return f"the problem is not a latent-variable model, so it has no log p(x); {_exact(problem)}"
        if problem.num_states is not None:
            return None if problem.num_states <= self.most_states else self._too_many(problem.num_states)
        has_parameters = _evidence_has_parameters(problem)
        if has_parameters is None:
            return f"log p(x) has no closed form here, and z is not finite; {fitting(problem)}"
        return None if has_parameters else NO_PARAMETERS

    def _too_many(self, states: int) -> str:
        count = states if states < 10**9 else f"2^{states.bit_length() - 1}"
        most = f"{self.most_states} (2^{self.most_states.bit_length() - 1}) at the most"
        return f"{count} states are too many to enumerate, {most}; use fewer latents, or, of the bound, {SCORE}"


NO_POSTERIOR = "the exact p(z|x) is not known here; use a problem that has one, such as LinearGaussian()"
NO_PARAMETERS = f"log p(x) has no parameters, so that its gradient is zero; for those of q {SCORE}"


@cache
def _has_posterior(model: LatentVariableModel) -> bool:
    return model.posterior(model.init()) is not None


@cache
def _evidence_has_parameters(model: LatentVariableModel) -> bool | None:
    """Whether log p(x) depends on a parameter; None where it is not known."""
    params = {name: value.requires_grad_() for name, value in model.init().items()}
    with torch.enable_grad():
        evidence = model.log_evidence(params)
    return None if evidence is None else evidence.requires_grad


def _exact(problem: Problem) -> str:
    """The remedy where a problem has no log p(x): its exact gradient, where that is known."""
    return "use ExactGradient()" if problem.no_oracle is None else fitting(problem)
