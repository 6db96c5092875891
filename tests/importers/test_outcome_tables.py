import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from arms.data.tables import OutcomeTables, read_dataset, write_dataset
from arms.data.validation import validate
from arms.errors import ArmsError
from arms.importers.import_report import ImportReport
from arms.importers.outcome_tables import TablesImporter
from arms.importers.run import ImportOptions, import_log
from tests.importers.logs.tables import MISSING, write_log

MakeDataset = Callable[..., OutcomeTables]


@pytest.fixture
def source(make_dataset: MakeDataset) -> Path:
    """A dataset folder with queries that cannot be used, q002 and q003, and an image that no query uses."""
    dataset = make_dataset(simulated=True)
    queries = dataset.queries.assign(task=["" if i in (2, 3) else "count" for i in range(8)])
    write_dataset(replace(dataset, queries=queries), dataset.folder)
    (dataset.folder / "images/unused.png").write_bytes((dataset.folder / "images/000.png").read_bytes())
    return dataset.folder


def import_tables(source: Path, destination: Path, **options: Any) -> ImportReport:
    return import_log(TablesImporter(), [source], destination, ImportOptions(**options))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def with_images(folder: Path, names: list[str]) -> None:
    """Give the dataset's queries other image paths."""
    dataset = read_dataset(folder)
    write_dataset(replace(dataset, queries=dataset.queries.assign(images=[(name,) for name in names])), folder)


def test_import(source: Path, tmp_path: Path) -> None:
    destination = tmp_path / "raw" / "mine"
    report = import_tables(source, destination, workers=2)
    assert files(destination) == [
        "images/000.png",
        "images/002.png",
        "images/003.png",  # 001.png belonged to q002 and q003 alone
        "import_report.json",
        "outcomes.parquet",
        "probabilities.parquet",
        "queries.parquet",
        "set_aside/outcomes.parquet",
        "set_aside/queries.parquet",
        "set_aside/source.parquet",
        "vlms.yaml",
    ]
    assert report.report.queries_set_aside == 2
    assert (report.images_found, report.images_lost, report.rows_set_aside) == (3, 0, 0)
    assert json.loads((destination / "import_report.json").read_text()) == report.to_dict()
    set_aside = pd.read_parquet(destination / "set_aside/queries.parquet")
    assert set_aside[["query_id", "reason"]].to_numpy().tolist() == [["q002", "no task"], ["q003", "no task"]]
    assert len(pd.read_parquet(destination / "set_aside/outcomes.parquet")) == 6
    assert pd.read_parquet(destination / "set_aside/source.parquet").empty
    assert validate(read_dataset(destination), strict=True).report.queries_kept == 6


def test_the_tables_are_kept_to_the_letter(tmp_path: Path) -> None:
    (source,) = write_log(tmp_path)
    import_tables(source, tmp_path / "out", strict=True)
    before, after = read_dataset(source), read_dataset(tmp_path / "out")
    pd.testing.assert_frame_equal(after.queries, before.queries)
    pd.testing.assert_frame_equal(after.outcomes, before.outcomes)
    assert after.vlms == before.vlms
    pairs = list(zip(after.outcomes["query_id"], after.outcomes["vlm"], strict=True))
    assert (len(pairs), MISSING in pairs) == (17, False)


def test_images_are_copies(source: Path, tmp_path: Path) -> None:
    (source / "images/000.png").rename(source / "real.png")
    (source / "images/000.png").symlink_to(source / "real.png")
    import_tables(source, tmp_path / "out")
    copy = tmp_path / "out/images/000.png"
    assert not copy.is_symlink()
    assert copy.stat().st_nlink == 1
    assert copy.read_bytes() == (source / "real.png").read_bytes()


