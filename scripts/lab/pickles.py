"""Reading pickles that came from elsewhere, without running any of them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np


class _ArraysOnly(pickle.Unpickler):
    """A pickle may name any function to be called; this reader knows three names, and they make arrays."""

    _RECONSTRUCT = np.zeros(0).__reduce__()[0]  # its module's name differs between NumPy 1 and 2
    _KNOWN = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"refused {module}.{name}: only arrays are read") from None


def load_arrays(stream: Any) -> Any:
    """Unpickle tuples, lists and dicts of NumPy arrays, numbers and texts (as Python 2 wrote them), nothing else."""
    return _ArraysOnly(stream, encoding="latin1").load()
