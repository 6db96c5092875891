"""Damaged logs of every format: an import ends with a clear error and nothing written, or with a whole dataset.

A default run tries a few cases of each format, one marked slow many. ARMS_FUZZ_CASES says how many are tried with fresh
seeds, instead of the same ones in each run.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import signal
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from arms.data.tables import OutcomeTables, read_dataset
from arms.data.validation import validate
from arms.errors import ArmsError
from arms.importers.import_report import ImportReport
from arms.importers.registry import IMPORTERS, find_importer
from arms.importers.run import ImportOptions, import_log
from tests.importers.damage.files import LOG
from tests.importers.damage.kinds import KINDS, TAKE_FILES, TAKE_PARTS, Step, damageable

CASES, FEW = 290, 5  # of each format, in a slow run and in a default one
LONGEST_S = 30  # of one import: what waits for a pipe waits for ever

_MORE = os.environ.get("ARMS_FUZZ_CASES")
_NUM_CASES = [
    pytest.param(int(_MORE), id="more") if _MORE else pytest.param(FEW, id="few"),
    pytest.param(CASES, id="many", marks=pytest.mark.slow),
]

Verdicts = dict[tuple[str, str], bool]  # by query and VLM


class Format:
    """A format's undamaged log, and a place for damaged copies."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.importer = find_importer(name)()
        self.place = folder / "case"
        self._whole = folder / LOG
        self._whole.mkdir()
        module = import_module(f"tests.importers.logs.{name.replace('-', '_')}")
        self._sources = [source.relative_to(self._whole) for source in module.write_log(self._whole)]
        for path in self._whole.rglob("*.xlsx"):
            forget_times(path)
        suffixes = {path.suffix for path in damageable(self._whole, ())}
        self.kinds = [kind for kind, (_, of) in KINDS.items() if not of or suffixes & set(of)]
        self.damaged(())
        self.run(ImportOptions(access="free", strict=True))
        self.verdicts = verdicts_of(read_dataset(self.destination))

    @property
    def destination(self) -> Path:
        return self.place / "datasets" / "out"

    @property
    def log(self) -> Path:
        return self.place / LOG

    def damaged(self, steps: tuple[Step, ...] | list[Step]) -> None:
        """Put a damaged copy of the log in its place."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self._whole, self.log, copy_function=os.link)
        for step in steps:
            step.apply(self.log)

    def run(self, options: ImportOptions) -> ImportReport:
        with time_limit(LONGEST_S):
            return import_log(self.importer, [self.log / source for source in self._sources], self.destination, options)


@pytest.fixture(scope="module", params=IMPORTERS)
def format_(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Format:
    return Format(request.param, tmp_path_factory.mktemp(request.param))


def steps_of(kinds: list[str], most: int = 3) -> st.SearchStrategy[list[Step]]:
    step = st.builds(Step, st.sampled_from(kinds), st.integers(0, 2**32 - 1), st.sampled_from([False] * 7 + [True]))
    return st.lists(step, min_size=1, max_size=most)


def fuzz(num_cases: int) -> settings:
    return settings(
        max_examples=num_cases,
        derandomize=not _MORE,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("num_cases", _NUM_CASES)
def test_damaged_logs(format_: Format, num_cases: int) -> None:
    @fuzz(num_cases)
    @given(steps_of(format_.kinds), st.booleans(), st.sampled_from([1, 1, 3]))
    def each(steps: list[Step], verify_images: bool, workers: int) -> None:
        options = ImportOptions(access="free", verify_images=verify_images, workers=workers)
        ended = try_case(format_, steps, options)
        counts[ended] += 1

    counts: Counter[str] = Counter()
    each()
    logging.getLogger(__name__).info("%s: %d cases, %s", format_.name, counts.total(), dict(counts))
    if num_cases >= CASES:
        assert counts["whole"] > counts.total() // 10
        assert counts["refused"] > 0


def try_case(format_: Format, steps: list[Step], options: ImportOptions) -> str:
    """Damage a log, import it, check what came of it."""
    note(f"format {format_.name!r}, {steps}, {options}")
    format_.damaged(steps)
    try:
        report = format_.run(options)
    except ArmsError as error:
        check_error(str(error), format_)
        return "refused"
    dataset = read_dataset(format_.destination)
    check_dataset(report, dataset, options)
    check_set_aside(report, dataset.folder / "set_aside")
    check_images(report, dataset, format_)
    check_verdicts(verdicts_of(dataset), format_.verdicts, {step.kind for step in steps})
    return "whole"


@pytest.mark.parametrize("num_cases", _NUM_CASES)
def test_damaged_logs_end_in_the_same_way_again(format_: Format, num_cases: int) -> None:
    """Whatever the number of threads: the same error, or the same bytes."""

    @fuzz(max(2, num_cases // 30))
    @given(steps_of(format_.kinds))
    def each(steps: list[Step]) -> None:
        note(f"format {format_.name!r}, {steps}")
        format_.damaged(steps)
        assert ending(format_, workers=1) == ending(format_, workers=5)

    each()


def ending(format_: Format, workers: int) -> str | dict[str, bytes]:
    """The error of an import, or what it wrote."""
    out = format_.destination
    shutil.rmtree(out, ignore_errors=True)
    try:
        format_.run(ImportOptions(access="free", workers=workers))
    except ArmsError as error:
        return str(error)
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def check_error(text: str, format_: Format) -> None:
    """It says where, in so many words, and nothing is written."""
    assert len(text) > 30
    assert str(format_.log) in text or re.search(r"metric \S+: |VLM '.*' of the log: ", text), text[:500]
    assert not os.path.lexists(format_.destination)
    assert list(format_.destination.parent.glob("*")) == [], "a temporary folder is left"


def check_dataset(report: ImportReport, dataset: OutcomeTables, options: ImportOptions) -> None:
    """It is whole, and the report tells of it what it holds."""
    out = dataset.folder
    assert [path.name for path in out.parent.iterdir()] == ["out"], "a temporary folder is left"
    again = validate(dataset, strict=True, workers=1, decode=options.verify_images).report
    told = report.report
    assert (told.queries_kept, told.outcomes_kept) == (len(dataset.queries), len(dataset.outcomes))
    assert told.distinct_images == again.distinct_images
    per_vlm = dataset.outcomes["vlm"].value_counts()
    assert told.outcomes_per_vlm == {vlm.name: per_vlm.get(vlm.name, 0) for vlm in dataset.vlms}
    assert json.loads((out / "import_report.json").read_text(encoding="utf-8")) == json.loads(
        json.dumps(report.to_dict())
    )
    assert len(report.text().encode()) > 100


def check_set_aside(report: ImportReport, folder: Path) -> None:
    """Every row is accounted for."""
    found = {
        table: sum(one.count for one in report.report.findings if one.table == table and one.set_aside)
        for table in ("queries", "outcomes", "source")
    }
    queries, outcomes, source = (
        pd.read_parquet(folder / f"{table}.parquet", dtype_backend="pyarrow") for table in found
    )
    assert found["queries"] == report.report.queries_set_aside == len(queries)
    assert found["outcomes"] == report.report.outcomes_set_aside == len(outcomes)
    assert found["source"] == report.rows_set_aside == source["rows"].sum()
    for table in (queries, outcomes, source):
        assert table["reason"].str.len().gt(0).all()
    assert source["where"].str.len().gt(0).all()


def check_images(report: ImportReport, dataset: OutcomeTables, format_: Format) -> None:
    """They are files of the dataset's own, those that its queries use, and none is from outside the log."""
    out = dataset.folder
    tables = {"queries.parquet", "outcomes.parquet", "vlms.yaml", "import_report.json"}
    paths = [path for path in out.rglob("*") if not path.is_dir() or path.is_symlink()]
    assert all(not path.is_symlink() and path.is_file() and path.stat().st_nlink == 1 for path in paths)
    images = {str(path.relative_to(out)) for path in paths if path.parent.name != "set_aside"} - tables
    assert images == {image for of in dataset.queries["images"] for image in of}
    assert report.images_found >= report.report.distinct_images
    within = {digest(path) for path in damageable(format_.log, ())}
    outside = {digest(path) for path in (format_.place / "outside").rglob("*.*g") if path.is_file()} - within
    assert outside.isdisjoint(digest(out / name) for name in images)


def check_verdicts(found: Verdicts, before: Verdicts, kinds: set[str]) -> None:
    """Where something was taken away and nothing added, nothing becomes right or wrong."""
    if kinds <= TAKE_FILES:
        assert not found.items() - before.items()
    if kinds <= TAKE_PARTS:  # of which a part of a query's id may be one
        assert not Counter(found.values()) - Counter(before.values())


def verdicts_of(dataset: OutcomeTables) -> Verdicts:
    """By query and VLM."""
    outcomes = dataset.outcomes
    return dict(zip(zip(outcomes["query_id"], outcomes["vlm"], strict=True), outcomes["correct"], strict=True))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def forget_times(path: Path) -> None:
    """Write a workbook anew without the time at which it was written, so that damage to it is the same in each run."""
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in parts.items():
            content = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", b"2026-01-01T00:00:00Z", content)
            book.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer."""

    def fail(*_: Any) -> None:
        raise AssertionError(f"the import takes longer than {seconds} s")

    started = time.monotonic()
    before = signal.signal(signal.SIGALRM, fail)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)  # what pytest-timeout had set
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 0.001) if left else 0)
        signal.signal(signal.SIGALRM, before)
