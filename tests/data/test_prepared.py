import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from PIL import Image

from arms.data.prepare import prepare_dataset
from arms.data.prepared import Prepared, read_prepared, write_prepared
from arms.data.profiles import profile_sentence
from arms.data.sealed import seal_folder
from arms.data.tables import QUERIES, OutcomeTables, write_table
from arms.data.validation import Validated
from arms.data.validation import validate as validate_only
from arms.errors import ArmsError
from arms.params.data import OodParams, PoolParams, SplitParams

MakeDataset = Callable[..., OutcomeTables]
validate = partial(validate_only, thumbnail_side=32)


def prepare(validated: Validated, **settings: Any) -> Prepared:
    pools = {name: settings.pop(name, vlms) for name, vlms in (("base", ["large", "small"]), ("new", ["newer"]))}
    held_out = {name: settings.pop(f"ood_{name}", []) for name in ("benchmarks", "tasks")}
    drawn = {"by": "scene", "similarity": 0.98, "thumbnail_side": 32, "val_share": 0.1, "id_share": 0.2, "seed": 1}
    return prepare_dataset(
        validated,
        pools=PoolParams(**pools),
        ood=OodParams(**held_out),
        splits=SplitParams(**{**drawn, **settings}),
    )


@pytest.fixture
def validated(make_dataset: MakeDataset) -> Validated:
    return validate(make_dataset(40, simulated=True))


@pytest.fixture
def prepared(validated: Validated) -> Prepared:
    return prepare(validated, ood_benchmarks=["reading"])


def write(prepared: Prepared, validated: Validated, folder: Path) -> None:
    write_prepared(
        prepared, validated.report.to_dict(), validated.set_aside_queries, validated.set_aside_outcomes, folder
    )


def test_columns_and_hashes(prepared: Prepared, validated: Validated) -> None:
    row = prepared.queries.iloc[0]
    assert row["images_sha256"] == tuple(validated.image_sha256[image] for image in row["images"])
    assert row["question_sha256"] == hashlib.sha256(row["question"].encode("utf-8")).hexdigest()
    assert set(prepared.queries["split"]) <= {"train", "val", "id", "ood"}
    assert prepared.queries["query_id"].tolist() == validated.dataset.queries["query_id"].tolist()
    assert "images_sha256" not in validated.dataset.queries  # the input stays as it was


def test_pools_in_their_order(prepared: Prepared) -> None:
    assert (prepared.base, prepared.new) == (("large", "small"), ("newer",))
    assert prepared.extended == ("large", "small", "newer")
    assert tuple(vlm.name for vlm in prepared.vlms) == prepared.extended


def test_splits(prepared: Prepared) -> None:
    parts = [prepared.split(name) for name in ("train", "val", "id", "ood")]
    assert sum(map(len, parts)) == len(prepared.queries)
    assert parts[3]["benchmark"].unique().tolist() == ["reading"]
    for part in parts:
        assert part["query_id"].is_monotonic_increasing
        assert part.index.tolist() == list(range(len(part)))
    with pytest.raises(ArmsError, match="expected a split, one of train, val, id, ood, got 'test'"):
        prepared.split("test")


