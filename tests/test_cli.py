import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from arms import __version__
from arms.cli import main
from arms.data.tables import Dataset, read_dataset, write_dataset
from arms.features.store import FeatureStore
from arms.routers.base import Router
from tests.cached import new_outcomes, write_cached
from tests.fakes import PROFILES, make_queries, make_router
from tests.stores import flip, keys, sequences

MADE = make_queries(12)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="arms")


def check_failed(result, message):
    """Exit status 1 and the error's text, not a traceback."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved router and a picture."""
    folder = tmp_path_factory.mktemp("cli")
    router = make_router(image={"tunable_layers": "all"}, text={"tunable_layers": "all"})
    router.fit(MADE.encode(router.encoders), MADE.outcomes).save(folder / "router")
    MADE.pictures[0].save(folder / "picture.png")
    return folder


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A dataset folder with one unusable query, beside an empty working directory."""
    (tmp_path / "logs/images").mkdir(parents=True)
    rows = []
    for i in range(6):
        image = f"images/{i}.png"
        MADE.pictures[i].save(tmp_path / "logs" / image)
        question = MADE.questions[i] if i else ""
        rows.append((f"q{i}", "dots", "count", "en", question, image, None))
    columns = ["query_id", "benchmark", "task", "language", "question", "image", "answer"]
    outcomes = [
        (f"q{i}", profile.name, bool(MADE.outcomes[i, j])) for i in range(6) for j, profile in enumerate(PROFILES)
    ]
    write_dataset(
        Dataset(
            tmp_path / "logs",
            pd.DataFrame(rows, columns=columns),
            pd.DataFrame(outcomes, columns=["query_id", "vlm", "correct"]),
            PROFILES,
        ),
        tmp_path / "logs",
    )
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "logs"


def commands(group, path=()):
    for name, command in group.commands.items():
        yield (*path, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


def command_at(path):
    command = main
    for name in path:
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", [(), *commands(main)], ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(path, option):
    result = run(*path, option)
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: {' '.join(('arms', *path))} [OPTIONS]")
    examples = [line.split() for line in result.output.splitlines() if line.startswith("    arms ")]
    assert all(words[1 : 1 + len(path)] == list(path) for words in examples)
    assert examples or hasattr(command_at(path), "commands")


def test_version():
    assert run("--version").output == f"arms, version {__version__}\n"


def test_help_does_not_wait_for_torch():
    code = "import sys, arms.cli; print([name for name in ('torch', 'pandas', 'zarr') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


class TestRoute:
    def test_to_read(self, saved):
        result = run(
            "route", "--image", saved / "picture.png", "--question", "Read the sign.", "--router", saved / "router"
        )
        assert result.exit_code == 0, result.output
        route = Router.load(saved / "router").route(saved / "picture.png", "Read the sign.")
        lines = [f"{n}. {r.vlm:<10}  {r.confidence:.3f}" for n, r in enumerate(route.ranking, start=1)]
        assert result.output.splitlines() == lines

    def test_json(self, saved):
        result = run(
            "route", "--image", saved / "picture.png", "--question", "有几个点?", "--router", saved / "router", "--json"
        )
        assert result.exit_code == 0, result.output
        content = json.loads(result.output)
        confidences = [ranked["confidence"] for ranked in content["ranking"]]
        assert confidences == sorted(confidences, reverse=True)
        assert {ranked["vlm"] for ranked in content["ranking"]} == {profile.name for profile in PROFILES}
        assert content["vlm"] == content["ranking"][0]["vlm"]

    def test_no_router(self, saved, tmp_path):
        arguments = ("route", "--image", saved / "picture.png", "--question", "What?", "--router", tmp_path / "none")
        check_failed(run(*arguments), "none: no router there (router.json is missing); train one with: dvc repro")

    def test_no_image(self, saved, tmp_path):
        arguments = ("route", "--image", tmp_path / "none.png", "--question", "What?", "--router", saved / "router")
        check_failed(run(*arguments), "none.png: no such image")

    def test_no_picture(self, saved):
        arguments = ("--image", saved / "router/router.json", "--question", "What?", "--router", saved / "router")
        check_failed(run("route", *arguments), "router.json: not a readable image: cannot identify image file")

    def test_no_question(self, saved):
        arguments = ("--image", saved / "picture.png", "--question", " ", "--router", saved / "router")
        check_failed(run("route", *arguments), "question 0: expected text, got ' '")

    def test_exclude(self, saved):
        arguments = ("--image", saved / "picture.png", "--question", "Read the sign.", "--router", saved / "router")
        whole = run("route", *arguments).output.splitlines()
        without = run("route", *arguments, "--exclude", "painter", "--exclude", "reader-7b")
        assert without.exit_code == 0, without.output
        (left,) = [line.split() for line in whole if "counter-2b" in line]
        assert without.output.split() == ["1.", *left[1:]]

    def test_exclude_whom_nobody_knows(self, saved):
        arguments = ("--image", saved / "picture.png", "--question", "Read the sign.", "--router", saved / "router")
        told = "exclude: unknown VLM 'nobody'; known: counter-2b, reader-7b, painter"
        check_failed(run("route", *arguments, "--exclude", "nobody"), told)
        everybody = [word for profile in PROFILES for word in ("--exclude", profile.name)]
        check_failed(run("route", *arguments, *everybody), "exclude: expected one VLM or more to be left, got all")

    @pytest.mark.parametrize(
        ("option", "policy"),
        [
            (("--cheapest-above", 0), {"name": "cheapest", "tau": 0.0, "of": "cost"}),
            (("--cheapest-above", 1), {"name": "cheapest", "tau": 1.0, "of": "cost"}),
            (("--budget", 0.0002), {"name": "query_budget", "budget": 0.0002, "of": "cost"}),
            (("--budget", 0), {"name": "query_budget", "budget": 0.0, "of": "cost"}),
            (("--cost-penalty", 1e6), {"name": "penalised", "penalty": 1e6, "of": "cost"}),
        ],
    )
    def test_costs_count(self, saved, option, policy):
        arguments = ("--image", saved / "picture.png", "--question", "Read the sign.", "--router", saved / "router")
        result = run("route", *arguments, *option)
        assert result.exit_code == 0, result.output
        route = Router.load(saved / "router").route(saved / "picture.png", "Read the sign.", policy=policy)
        # 3.5 and 768 tokens of prompt, 32 of answer; own compute of 2 and 7 billion parameters at 0.02 USD.
        costs = {"counter-2b": "$0.000032", "reader-7b": "$0.000112", "painter": "$0.004338"}
        lines = [f"{n}. {r.vlm:<10}  {r.confidence:.3f}  {costs[r.vlm]}" for n, r in enumerate(route.ranking, start=1)]
        assert result.output.splitlines() == lines
        if option in (("--cheapest-above", 0), ("--budget", 0), ("--cost-penalty", 1e6)):
            assert route.vlm == "counter-2b"
        if option == ("--budget", 0.0002):
            assert route.vlm != "painter"

    def test_costs_in_json(self, saved):
        arguments = ("--image", saved / "picture.png", "--question", "Read the sign.", "--router", saved / "router")
        result = run("route", *arguments, "--budget", 0.01, "--json")
        assert result.exit_code == 0, result.output
        content = json.loads(result.output)
        costs = {ranked["vlm"]: ranked["expected_cost_usd"] for ranked in content["ranking"]}
        assert costs == {"counter-2b": 3.214e-05, "reader-7b": 0.0001125, "painter": 0.004338}
        whole = json.loads(run("route", *arguments, "--json").output)
        assert content["vlm"] == whole["vlm"]
        assert all("expected_cost_usd" not in ranked for ranked in whole["ranking"])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--budget", 1, "--cost-penalty", 0), "expected one of --cheapest-above, --budget, --cost-penalty, got"),
            (("--budget", -1), "Invalid value for '--budget': -1.0 is not in the range x>=0"),
            (("--cheapest-above", 1.1), "Invalid value for '--cheapest-above': 1.1 is not in the range 0<=x<=1"),
            (("--cheapest-above", "nan"), "Invalid value for '--cheapest-above': expected a finite number, got nan"),
            (("--cost-penalty", "inf"), "Invalid value for '--cost-penalty': expected a finite number, got inf"),
            (("--budget", "cheap"), "Invalid value for '--budget': 'cheap' is not a valid float range"),
        ],
    )
    def test_costs_that_cannot_be_told(self, options, message):
        result = run("route", "--image", "picture.png", "--question", "What?", *options)
        assert result.exit_code == 2
        assert message in result.output

    def test_an_option_left_out(self):
        result = run("route", "--question", "What?")
        assert result.exit_code == 2
        assert "Missing option '--image'" in result.output


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """What the pipeline leaves of a tiny dataset."""
    folder = tmp_path_factory.mktemp("cached")
    write_cached(folder)
    return folder


@pytest.fixture
def launched(cached, tmp_path, monkeypatch):
    """A copy of it as working directory, with the profile of a new VLM and its outcomes."""
    shutil.copytree(cached, tmp_path, dirs_exist_ok=True)
    (tmp_path / "new.yaml").write_text("name: painter\naccess: paid\nprice_in: 5\n")
    new_outcomes("train", "val", "id").to_csv(tmp_path / "outcomes.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return ("extend", "--profile", "new.yaml", "--outcomes", "outcomes.csv", "--out", "data/routers/mine")


class TestExtend:
    def test_to_read(self, launched, tmp_path):
        result = run(*launched)
        assert result.exit_code == 0, result.output
        lines = result.output.splitlines()
        told = r"data/routers/mine: data/routers/phi and painter, independent, 3 VLMs, in \d+\.\d s"
        assert re.fullmatch(told, lines[0])
        assert lines[1] == "outcomes: 36 taught, 12 calibrated, 12 only reported, 0 set aside"
        assert [line.split(",")[0] for line in lines[2::4]] == ["val", "id", "ood"]
        assert re.fullmatch(
            r"  EM \d\.\d{3}, before \d\.\d{3}: [+-]\d\.\d{3} \([+-]\d\.\d{3} to [+-]\d\.\d{3}\)", lines[3]
        )
        MADE.pictures[0].save(tmp_path / "picture.png")
        arguments = ("--image", "picture.png", "--question", "Read the sign.", "--router", "data/routers/mine")
        assert "painter" in run("route", *arguments).output
        assert "painter" not in run("route", *arguments, "--exclude", "painter").output

    def test_json(self, launched):
        result = run(*launched, "--strategy", "incremental", "--json")
        assert result.exit_code == 0, result.output
        content = json.loads(result.output)
        assert (content["strategy"], content["new"]) == ("incremental", ["painter"])
        assert set(content["splits"]) == {"val", "id", "ood"}

    def test_the_settings_are_params_yamls(self, launched):
        text = Path("params.yaml").read_text()
        assert "strategy: independent" in text
        Path("params.yaml").write_text(text.replace("strategy: independent", "strategy: incremental"))
        assert json.loads(run(*launched, "--json").output)["strategy"] == "incremental"

    def test_theta(self, launched):
        assert run(*launched, "--theta", 0.25).exit_code == 0
        assert json.loads(Path("data/routers/mine/router.json").read_text())["theta"] == 0.25
        for theta in (1.5, "nan"):
            result = run(*launched, "--theta", theta, "--replace")
            assert result.exit_code != 0
            assert "Traceback" not in result.output

    def test_it_replaces_when_told_to(self, launched):
        assert run(*launched).exit_code == 0
        check_failed(run(*launched), "--out data/routers/mine: expected nothing there, got an existing path")
        assert run(*launched, "--replace").exit_code == 0

    def test_no_settings(self, launched, monkeypatch, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        check_failed(run(*launched), "params.yaml: no such settings file")

    def test_no_profile(self, launched):
        Path("new.yaml").unlink()
        check_failed(run(*launched), "new.yaml: expected the VLM profiles, got no such file")
        assert not Path("data/routers/mine").exists()


class TestImportTables:
    def test_import(self, source, tmp_path):
        result = run("import", "tables", source, "--name", "mine")
        assert result.exit_code == 0, result.output
        assert "queries: 5 kept, 1 set aside" in result.output
        assert "imported into data/raw/mine" in result.output
        assert "name its pools in conf/data/mine.yaml" in result.output
        assert "dvc exp run -S data=mine" in result.output
        assert len(read_dataset(tmp_path / "work/data/raw/mine").queries) == 5

    def test_the_name_is_the_folders(self, source, tmp_path):
        (tmp_path / "work/conf/data").mkdir(parents=True)
        (tmp_path / "work/conf/data/logs.yaml").touch()
        result = run("import", "tables", "../logs")
        assert "imported into data/raw/logs" in result.output
        assert "name its pools" not in result.output

    def test_it_replaces_when_told_to(self, source):
        assert run("import", "tables", source).exit_code == 0
        check_failed(run("import", "tables", source), "data/raw/logs: expected nothing there, got an existing path")
        assert run("import", "tables", source, "--replace").exit_code == 0

    def test_strict(self, source, tmp_path):
        check_failed(run("import", "tables", source, "--strict"), "expected every row to be usable")
        assert not (tmp_path / "work/data/raw/logs").exists()

    def test_no_tables(self, source, tmp_path):
        check_failed(run("import", "tables", tmp_path / "work"), "work")

    def test_an_unknown_format(self, source):
        result = run("import", "notes", source)
        assert result.exit_code == 2
        assert "No such command 'notes'" in result.output


class TestValidate:
    def test_to_read(self, source):
        result = run("validate", source)
        assert result.exit_code == 0, result.output
        assert "queries: 5 kept, 1 set aside" in result.output
        assert "no question" in result.output

    def test_json(self, source):
        result = run("validate", source, "--json", "--workers", 1)
        assert json.loads(result.output)["queries"] == {"kept": 5, "set_aside": 1}

    def test_strict(self, source):
        check_failed(run("validate", source, "--strict"), "expected every row to be usable")

    def test_no_dataset(self, tmp_path):
        check_failed(run("validate", tmp_path / "none"), "none")

    def test_workers(self, source):
        result = run("validate", source, "--workers", 0)
        assert result.exit_code == 2
        assert "0 is not in the range x>=1" in result.output


def test_no_report(tmp_path):
    check_failed(run("report", "--metrics", tmp_path), "expected metrics files, found none; run: dvc repro")


IMAGES = {"modality": "image", "arrays": ["pixels"]}
TEXTS = {"modality": "text", "arrays": ["states"], "encoder": "toy", "blocks_frozen": 2, "precision": "bfloat16"}


@pytest.fixture
def stores(tmp_path, monkeypatch):
    """Beside the working directory's data/features: pixels of images, states of texts, and an extraction stopped."""
    monkeypatch.chdir(tmp_path)
    images, texts, stopped = (
        FeatureStore(tmp_path / "data/features/sample" / name, fingerprint)
        for name, fingerprint in (
            ("bundled/image.zarr", IMAGES),
            ("other/text.zarr", TEXTS),
            ("bundled/image.zarr", {**IMAGES, "size": [8, 8]}),
        )
    )
    for store, shards in (
        (images, [{"pixels": np.zeros((2000, 3, 4, 4), np.uint8)}, {"pixels": np.ones((500, 3, 4, 4), np.uint8)}]),
        (texts, [{"states": sequences(3, 1)}]),
        (stopped, [{"pixels": np.ones((2, 3, 8, 8), np.uint8)}]),
    ):
        with store.writing():
            for number, shard in enumerate(shards):
                (array,) = shard.values()
                store.write_shard(keys(*range(2000 * number, 2000 * number + len(array))), shard)
            if store is not stopped:
                store.finish()
    return images, texts, stopped


