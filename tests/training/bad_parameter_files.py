"""Files of parameters, good ones and those that must be refused, by what is wrong with them."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

SHAPES = {"loc": [1], "log_scale": [1]}
GOOD = {"loc": torch.tensor([2.0], dtype=torch.float64), "log_scale": torch.tensor([0.5], dtype=torch.float64)}


class Touch:
    """What a pickle may do: it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def saved(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def arrays(**values: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **values)
    return file.getvalue()


def npz(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:  # which is the fastest
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def with_shape(shape: str, dtype: str = "<f8") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}"
    return npz([(f"{name}.npy", npy(header, bytes(8))) for name in SHAPES])


def instead(**values: Any) -> dict[str, Any]:
    return {**GOOD, **values}


def text(**values: Any) -> bytes:
    return json.dumps({"loc": [2.0], "log_scale": [0.5], **values}).encode()


BAD: dict[str, tuple[str, bytes]] = {
    "npz: no archive": (".npz", b"PK not quite"),
    "npz: empty": (".npz", b""),
    "npz: 8 TiB in a header": (".npz", with_shape("(1099511627776,)")),
    "npz: a negative size": (".npz", with_shape("(-1,)")),
    "npz: a size of another kind": (".npz", with_shape("(1.5,)")),
    "npz: complex": (".npz", arrays(loc=np.array([2 + 1j]), log_scale=np.zeros(1))),
    "npz: booleans": (".npz", arrays(loc=np.array([True]), log_scale=np.zeros(1))),
    "npz: text": (".npz", arrays(loc=np.array(["2.0"]), log_scale=np.zeros(1))),
    "npz: dates": (".npz", arrays(loc=np.array(["2020-01-01"], "M8[D]"), log_scale=np.zeros(1))),
    "npz: records": (".npz", arrays(loc=np.zeros(1, "f8,f8"), log_scale=np.zeros(1))),
    "npz: objects": (".npz", arrays(loc=np.array([2.0], object), log_scale=np.zeros(1))),
    "npz: wide floats": (".npz", with_shape("(1,)", "<f16")),
    "npz: integers beyond 2^53": (".npz", arrays(loc=np.array([2**53 + 1]), log_scale=np.zeros(1))),
    "npz: NaN": (".npz", arrays(loc=np.array([np.nan]), log_scale=np.zeros(1))),
    "npz: overflow": (".npz", arrays(loc=np.array([np.inf], np.float32), log_scale=np.zeros(1))),
    "npz: a bomb": (".npz", npz([(f"{n}.npy", bytes(2**27)) for n in SHAPES], zipfile.ZIP_DEFLATED)),
    "npz: another compression": (".npz", npz([(f"{n}.npy", bytes(2**20)) for n in SHAPES], zipfile.ZIP_BZIP2)),
    "npz: other names": (".npz", arrays(**{f"x{'y' * 300}{i}": np.zeros(1) for i in range(40)})),
    "npz: one more name": (".npz", arrays(loc=np.zeros(1), log_scale=np.zeros(1), other=np.zeros(1))),
    "npz: no array": (".npz", npz([("loc", b"2.0"), ("log_scale", b"1")])),
    "npz: a header of another version": (".npz", npz([(f"{n}.npy", b"\x93NUMPY\x09\x09" + bytes(99)) for n in SHAPES])),
    "npz: code in a header": (".npz", npz([(f"{n}.npy", npy("__import__('os').system('true')")) for n in SHAPES])),
    "json: no end": (".json", b'{"loc": ['),
    "json: deep": (".json", b'{"loc": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "json: deep in a name": (".json", b'{"a":' * 50_000),
    "json: a list": (".json", b"[1.0]"),
    "json: a number": (".json", b"3"),
    "json: a name twice": (".json", b'{"loc": [1.0], "loc": [2.0], "log_scale": [0.0]}'),
    "json: mixed depth": (".json", text(loc=[[2.0]])),
    "json: not even": (".json", b'{"loc": [1.0, [2.0]], "log_scale": [0.0]}'),
    "json: a boolean": (".json", text(loc=[True])),
    "json: null": (".json", text(loc=[None])),
    "json: text": (".json", text(loc=["2.0"])),
    "json: an object": (".json", text(loc={"0": 2.0})),
    "json: nothing": (".json", text(loc=[])),
    "json: NaN": (".json", text(loc=[float("nan")])),
    "json: overflow": (".json", b'{"loc": [1e999], "log_scale": [0.0]}'),
    "json: an integer beyond 2^53": (".json", text(loc=[2**53 + 1])),
    "json: an integer beyond any float": (".json", text(loc=[10**400])),
    "json: 5000 digits": (".json", b'{"loc": [' + b"9" * 5000 + b'], "log_scale": [0.0]}'),
    "json: no UTF-8": (".json", b'\xff\xfe{"loc": [1.0]}'),
    "json: a lone surrogate": (".json", b'{"\\ud800": [1.0], "log_scale": [0.0]}'),
    "json: two megabytes": (".json", b" " * 2**21 + text()),
    "pt: no archive": (".pt", b"abc"),
    "pt: empty": (".pt", b""),
    "pt: an old format": (".pt", saved(GOOD, _use_new_zipfile_serialization=False)),
    "pt: a list": (".pt", saved(list(GOOD.values()))),
    "pt: a tensor": (".pt", saved(GOOD["loc"])),
    "pt: numbers for names": (".pt", saved({0: GOOD["loc"], 1: GOOD["loc"]})),
    "pt: names that print alike": (".pt", saved({"loc": GOOD["loc"], "1": GOOD["loc"], 1: GOOD["loc"]})),
    "pt: a number": (".pt", saved(instead(loc=2.0))),
    "pt: nested": (".pt", saved({"params": GOOD})),
    "pt: complex": (".pt", saved(instead(loc=torch.tensor([2 + 1j])))),
    "pt: a boolean": (".pt", saved(instead(loc=torch.tensor([True])))),
    "pt: sparse": (".pt", saved(instead(loc=GOOD["loc"].to_sparse()))),
    "pt: on no device": (".pt", saved(instead(loc=torch.empty(1, device="meta")))),
    "pt: 8 TiB of one number": (".pt", saved(instead(loc=torch.zeros(1).expand(2**40)))),
    "pt: an integer beyond 2^53": (".pt", saved(instead(loc=torch.tensor([2**53 + 1])))),
    "pt: NaN": (".pt", saved(instead(loc=torch.tensor([torch.nan])))),
    "pt: a large storage": (".pt", saved(instead(loc=torch.zeros(2**20)[:1]))),
    "pt: compressed": (".pt", npz([("archive/data.pkl", bytes(2**20))], zipfile.ZIP_DEFLATED)),
}
