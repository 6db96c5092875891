from importlib.metadata import EntryPoint, EntryPoints

import pytest

from arms.errors import ArmsError
from arms.importers import registry
from arms.importers.outcome_tables import TablesImporter
from arms.importers.registry import IMPORTERS, find_importer, importer_names
from arms.importers.run import ImportOptions, import_log
from tests.importers.logs.tables import write_log


def test_the_names():
    assert set(IMPORTERS) == {
        "blindtest",
        "csv",
        "dynamath",
        "gateway",
        "helm",
        "lmms-eval",
        "m2",
        "mmr-bench",
        "records",
        "scope",
        "tables",
        "vl-routerbench",
        "vlmevalkit",
    }
    assert importer_names() == sorted(IMPORTERS)


def test_an_unknown_name():
    with pytest.raises(
        ArmsError, match=r"importer: unknown name 'table'; known: blindtest, csv, .*tables, vl-routerbench, vlmevalkit"
    ):
        find_importer("table")


@pytest.fixture
def installed(monkeypatch):
    """Importers that other packages are said to bring along."""

    def install(**values):
        points = EntryPoints(EntryPoint(name, value, registry.ENTRY_POINTS) for name, value in values.items())
        monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))

    return install


def test_an_entry_point_of_another_package(installed, tmp_path):
    installed(mine="arms.importers.outcome_tables:TablesImporter", csv="arms.importers.outcome_tables:TablesImporter")
    assert importer_names() == sorted([*IMPORTERS, "mine"])
    assert find_importer("csv") is not TablesImporter, "our own names stay ours"
    report = import_log(find_importer("mine")(), write_log(tmp_path), tmp_path / "out", ImportOptions(strict=True))
    assert report.report.queries_kept == 6
    with pytest.raises(ArmsError, match=r"unknown name 'other'; known: .*lmms-eval, m2, mine"):
        find_importer("other")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "no.such.module:Importer",
            r"^importer mine: the entry point no\.such\.module:Importer cannot be loaded: No module",
        ),
        ("arms.importers.outcome_tables:Missing", "cannot be loaded: .*Missing"),
        ("arms.errors:ArmsError", r"expected arms\.errors:ArmsError to be a subclass of Importer, got <class"),
        ("arms.importers.run:import_log", "to be a subclass of Importer, got <function"),
    ],
)
def test_an_entry_point_that_is_no_importer(installed, value, message):
    installed(mine=value)
    with pytest.raises(ArmsError, match=message):
        find_importer("mine")


def test_a_package_that_fails_to_load(installed, tmp_path, monkeypatch):
    (tmp_path / "failing_importer.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    installed(mine="failing_importer:MyImporter")
    with pytest.raises(ArmsError, match="entry point failing_importer:MyImporter cannot be loaded: no licence"):
        find_importer("mine")