def place(store):
    return store.folder.relative_to(store.path.parents[4])


class TestFeaturesInfo:
    def test_to_read(self, stores):
        images, texts, stopped = stores
        result = run("features", "info", "data/features/sample/other")
        assert result.exit_code == 0, result.output
        assert result.output.splitlines() == [
            str(place(texts)),
            "  encoder   toy, 2 blocks frozen, bfloat16",
            "  arrays    states float16[3]",
            "  rows      2 in 1 shard",
            "  size      112 bytes, 56 bytes a row",
            "  finished  yes",
        ]
        blocks = run("features", "info").output.split("\n\n")
        assert [block.splitlines()[0] for block in blocks] == sorted(map(str, map(place, stores)))
        block = next(block for block in blocks if block.startswith(str(place(images))))
        assert "  encoder   inputs\n  arrays    pixels uint8[3, 4, 4]\n" in block
        assert "  rows      2,500 in 2 shards\n  size      195.3 KiB, 80 bytes a row\n  finished  yes" in block
        block = next(block for block in blocks if block.startswith(str(place(stopped))))
        assert "  finished  no: the extraction was stopped; run: dvc repro encode" in block

    def test_json(self, stores):
        images, _, _ = stores
        result = run("features", "info", images.path, "--json")
        assert result.exit_code == 0, result.output
        told = {store["fingerprint"]: store for store in json.loads(result.output)}
        assert {store["finished"] for store in told.values()} == {True, False}
        assert told[images.folder.name] == {
            "path": str(images.path),
            "fingerprint": images.folder.name,
            "encoder": "inputs",
            "blocks_frozen": None,
            "precision": None,
            "arrays": {"pixels": "uint8[3, 4, 4]"},
            "rows": 2500,
            "bytes": 200_000,
            "bytes_per_row": 80,
            "shards": 2,
            "finished": True,
        }

    def test_a_damaged_store_among_others(self, stores):
        images, texts, _ = stores
        (texts.folder / "shard-00000/states/c/0/0").unlink()
        (images.folder / "zarr.json").write_text("{")
        result = run("features", "info")
        assert result.exit_code == 1
        blocks = {block.splitlines()[0]: block.splitlines()[1] for block in result.output.split("\n\n")}
        assert len(blocks) == 3
        assert blocks[str(place(texts))].startswith(f"  error     {place(texts)}/shard-00000 is damaged: states: ")
        assert blocks[str(place(images))].startswith(f"  error     {place(images)}/zarr.json: not a feature store's")
        result = run("features", "info", "--json")
        assert result.exit_code == 1
        told = {store["fingerprint"]: store.get("error", "") for store in json.loads(result.output)}
        assert "is damaged" in told[texts.folder.name]
        assert sum(map(bool, told.values())) == 2

    @pytest.mark.parametrize("command", ["info", "verify"])
    def test_no_stores(self, tmp_path, command):
        told = "expected feature stores (*.zarr) there, found none; run: dvc repro encode"
        check_failed(run("features", command, tmp_path), f"{tmp_path}: {told}")
        check_failed(run("features", command, tmp_path / "x.zarr"), f"x.zarr: {told}")


