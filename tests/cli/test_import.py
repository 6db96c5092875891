import json
import re
from pathlib import Path

import pytest

from arms.data.tables import read_dataset
from arms.importers import registry
from arms.importers.registry import importer_names
from arms.params.data import read_data_params
from tests.cli.helpers import check_failed, run, run_json
from tests.fakes import PROFILES, make_queries


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A log of the made-up format, and an importer of it."""
    for name in ("Made", "Clashing"):
        monkeypatch.setitem(registry.IMPORTERS, name.lower(), f"tests.cli.made_importer:{name}Importer")
    make_queries(1).pictures[0].save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("a.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "notes.txt"


def test_import(source, tmp_path):
    result = run("import", "tables", source, "--name", "mine")
    assert result.exit_code == 0, result.output
    assert "queries: 5 kept, 1 set aside" in result.stdout
    assert "imported 5 queries with 15 outcomes into data/raw/mine in " in result.stdout
    assert "next:" not in result.stdout, "outside a project there are no settings to look at"
    assert len(read_dataset(tmp_path / "work/data/raw/mine").queries) == 5


def test_a_project_gets_settings_to_begin_with(source):
    Path("conf/data").mkdir(parents=True)
    result = run("import", "tables", source, "--name", "mine")
    told = "next: look at its pools in conf/data/mine.yaml; then: dvc exp run -S data=mine"
    assert result.stdout.splitlines()[-1] == told
    params = read_data_params("mine")
    assert params.pools.base == [profile.name for profile in PROFILES]
    assert str(source) in params.description


def test_what_is_in_no_pool_after_a_second_import(source):
    Path("conf/data").mkdir(parents=True)
    run("import", "tables", source, "--name", "mine")
    path = Path("conf/data/mine.yaml")
    small, *others = (profile.name for profile in PROFILES)
    path.write_text(path.read_text().replace(f"  - {others[-1]}\n", "").replace(f"  - {small}\n", "  - gone\n"))
    before = path.read_text()
    result = run("import", "tables", source, "--name", "mine", "--replace")
    assert result.exit_code == 0, result.output
    *_, told, line, last = result.stdout.splitlines()
    assert told == (
        f"conf/data/mine.yaml stays as it is. VLMs in no pool, and so left out: {small}, {others[-1]}; VLMs in a "
        "pool, but not in the data: gone. With all of them its line under pools: is"
    )
    assert line == f"  base: [{', '.join([*others[:-1], small, others[-1]])}]"
    assert last.startswith("next: ")
    assert path.read_text() == before
    found = run_json("import", "tables", source, "--name", "mine", "--replace")
    assert (found["in_no_pool"], found["only_in_pools"]) == ([small, others[-1]], ["gone"])


def test_json(source):
    report = run_json("import", "tables", source)
    assert (report["dataset"], report["folder"], report["conf"]) == ("logs", "data/raw/logs", None)
    assert report["queries"] == {"kept": 5, "set_aside": 1}
    assert report["format"] == "TablesImporter"
    Path("conf/data").mkdir(parents=True)
    assert run_json("import", "tables", source, "--replace")["conf"] == "conf/data/logs.yaml"


def test_the_name_is_the_folders(source):
    assert "into data/raw/logs in " in run("import", "tables", "../logs").stdout


@pytest.mark.parametrize("name", [".", "..", "a/b", ".hidden", "-x", "a b"])
def test_a_name_that_is_no_folders(source, name):
    check_failed(
        run("import", "tables", source, f"--name={name}"),
        "--name, of a folder in data/raw: expected a name of letters, digits,",
    )
    assert not Path("data").exists()


def test_the_name_of_the_embedded_dataset_is_taken(source):
    check_failed(run("import", "tables", source, "--name", "sample"), "expected another name than 'sample', which is")
    assert not Path("data").exists()


def test_a_name_that_looks_like_a_number(source):
    Path("conf/data").mkdir(parents=True)
    assert run("import", "tables", source, "--name", "123").stdout.endswith("then: dvc exp run -S \"data='123'\"\n")
    assert read_data_params("123").pools.base


def test_several_sources_need_a_name(source):
    result = run("import", "tables", source, source)
    assert result.exit_code == 2
    assert "expected --name, as there are several sources" in result.stderr


def test_it_replaces_when_told_to(source):
    assert run("import", "tables", source).exit_code == 0
    told = "data/raw/logs: expected nothing there, got an existing path; name another folder, or replace it: --replace"
    check_failed(run("import", "tables", source), told)
    assert run("import", "tables", source, "--replace").exit_code == 0


def test_strict(source, tmp_path):
    check_failed(run("import", "tables", source, "--strict"), "expected every row to be usable")
    assert not (tmp_path / "work/data/raw/logs").exists()


def test_no_tables(source, tmp_path):
    check_failed(run("import", "tables", tmp_path / "work"), "work")


def test_an_unknown_format(source):
    result = run("import", "notes", source)
    assert result.exit_code == 2
    assert "No such command 'notes'" in result.stderr


@pytest.mark.parametrize("name", importer_names())
def test_the_importers_that_are_there(name):
    (line,) = [line for line in run("import", "--help").stdout.splitlines() if line.startswith(f"  {name} ")]
    assert "Cannot be loaded" not in line


class TestFlags:
    """Made from an importer's settings."""

    def test_help(self, made):
        lines = run("import", "made", "-h").stdout.splitlines()
        options = [line.strip() for line in lines if line.startswith("  --")]
        assert [option.split("  ")[0] for option in options[:9]] == [
            "--some-text TEXT",
            "--number SHARE",
            "--whole INTEGER",
            "--old-style INTEGER",
            "--place PATH",
            "--word [a|b]",
            "--switch",
            "--answers TEXT",
            "--levels INTEGER",
        ]
        assert "A text.  [default: low]" in options[0]
        assert "[default" not in "".join(options[option] for option in (1, 3, 4, 6, 8))
        assert "  It names an image." in lines
        assert "    arms import made notes.txt --some-text high --word b" in lines

    def test_without_any(self, made):
        settings = run_json("import", "made", made, "--access", "free")["settings"]
        assert settings == {
            "some_text": "low",
            "number": None,
            "whole": 3,
            "old_style": None,
            "place": None,
            "word": "a",
            "switch": False,
            "answers": ["solo"],
            "levels": [],
        }

    def test_of_every_kind(self, made):
        flags = "--some-text high --number 0.5 --whole 4 --old-style 5 --place there --word b --switch --answers x"
        flags += " --answers y --levels 1 --levels 2 --access free"
        report = run_json("import", "made", made, *flags.split())
        assert report["settings"] == {
            "some_text": "high",
            "number": 0.5,
            "whole": 4,
            "old_style": 5,
            "place": "there",
            "word": "b",
            "switch": True,
            "answers": ["x", "y"],
            "levels": [1, 2],
        }
        assert sorted(report["vlms"]) == ["x", "y"]

    @pytest.mark.parametrize("flags", ["--whole 1.5", "--number much", "--word c", "--levels x", "--unheard-of 1"])
    def test_that_are_wrong(self, made, flags):
        assert run("import", "made", made, *flags.split()).exit_code == 2

    @pytest.mark.parametrize(
        "flags", ["--some-text a --some-text b", "--whole 1 --whole 1", "--name a --name b", "--workers 1 --workers 2"]
    )
    def test_that_may_be_said_once(self, made, flags):
        """Of two the last would win, and nobody would know."""
        result = run("import", "made", made, *flags.split())
        assert result.exit_code == 2
        assert re.search(r"Invalid value for '--\S+': expected it once, got \S+ and \S+", result.stderr)

    def test_that_all_importers_have(self, made):
        told = "importer clashing: expected settings of other names than images, which all have"
        check_failed(run("import", "clashing", made), told)

    @pytest.mark.parametrize("pair", ["x", "=x", "x="])
    def test_rename_wants_pairs(self, made, pair):
        result = run("import", "made", made, "--rename", pair)
        assert result.exit_code == 2
        assert f"expected LOG=NAME, got '{pair}'" in result.stderr

    def test_access_of_each_vlm(self, made):
        flags = ("--answers", "a", "--answers", "b=c", "--answers", "d", "--access", "b=c=paid", "--access", "free")
        run_json("import", "made", made, *flags)
        access = {vlm.name: vlm.access for vlm in read_dataset("data/raw/notes").vlms}
        assert access == {"a": "free", "b=c": "paid", "d": "free"}

    @pytest.mark.parametrize(
        ("flags", "told"),
        [
            ("--access cheap", "expected free or paid, got 'cheap'"),
            ("--access a=", "expected free, paid, VLM=free or VLM=paid, got 'a='"),
            ("--access free --access paid", "expected it once for all, got 'paid' too"),
            ("--rename a=b --rename a=c", "expected it once for a, got 'a=c' too"),
        ],
    )
    def test_access_and_rename_that_are_wrong(self, made, flags, told):
        result = run("import", "made", made, *flags.split())
        assert result.exit_code == 2
        assert told in result.stderr

    def test_rename_and_profiles(self, made):
        """The log's name may hold an equals sign, the new one not."""
        Path("mine.yaml").write_text("- {name: Nova, access: paid}")
        flags = ("--answers", "so=lo", "--rename", "so=lo=nova")
        run_json("import", "made", made, *flags, "--access", "free", "--name", "bare")
        run_json("import", "made", made, *flags, "--vlms", "mine.yaml")
        vlms = [vlm for name in ("bare", "notes") for vlm in read_dataset(f"data/raw/{name}").vlms]
        assert [(vlm.name, vlm.access) for vlm in vlms] == [("nova", "free"), ("nova", "paid")]

    def test_the_catalogue_is_looked_at(self, made):
        check_failed(run("import", "made", made), "the log has VLMs without a profile: solo")
        Path("data").mkdir(exist_ok=True)
        Path("data/vlms.yaml").write_text("- {name: Solo, access: paid, price_in: 2}")
        run_json("import", "made", made)
        (profile,) = read_dataset("data/raw/notes").vlms
        assert (profile.name, profile.price_in) == ("solo", 2)