def test_excluded_queries_are_left_out_and_counted(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(40)
    queries = dataset.queries.assign(task=["held" if i == 2 else "other" for i in range(40)])
    prepared = prepare(validate(replace(dataset, queries=queries)), ood_tasks=["held"])
    assert prepared.num_excluded == 1
    assert prepared.split("ood")["query_id"].tolist() == ["q002"]
    assert "q003" not in set(prepared.queries["query_id"])  # on the image of q002
    assert "q003" not in set(prepared.outcomes["query_id"])


def test_vlms_in_no_pool_are_left_out(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(40, simulated=True)
    of_others = (dataset.outcomes["query_id"] == "q004") & (dataset.outcomes["vlm"] != "newer")
    validated = validate(replace(dataset, outcomes=dataset.outcomes[~of_others]))
    prepared = prepare(validated, base=["small", "large"], new=[])
    assert set(prepared.outcomes["vlm"]) == {"small", "large"}
    assert prepared.probabilities is not None
    assert set(prepared.probabilities["vlm"]) == {"small", "large"}
    assert prepared.num_unknown == 1  # only newer had an outcome on q004
    assert "q004" not in set(prepared.queries["query_id"])
    assert "q004" not in set(prepared.probabilities["query_id"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base": ["smal"]}, "pools.base: unknown VLM 'smal'; known: small, large, newer"),
        ({"new": ["a", "b"]}, "pools.new: unknown VLM 'a', 'b'; known: small, large, newer"),
        (
            {"new": ["small"]},
            "pools: expected each VLM once, in base or in new, got 'small' several times; known: small",
        ),
        ({"base": ["small", "small"]}, "got 'small' several times"),
        ({"ood_tasks": ["none"]}, "ood: no query has the held-out task 'none'; known: circles, lines"),
    ],
)
def test_errors(validated: Validated, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArmsError) as caught:
        prepare(validated, **settings)
    assert message in str(caught.value)


def test_outcome_matrix(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(40)
    outcomes = dataset.outcomes
    prepared = prepare(validate(replace(dataset, outcomes=outcomes.drop(index=[3 * 5 + 1]))))  # q005, large
    query_ids, vlms = ["q007", "q005", "q007", "q000"], ["newer", "large"]
    matrix = prepared.outcome_matrix(query_ids, vlms)
    right = outcomes.set_index(["query_id", "vlm"])["correct"]
    expected = np.array([[right[query, vlm] for vlm in vlms] for query in query_ids], dtype=np.float32)
    expected[1, 1] = np.nan
    np.testing.assert_array_equal(matrix, expected)
    assert matrix.dtype == np.float32


def test_cost_and_probability_matrix(prepared: Prepared, make_dataset: MakeDataset) -> None:
    costs = prepared.cost_matrix(["q001", "q003"], ["small", "large"])
    np.testing.assert_array_equal(costs, np.array([[np.nan, 0.001], [np.nan, 0.003]], dtype=np.float32))
    probabilities = prepared.probability_matrix(["q001"], prepared.extended)
    assert probabilities is not None
    assert (probabilities.shape, probabilities.dtype, probabilities.min()) == ((1, 3), np.float32, 0.25)
    dataset = make_dataset(40, folder="recorded")
    recorded = prepare(validate(replace(dataset, outcomes=dataset.outcomes.drop(columns="cost_usd"))))
    assert recorded.probability_matrix(["q001"], recorded.base) is None
    assert np.isnan(recorded.cost_matrix(["q001"], recorded.base)).all()


def test_matrix_of_nothing(prepared: Prepared) -> None:
    assert prepared.outcome_matrix([], prepared.base).shape == (0, 2)
    assert prepared.outcome_matrix(["q001"], []).shape == (1, 0)


def test_matrix_errors(prepared: Prepared) -> None:
    with pytest.raises(ArmsError, match=r"unknown VLM 'smal' \(1 in all\); known: large, small, newer"):
        prepared.outcome_matrix(["q001"], ["smal"])
    with pytest.raises(ArmsError, match=r"unknown query 'q999' \(1 in all\); these are not among the prepared"):
        prepared.outcome_matrix(["q001", "q999"], ["small"])
    with pytest.raises(ArmsError, match="unknown query 'q999'"):
        prepared.scene_groups(["q999"])


def test_scene_groups(prepared: Prepared) -> None:
    groups = prepared.scene_groups(["q005", "q000", "q004", "q001", "q000"])
    assert groups.tolist() == [0, 1, 0, 1, 1]
    assert groups.dtype == np.int64


def test_texts_and_images(prepared: Prepared) -> None:
    texts = prepared.texts()
    assert {hashlib.sha256(text.encode()).hexdigest() for text in texts.values()} == set(texts)
    sentences = {profile_sentence(vlm, kind) for vlm in prepared.vlms for kind in ("full", "name")}
    assert set(texts.values()) == set(prepared.queries["question"]) | sentences
    images = prepared.images(max_images=8)
    assert len(images) == 20
    assert {(key,) for key in images} == set(prepared.queries["images_sha256"])
    assert {(path,) for path in images.values()} <= set(prepared.queries["images"])


def test_scores_and_propensities_stay(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset(40)
    shares = {"score": [0.25, None, 1.0] * 40, "propensity": [0.5] * 120}
    validated = validate(replace(dataset, outcomes=dataset.outcomes.assign(**shares)))
    prepared = prepare(validated)
    write(prepared, validated, tmp_path / "prepared")
    again = read_prepared(tmp_path / "prepared")
    assert_frame_equal(again.outcomes, prepared.outcomes)
    assert_frame_equal(again.outcomes[[*shares]], pd.DataFrame(shares))
    plain = prepare(validate(dataset))
    assert list(plain.outcomes) == [name for name in prepared.outcomes if name not in shares]


def test_round_trip(prepared: Prepared, validated: Validated, tmp_path: Path) -> None:
    write(prepared, validated, tmp_path / "out")
    read = read_prepared(tmp_path / "out")
    assert_frame_equal(read.queries, prepared.queries)
    assert_frame_equal(read.outcomes, prepared.outcomes)
    assert prepared.probabilities is not None
    assert read.probabilities is not None
    assert_frame_equal(read.probabilities, prepared.probabilities)
    assert (read.vlms, read.base, read.new) == (prepared.vlms, prepared.base, prepared.new)
    assert (read.num_excluded, read.num_unknown) == (prepared.num_excluded, prepared.num_unknown)


def test_same_content_gives_the_same_bytes(make_dataset: MakeDataset, tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        dataset = make_dataset(40, folder=name, simulated=True)
        validated = validate(replace(dataset, queries=dataset.queries.assign(language=["en"] * 39 + [""])))
        write(prepare(validated), validated, tmp_path / f"{name}-out")
        files = sorted(path for path in (tmp_path / f"{name}-out").rglob("*") if path.is_file())
        contents.append({str(path.relative_to(tmp_path / f"{name}-out")): path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert sorted(contents[0]) == [
        "outcomes.parquet",
        "pools.json",
        "probabilities.parquet",
        "queries.parquet",
        "report.json",
        "set_aside/outcomes.parquet",
        "set_aside/queries.parquet",
        "sha256.json",
        "vlms.yaml",
    ]


def test_report(prepared: Prepared, validated: Validated, tmp_path: Path) -> None:
    write(prepared, validated, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["queries"] == {"kept": 40, "set_aside": 0}
    about = report["prepared"]
    assert about["base"] == ["large", "small"]
    assert about["splits"]["ood"] == {"queries": 10, "distinct_images": 5, "scenes": 5}
    assert sum(part["queries"] for part in about["splits"].values()) == 40
    assert (about["excluded_queries"], about["queries_without_outcome_in_pools"]) == (0, 0)


def test_reading_errors(prepared: Prepared, validated: Validated, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(ArmsError, match="out: expected a prepared dataset, got no such folder; run: dvc repro prepare"):
        read_prepared(folder)
    write(prepared, validated, folder)
    for content, message in (
        ('{"base": ["small", "large"], "new": ["newer"]}', r"expected vlms\.yaml to hold the pools of pools\.json"),
        ('{"base": ["small"]}', r"pools\.json: key 'new' is missing; run: dvc repro prepare"),
        ("{", r"pools\.json: expected a part .*, got something that is not JSON .*; run: dvc repro prepare"),
    ):
        (folder / "pools.json").write_text(content)
        with pytest.raises(ArmsError, match=r"pools\.json is damaged or was changed: .*; run: dvc repro prepare"):
            read_prepared(folder)
        seal_folder(folder)
        with pytest.raises(ArmsError, match=message):
            read_prepared(folder)


@pytest.mark.parametrize("name", ["queries.parquet", "outcomes.parquet", "vlms.yaml", "pools.json", "report.json"])
def test_a_file_that_was_not_prepared_with_the_others_is_named(
    prepared: Prepared, validated: Validated, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "out"
    write(prepared, validated, folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArmsError, match=rf"{name} is damaged or was changed: .*; run: dvc repro prepare"):
        read_prepared(folder)


def drawn_dataset(make_dataset: MakeDataset) -> OutcomeTables:
    """Forty queries on twenty pictures; pictures 2k and 2k + 1 show one scene in two sizes."""
    dataset = make_dataset(40)
    for number in range(20):
        pixels = np.random.default_rng(number // 2).integers(0, 255, (6, 6, 3), dtype=np.uint8)
        side = 96 * (1 + number % 2)
        picture = Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)
        picture.save(dataset.folder / f"images/{number:03d}.png")
    return dataset


def test_near_copies_never_part(make_dataset: MakeDataset) -> None:
    validated = validate(drawn_dataset(make_dataset))
    for seed in range(10):
        by_scene = prepare(validated, seed=seed, id_share=0.4, val_share=0.2)
        picture = by_scene.queries["images"].str[0].str[-7:-4].astype(int)
        assert (by_scene.queries.groupby(picture // 2)["split"].nunique() == 1).all()
        assert by_scene.queries["scene"].nunique() == 10
        assert by_scene.near_copies.get("id", {"0.98": 0})["0.98"] == 0


def test_splits_by_image_part_near_copies_and_say_so(make_dataset: MakeDataset) -> None:
    validated = validate(drawn_dataset(make_dataset))
    by_image = [prepare(validated, by="image", seed=seed, id_share=0.4, val_share=0) for seed in range(5)]
    assert all(prepared.queries["scene"].nunique() == 20 for prepared in by_image)
    assert sum(prepared.near_copies["id"]["0.98"] for prepared in by_image) > 1


def test_a_group_never_parts(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(40)
    group = pd.Series([f"g{number // 2 % 5}" for number in range(40)], dtype="str")
    validated = validate(replace(dataset, queries=dataset.queries.assign(group=group)))
    prepared = prepare(validated, id_share=0.4, val_share=0.2)
    assert (prepared.queries.groupby("group")["split"].nunique() == 1).all()
    assert prepared.queries["scene"].nunique() == 5


def test_held_out_scenes_take_their_near_copies_out_of_training(make_dataset: MakeDataset) -> None:
    dataset = drawn_dataset(make_dataset)
    task = np.where(np.arange(40) < 2, "held", "other")  # picture 0; picture 1 is its near-copy
    prepared = prepare(validate(replace(dataset, queries=dataset.queries.assign(task=task))), ood_tasks=["held"])
    assert prepared.num_excluded == 2
    assert prepared.split("ood")["query_id"].tolist() == ["q000", "q001"]


def test_recorded_splits(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(40)
    names = ["train"] * 20 + ["val"] * 4 + ["id"] * 10 + ["ood"] * 6
    validated = validate(replace(dataset, queries=dataset.queries.assign(split=names)))
    prepared = prepare(validated, by="recorded")
    assert prepared.queries["split"].tolist() == names


def mixed_dataset(make_dataset: MakeDataset) -> OutcomeTables:
    """Of every four queries one has two pictures, one none, and two share one; there are two questions without any."""
    dataset = drawn_dataset(make_dataset)
    own = dataset.queries["images"].tolist()
    images = [*own]
    for row in range(0, 40, 4):
        images[row] = (*own[row], *own[(row + 4) % 40])
        images[row + 1] = ()
    questions = [f"Why? ({row % 8})" if row % 4 == 1 else f"How many? ({row})" for row in range(40)]
    queries = dataset.queries.assign(images=pd.Series(images, dtype=object), question=questions)
    return replace(dataset, queries=queries)


def test_any_number_of_images(make_dataset: MakeDataset, tmp_path: Path) -> None:
    validated = validate(mixed_dataset(make_dataset))
    prepared = prepare(validated, val_share=0.2, id_share=0.3)
    queries = prepared.queries
    assert queries["images_sha256"].map(len).tolist() == queries["images"].map(len).tolist() == [2, 0, 1, 1] * 10
    # Pictures of queries 0, 4, 8, ... are chained to a ring; those of the queries between are near-copies of these.
    assert queries["scene"][queries["images"].map(len) > 0].nunique() == 1
    wordy = queries[queries["images"].map(len) == 0]
    assert wordy.groupby("question")["scene"].nunique().tolist() == [1, 1]
    assert wordy["scene"].nunique() == 2
    assert (wordy["scene"] == wordy["question_sha256"]).all()
    write(prepared, validated, tmp_path / "out")
    read = read_prepared(tmp_path / "out")
    assert_frame_equal(read.queries, queries)
    assert (len(prepared.images(max_images=8)), len(prepared.images(max_images=1))) == (20, 20)
    assert set(read.texts()) >= set(wordy["question_sha256"])


def test_only_the_first_images_of_a_query_count(make_dataset: MakeDataset) -> None:
    dataset = make_dataset(8)
    all_images = tuple(f"images/{number:03d}.png" for number in range(4))
    queries = dataset.queries.assign(images=pd.Series([all_images, (), *([all_images[:1]] * 6)], dtype=object))
    prepared = prepare(validate(replace(dataset, queries=queries)), val_share=0, id_share=0)
    paths = [[*prepared.images(most).values()] for most in (1, 2, 3, 8)]
    assert paths == [list(all_images[:most]) for most in (1, 2, 3, 4)]


def test_near_copies_are_counted_over_all_images(make_dataset: MakeDataset) -> None:
    """A picture has a near-copy in train wherever in a query's list that is."""
    dataset = drawn_dataset(make_dataset)
    images = dataset.queries["images"].tolist()
    split = ["train" if row < 20 else "id" for row in range(40)]
    images[0] = (*images[39], *images[0])  # the picture of the last query, before its own
    images[2] = ()
    queries = dataset.queries.assign(images=pd.Series(images, dtype=object), split=split)
    prepared = prepare(validate(replace(dataset, queries=queries)), by="recorded", val_share=0)
    sizes = prepared.queries["split"].value_counts()
    assert sizes["id"] + sizes["train"] + prepared.num_excluded == 40
    assert prepared.near_copies["id"]["0.98"] == pytest.approx(2 / 10)


def test_a_dataset_of_questions_only(make_dataset: MakeDataset, tmp_path: Path) -> None:
    dataset = make_dataset(40)
    questions = [f"Why? ({row % 20})" for row in range(40)]
    queries = dataset.queries.assign(images=pd.Series([()] * 40, dtype=object), question=questions)
    validated = validate(replace(dataset, queries=queries))
    prepared = prepare(validated, val_share=0.2, id_share=0.3)
    assert prepared.images(max_images=8) == {}
    assert (prepared.queries.groupby("question")["split"].nunique() == 1).all()
    assert prepared.near_copies == {}
    write(prepared, validated, tmp_path / "out")
    assert_frame_equal(read_prepared(tmp_path / "out").queries, prepared.queries)


def test_older_tables_of_one_image_each_are_read_on(prepared: Prepared, validated: Validated, tmp_path: Path) -> None:
    write(prepared, validated, tmp_path / "out")
    older = prepared.queries.assign(
        image=prepared.queries["images"].str[0], image_sha256=prepared.queries["images_sha256"].str[0]
    )
    write_table(older.drop(columns=["images", "images_sha256"]), tmp_path / "out" / QUERIES.file)
    seal_folder(tmp_path / "out")
    assert_frame_equal(read_prepared(tmp_path / "out").queries, prepared.queries)
