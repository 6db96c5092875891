"""NumPy's files, read without loading any pickle."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from arms.importers.rows.table import UnreadableError, open_file

_LONGEST = 2**32  # bytes of an archive's arrays, unpacked
_SPARSE = {"indices", "indptr"}  # what SciPy's sparse arrays are kept in


def read_numbers(path: Path, names: Sequence[str]) -> np.ndarray:
    """The array of N samples by S VLMs in an .npy or .npz file, as float64 of shape (N, S).

    Parameters
    ----------
    path : Path
    names : sequence of str
        What it may be called in an .npz; else the only one of two axes is taken.

    Raises
    ------
    UnreadableError
        If the file cannot be read, or holds Python objects, a sparse array or another shape.
    """
    arrays = read_arrays(path)
    if arrays.keys() >= _SPARSE:
        raise UnreadableError(
            f"{path}: expected an array with every value, got a sparse one, where nobody knows whether what it leaves "
            "out is wrong or unknown; save it with np.savez"
        )
    flat = [array for array in arrays.values() if array.ndim == 2]
    found = next((arrays[name] for name in names if name in arrays), flat[0] if len(flat) == 1 else None)
    if found is None or found.ndim != 2 or found.dtype.kind not in "biuf":
        held = ", ".join(f"{name or 'an array'} {array.shape} of {array.dtype}" for name, array in arrays.items())
        raise UnreadableError(
            f"{path}: expected numbers of samples by VLMs, called {names[0]}, got {held or 'nothing'}"
        )
    return found.astype(np.float64)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file by their names, or the one of an .npy file under the empty name."""
    with _clear_errors(path), open_file(path) as stream:
        if path.suffix == ".npy":
            return {"": np.lib.format.read_array(stream, allow_pickle=False)}
        _check_size(path)
        with np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def _check_size(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > _LONGEST:
        raise ValueError(f"it unpacks to {unpacked:,} bytes, more than {_LONGEST:,}")


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """What NumPy and zipfile raise at a broken file, or at one that holds a pickle, becomes an UnreadableError."""
    try:
        yield
    except Exception as error:  # broken headers make the reader raise errors of many types; each means the same
        if "pickle" in str(error):
            raise UnreadableError(
                f"{path}: expected numbers or texts, got Python objects, which only a pickle can hold, and a pickle is "
                "never loaded, as it can run code; save the array with a dtype of its own, such as "
                f"array.astype('float32') or array.astype('U'): {error}"
            ) from error
        kind = type(error).__name__
        raise UnreadableError(f"{path}: expected NumPy's format, could not read it: {kind}: {error}") from error


def texts_of(array: np.ndarray) -> list[Any]:
    """The values of an array of one axis, as Python has them."""
    return array.tolist() if array.ndim == 1 else []
