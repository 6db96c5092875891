import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from arms.data.importers import IMPORTERS, find_importer, import_dataset, import_tables
from arms.data.tables import Dataset, read_dataset, write_dataset
from arms.data.validation import validate
from arms.errors import ArmsError

MakeDataset = Callable[..., Dataset]


@pytest.fixture
def source(make_dataset: MakeDataset) -> Path:
    """A dataset folder with one query that cannot be used, q002, and an image that no query uses."""
    dataset = make_dataset(simulated=True)
    queries = dataset.queries.assign(question=["" if i in (2, 3) else "How many?" for i in range(8)])
    write_dataset(replace(dataset, queries=queries), dataset.folder)
    (dataset.folder / "images/unused.png").write_bytes((dataset.folder / "images/000.png").read_bytes())
    return dataset.folder


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_import(source: Path, tmp_path: Path) -> None:
    seen = []
    report = import_tables(source, tmp_path / "raw" / "mine", workers=2, progress=lambda *done: seen.append(done))
    destination = tmp_path / "raw" / "mine"
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
        "vlms.yaml",
    ]
    assert report.queries_set_aside == 2
    assert json.loads((destination / "import_report.json").read_text()) == report.to_dict()
    set_aside = pd.read_parquet(destination / "set_aside/queries.parquet")
    assert set_aside[["query_id", "reason"]].to_numpy().tolist() == [["q002", "no question"], ["q003", "no question"]]
    assert len(pd.read_parquet(destination / "set_aside/outcomes.parquet")) == 6
    assert seen[-1] == (3, 3)
    assert validate(read_dataset(destination), strict=True).report.queries_kept == 6


def test_images_are_copies(source: Path, tmp_path: Path) -> None:
    (source / "images/000.png").rename(source / "real.png")
    (source / "images/000.png").symlink_to(source / "real.png")
    import_tables(source, tmp_path / "out")
    copy = tmp_path / "out/images/000.png"
    assert not copy.is_symlink()
    assert copy.stat().st_nlink == 1
    assert copy.read_bytes() == (source / "real.png").read_bytes()


def test_import_twice_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    import_tables(source, tmp_path / "a")
    import_tables(source, tmp_path / "b", workers=1)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    for name in files(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_existing_destination(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").touch()
    with pytest.raises(ArmsError, match="out: expected nothing there, got an existing path; name another folder, or"):
        import_tables(source, tmp_path / "out")
    import_tables(source, tmp_path / "out", replace=True)
    assert not (tmp_path / "out/old").exists()


def test_strict_writes_nothing(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match="expected every row to be usable"):
        import_tables(source, tmp_path / "out", strict=True)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_nothing_usable(source: Path, tmp_path: Path) -> None:
    dataset = read_dataset(source)
    write_dataset(replace(dataset, queries=dataset.queries.assign(question="")), source)
    with pytest.raises(ArmsError, match="source: expected at least one usable query, got none\nqueries: 0 kept, 8 set"):
        import_tables(source, tmp_path / "out")


@pytest.mark.parametrize("destination", ["source", "."])
def test_destination_that_holds_the_source(source: Path, destination: str) -> None:
    with pytest.raises(ArmsError, match="expected a folder that does not hold the source"):
        import_tables(source, source.parent / destination, replace=True)
    assert read_dataset(source).vlms


def test_image_that_changes_while_importing(source: Path, tmp_path: Path) -> None:
    def spoil_at_the_end(done: int, total: int) -> None:
        if done == total:
            (source / "images/000.png").write_bytes(b"other")

    with pytest.raises(ArmsError, match=r"000\.png: expected the image as it was validated, got other content"):
        import_tables(source, tmp_path / "out", progress=spoil_at_the_end)
    assert not (tmp_path / "out").exists()


def test_registry(source: Path, tmp_path: Path) -> None:
    report = import_dataset(find_importer("tables"), [source], tmp_path / "out")
    assert report.queries_kept == 6
    assert "tables" in IMPORTERS
    with pytest.raises(ArmsError, match="importer: unknown name 'table'; known: tables"):
        find_importer("table")
    with pytest.raises(ArmsError, match="tables: expected one source, a dataset folder, got 2"):
        import_dataset(find_importer("tables"), [source, source], tmp_path / "other")
