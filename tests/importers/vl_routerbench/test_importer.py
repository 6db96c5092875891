import json
import pickle
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arms.errors import ArmsError
from arms.importers.vl_routerbench.vl_routerbench_importer import ScopeImporter, VlRouterBenchImporter
from tests.importers.helpers import FREE, Imported, load_log
from tests.importers.logs import scope, vl_routerbench
from tests.importers.logs.m2 import png, write_lines, write_parquet
from tests.importers.logs.vl_routerbench import SAMPLES, VLMS, C, Y, write_json

Import = Callable[..., Imported]
PICTURES = [png((number, 60, 90)) for number in (0, 0, 2, 3, 4, 5)]  # the second sample shares the first one's


@pytest.fixture
def load(tmp_path: Path) -> Import:
    def run(source: Path, *, scope: bool = False, options: Any = FREE, **settings: Any) -> Imported:
        importer = (ScopeImporter if scope else VlRouterBenchImporter)(**settings)
        return load_log(tmp_path / "out", importer, source, options=options)

    return run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return vl_routerbench.write_log(tmp_path)[0]


@pytest.fixture
def scope_root(tmp_path: Path) -> Path:
    return scope.write_log(tmp_path)[0]


def matrix(found: Imported, column: str) -> list[list[Any]]:
    """A column of the outcomes, by sample and VLM."""
    cells = {(row["query_id"], row["vlm"]): row[column] for row in found.outcomes}
    return [[cells.get((sample, vlm)) for vlm in VLMS] for sample in SAMPLES]


def test_log(load: Import, root: Path) -> None:
    found = load(root)
    assert found.queries[0] == {
        **{"query_id": "MMStar/0", "benchmark": "MMStar", "task": "vqa_mc", "language": "en", "split": "train"},
        **{"question": "Which one, 0?", "answer": None, "images": found.queries[0]["images"]},
    }
    assert found.column("query_id") == [*SAMPLES]
    assert found.column("split") == ["train", "train", "val", "train", "id", "id"]
    assert [found.image(query) for query in found.queries] == PICTURES
    assert matrix(found, "correct") == (Y == 1).tolist()
    assert matrix(found, "cost_usd") == C.astype(float).tolist()
    assert tuple(found.report.report.outcomes_per_vlm) == VLMS
    assert (found.report.verdicts, found.kinds) == (("Y >= 1",), {})


def test_scope(load: Import, scope_root: Path) -> None:
    found = load(scope_root, scope=True)
    assert found.queries[0] == {
        **{"query_id": "MMStar/0", "benchmark": "MMStar", "task": "kind 0", "language": "en", "answer": "A"},
        "question": "Question: Which one, 0?\nOptions:\nA. this\nB. that",
        "images": found.queries[0]["images"],
    }
    assert sorted(found.column("query_id")) == sorted(SAMPLES)
    assert {query["query_id"]: found.image(query) for query in found.queries} == dict(
        zip(SAMPLES, PICTURES, strict=True)
    )
    assert matrix(found, "correct") == (Y == 1).tolist()
    assert matrix(found, "cost_usd") == C.astype(float).tolist()
    assert found.kinds == {}