class TestBroken:
    """An importer that cannot be loaded stands in the way of no other one."""

    @pytest.fixture(autouse=True)
    def broken(self, monkeypatch):
        monkeypatch.setitem(registry.IMPORTERS, "broken", "arms.nowhere:Importer")

    def test_the_others_are_listed(self):
        result = run("import", "--help")
        assert result.exit_code == 0
        lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
        assert ["broken", "Cannot be loaded."] in lines
        assert any(line[0] == "tables" for line in lines if line)

    def test_it_says_why(self):
        for arguments in (["x"], ["x", "--name", "y", "--whatever"]):
            check_failed(
                run("import", "broken", *arguments), "importer broken: arms.nowhere cannot be loaded: No module"
            )


def test_progress_goes_to_the_error_stream(source, monkeypatch):
    monkeypatch.setattr("arms.progress._LINE_EVERY_S", 0.0)
    result = run("import", "tables", source, "--json")
    assert json.loads(result.stdout)["dataset"] == "logs"
    assert "check images: " in result.stderr


def test_without_images(source, tmp_path):
    """Questions only, though the log has the images, and the report opens with it."""
    result = run("import", "tables", source, "--name", "mine", "--no-images")
    assert result.exit_code == 0, result.output
    opening = "images: left out, as --no-images asks: every query is its question only, whatever the VLMs were shown\n"
    assert result.stdout.startswith(opening)
    folder = tmp_path / "work/data/raw/mine"
    assert set(read_dataset(folder).queries["images"]) == {()}
    assert not (folder / "images").exists()
    content = run_json("import", "tables", source, "--name", "mine", "--no-images", "--replace")
    assert content["images"] == {"left_out": True}