def test_one_image_under_several_spellings_of_its_path(source: Path, tmp_path: Path) -> None:
    spelled = ["images/000.png", "./images//000.png", "images/001.png", "images/./001.png"]
    with_images(source, [*spelled, *["images/002.png", "images\\002.png"], *["images/003.png"] * 2])
    import_tables(source, tmp_path / "out")
    out = read_dataset(tmp_path / "out")  # q002 and q003 are set aside
    expected = ["images/000.png"] * 2 + ["images/002.png"] * 2 + ["images/003.png"] * 2
    assert out.queries["images"].str[0].tolist() == expected
    assert validate(out, strict=True).report.distinct_images == 3


def test_images_that_cannot_keep_their_paths(source: Path, tmp_path: Path) -> None:
    content = (source / "images/000.png").read_bytes()
    (source / "import_report.json").write_bytes(content)
    (source / "Set_Aside").mkdir()
    (source / "Set_Aside/a.png").write_bytes(content)
    absolute = str(source / "images/000.png")
    names = ["import_report.json", "Set_Aside/a.png", "images/001.png", "images/001.png", absolute, "C:\\a.png"]
    with_images(source, [*names, "images/../images/000.png", "images/003.png"])
    import_tables(source, tmp_path / "out")
    reasons = pd.read_parquet(tmp_path / "out/set_aside/queries.parquet").set_index("query_id")["reason"].to_dict()
    assert reasons == {
        "q000": "image under a table's name: import_report.json",
        "q001": "image under a table's name: Set_Aside/a.png",
        "q002": "no task",
        "q003": "no task",
        "q004": f"absolute image path: {absolute}",
        "q005": "absolute image path: C:\\a.png",
        "q006": "image path with '..': images/../images/000.png",
    }
    assert validate(read_dataset(tmp_path / "out"), strict=True).report.queries_kept == 1


def test_an_import_of_an_import_is_the_same(source: Path, tmp_path: Path) -> None:
    import_tables(source, tmp_path / "a")
    import_tables(tmp_path / "a", tmp_path / "b", strict=True)
    kept = [name for name in files(tmp_path / "a") if "set_aside" not in name and "report" not in name]
    for name in kept:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_truncated_images_are_found_where_asked_for(source: Path, tmp_path: Path) -> None:
    content = (source / "images/000.png").read_bytes()
    (source / "images/000.png").write_bytes(content[:45])  # its header is whole
    assert import_tables(source, tmp_path / "a").report.queries_kept == 6
    assert import_tables(source, tmp_path / "b", verify_images=True).report.queries_kept == 4
    assert files(tmp_path / "b")[0] == "images/002.png"


def test_what_is_written_is_what_was_checked(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (source / "images/000.png").read_bytes()

    def spoil_at_the_end(done: int, total: int) -> None:
        if done == total:
            (source / "images/000.png").write_bytes(b"other")

    monkeypatch.setattr("arms.progress._show", lambda *label: nullcontext(spoil_at_the_end))
    import_tables(source, tmp_path / "out")
    assert (source / "images/000.png").read_bytes() == b"other"
    assert (tmp_path / "out/images/000.png").read_bytes() == content


def test_renamed_vlms_keep_their_profiles_and_probabilities(source: Path, tmp_path: Path) -> None:
    import_tables(source, tmp_path / "out", rename={"small": "tiny"})
    out = read_dataset(tmp_path / "out")
    assert [(vlm.name, vlm.provider) for vlm in out.vlms] == [("tiny", "Acme"), ("large", None), ("newer", None)]
    assert out.outcomes["vlm"].value_counts().to_dict() == {"tiny": 6, "large": 6, "newer": 6}
    assert out.probabilities is not None
    assert out.probabilities["vlm"].value_counts().to_dict() == {"tiny": 6, "large": 6, "newer": 6}


def test_one_source(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match="tables: expected one source, a dataset folder, got 2"):
        import_log(TablesImporter(), [source, source], tmp_path / "out")
    with pytest.raises(ArmsError, match=r"queries\.parquet: expected a dataset folder .*got a file"):
        import_tables(source / "queries.parquet", tmp_path / "out")
