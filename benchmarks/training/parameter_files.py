"""A file of parameters to tensors: .npz, .json or .pt, from anybody. Nothing in it is run, and its sizes come first.

What the problem's parameters need is known before the file is opened. So the file's size, and every size that the file
announces of itself, are compared with that before memory is set aside for them. Numbers that float64 would change
(complex ones, booleans, integers beyond 2^53) are refused, since a point that differs from the file is a wrong point.
"""

from __future__ import annotations

import io
import json
import math
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradmark.benchmarks.errors import BadInput, shortened
from gradmark.benchmarks.regular_files import read_bounded
from gradmark.estimators.core import Params

SUFFIXES = (".npz", ".json", ".pt")
OVERHEAD, PER_NUMBER = 2**20, 64  # bytes of a file beside its numbers, and for each of them: a text has 25 or fewer
HEADER = 2**14  # bytes of an array's header in an .npz archive; numpy writes 128
SHOWN = 4  # names of a message

Shapes = Mapping[str, Sequence[int]]


class _Misfit(Exception):
    """What a file's content lacks, as a clause: the file itself could be read."""


def read(path: Path, owner: str, shapes: Shapes) -> Params:
    """The parameters of `owner`, whose names and shapes are given, float64 on the CPU; BadInput in one line else."""
    call = f"--at {shortened(repr(str(path)), 60)}"
    most = OVERHEAD + PER_NUMBER * sum(math.prod(shape) for shape in shapes.values())
    try:
        with warnings.catch_warnings():  # readers warn of old formats, on lines of their own
            warnings.simplefilter("ignore")
            found = READERS[path.suffix](read_bounded(path, most), shapes)
    except _Misfit as fault:
        raise BadInput(f"{call}: {fault}; the parameters are those of {shortened(owner, 60)}") from None
    except Exception as fault:  # bytes from anybody: whatever a reader raises, they are no parameters
        line = shortened(" ".join(str(fault).split()) or type(fault).__name__, 120)
        raise BadInput(f"{call}: not a readable file of parameters ({line})") from None
    for name, value in found.items():
        if not value.isfinite().all():
            raise BadInput(f"{call}: {shortened(name, 40)} has NaN or infinite entries; pass finite numbers")
    return {name: found[name] for name in shapes}


def _check_names(found: Sequence[str], shapes: Shapes) -> None:
    if len(set(found)) < len(found):
        raise _Misfit("it holds one name twice")
    if set(found) != set(shapes):
        raise _Misfit(f"it holds {_some(found)}, but the problem has the parameters {_some(list(shapes))}")


def _some(names: Sequence[str]) -> str:
    """A few names, sorted, and how many more there are."""
    shown = ", ".join(shortened(repr(name), 24) for name in sorted(names)[:SHOWN])
    return f"[{shown}]" if len(names) <= SHOWN else f"[{shown} and {len(names) - SHOWN} more]"


def _check_shape(name: str, found: Sequence[int], shapes: Shapes) -> None:
    if list(found) != list(shapes[name]):
        given = shortened(str(list(found)), 40)
        raise _Misfit(f"{shortened(name, 40)} has the shape {given}, but the problem has {list(shapes[name])}")


def _from_npz(content: bytes, shapes: Shapes) -> Params:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if any(not member.filename.endswith(".npy") for member in members):
            raise _Misfit("it holds something else than arrays; write it with numpy.savez")
        _check_names([member.filename.removesuffix(".npy") for member in members], shapes)
        return {
            name: _array(name, _member(archive, member, HEADER + 16 * math.prod(shapes[name])), shapes)
            for member in members
            for name in [member.filename.removesuffix(".npy")]
        }


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """A member's bytes, no more than `most` of which are ever decompressed."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others decompress without a bound
        raise _Misfit(f"it is compressed by method {member.compress_type}; write it with numpy.savez")
    with archive.open(member) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise _Misfit(f"{shortened(member.filename, 40)} decompresses to more than the {most} bytes that it needs")
    return content


def _array(name: str, content: bytes, shapes: Shapes) -> Tensor:
    """One array of an archive; its header is compared with the shape before anything is made of its numbers."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header: Callable[..., Any] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, by_columns, dtype = header(stream)
    _check_shape(name, shape, shapes)
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise _Misfit(f"{shortened(name, 40)} has the dtype {shortened(str(dtype), 40)}; save real numbers as float64")
    if len(content) - stream.tell() != math.prod(shape) * dtype.itemsize:
        raise _Misfit(f"{shortened(name, 40)} is not as long as its header says")
    numbers = np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape, order="F" if by_columns else "C")
    if dtype.kind in "iu":
        _check_integers(name, [int(numbers.min(initial=0)), int(numbers.max(initial=0))])
    return torch.from_numpy(numbers.astype(np.float64, order="C"))


