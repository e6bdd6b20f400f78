"""The gallery: formulas of docstrings as MathML, and figures of variances."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import gradmark.estimators
from docs.gallery import figures
from docs.gallery.formulas import formulas_as_mathml, is_formula, mathml, paragraphs, prose

ROOT = Path(__file__).parents[2]
CHILDREN = {"msub": 2, "msup": 2, "munder": 2, "mover": 2, "mfrac": 2, "msubsup": 3, "msqrt": 1}


def text_of(formula: str) -> str:
    return "".join(ElementTree.fromstring(mathml(formula)).itertext())


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("b_k", "<msub><mi>b</mi><mi>k</mi></msub>"),
        ("1/K", "<mfrac><mn>1</mn><mi>K</mi></mfrac>"),
        ("w̄_k²", '<msubsup><mover accent="true"><mi>w</mi><mo>¯</mo></mover><mi>k</mi><mn>2</mn></msubsup>'),
        ("√(2π)", "<msqrt><mrow><mn>2</mn><mi>π</mi></mrow></msqrt>"),
        ("Σ_k", "<munder><mo>∑</mo><mi>k</mi></munder>"),
        ("dz_k", "<mi>d</mi><msub><mi>z</mi><mi>k</mi></msub>"),
        ("cost", "<mtext>cost</mtext>"),
    ],
)
def test_a_part_of_a_formula_is_its_element(formula: str, expected: str) -> None:
    assert expected in mathml(formula)


@pytest.mark.parametrize("name", gradmark.estimators.__all__)
def test_every_formula_of_the_catalogue_is_well_formed_and_loses_no_letter(name: str) -> None:
    blocks = paragraphs(inspect.getdoc(getattr(gradmark.estimators, name)) or "")
    formulas = [block for block in blocks if is_formula(block) and "Error:" not in block]
    assert formulas
    for formula in formulas:
        for element in ElementTree.fromstring(mathml(formula)).iter():
            assert len(element) == CHILDREN.get(element.tag, len(element))
        kept = re.sub(r"[^A-Za-zα-ωφ]", "", formula)
        assert re.sub(r"[^A-Za-zα-ωφ]", "", text_of(formula)) == kept


def test_subscripts_of_running_text_are_set_outside_code() -> None:
    assert prose("With z_k and w̄_k, `z_k`") == "With z<sub>k</sub> and w̄<sub>k</sub>, `z_k`"
    assert prose("2^20 states") == "2<sup>20</sup> states"
    assert prose("b_{t+1} and num_samples") == "b<sub>t+1</sub> and num_samples"


def test_a_page_keeps_its_code_and_sets_its_formulas() -> None:
    page = "The draw z_k of `z_k`,\n\n    z_k = 1/K\n\nand\n\n```python\nx_k = 1\n\n    y_k = 2\n```\n"
    made = formulas_as_mathml(page)
    assert "The draw z<sub>k</sub> of `z_k`" in made
    assert made.count("<math") == 1
    assert "```python\nx_k = 1\n\n    y_k = 2\n```" in made


def test_two_equations_of_one_line_are_two_rows() -> None:
    assert mathml("a = b,    c = d").count("<mtr>") == 2
    assert mathml("a = b    for q's parameters").count("<mtr>") == 1


def test_every_method_has_a_figure() -> None:
    named = {point["method"] for strip in figures.strips() for point in strip["points"]}
    assert named == set(gradmark.estimators.__all__)


def test_a_figure_marks_its_method_and_shows_only_methods_of_its_target() -> None:
    figure = figures.figure("IWAE")
    assert 'class="own"' in figure
    assert "IWAE" in figure
    assert "LeaveOneOut" not in figure
    assert figures.figure("NoSuchMethod") == ""


def test_the_hook_of_ruff_has_the_version_of_the_constraints() -> None:
    pinned = re.search(r"^ruff==(.+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    hooked = re.search(r"ruff-pre-commit\n +rev: v(.+)\n", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert pinned
    assert hooked
    assert pinned[1] == hooked[1]
