import numpy as np

from arms.routers.saved import load_router
from pretrain.starter import write_starter
from tests.fakes import make_queries, make_router

MADE = make_queries(12)


def test_half_the_size_and_the_same_choices(tmp_path):
    router = make_router(image={"tunable_layers": "all"}, text={"tunable_layers": "all"})
    queries = MADE.encode(router.encoders)
    router.fit(MADE.label(router.encoders)).save(tmp_path / "trained")
    (tmp_path / "starter").mkdir()
    (tmp_path / "starter/MODEL_CARD.md").write_text("kept")
    write_starter(tmp_path / "trained", tmp_path / "starter")
    assert (tmp_path / "starter/MODEL_CARD.md").read_text() == "kept"
    files = [sorted((tmp_path / name).glob("*.safetensors")) for name in ("trained", "starter")]
    assert [file.name for file in files[0]] == [file.name for file in files[1]]
    sizes = [sum(file.stat().st_size for file in of) for of in files]
    assert sizes[1] < 0.6 * sizes[0]
    trained, starter = (load_router(tmp_path / name) for name in ("trained", "starter"))
    assert starter.vlms == trained.vlms
    np.testing.assert_allclose(starter.score(queries), trained.score(queries), atol=5e-3)
