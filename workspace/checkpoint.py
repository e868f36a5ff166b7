"""Checkpoints that can hold nothing but tensors and one JSON value: no pickle, so loading one runs no code.

The file format is safetensors' (https://github.com/huggingface/safetensors): eight bytes with the length of a JSON
header, the header, the raw numbers. Any safetensors reader opens it; this one needs nothing installed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

FILENAME = "checkpoint.safetensors"
TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "I32": np.int32, "U8": np.uint8, "BOOL": np.bool_}
LARGEST_HEADER = 16 << 20


class CheckpointError(Exception):
    """The file is missing, cut short or not of this format."""


def code_hash() -> str:
    """Names the code that lies beside this file: a checkpoint of other code is not this trial's."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def save(path: Path, tensors: dict[str, Any], facts: dict[str, Any]) -> None:
    """Writes tensors (CPU or CUDA; half precision as float32) and what else is to be known of them.

    A tensor that appears under two names, as tied weights do, is stored once.
    """
    names = {dtype: name for name, dtype in TYPES.items()}
    header: dict[str, Any] = {}
    blocks: list[bytes] = []
    place, offset = {}, 0
    for name, tensor in tensors.items():
        values = (tensor.float() if tensor.is_floating_point() and tensor.itemsize < 4 else tensor).detach().cpu()
        array = np.ascontiguousarray(values.numpy())
        key = (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype)
        if key not in place:
            place[key] = [offset, offset + array.nbytes]
            blocks.append(array.tobytes())
            offset += array.nbytes
        dtype = names[np.dtype(array.dtype).type]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": place[key]}
    metadata = {"facts": json.dumps({"code": code_hash(), **facts})}
    text = json.dumps({"__metadata__": metadata, **header}).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.writelines(blocks)


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors and the facts of a file. Raises CheckpointError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}") from None
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(LARGEST_HEADER, len(content) - 8):
        raise CheckpointError(f"{path.name} is not a safetensors file, or is cut short")
    try:
        header = json.loads(content[8 : 8 + length])
        facts = json.loads(header.pop("__metadata__")["facts"])
        tensors = {name: _array(entry, memoryview(content)[8 + length :]) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path.name} holds something else than tensors ({type(error).__name__}: {error})"
        ) from None
    if not isinstance(facts, dict):
        raise CheckpointError(f"{path.name} has no table of facts")
    return tensors, facts


def parameters(tensors: dict[str, np.ndarray]) -> int:
    """How many numbers there are; those of tied tensors count once."""
    return sum({array.__array_interface__["data"][0]: array.size for array in tensors.values() if array.size}.values())


def _array(entry: dict[str, Any], data: memoryview) -> np.ndarray:
    begin, end = entry["data_offsets"]
    if not 0 <= begin <= end <= len(data):
        raise ValueError("a tensor lies outside the file")
    return np.frombuffer(data[begin:end], dtype=TYPES[entry["dtype"]]).reshape(entry["shape"])