class TestNames:
    """Where the names of rows and columns are kept."""

    @pytest.mark.parametrize("form", ["txt", "npy", "csv", "records", "object", "in the archive", "named"])
    def test_every_form(self, load: Import, scope_root: Path, tmp_path: Path, form: str) -> None:
        expected = load(scope_root, scope=True)
        folder, settings = scope_root / "data/matrices", {}
        for stem, names, key in (("sample_ids", SAMPLES, "sample_id"), ("model_names", VLMS, "name")):
            (folder / f"{stem}.json").unlink()
            if form == "txt":
                (folder / f"{stem}.txt").write_text("\n".join(names))
            elif form == "npy":
                np.save(folder / f"{stem}.npy", np.array(names))
            elif form == "csv":
                (folder / f"{stem}.csv").write_text(f"number,{key}\n" + "".join(f"1,{name}\n" for name in names))
            elif form == "records":
                write_json(folder / f"{stem}.json", [{key: name} for name in names])
            elif form == "object":
                write_json(folder / f"{stem}.json", {"made by": "us", "names": list(names)})
            elif form == "named":
                settings[stem] = str(write_json(tmp_path / f"elsewhere/{stem}.json", list(names)))
        if form == "in the archive":
            np.savez(folder / "Y.npz", Y=Y, sample_ids=np.array(SAMPLES), model_names=np.array(VLMS))
        found = load(scope_root, scope=True, **settings)
        assert (found.queries, found.outcomes) == (expected.queries, expected.outcomes)

    @pytest.mark.parametrize("stem", ["sample_ids", "model_names"])
    def test_a_pickle_is_never_loaded(self, load: Import, scope_root: Path, tmp_path: Path, stem: str) -> None:
        expected = load(scope_root, scope=True)
        folder = scope_root / "data/matrices"
        names = json.loads((folder / f"{stem}.json").read_text())
        (folder / f"{stem}.json").unlink()
        (folder / f"{stem}.pkl").write_bytes(pickle.dumps(Trap(str(tmp_path / "sprung"))))
        with pytest.raises(ArmsError, match=rf"{stem}\.pkl: expected names in .*, got a pickle, which is never loaded"):
            load(scope_root, scope=True)
        with pytest.raises(ArmsError, match="got a pickle, which is never loaded"):
            load(scope_root, scope=True, **{stem: str(folder / f"{stem}.pkl")})
        assert not (tmp_path / "sprung").exists()
        (folder / f"{stem}.pkl").write_bytes(pickle.dumps(names))
        with pytest.raises(ArmsError) as error:
            load(scope_root, scope=True)
        command = str(error.value).partition(f"in {folder}: ")[2]
        assert command.startswith("python -c ")
        subprocess.run(command, shell=True, check=True, cwd=folder)  # what the message says works
        assert load(scope_root, scope=True).outcomes == expected.outcomes

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (SAMPLES[:5], "sample_ids.json: expected 6 sample ids, as the array has, got 5; use"),
            ((*SAMPLES[:5], SAMPLES[0]), "expected sample ids .* each once, got 'MMStar/0', 2 times"),
            ((*SAMPLES[:5], ""), "expected sample ids that are texts on one line, each once, got '', 1 times"),
            ((*SAMPLES[:5], "a\nb"), "expected sample ids that are texts on one line"),
        ],
    )
    def test_names_that_do_not_fit(self, load: Import, scope_root: Path, names: Any, message: str) -> None:
        write_json(scope_root / "data/matrices/sample_ids.json", names)
        with pytest.raises(ArmsError, match=message):
            load(scope_root, scope=True)

    @pytest.mark.parametrize("content", [{"0": "MMStar/0"}, {"a": ["x"], "b": ["y"]}])
    def test_an_object_that_is_no_list(self, load: Import, scope_root: Path, content: Any) -> None:
        write_json(scope_root / "data/matrices/sample_ids.json", content)
        with pytest.raises(
            ArmsError, match=r"sample_ids\.json: expected a list of sample ids, got an object with [02]"
        ):
            load(scope_root, scope=True)

    def test_no_names_at_all(self, load: Import, scope_root: Path) -> None:
        (scope_root / "data/matrices/model_names.json").unlink()
        with pytest.raises(ArmsError, match=r"Y\.npz: expected its VLMs in model_names\.json or .*: --model-names"):
            load(scope_root, scope=True)


