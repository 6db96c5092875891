"""Benchmarks whose questions have several images: imported in their order, prepared, and trained on."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from arms.data.pictures import open_picture
from arms.data.prepare import prepare_dataset
from arms.data.tables import read_dataset
from arms.data.validation import validate
from arms.features.online import encode_queries
from arms.importers.lmms_eval.lmms_eval_importer import LmmsEvalImporter
from arms.importers.records.records_importer import RecordsImporter
from arms.importers.vlmevalkit.vlmevalkit_importer import VlmEvalKitImporter
from arms.params.data import OodParams, PoolParams, SplitParams
from arms.routers.router import Router
from tests.fakes import CPU, label, make_router
from tests.importers.helpers import FREE, Imported, load_log
from tests.importers.logs.several_images import (
    COUNTS,
    EACH,
    VLMS,
    is_right,
    pictures,
    write_blink,
    write_lmms_eval,
    write_vlmevalkit,
)

FEWER = "question with more images than the log names"
MMMU_OF_FIVE = sum(len(pictures("MMMU_DEV_VAL", number)) == 5 for number in range(EACH))


def import_vlmevalkit(folder: Path) -> Imported:
    return load_log(folder / "out", VlmEvalKitImporter(), *write_vlmevalkit(folder))


def import_lmms_eval(folder: Path) -> Imported:
    return load_log(folder / "out", LmmsEvalImporter(), *write_lmms_eval(folder))


def import_blink(folder: Path) -> Imported:
    columns = tuple(f"image_{place}" for place in range(1, 5))
    importer = RecordsImporter(id_column="idx", task_column="sub_task", image_column=columns, benchmark="BLINK")
    return load_log(folder / "out", importer, write_blink(folder / "blink"))


def expected_pictures(query_id: str) -> list[bytes]:
    """The images of a query, by its id in any of the logs."""
    benchmark = query_id.partition("/")[0] if "/" in query_id else "blink"
    (name,) = (name for name in COUNTS if name.lower() == benchmark.lower())
    return pictures(name, number_of(query_id))


def number_of(query_id: str) -> int:
    """The number of a question in its benchmark."""
    return int(re.findall(r"\d+", query_id)[-1])


@pytest.mark.parametrize(
    ("load", "kinds", "num_queries"),
    [
        (import_vlmevalkit, {}, 3 * EACH),
        (import_lmms_eval, {FEWER: 3 * MMMU_OF_FIVE, "question with 4 images in the log": 18}, 3 * EACH - MMMU_OF_FIVE),
        (import_blink, {}, EACH),
    ],
)
def test_imported_prepared_and_trained_on(
    load: Callable[[Path], Imported], kinds: dict[str, int], num_queries: int, tmp_path: Path
) -> None:
    found = load(tmp_path)
    assert found.kinds == kinds
    assert len(found.queries) == num_queries
    for query in found.queries:
        assert found.pictures(query) == expected_pictures(query["query_id"]), query["query_id"]
    for row in found.outcomes:
        assert row["correct"] == is_right(number_of(row["query_id"]), VLMS.index(row["vlm"]))

    validated = validate(read_dataset(found.folder), strict=True, thumbnail_side=32)
    splits = {"by": "scene", "similarity": 0.98, "thumbnail_side": 32, "val_share": 0.1, "id_share": 0.2, "seed": 1}
    prepared = prepare_dataset(
        validated,
        pools=PoolParams(base=list(VLMS), new=[]),
        ood=OodParams(benchmarks=[], tasks=[]),
        splits=SplitParams(**splits),
    )
    assert {"train", "id"} <= set(prepared.queries["split"])
    train = prepared.split("train")
    router = make_router(prepared.vlms, train={"batch_size": 8}, epochs=2)
    paths = [[found.folder / image for image in images] for images in train["images"]]
    images = [[open_picture(path) for path in of] for of in paths]
    queries = encode_queries(router.encoders, images, train["question"].tolist(), CPU)
    outcomes = prepared.outcome_matrix(train["query_id"], prepared.base)
    router.fit(label(queries, outcomes, prepared.base))
    assert router.net.experts.attention.later_places.any()
    routed = Router(router).route(paths[0], train["question"][0])
    assert {ranked.vlm for ranked in routed.ranking} == set(VLMS)


def test_questions_only_from_logs_without_images(tmp_path: Path) -> None:
    """As where the TSVs of VLMEvalKit are not at hand."""
    outputs, _ = write_vlmevalkit(tmp_path)
    options = replace(FREE, no_images=True)
    found = load_log(tmp_path / "out", VlmEvalKitImporter(), outputs, options=options)
    assert {query["images"] for query in found.queries} == {()}
    assert found.kinds["query without an image"] == 3 * EACH
    kept = load_log(tmp_path / "out", LmmsEvalImporter(), *write_lmms_eval(tmp_path), options=options)
    assert len(kept.queries) == len(found.queries) == 3 * EACH
