"""Files of parameters from anybody: read as they stand, or one line; nothing in them is run, no size is believed."""

from __future__ import annotations

import json
import os
import pickle
import tracemalloc
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gradmark.benchmarks import specs
from gradmark.benchmarks.cli import commands
from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.training import parameter_files, points
from gradmark.benchmarks.trust import fuzz_parameters
from tests.training.bad_parameter_files import (
    BAD,
    GOOD,
    SHAPES,
    Touch,
    arrays,
    instead,
    npz,
    saved,
    with_shape,
)

PROBLEM = specs.problem("GaussianToy()")


def refused(path: Path | str) -> str:
    """The line that a file is refused with."""
    with pytest.raises(BadInput) as caught:
        points.find(PROBLEM, points.parse_point(str(path)))
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 300
    return line


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_one_line(tmp_path: Path, kind: str) -> None:
    suffix, content = BAD[kind]
    path = tmp_path / f"params{suffix}"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        refused(path)
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()


def test_a_quantised_tensor_is_one_line(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = saved(instead(loc=torch.quantize_per_tensor(torch.zeros(1), 0.1, 0, torch.qint8)))
    (tmp_path / "params.pt").write_bytes(content)
    assert "is not a dense tensor" in refused(tmp_path / "params.pt")


@pytest.mark.parametrize("suffix", points.SUFFIXES)
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path, suffix: str) -> None:
    """A pipe without a writer would be waited for, and /dev/zero has no end."""
    kinds: dict[str, Callable[[Path], object]] = {
        "a folder": Path.mkdir,
        "a pipe": os.mkfifo,
        "a device": lambda path: path.symlink_to("/dev/zero"),
        "symbolic links": lambda path: path.symlink_to(path),
        "there is no such file": lambda path: path.symlink_to(tmp_path / "gone"),
    }
    for word, make in kinds.items():
        path = tmp_path / f"{word}{suffix}"
        make(path)
        assert word in refused(path)
    assert "cannot be read" in refused("x" * 5000 + suffix)
    assert "cannot be read" in refused("\0" + suffix)


def test_a_name_that_is_no_text_is_one_line() -> None:
    assert "no such file" in refused("\udcff.npz")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ">f8", np.int8, np.uint64, np.int64])
def test_real_numbers_of_every_kind_are_read(tmp_path: Path, dtype: Any) -> None:
    weight = np.asfortranarray(np.arange(10.0).reshape(5, 2).astype(dtype))
    np.savez_compressed(tmp_path / "params.npz", weight=weight)
    found = parameter_files.read(tmp_path / "params.npz", "it", {"weight": [5, 2]})["weight"]
    np.testing.assert_array_equal(found.numpy(), np.arange(10.0).reshape(5, 2))
    assert found.dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int32], ids=str)
def test_tensors_of_every_kind_are_read(tmp_path: Path, dtype: torch.dtype) -> None:
    weight = torch.arange(12).view(2, 6).to(dtype)[:, 1:].mT  # a view of more numbers, by columns
    torch.save(OrderedDict(weight=weight, bias=torch.nn.Parameter(torch.ones(()))), tmp_path / "params.pt")
    found = parameter_files.read(tmp_path / "params.pt", "it", {"bias": [], "weight": [5, 2]})
    assert list(found) == ["bias", "weight"]
    assert torch.equal(found["weight"], weight.double())
    assert not found["bias"].requires_grad


def test_shapes_without_numbers_and_without_axes_are_read(tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text('{"a": 2, "b": [[], []], "c": [[9007199254740992]]}')
    found = parameter_files.read(tmp_path / "params.json", "it", {"a": [], "b": [2, 0], "c": [1, 1]})
    assert {name: value.tolist() for name, value in found.items()} == {"a": 2.0, "b": [[], []], "c": [[2.0**53]]}


def test_no_file_of_parameters_runs_anything(tmp_path: Path) -> None:
    """Pickles wherever one could be."""
    path, trap = tmp_path / "made", Touch(tmp_path / "made")
    pickled = pickle.dumps(trap)
    os.system(f"touch {path}")  # what a reader that runs pickles would do
    assert path.exists()
    path.unlink()
    files = {
        "a.pt": saved(instead(loc=trap)),
        "b.pt": saved(instead(loc=trap), _use_new_zipfile_serialization=False),
        "c.pt": pickled,
        "d.npz": arrays(loc=np.array([trap], object), log_scale=np.zeros(1)),
        "e.npz": pickled,
        "f.npz": npz([(f"{name}.npy", pickled) for name in SHAPES]),
        "g.json": pickled,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name)
        assert not path.exists()


def test_a_flipped_bit_of_an_archive_is_never_another_number(tmp_path: Path) -> None:
    """torch takes the numbers of a member that is marked as a folder from memory that nobody has written."""
    content = bytearray(saved(GOOD))
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"archive/data/0"))
    content[entry + 38] |= 0x10
    (tmp_path / "params.pt").write_bytes(content)
    found = points.find(PROBLEM, str(tmp_path / "params.pt"))
    assert isinstance(found, points.ParameterPoint)
    assert found.params["loc"].tolist() == [2.0]


def test_mutated_files_are_read_or_refused() -> None:
    found = fuzz_parameters.count(200, seed=0)
    assert {text for outcomes in found.values() for text in outcomes} <= {"read", "refused"}
    assert sum(outcomes["read"] for outcomes in found.values()) > 0


def test_the_count_of_mutated_files_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(content: bytes, shapes: parameter_files.Shapes) -> dict[str, torch.Tensor]:
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in json.loads(content).items()}

    monkeypatch.setitem(parameter_files.READERS, ".json", careless)
    assert set(fuzz_parameters.count(200, seed=0)[".json"]) - {"read", "refused"}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("optimium", "did you mean optimum?"),
        ("Optimum", "did you mean optimum?"),
        ("inti", "did you mean init?"),
        ("steps=40", "did you mean step=40?"),
        ("step500", "did you mean step=500?"),
        ("STEP = 7", "did you mean step=7?"),
        ("stpe", "did you mean step=500?"),
        ("step", "as in step=500"),
        ("step=²", "as in step=500"),
        ("step=-1", "as in step=500"),
        ("step=1000000000000", "1000000 steps at the most"),
        ("step=" + "9" * 5000, "1000000 steps at the most"),
        ("x" * 5000, "must be init"),
        ("[/red]", "must be init"),
    ],
)
def test_a_point_that_is_misspelled(text: str, meant: str) -> None:
    line = refused(text)
    assert meant in line


def test_a_point_has_one_spelling() -> None:
    assert points.parse_point("step=007") == "step=7"
    assert points.parse_point("step=" + "0" * 5000) == "step=0"


def test_the_command_line_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "params.npz"
    path.write_bytes(with_shape("(1099511627776,)"))
    command = ["measure", "--problem", "GaussianToy()", "--estimator", "ScoreFunction()", "--at", str(path)]
    assert commands._guarded(command) == 2
    assert capsys.readouterr().err.count("\n") == 1