class Trap:
    """Makes a file if it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.path),)


class TestArrays:
    @pytest.mark.parametrize("form", ["Y.npy", "arr_0", "data", "other name", "bool", "float"])
    def test_every_form_of_y(self, load: Import, root: Path, form: str) -> None:
        path = root / "data/matrices/Y.npz"
        values = {"bool": Y.astype(bool), "float": Y.astype("float32")}.get(form, Y)
        if form == "Y.npy":
            path.unlink()
            np.save(path.with_name(form), Y)
        else:
            np.savez(path, **{form if form in ("arr_0", "data") else "quality": values})
        assert matrix(load(root), "correct") == (Y == 1).tolist()

    def test_grades_that_need_a_rule(self, load: Import, root: Path) -> None:
        np.savez(root / "data/matrices/Y.npz", Y=5 * Y)
        with pytest.raises(ArmsError, match=r"metric Y: expected 0 and 1, .* got grades from 0 to 5; .*--threshold"):
            load(root)

    def test_grades_and_what_is_unknown(self, load: Import, root: Path) -> None:
        grades = Y.astype(float)
        grades[0, 0], grades[0, 1] = 0.25, np.nan
        np.savez(root / "data/matrices/Y.npz", Y=grades)
        found = load(root, threshold=0.2)
        assert matrix(found, "correct")[0] == [True, None, True]
        assert matrix(found, "score")[0] == [0.25, None, 1.0]
        assert found.report.verdicts == ("Y >= 0.2",)

    @pytest.mark.parametrize("costs", ["missing", "zero", "npz"])
    def test_costs(self, load: Import, root: Path, costs: str) -> None:
        path = root / "data/matrices/C.npy"
        path.unlink()
        if costs == "zero":
            np.save(path, np.zeros((6, 3)))
        elif costs == "npz":
            np.savez(path.with_suffix(".npz"), C=C)
        found = load(root)
        assert ("cost_usd" in found.outcomes[0]) == (costs == "npz")
        assert found.kinds == ({"costs that are all 0": 1} if costs == "zero" else {})

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"Y": Y.astype(object)}, "expected numbers or texts, got Python objects, .* a pickle is never loaded"),
            ({"Y": Y[0]}, r"expected numbers of samples by VLMs, called Y, got Y \(3,\) of int8"),
            ({"Y": Y.astype(str)}, "expected numbers of samples by VLMs, called Y, got Y .* of <U4"),
            ({"a": Y, "b": Y}, "expected numbers of samples by VLMs, called Y, got a .*, b "),
            ({"data": Y, "indices": Y, "indptr": Y}, "got a sparse one, where nobody knows whether what it leaves out"),
            ({"Y": Y[:5]}, "expected 5 sample ids, as the array has, got 6"),
        ],
    )
    def test_arrays_that_cannot_be_read(self, load: Import, scope_root: Path, arrays: Any, message: str) -> None:
        np.savez(scope_root / "data/matrices/Y.npz", **arrays)
        with pytest.raises(ArmsError, match=message):
            load(scope_root, scope=True)

    def test_costs_of_another_shape(self, load: Import, scope_root: Path) -> None:
        np.save(scope_root / "data/matrices/C.npy", C.T)
        with pytest.raises(ArmsError, match=r"C\.npy: expected costs of shape \(6, 3\), as Y\.npz has, got \(3, 6\)"):
            load(scope_root, scope=True)

    def test_a_broken_archive(self, load: Import, scope_root: Path) -> None:
        path = scope_root / "data/matrices/Y.npz"
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(ArmsError, match=r"Y\.npz: expected NumPy's format, could not read it: BadZipFile"):
            load(scope_root, scope=True)


class TestTables:
    """ORACLE/score, where there are no arrays or only pickles name their rows and columns."""

    def test_without_arrays(self, load: Import, root: Path) -> None:
        expected = load(root)
        shutil.rmtree(root / "data")
        found = load(root)
        by_id = [sorted(one.queries, key=lambda query: query["query_id"]) for one in (found, expected)]
        assert by_id[0] == by_id[1]
        assert matrix(found, "correct") == matrix(expected, "correct")
        assert "cost_usd" not in found.outcomes[0]
        assert found.report.verdicts == ("quality >= 1",)

    def test_only_pickles_name_the_vlms(self, load: Import, root: Path) -> None:
        (root / "data/registry/models.txt").unlink()
        found = load(root)
        assert matrix(found, "correct") == (Y == 1).tolist()
        assert found.kinds == {"arrays that are not read": 1}
        (_, detail), *_ = found.examples("arrays that are not read")
        assert "model_index.pkl: expected names in .json, .txt or .npy, got a pickle" in detail

    def test_rows_that_cannot_be_used(self, load: Import, root: Path) -> None:
        shutil.rmtree(root / "data")
        rows = vl_routerbench.scores(range(3))
        rows[0]["model_id"], rows[1]["quality_raw"] = "", None
        write_parquet(root / "ORACLE/score/mmstar.parquet", rows)
        write_parquet(root / "ORACLE/score/other.parquet", [{"a": 1}])
        found = load(root)
        assert found.kinds == {
            "score without its sample or VLM": 1,
            "file that cannot be read": 1,
            "correct is neither true nor false": 1,
        }

    def test_neither(self, load: Import, root: Path) -> None:
        shutil.rmtree(root / "data")
        shutil.rmtree(root / "ORACLE")
        with pytest.raises(ArmsError, match=r"expected data/matrices/Y.npz or ORACLE/score/\*.parquet, got neither"):
            load(root)


class TestSamples:
    def test_arrays_without_questions(self, load: Import, scope_root: Path) -> None:
        shutil.rmtree(scope_root / "BENCHMARKS")
        with pytest.raises(
            ArmsError, match=r"expected the questions of its 6 samples, .*: arrays hold no question and"
        ):
            load(scope_root, scope=True)

    def test_a_benchmark_without_questions(self, load: Import, scope_root: Path) -> None:
        (scope_root / "BENCHMARKS/ChartQA_TEST.tsv").unlink()
        found = load(scope_root, scope=True)
        assert found.column("query_id") == [*SAMPLES[:3]]
        assert found.kinds == {"sample without a question": 3}
        assert found.report.rows_set_aside == 3

    def test_tsvs_elsewhere(self, load: Import, scope_root: Path, tmp_path: Path) -> None:
        expected = load(scope_root, scope=True)
        (scope_root / "BENCHMARKS").rename(tmp_path / "LMUData")
        found = load(scope_root, scope=True, tsv=(str(tmp_path / "LMUData"),))
        assert (found.queries, found.outcomes) == (expected.queries, expected.outcomes)

    def test_a_tsv_that_is_not_at_hand(self, load: Import, root: Path) -> None:
        shutil.rmtree(root / "vlm_router_data")
        found = load(root)
        assert found.column("query_id") == [*SAMPLES[3:]]
        assert found.kinds == {"benchmark without its TSV": 1, "no image in the log": 3, "query set aside": 9}
        found = load(root, options=replace(FREE, no_images=True))
        assert [query["images"] for query in found.queries] == [()] * 6

    def test_records_that_cannot_be_used(self, load: Import, root: Path) -> None:
        records = [vl_routerbench.sample(number) for number in range(3)]
        records[0]["prompt"], records[1]["assets"] = 5, [{"type": "video", "uri": "a.mp4"}]
        records += [records[2], {**records[2], "prompt": "Another?"}]
        write_lines(root / "BENCHMARKS/vqa_mc/mmstar_samples.jsonl", records)
        shutil.rmtree(root / "vlm_router_data/TSV_images")
        vl_routerbench.write_tsv(root / "tsvs/MMStar.tsv", range(3), image=True)
        found = load(root)
        assert found.column("query_id") == [*SAMPLES]
        assert found.queries[0]["question"].startswith("Question: Which one, 0?"), "the TSV has it too"
        assert found.queries[2]["question"] == "Which one, 2?"
        assert found.kinds == {
            "question that is not text": 1,
            "sample whose images cannot be read": 1,
            "sample described twice, in other words": 1,
        }

    def test_splits(self, load: Import, root: Path) -> None:
        write_lines(root / "SPLITS/test.jsonl", [{"sample_id": name} for name in SAMPLES[3:]])
        write_lines(root / "SPLITS/extra.jsonl", [{"sample_id": SAMPLES[0]}])
        found = load(root)
        assert found.column("split") == ["train", "train", "val", None, "id", "id"]
        assert found.kinds == {"sample in several splits": 1, "file of SPLITS that is not read": 1}

    def test_several_sources(self, root: Path, tmp_path: Path) -> None:
        with pytest.raises(ArmsError, match="expected one source, a folder with data/matrices or ORACLE/score"):
            load_log(tmp_path / "out", VlRouterBenchImporter(), root, root)
