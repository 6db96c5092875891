"""One thread for small matrix products: what a second one gains there is lost in waiting for each other."""

import sys
from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[object]:
    """Within it, matrix products of numpy, SciPy and FAISS run on one thread.

    On two cores of which one is busy, a search for one query took 12 ms by two threads and 0.5 ms by one.
    """
    return _controller("faiss" in sys.modules).limit(limits=1, user_api="blas")


@lru_cache
def _controller(with_faiss: bool) -> ThreadpoolController:
    """Finds the libraries that are loaded, which takes a while; FAISS brings one of its own."""
    return ThreadpoolController()
