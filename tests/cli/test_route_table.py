"""`arms route --table`: the routes of a table, whole or not at all, and from where a killed run stopped."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from arms.cli import route_table
from arms.routers.router import Router
from tests.cli.helpers import check_failed, run, run_json
from tests.fakes import NAMES, make_queries, make_router
from tests.pipeline import ROOT

MADE = make_queries(12)
COUNT = 40


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved router, and another one."""
    folder = tmp_path_factory.mktemp("routers")
    for name, seed in (("router", 1), ("other", 2)):
        router = make_router(seed=seed)
        router.fit(MADE.label(router.encoders)).save(folder / name)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with pictures and queries.csv, which is not the working directory."""
    (tmp_path / "data/pictures").mkdir(parents=True)
    for number, picture in enumerate(MADE.pictures):
        picture.save(tmp_path / f"data/pictures/{number}.png")
    write_table(tmp_path / "data/queries.csv", rows())
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def rows(count=COUNT):
    """Queries of one picture, two, or none."""
    names = [f"pictures/{number % len(MADE.pictures)}.png" for number in range(count + 1)]
    cells = [names[n] if n % 3 == 0 else json.dumps(names[n : n + 2]) if n % 3 == 1 else "" for n in range(count)]
    return [
        {"query_id": f"q{n}", "images": cell, "question": f"Count the {'red ' * (n % 5)}dots."}
        for n, cell in enumerate(cells)
    ]


def write_table(path, content):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ("query_id", "images", "question"))
        writer.writeheader()
        writer.writerows(content)


def pictures_of(cell):
    return [] if not cell else json.loads(cell) if cell.startswith("[") else [cell]


def route(saved, table="data/queries.csv", out="routes.parquet", *options, name="router"):
    return run("route", "--table", table, "--out", out, "--router", saved / name, *options)


def check_routes(frame, saved, folder, content, **options):
    """The rows are what `Router.route` gives."""
    router = Router.load(saved / "router")
    assert frame["query_id"].tolist() == [row["query_id"] for row in content]
    for got, row in zip(frame.to_dict("records"), content, strict=True):
        expected = router.route([folder / path for path in pictures_of(row["images"])], row["question"], **options)
        assert got["vlm"] == expected.vlm
        assert got["confidence"] == pytest.approx(expected.ranking[0].confidence, abs=1e-6)
        for ranked in expected.ranking:
            assert got[f"confidence:{ranked.vlm}"] == pytest.approx(ranked.confidence, abs=1e-6)


class TestRouted:
    def test_as_one_by_one(self, saved, folder):
        result = route(saved)
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("routes.parquet: routed 40 queries over 12 pictures in ")
        assert result.stdout.endswith(" queries/s)\n")
        check_routes(pd.read_parquet("routes.parquet"), saved, folder, rows())
        assert sorted(path.name for path in folder.parent.iterdir()) == ["data", "routes.parquet"]

    @pytest.mark.parametrize("ending", ["csv", "jsonl"])
    def test_other_endings_hold_the_same(self, saved, folder, ending):
        assert route(saved, out=f"routes.{ending}").exit_code == 0
        assert route(saved).exit_code == 0
        read = pd.read_csv if ending == "csv" else lambda path: pd.read_json(path, lines=True)
        got, expected = read(f"routes.{ending}"), pd.read_parquet("routes.parquet")
        assert got.columns.tolist() == expected.columns.tolist()
        pd.testing.assert_frame_equal(got, expected, check_dtype=False, atol=1e-6)

    @pytest.mark.parametrize("ending", ["parquet", "jsonl"])
    def test_tables_of_other_kinds(self, saved, folder, ending):
        frame = pd.DataFrame([{**row, "images": pictures_of(row["images"])} for row in rows()])
        table = folder / f"queries.{ending}"
        if ending == "parquet":
            frame.to_parquet(table)
        else:
            frame.to_json(table, orient="records", lines=True)
        assert route(saved, table).exit_code == 0
        check_routes(pd.read_parquet("routes.parquet"), saved, folder, rows())

    @pytest.mark.parametrize("written", [str, Path.as_uri])
    def test_the_folder_of_the_pictures_is_named(self, saved, folder, written):
        (folder / "queries.csv").rename("elsewhere.csv")
        assert route(saved, "elsewhere.csv", "routes.parquet", "--images-root", written(folder)).exit_code == 0
        check_routes(pd.read_parquet("routes.parquet"), saved, folder, rows())

    def test_options_of_a_route(self, saved, folder):
        result = route(saved, "data/queries.csv", "routes.csv", "--budget", "0.001", "--exclude", NAMES[0])
        assert result.exit_code == 0, result.output
        frame, policy = pd.read_csv("routes.csv"), {"name": "query_budget", "budget": 0.001, "of": "cost"}
        check_routes(frame, saved, folder, rows(), policy=policy, exclude=[NAMES[0]])
        assert frame[f"confidence:{NAMES[0]}"].isna().all()
        assert (frame["expected_cost_usd"] <= 0.001).all()

    def test_json(self, saved, folder):
        arguments = ("route", "--table", "data/queries.csv", "--out", "routes.parquet", "--router", saved / "router")
        content = run_json(*arguments)
        assert content.pop("took_s") > 0
        expected = {"queries": 40, "pictures": 12, "kept": 0, "out": "routes.parquet", "data": None}
        assert content == expected | {"router": str(saved / "router")}

    def test_an_older_file_is_replaced(self, saved, folder):
        (folder.parent / "routes.parquet").write_text("older")
        assert route(saved).exit_code == 0
        assert len(pd.read_parquet("routes.parquet")) == COUNT


class TestRefused:
    """Nothing is loaded, and no file appears."""

    @pytest.fixture(autouse=True)
    def nothing_loaded(self, monkeypatch):
        monkeypatch.setattr(Router, "load", lambda *_, **__: pytest.fail("it was loaded"))

    def test_rows_that_are_no_queries(self, saved, folder):
        content = rows()
        content[3]["images"] = "pictures/gone.png"
        content[5] |= {"images": "", "question": " "}
        content[7]["query_id"] = "q6"
        content[8]["query_id"] = ""
        content[9]["images"] = "[1]"
        content[12]["images"] = "pictures"
        write_table(folder / "queries.csv", content)
        result = route(saved)
        check_failed(
            result, "data/queries.csv: nothing was routed: 6 rows of 40 cannot be used; correct or remove them"
        )
        place = "data/queries.csv, row "
        assert result.stderr.splitlines()[1:] == [
            f"{place}5: data/pictures/gone.png: no such image",
            f"{place}7: query 'q5': expected a question, an image or both, got neither",
            f"{place}9: query 'q6' is there twice; give each row an id of its own",
            f"{place}10: expected a query_id, got none",
            f"{place}11: expected the path of an image, or a list of paths, got 1",
            "... and 1 more",
        ]
        assert not (folder.parent / "routes.parquet").exists()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("id,question\n1,Why?\n", "expected the columns query_id, images and question (one of the last two may be"),
            ("query_id,question\n", "expected a query in each row, got no row"),
            ("query_id,question\na,b,c\n", "row with another number of cells than the header"),
        ],
    )
    def test_a_table_that_is_none(self, saved, folder, content, message):
        (folder / "queries.csv").write_text(content)
        check_failed(route(saved), message)

    def test_a_table_that_is_not_there(self, saved, folder):
        check_failed(route(saved, "none.csv"), "none.csv")

    @pytest.mark.parametrize("out", ["routes", "routes.xlsx"])
    def test_an_ending_that_is_not_written(self, saved, folder, out):
        check_failed(route(saved, out=out), f"{out}: expected a name that ends in .parquet, .csv, .jsonl, got ")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--table", "data/queries.csv"), "--table: expected --out"),
            (("--question", "Why?", "--out", "a.csv"), "--out: expected --table with it, got none"),
            (("--question", "Why?", "--images-root", "a"), "--images-root: expected --table with it, got none"),
            (("--table", "data/queries.csv", "--out", "a.csv", "--question", "Why?"), "expected --table, or --image"),
        ],
    )
    def test_options_that_do_not_go_together(self, saved, folder, arguments, message):
        result = run("route", *arguments, "--router", saved / "router")
        assert result.exit_code == 2
        assert message in result.stderr


class TestResumed:
    """Whole parts are kept until the file is there."""

    PARTS = ("--part-queries", 8)

    @pytest.fixture
    def stopped(self, saved, folder):
        """A run that stopped at a broken picture, behind two whole parts."""
        self.break_picture(folder)
        content = rows()
        content[20]["images"] = "pictures/broken.png"
        write_table(folder / "queries.csv", content)
        result = route(saved, "data/queries.csv", "routes.parquet", *self.PARTS)
        check_failed(result, "data/queries.csv, row 22: query 'q20': data/pictures/broken.png is of no known format; ")
        assert "the routes of 16 of 40 queries are kept: run the same again to go on" in result.stderr
        assert not (folder.parent / "routes.parquet").exists()
        return content

    def break_picture(self, folder):
        (folder / "pictures/broken.png").write_text("no picture")

    def mend_picture(self, folder):
        Image.new("RGB", (30, 20), "red").save(folder / "pictures/broken.png")

    def routed_now(self, monkeypatch):
        """Take note of the ids of queries that are routed from now on."""
        taken, make = [], route_table.routes_table

        def note(queries, *arguments, **settings):
            taken.extend(query.query_id for query in queries)
            return make(queries, *arguments, **settings)

        monkeypatch.setattr(route_table, "routes_table", note)
        return taken

    def test_it_goes_on_where_it_stopped(self, saved, folder, stopped, monkeypatch):
        self.mend_picture(folder)
        taken = self.routed_now(monkeypatch)
        result = route(saved, "data/queries.csv", "routes.parquet", *self.PARTS)
        assert result.exit_code == 0, result.output
        assert "16 of 40 queries were routed before\n" in result.stderr
        assert "; 16 of them were routed before\n" in result.stdout
        assert taken == [f"q{number}" for number in range(16, 40)]
        check_routes(pd.read_parquet("routes.parquet"), saved, folder, stopped)
        assert sorted(path.name for path in folder.parent.iterdir()) == ["data", "routes.parquet"]

    def test_a_row_may_be_removed(self, saved, folder, stopped, monkeypatch):
        write_table(folder / "queries.csv", stopped[:20] + stopped[21:])
        taken = self.routed_now(monkeypatch)
        assert route(saved, "data/queries.csv", "routes.parquet", *self.PARTS).exit_code == 0
        assert taken[0] == "q16"
        check_routes(pd.read_parquet("routes.parquet"), saved, folder, stopped[:20] + stopped[21:])

    @pytest.mark.parametrize("change", ["router", "options", "question", "picture", "damage"])
    def test_parts_of_another_run_are_not_used(self, saved, folder, stopped, monkeypatch, change):
        self.mend_picture(folder)
        options, name, lost = [], "router", 2
        if change == "router":
            name = "other"
        elif change == "options":
            options = ["--exclude", NAMES[1]]
        elif change == "question":
            stopped[9]["question"] = "Read the sign."
            write_table(folder / "queries.csv", stopped)
            lost = 1
        elif change == "picture":
            MADE.pictures[5].save(folder / "pictures/0.png")
            os.utime(folder / "pictures/0.png", ns=(1, 1))
            lost = 2
        else:
            part = min((folder.parent / ".routes.parquet.parts").iterdir())
            part.write_bytes(part.read_bytes()[:-200])
            lost = 1
        taken = self.routed_now(monkeypatch)
        result = route(saved, "data/queries.csv", "routes.parquet", *self.PARTS, *options, name=name)
        assert result.exit_code == 0, result.output
        parts = "1 part" if lost == 1 else f"{lost} parts"
        assert (
            f".routes.parquet.parts: {parts} of an earlier run with another router, other options or" in result.stderr
        )
        assert len(taken) == 24 + 8 * lost
        assert len(pd.read_parquet("routes.parquet")) == COUNT

    def test_a_killed_run(self, saved, folder):
        """Killed with no warning as soon as a part is there."""
        shutil.copytree(saved / "router", folder.parent / "router")
        content = rows(4000)
        write_table(folder / "queries.csv", content)
        arguments = [
            "--table",
            "data/queries.csv",
            "--out",
            "routes.csv",
            "--router",
            "router",
            "--part-queries",
            "100",
        ]
        command = [sys.executable, "-c", "from arms.cli import main; main()", "route", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=folder.parent, env=environment, stderr=subprocess.PIPE)
        parts, until = folder.parent / ".routes.csv.parts", time.monotonic() + 120
        while not list(parts.glob("0*.part")) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        _, said = process.communicate()
        assert process.returncode == -signal.SIGKILL, said
        kept = 100 * len(list(parts.glob("0*.part")))
        assert 0 < kept < 4000
        assert not (folder.parent / "routes.csv").exists()
        result = run("route", *arguments)
        assert result.exit_code == 0, result.output
        assert f"{kept:,} of 4,000 queries were routed before\n" in result.stderr
        frame = pd.read_csv("routes.csv")
        assert frame["query_id"].tolist() == [row["query_id"] for row in content]
        check_routes(frame.head(12), saved, folder, content[:12])
        check_routes(frame.tail(12), saved, folder, content[-12:])
        assert sorted(path.name for path in folder.parent.iterdir()) == ["data", "router", "routes.csv"]
