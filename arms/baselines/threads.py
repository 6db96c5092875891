"""One thread for small matrix products: with several, the waiting costs more than the work they share."""

import sys
from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[object]:
    """Inside, matrix products of numpy, SciPy and FAISS run on one thread.

    On two cores, one of them busy, a search for one query took 12 ms with two threads and 0.5 ms with one.
    """
    return _controller("faiss" in sys.modules).limit(limits=1, user_api="blas")


@lru_cache
def _controller(with_faiss: bool) -> ThreadpoolController:
    """Find the loaded libraries, which takes a while; once FAISS is loaded it must look again, for FAISS's own."""
    return ThreadpoolController()