class TestFeaturesVerify:
    def test_all_is_well(self, stores):
        _, texts, stopped = stores
        with stopped.writing():
            stopped.finish()
        result = run("features", "verify")
        assert result.exit_code == 0, result.output
        assert re.fullmatch(
            r"checked 3 stores, 4 shards, 2,504 rows, 195\.9 KiB in \d+\.\d s \([0-9.]+ [KMG]iB/s\): 0 problems\n",
            result.output,
        )
        result = run("features", "verify", texts.path)
        assert result.output.startswith("checked 1 store, 1 shard, 2 rows, 112 bytes in ")

    def test_every_problem_is_told(self, stores):
        images, texts, stopped = stores
        for shard in ("shard-00000", "shard-00001"):
            flip(images.folder / shard / "pixels/c/0/0/0/0", 7)
        (texts.folder / "zarr.json").unlink()
        result = run("features", "verify")
        assert result.exit_code == 1
        *problems, summary = result.output.splitlines()
        checksum = "is damaged: pixels/c/0/0/0/0: its bytes do not match their checksum; delete this folder and run: "
        begin = [
            f"{place(images)}/shard-00000 {checksum}",
            f"{place(images)}/shard-00001 {checksum}",
            f"{place(texts)}/zarr.json: not a feature store's metadata: ",
            f"{place(stopped).parent}: the extraction was stopped before it ended; run: ",
        ]
        assert len(problems) == len(begin)
        for start in begin:
            (problem,) = (problem for problem in problems if problem.startswith(start))
            assert problem.endswith("run: dvc repro encode")
        assert summary.startswith("checked 3 stores, 3 shards, 2,502 rows, ")
        assert summary.endswith(": 4 problems")