def _check_integers(name: str, numbers: Sequence[int]) -> None:
    if any(abs(number) > 2**53 for number in numbers):
        raise _Misfit(f"{shortened(name, 40)} has integers beyond 2^53, which float64 would round; save float64")


def _from_json(content: bytes, shapes: Shapes) -> Params:
    pairs: list[list[Any]] = []

    def names_once(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs.append([name for name, _ in found])
        return dict(found)

    loaded = json.loads(content.decode("utf-8"), object_pairs_hook=names_once)
    if not isinstance(loaded, dict):
        raise _Misfit('it is no JSON object; write {"name": [numbers], …}')
    _check_names(pairs[-1], shapes)
    return {name: torch.tensor(_numbers(name, value, shapes), dtype=torch.float64) for name, value in loaded.items()}


def _numbers(name: str, value: Any, shapes: Shapes) -> Any:
    """Nested lists of the parameter's shape, with numbers in them and nothing else."""
    shape = []
    inner = value
    while isinstance(inner, list) and len(shape) <= len(shapes[name]):
        shape.append(len(inner))
        inner = inner[0] if inner else 0.0
    if not isinstance(inner, list):
        _check_number(name, inner)
    _check_shape(name, shape, shapes)
    _check_nested(name, value, shapes[name])
    return value


def _check_nested(name: str, value: Any, shape: Sequence[int]) -> None:
    if shape:
        if not isinstance(value, list) or len(value) != shape[0]:
            raise _Misfit(f"{shortened(name, 40)} is not nested evenly: not every list has the same length")
        for inner in value:
            _check_nested(name, inner, shape[1:])
    else:
        _check_number(name, value)


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shortened(name, 40)} holds {shortened(json.dumps(value), 40)}, which is not a real number")
    if isinstance(value, int):
        _check_integers(name, [value])


def _from_torch(content: bytes, shapes: Shapes) -> Params:
    """A dictionary of tensors that `torch.save` wrote; `weights_only` reads tensors and runs nothing."""
    if not zipfile.is_zipfile(io.BytesIO(content)):  # older formats state their sizes in a pickle alone
        raise ValueError("it is not a file that torch.save writes since torch 1.6; load it and save it again")
    loaded = torch.load(_verified(content), map_location="cpu", weights_only=True)
    if not isinstance(loaded, dict) or not all(isinstance(name, str) for name in loaded):
        raise _Misfit("it holds no dictionary of names and tensors; write it with torch.save(params, file)")
    _check_names(list(loaded), shapes)
    return {name: _tensor(name, value, shapes) for name, value in loaded.items()}


def _verified(content: bytes) -> io.BytesIO:
    """The archive written anew, of members whose checksums are right: torch does not look at them."""
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(copy, "w") as verified:
        names = [member.filename for member in archive.infolist()]
        if len(set(names)) < len(names):
            raise ValueError("it holds one name twice")
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError("it is compressed, which torch.save does not do")
            verified.writestr(member.filename, _member(archive, member, len(content)))
            if copy.tell() > 2 * len(content) + OVERHEAD:  # members that share their bytes
                raise ValueError("its members add up to more than the file")
    copy.seek(0)
    return copy


def _tensor(name: str, value: Any, shapes: Shapes) -> Tensor:
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_quantized or value.is_nested:
        raise _Misfit(f"{shortened(name, 40)} is not a dense tensor; save value.detach().to_dense()")
    _check_shape(name, value.shape, shapes)
    if value.device.type != "cpu":
        raise _Misfit(f"{shortened(name, 40)} is on the device {value.device}, without numbers; save a CPU tensor")
    if value.is_complex() or value.dtype == torch.bool:
        raise _Misfit(f"{shortened(name, 40)} has the dtype {value.dtype}; save real numbers as float64")
    if not value.is_floating_point() and value.numel():
        _check_integers(name, [int(value.min()), int(value.max())])
    return value.detach().double().contiguous()


READERS: dict[str, Callable[[bytes, Shapes], Params]] = {".npz": _from_npz, ".json": _from_json, ".pt": _from_torch}
