"""Suggestions for a misspelled name: names from the literature, former names, and similar ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

ALIKE = 0.6  # how alike two names are at least, where one may be meant by the other

# Compared in lower case without spaces, hyphens and underscores
OTHER_NAMES = {
    "ScoreFunction": ("REINFORCE", "LikelihoodRatio", "BBVI", "BlackBoxVI", "LogDerivativeTrick", "SF", "VanillaPG"),
    "LeaveOneOut": ("RLOO", "LOO", "REINFORCELeaveOneOut", "REINFORCELOO"),
    "ConstantBaseline": ("FixedBaseline", "ReinforcementComparison"),
    "MovingAverageBaseline": ("REINFORCEWithBaseline", "Baseline", "MovingAverage", "EMABaseline"),
    "OptimalControlVariate": ("OptimalBaseline", "ScoreControlVariate", "BBVICV", "PerParameterBaseline"),
    "NVIL": ("NeuralVariationalInference", "InputDependentBaseline"),
    "VarGrad": ("LogVariance", "LogVarianceLoss", "VarianceGradient"),
    "RaoBlackwellScoreFunction": ("RaoBlackwell", "RaoBlackwellized", "RaoBlackwellization", "RBScoreFunction"),
    "RaoBlackwellLeaveOneOut": ("RBRLOO", "RBLOO", "RaoBlackwellRLOO", "RaoBlackwellizedLeaveOneOut"),
    "DoubleControlVariate": ("DoubleCV", "DCV", "DoubleControlVariates"),
    "Reparameterization": (
        "Reparam", "Reparametrization", "Reparameterisation", "ReparameterizationTrick", "ReparametrizationTrick",
        "Pathwise", "PathwiseDerivative", "PathwiseGradient", "SGVB", "RSample", "IPA", "ELBO", "TraceELBO",
    ),
    "ReparameterizationAnalyticKL": ("AnalyticKL", "ReparamKL", "ClosedFormKL", "TraceMeanFieldELBO"),
    "StickingTheLanding": ("STL", "PathDerivative", "PathGradient"),
    "ImplicitReparameterization": ("ImplicitReparam", "Implicit", "IRG"),
    "Antithetic": ("AntitheticSampling", "AntitheticVariates"),
    "MeasureValued": ("MVD", "MeasureValuedDerivative", "WeakDerivative", "CoupledMeasureValued"),
    "StraightThrough": ("STE", "StraightThroughEstimator"),
    "GumbelSoftmax": ("Concrete", "BinaryConcrete", "RelaxedBernoulli", "Gumbel"),
    "StraightThroughGumbelSoftmax": ("STGS", "StraightThroughGumbel", "STGumbelSoftmax", "HardGumbelSoftmax"),
    "GappedStraightThrough": ("GST", "GappedST", "GappedSTE"),
    "GumbelRao": ("GumbelRaoBlackwell", "RaoBlackwellizedSTGS", "GRMC"),
    "ReinMax": ("SecondOrderStraightThrough", "STSecondOrder"),
    "DisARM": ("U2G",),
    "IWAE": ("IWELBO", "ImportanceWeighted", "RenyiELBO"),
    "DReG": ("DoublyReparameterized", "IWAEDReG"),
    "ExactGradient": ("Enumeration", "Enumerate", "Exact", "TraceEnumELBO", "Oracle"),
    "ExactPosterior": ("FisherIdentity",),
    "Adam": ("SGD", "AdamW"),
    "CAVI": ("CoordinateAscent", "MeanField"),
    "EM": ("ExpectationMaximization", "ExpectationMaximisation"),
}  # fmt: skip

# Fields that chose between algorithms before each choice was a class: the value, and what was made of it
FORMER_FIELDS: dict[str, dict[str, tuple[Any, str]]] = {
    "LinearGaussian": {"correlated": (True, "Correlated{}")},
    "BernoulliVAE": {
        "learned_prior": (False, "FixedPrior{}"),
        "layers": ("nonlinear", "Nonlinear{}"),
        "hidden": (None, ""),
    },
    "FixedBeliefNetwork": {"encoder": ("linear", "Amortised{}")},
    "TabularMDP": {"baseline": ("value", "ValueBaseline(problem={}())")},
    "ContextualBandit": {"baseline": ("value", "ValueBaseline(problem={}())")},
}


def renamed(name: str, fields: Mapping[str, Any]) -> str | None:
    """The call that does now what `name` with these fields did; None where `name` never had one of them."""
    former, now = FORMER_FIELDS.get(name, {}), name
    for field, (value, made) in former.items():
        if field in fields and fields[field] == value:
            now = made.format(now)
    known = former.keys() & fields.keys()
    return (now if now.endswith(")") else f"{now}()") if known else None


def meant(name: str, names: Iterable[str]) -> list[str]:
    """Which of `names` may be meant by `name`, the likeliest first: by what the field calls it, or by its letters."""
    known, spelled = list(names), _plain(name)
    others = [own for own, called in OTHER_NAMES.items() if own in known and spelled in map(_plain, called)]
    likeness = {each: _likeness(spelled, _plain(each)) for each in known}
    near = sorted((each for each in known if likeness[each] > ALIKE), key=lambda each: -likeness[each])
    return others or near[:3]


def _likeness(name: str, known: str) -> float:
    """How alike two names are, from 0 to 1; a name may be the beginning of another."""
    whole = difflib.SequenceMatcher(None, name, known).ratio()
    beginning = difflib.SequenceMatcher(None, name, known[: len(name)]).ratio() if len(name) > 2 else 0.0
    return max(whole, beginning)


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """`did you mean A or B?`, or None where nothing is near."""
    found = meant(name, names)
    return f"did you mean {' or '.join(found)}?" if found else None


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
