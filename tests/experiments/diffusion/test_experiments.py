"""The diffusion experiments: tables as the report wants them, repeatable, refused with a remedy; and their pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader

from gradmark.benchmarks import specs
from gradmark.benchmarks.cells import Inquiry
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.experiment import plain
from gradmark.benchmarks.experiments import (
    DiffusionBound,
    ReverseError,
    ReversePath,
    ReverseTest,
    TimeSampling,
    WhiteNoise,
)
from gradmark.benchmarks.experiments.diffusion.simulation.schedules import Cosine
from gradmark.benchmarks.experiments.diffusion.simulation.targets import FanMixture, GaussianTarget, LineMixture
from gradmark.benchmarks.store.store import Store
from gradmark.benchmarks.studies import provenance, runner, study
from gradmark.reports import document

SLOW = "ReverseError(data=LineMixture(dimension=3), steps=(16, 24, 32))"
SMALL = [
    "ReversePath(steps=8, shown=3, draws=20)",
    "WhiteNoise(totals=(1.0, 10.0, 100.0))",
    "ReverseError(data=GaussianTarget(dimension=2), schedule=Cosine())",
    SLOW,
    "ReverseTest(steps=(2,), size=20, seeds=5)",
    "DiffusionBound(steps=(1, 4))",
    "TimeSampling(theta=1.0, replicates=1024)",
    "ReverseError(data=FanMixture(dimension=2))",
]


@pytest.mark.parametrize("text", SMALL)
def test_text_is_the_experiment(text: str) -> None:
    assert str(specs.experiment(text)) == text


def test_path_ends_where_it_should() -> None:
    """Forward the variance grows by the level; back it shrinks again; the flow starts at the same points."""
    rows = ReversePath(steps=40, shown=3, draws=1000).run(0)["points"]
    points = {(row["direction"], row["t"]): np.array(row["points"]) for row in rows}
    law = FanMixture(dimension=2).law()
    for direction in ("forward", "reverse process", "probability flow"):
        for t, variance in ((0, 0.0), (40, 9.0)):
            cloud = points[direction, t]
            spread = np.trace(np.cov(cloud.T))
            exact = np.trace(law.noised(variance).covariance)
            # the variance of a squared radius is at most twice its squared mean here; five standard errors, and for the
            # reverse process the 5 % that 40 steps leave
            slack = 0.05 if direction == "reverse process" else 0.0
            assert abs(spread / exact - 1) < 5 * np.sqrt(2 / 1000) + slack
    np.testing.assert_array_equal(points["reverse process", 40], points["probability flow", 40])


def test_orders_come_out() -> None:
    """Inside .1 of the theory on Gaussian data, where the points bend by the next term of 1/16."""
    tables = ReverseError(data=GaussianTarget(dimension=2), schedule=Cosine()).run(0)
    for row in tables["orders"]:
        if row["rule"] != "ancestral":
            assert abs(row["order"]["value"] - row["expected"]) < 0.1
    assert {row["score"] for row in tables["errors"]} == {"exact"}


def test_white_noise_keeps_total_variation() -> None:
    """The flow is one to one: what the start lacks the end lacks, in total variation; in Wasserstein-1 it contracts."""
    tables = WhiteNoise(totals=(1.0, 10.0, 100.0)).run(0)
    for end in tables["ends"]:
        assert end["reverse: total variation"] == pytest.approx(end["total variation"], rel=1e-3)
        assert end["reverse: Wasserstein-1"] < end["Wasserstein-1"]


def test_tests_repeat_with_the_seed() -> None:
    experiment = ReverseTest(steps=(2,), size=20, seeds=5)
    assert experiment.run(3) == experiment.run(3)
    assert plain(experiment.run(3))["tests"][0]["threshold"] == 4


def test_refusals() -> None:
    assert "known only by draws" in (ReverseError(data=FanMixture(dimension=2)).refuses() or "")
    assert "in a plane" in (ReversePath(data=FanMixture()).refuses() or "")
    assert "on a line" in (WhiteNoise(data=LineMixture(dimension=2)).refuses() or "")
    assert ReverseError(data=LineMixture(dimension=32), schedule=Cosine()).refuses() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ReverseError(steps=(4, 8))", "three numbers from 16 on"),
        ("ReversePath(steps=10, shown=4)", "equal parts"),
        ("ReverseTest(seeds=2)", "seeds=20"),
        ("DiffusionBound(variance=-1.0)", "variance is positive"),
        ("TimeSampling(n=6)", "power of two"),
        ("WhiteNoise(totals=(1.0, -1.0, 2.0))", "above 0"),
        ("ReverseError(schedule=Geometric(ratio=0.5))", "ratio above 1"),
        ("ReverseError(schedule=FanMixture())", "FanMixture is not a subclass of Schedule; there are "),
    ],
)
def test_bad_input(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        specs.experiment(text)


@pytest.mark.parametrize("slow", [False, pytest.param(True, marks=pytest.mark.full)])
def test_pages(tmp_path: Path, slow: bool) -> None:
    texts = [text for text in SMALL if slow or text != SLOW]
    with Store(tmp_path / "s") as store:
        store.add_provenance(provenance.gather())
        runner.run([], [], store, inquiries=[Inquiry(text, 0) for text in texts])
        assert [each.status for each in store.outcomes()] == ["measured"] * (6 + slow) + ["refused"]
    document.write(tmp_path / "s", tmp_path / "r.pdf")
    text = "".join(page.extract_text() for page in PdfReader(tmp_path / "r.pdf").pages)
    for said in (
        "the path forward and back",
        "large total variance",
        "what the steps buy",
        "smallest shift seen",
        "which times",
    ):
        assert said in text


def test_bound_is_above_the_entropy() -> None:
    for row in DiffusionBound(steps=(1, 7, 50)).run(0)["bounds"]:
        assert row["prior"] + row["middle"] + row["first"] == pytest.approx(row["total"])
        assert row["gap"] > 0 if row["reverse variance"] == "anderson" else abs(row["gap"]) < 1e-9


def test_measured_variances_hold_the_exact_ones() -> None:
    """24 means and variances within 5 standard errors of 32 groups: of t at 31 degrees that is 1e-3 in all."""
    for row in TimeSampling(replicates=8192).run(0)["variances"]:
        for quantity, exact in ((row["mean"], row["truth"]), (row["variance"], row["time"] + row["noise"])):
            assert abs(quantity["value"] - exact) < 5 * quantity["stderr"]


@pytest.mark.parametrize("name", ["diffusion_path", "diffusion_bound"])
def test_published(name: str) -> None:
    plan = study.load(name)
    assert len(plan.inquiries()) >= 3
    assert set(plan.inquiries()) <= set(study.load("note").inquiries())
