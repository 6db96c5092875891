from threadpoolctl import ThreadpoolController

from arms.baselines.neighbours import import_faiss
from arms.baselines.threads import one_blas_thread


def blas_threads():
    return {
        info["filepath"]: info["num_threads"] for info in ThreadpoolController().info() if info["user_api"] == "blas"
    }


def test_one_thread_within_and_as_before_after_it():
    import_faiss()
    before = blas_threads()
    assert len(before) >= 2, "numpy's and that of FAISS"
    with one_blas_thread():
        assert set(blas_threads().values()) == {1}
        assert blas_threads().keys() == before.keys()
    assert blas_threads() == before
