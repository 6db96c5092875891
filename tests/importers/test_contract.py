"""What holds for every importer."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from arms.errors import ArmsError
from arms.importers.base import Importer
from arms.importers.registry import IMPORTERS, find_importer
from tests.importers.helpers import FREE, Imported

Load = Callable[..., Imported]
STRICT = replace(FREE, strict=True)


@pytest.fixture(params=IMPORTERS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def importer(name: str) -> Importer:
    return find_importer(name)()


@pytest.fixture
def sources(name: str, tmp_path: Path) -> tuple[Path, ...]:
    """A small log of the format, of which every row can be used."""
    return import_module(f"tests.importers.logs.{name.replace('-', '_')}").write_log(tmp_path / "log")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()


class TestEveryImporter:
    def test_what_it_says_of_itself(self, name: str, importer: Importer) -> None:
        assert importer.summary.endswith(".")
        assert "\n" not in importer.summary
        assert importer.example.startswith(f"arms import {name} ")
        assert all(setting.metadata["help"].endswith(".") for setting in fields(importer))

    def test_a_whole_log(self, importer: Importer, sources: tuple[Path, ...], load: Load) -> None:
        found = load(importer, *sources, options=STRICT)
        report = found.report
        assert (len(found.queries), report.rows_set_aside, report.images_lost) == (6, 0, 0)
        assert len(found.outcomes) >= 17
        assert {row["vlm"] for row in found.outcomes} == set(report.report.outcomes_per_vlm)
        written = json.loads((found.folder / "import_report.json").read_text())
        assert written == report.to_dict()
        assert written["format"] == type(importer).__name__
        assert written["sources"] == [*map(str, sources)]
        assert set(written["settings"]) == {setting.name for setting in fields(importer)}

    def test_progress(
        self, importer: Importer, sources: tuple[Path, ...], load: Load, watched: list[tuple[Any, ...]]
    ) -> None:
        load(importer, *sources)
        ends = {label: (done, total) for label, done, total in watched}
        assert list(ends)[-1] == "check images"
        assert all(done == total > 0 for done, total in ends.values())
        if type(importer).__name__ != "TablesImporter":  # they are read at once
            assert list(ends) == ["read", "check images"]

    def test_the_same_log_gives_the_same_bytes(
        self, importer: Importer, sources: tuple[Path, ...], load: Load, tmp_path: Path
    ) -> None:
        contents = []
        for workers in (1, 5):
            found = load(importer, *sources, options=replace(STRICT, workers=workers))
            contents.append({path: path.read_bytes() for path in found.folder.rglob("*") if path.is_file()})
        assert contents[0] == contents[1]

    def test_a_source_of_another_kind(self, importer: Importer, load: Load, tmp_path: Path) -> None:
        (tmp_path / "log/notes.txt").write_text("These are notes, and no log.")
        for source in (tmp_path / "log/notes.txt", tmp_path / "log"):
            with pytest.raises(ArmsError, match=f"{source}.*: expected "):
                load(importer, source)
        assert not (tmp_path / "out").exists()
