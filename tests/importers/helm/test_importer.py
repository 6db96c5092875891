"""HELM: runs are found, joined and graded."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from arms.data.tables import Dataset, read_dataset
from arms.errors import ArmsError
from arms.importers.helm.helm_importer import HelmImporter
from arms.importers.helm.names import language_code, natural_key, parse_run_name
from arms.importers.run import ImportOptions, ImportReport, import_log
from tests.importers.logs.helm import (
    ART,
    CLAUDE,
    GPT,
    GQA,
    IDEFICS,
    request,
    short,
    summarise,
    write_image,
    write_log,
    write_run,
)

OPTIONS = ImportOptions(access="free")


def import_from(source: Path, **settings: Any) -> tuple[Dataset, ImportReport]:
    """Import a source; what became of it."""
    out = source.parent / "out"
    report = import_log(HelmImporter(**settings), [source], out, ImportOptions(access="free", replace=True))
    return read_dataset(out), report


def found(report: ImportReport) -> dict[str, int]:
    """How often each finding of the source was made, but for profiles."""
    return {
        finding.kind: finding.count
        for finding in report.report.findings
        if finding.table == "source" and finding.kind != "VLM without a profile"
    }


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A benchmark_output with nothing but three images for GQA."""
    for number in range(3):
        write_image(tmp_path / f"benchmark_output/scenarios/gqa/{number}.png", number)
    return tmp_path / "benchmark_output"


def ask(number: int = 0, **more: Any) -> dict[str, Any]:
    return short(f"id{number}", f"gqa/{number}.png", f"Question {number}?", "red", **more)


def test_joined_tables(tmp_path: Path) -> None:
    (source,) = write_log(tmp_path)
    dataset, report = import_from(source)
    question = "Which shape?\nA. circle\nB. square\nC. star"
    assert dataset.queries.drop(columns="image").to_numpy().tolist() == [
        ["gqa/id0", "gqa", "gqa", "en", "Which colour?", "colour 0"],
        ["gqa/id1", "gqa", "gqa", "en", "Which colour?", "colour 1"],
        ["gqa/id2", "gqa", "gqa", "en", "Which colour?", "colour 2"],
        [f"{ART}/id0", "mmmu", "Art", "en", question, "circle"],
        [f"{ART}/id1", "mmmu", "Art", "en", question, "square"],
        [f"{ART}/id2", "mmmu", "Art", "en", question, "star"],
    ]
    originals = [*(source / "scenarios/gqa/images").iterdir(), *(source / "scenarios/mmmu/images/Art").iterdir()]
    copies = [(tmp_path / "out" / image).read_bytes() for image in dataset.queries["image"]]
    assert copies == [path.read_bytes() for path in sorted(originals)]

    nan = None
    outcomes = dataset.outcomes.astype(object)
    assert outcomes.where(outcomes.notna(), nan).to_numpy().tolist() == [
        ["gqa/id0", CLAUDE, True, "red", nan, 0.5],
        ["gqa/id1", CLAUDE, True, "red", nan, 1.5],
        ["gqa/id0", IDEFICS, False, "red", nan, nan],  # summarised: times are not kept
        ["gqa/id1", IDEFICS, False, "red", nan, nan],
        ["gqa/id2", IDEFICS, False, "red", nan, nan],
        ["gqa/id0", GPT, True, "red", nan, 0.5],
        ["gqa/id1", GPT, False, "red", nan, 1.5],
        ["gqa/id2", GPT, False, "red", nan, 2.5],
        *([f"{ART}/id{n}", CLAUDE, True, "A", nan, n + 0.5] for n in range(3)),
        *([f"{ART}/id{n}", IDEFICS, False, "A", nan, nan] for n in range(3)),
        *([f"{ART}/id{n}", GPT, n == 0, "A", nan, n + 0.5] for n in range(3)),
    ]
    assert [vlm.name for vlm in dataset.vlms] == [CLAUDE, IDEFICS, GPT]
    assert report.report.share_missing == pytest.approx({CLAUDE: 1 / 6, IDEFICS: 0, GPT: 0})
    assert report.verdicts == ("quasi_prefix_exact_match >= 1",)
    assert (report.images_found, report.images_lost, report.rows_set_aside, found(report)) == (6, 0, 0, {})


def test_sources(tmp_path: Path) -> None:
    (output,) = write_log(tmp_path)
    whole, _ = import_from(output)
    suite = output / "runs/v1"
    (output / "runs/latest").symlink_to("v1", target_is_directory=True)  # as HELM does
    for sources in ([output / "runs"], [suite], sorted(suite.iterdir()), [suite, output / "runs/latest"]):
        report = import_log(HelmImporter(), sources, tmp_path / "other", ImportOptions(access="free", replace=True))
        other = read_dataset(tmp_path / "other")
        pd.testing.assert_frame_equal(other.queries, whole.queries)
        pd.testing.assert_frame_equal(other.outcomes, whole.outcomes)
        assert found(report) == {}


@pytest.mark.parametrize(
    ("name", "benchmark", "key", "args"),
    [
        ("gqa:model=openai_gpt-4o", "gqa", "gqa", {}),
        ("gqa", "gqa", "gqa", {}),
        (
            "mmmu:subject=Art,model=a_b,question_type=open",
            "mmmu",
            "mmmu:subject=Art,question_type=open",
            {"subject": "Art", "question_type": "open"},
        ),
        ("vqa:model_deployment=x_y,model=a_b,data_augmentation=c", "vqa", "vqa:data_augmentation=c", None),
        (
            "image2latex:subset=real:difficulty=easy,model=a_b",
            "image2latex",
            "image2latex:subset=real:difficulty=easy",
            {"subset": "real", "difficulty": "easy"},
        ),
    ],
)
def test_run_names(name: str, benchmark: str, key: str, args: dict[str, str] | None) -> None:
    parsed = parse_run_name(name)
    assert (parsed.benchmark, parsed.key) == (benchmark, key)
    assert args is None or parsed.args == args


def test_natural_order_and_languages() -> None:
    assert sorted(["v1.10.0", "v1.9.0", "v1", "²", "1"], key=natural_key) == ["1", "v1", "v1.9.0", "v1.10.0", "²"]
    assert natural_key("9" * 5000) > natural_key("8" * 5000)
    assert [language_code(name) for name in ("Chinese", "english", "zh-CN")] == ["zh", "en", "zh-CN"]


def test_deployment_in_the_name(output: Path) -> None:
    write_run(output / "runs/v1", "gqa:model_deployment=azure_gpt-4o", GPT, [request(ask(), "red", match=1)])
    write_run(output / "runs/v1", "gqa", CLAUDE, [request(ask(), "red", match=0)])
    dataset, _ = import_from(output)
    assert dataset.outcomes[["query_id", "vlm"]].to_numpy().tolist() == [["gqa/id0", CLAUDE], ["gqa/id0", GPT]]


def test_deployment_instead_of_the_model(output: Path) -> None:
    path = write_run(output / "runs/v1", "gqa", GPT, [request(ask(), "red", match=1)]) / "run_spec.json"
    spec = json.loads(path.read_text())
    del spec["adapter_spec"]["model"]
    spec["adapter_spec"]["model_deployment"] = "together/llava"
    path.write_text(json.dumps(spec))
    assert [vlm.name for vlm in import_from(output)[0].vlms] == ["together/llava"]


def test_last_suite_counts(output: Path) -> None:
    for suite, answer in (("v1.9.0", "old"), ("v1.10.0", "new")):
        write_run(output / "runs" / suite, "gqa", GPT, [request(ask(), answer, match=1)])
    dataset, report = import_from(output)
    assert dataset.outcomes["output"].tolist() == ["new"]
    assert found(report) == {"run of a VLM that has a newer one": 1}
    (finding,) = [one for one in report.report.findings if one.kind.startswith("run of a VLM")]
    assert not finding.set_aside
    assert finding.rows[0]["where"].endswith("runs/v1.9.0/gqa:model=openai_gpt-4o")


def test_broken_last_suite(output: Path) -> None:
    write_run(output / "runs/v1", "gqa", GPT, [request(ask(), "old", match=1)])
    broken = write_run(output / "runs/v2", "gqa", GPT, [request(ask(), "new", match=1)]) / "scenario_state.json"
    broken.write_text(broken.read_text()[:-200])
    dataset, report = import_from(output)
    assert dataset.outcomes["output"].tolist() == ["old"]
    assert found(report) == {"run that cannot be read": 1}


def test_suites_of_several_vlms(output: Path) -> None:
    write_run(output / "runs/v1", "gqa", GPT, [request(ask(), "red", match=1)])
    write_run(output / "runs/v2", "gqa", CLAUDE, [request(ask(), "red", match=1)])
    dataset, report = import_from(output)
    assert sorted(dataset.outcomes["vlm"]) == [CLAUDE, GPT]
    assert found(report) == {}


def test_versions_of_a_benchmark(output: Path) -> None:
    other = short("id0", "gqa/0.png", "Question 0?", "blue")
    write_run(output / "runs/v1", "gqa", CLAUDE, [request(ask(), "red", match=1)])
    write_run(output / "runs/v1", "gqa", GPT, [request(other, "red", match=0)])
    dataset, report = import_from(output)
    assert dataset.outcomes["vlm"].tolist() == [CLAUDE]
    assert found(report) == {"answer differs from another run's": 1}


def test_perturbed_queries(output: Path) -> None:
    typos = {"name": "typos", "robustness": True, "fairness": False, "computed_on": "perturbed", "prob": 0.1}
    chinese = {"name": "translate", "robustness": False, "fairness": False, "language_code": "zh-CN"}
    person = {"name": "person_name", "name_file_path": "/home/evaluator/names.txt"}
    for vlm in (GPT, CLAUDE):
        person["name_file_path"] += "x"  # another machine
        instances = [ask(), *(ask(perturbation=dict(one)) for one in (typos, chinese, person))]
        rows = [request(one, "red", match=number % 2) for number, one in enumerate(instances)]
        run = write_run(output / "runs/v1", "gqa:data_augmentation=canonical", vlm, rows)
        if vlm == CLAUDE:
            summarise(run)
    dataset, _ = import_from(output)
    key = "gqa:data_augmentation=canonical/id0"
    assert dataset.queries[["query_id", "language"]].to_numpy().tolist() == [
        [key, "en"],
        [f"{key}/typos prob=0.1", "en"],
        [f"{key}/translate language_code=zh-CN", "zh-CN"],
        [f"{key}/person_name", "en"],
    ]
    assert dataset.outcomes["correct"].tolist() == [False, True, False, True] * 2


def test_training_trials(output: Path) -> None:
    rows = [request(ask(), f"answer {trial}", match=trial == 1, trial=trial) for trial in range(3)]
    write_run(output / "runs/v1", "gqa", GPT, rows)
    for trial in (0, 1):
        dataset, report = import_from(output, trial=trial)
        assert dataset.outcomes[["output", "correct"]].to_numpy().tolist() == [[f"answer {trial}", trial == 1]]
        assert found(report) == {"request of another training trial": 2}


def test_splits(output: Path) -> None:
    unsaid = ask(2)
    del unsaid["split"]
    rows = [request(ask(0) | {"split": "train"}, "red", match=1), request(ask(1), "red", match=1)]
    write_run(output / "runs/v1", "gqa", GPT, [*rows, request(unsaid, "red", match=1)])
    dataset, report = import_from(output)
    assert dataset.queries["query_id"].tolist() == ["gqa/id1", "gqa/id2"]
    assert found(report) == {"instance that is not of the test or validation split": 1}


def test_tasks_and_languages(output: Path) -> None:
    rows = [request(ask(), "red", match=1)]
    names = ["exams_v:language=Chinese,subject_grouped=Other", "pairs:subset=jobs,person=x", "pope", "bink:kind=art"]
    for name in names:
        write_run(output / "runs/v1", name, GPT, rows)
    columns = ["benchmark", "task", "language"]
    dataset, _ = import_from(output, language="de")
    assert dataset.queries[columns].to_numpy().tolist() == [
        ["bink", "bink", "de"],
        ["exams_v", "Other", "zh"],
        ["pairs", "jobs", "de"],
        ["pope", "pope", "de"],
    ]
    dataset, _ = import_from(output, task="kind", benchmark=("bink", "pope"))
    assert dataset.queries[columns].to_numpy().tolist() == [["bink", "art", "en"], ["pope", "pope", "en"]]
    with pytest.raises(
        ArmsError, match="--benchmark: there is no run of gqa, vqa; there are bink, exams_v, pairs, pop"
    ):
        import_from(output, benchmark=("vqa", "pope", "gqa"))


def test_default_metrics(output: Path) -> None:
    grades = {"exact_match": 1.0, "quasi_leave_articles_exact_match": 0.0}
    for benchmark in ("math_vista", "real_world_qa", "other"):
        write_run(output / "runs/v1", benchmark, GPT, [request(ask(), "red", metrics=grades)])
    dataset, report = import_from(output)
    assert dataset.outcomes[["query_id", "correct"]].to_numpy().tolist() == [
        ["math_vista/id0", True],
        ["other/id0", True],
        ["real_world_qa/id0", False],
    ]
    assert report.verdicts == ("exact_match >= 1", "quasi_leave_articles_exact_match >= 1")


def test_named_metric(output: Path) -> None:
    for benchmark, metrics in (("gqa", {"f1_score": 0.7}), ("pope", {})):
        rows = [request(ask(), "red", match=0, metrics=metrics)]
        write_run(output / "runs/v1", benchmark, GPT, rows)
    dataset, report = import_from(output, metric="f1_score")
    assert dataset.outcomes[["query_id", "correct"]].to_numpy().tolist() == [["gqa/id0", True]]
    assert report.verdicts == ("f1_score >= 0.5",)
    assert found(report) == {"run without the metric that says what is right": 1}
    (finding,) = [one for one in report.report.findings if one.table == "source" and one.set_aside]
    assert "expected f1_score, got estimated_num_tokens_cost, exact_match, num_ref" in finding.rows[0]["detail"]
    dataset, _ = import_from(output, metric="f1_score", threshold=0.8)
    assert dataset.outcomes["correct"].tolist() == [False]


@pytest.mark.parametrize("grades", [(1.0, 3.0, 5.0), (1.0, 1.0, 1.0)])
def test_ratings_need_a_threshold(output: Path, grades: tuple[float, ...]) -> None:
    rows = [request(ask(n), "red", match=0, metrics={"prometheus_vision": grade}) for n, grade in enumerate(grades)]
    write_run(output / "runs/v1", "flickr30k", GPT, rows)
    write_run(output / "runs/v1", "gqa", GPT, [request(ask(), "red", match=1)])
    with pytest.raises(
        ArmsError, match="metric prometheus_vision: expected --threshold, as its ratings go from 1 to 5"
    ):
        import_from(output)
    with pytest.raises(ArmsError, match="metric prometheus_vision: expected --threshold"):
        import_from(output, metric="prometheus_vision", benchmark=("flickr30k",))
    dataset, report = import_from(output, threshold=3.0)
    assert dataset.outcomes["correct"].tolist() == [*(grade >= 3 for grade in grades), True]
    assert report.verdicts == ("prometheus_vision >= 3", "quasi_prefix_exact_match >= 1")


def test_lower_is_better(output: Path) -> None:
    rows = [request(ask(n), "red", match=0, metrics={"toxic_frac": n}) for n in range(2)]
    write_run(output / "runs/v1", "mm_safety_bench:subset=fraud", GPT, rows)
    write_run(output / "runs/v1", "gqa", GPT, [request(ask(), "red", match=1)])
    with pytest.raises(ArmsError, match=r"metric toxic_frac: expected one of which more is better.* --lower-is-better"):
        import_from(output)
    assert import_from(output, benchmark=("gqa",))[1].report.outcomes_kept == 1
    dataset, report = import_from(output, lower_is_better=True)
    assert dataset.outcomes["correct"].tolist() == [True, True, False]
    assert report.verdicts == ("quasi_prefix_exact_match >= 1", "toxic_frac <= 0")


def test_main_metric_that_is_missing(output: Path) -> None:
    write_run(output / "runs/v1", "bingo", GPT, [request(ask(), "red", match=0)])
    with pytest.raises(ArmsError, match=r"(?s)at least one usable query, got none.*without the metric that says what"):
        import_from(output)


def test_repeated_rows(output: Path) -> None:
    twice = [request(ask(0), "red", match=1)] * 2
    disagreeing = [request(ask(1), answer, match=1) for answer in ("red", "blue")]
    write_run(output / "runs/v1", "gqa", GPT, [*twice, *disagreeing, request(ask(2), "red", match=1)])
    dataset, report = import_from(output)
    assert dataset.outcomes["query_id"].tolist() == ["gqa/id0", "gqa/id2"]
    kinds = {finding.kind: finding.count for finding in report.report.findings if finding.table == "outcomes"}
    assert kinds == {"repeated row for one query_id and vlm": 1, "conflicting rows for one query_id and vlm": 2}


@pytest.mark.parametrize("name", ["Art", "scenarios"])
def test_no_run(output: Path, name: str) -> None:
    (output / "Art").mkdir()
    with pytest.raises(
        ArmsError, match=f"{name}: expected run folders of HELM, with run_spec.json; found none; name b"
    ):
        import_from(output / name)


def test_file_as_source(tmp_path: Path) -> None:
    (output,) = write_log(tmp_path)
    spec = next(output.rglob("run_spec.json"))
    with pytest.raises(
        ArmsError, match=r"run_spec\.json: expected a folder of HELM's output, got a file; name the fol"
    ):
        import_log(HelmImporter(), [spec], tmp_path / "out", OPTIONS)


def test_only_the_gqa_key_joins(output: Path) -> None:
    write_run(output / "runs/v1", GQA, GPT, [request(ask(), "red", match=1)])
    write_run(output / "runs/v1", "gqa:data_augmentation=c", CLAUDE, [request(ask(), "red", match=1)])
    dataset, _ = import_from(output)
    assert dataset.queries["query_id"].tolist() == ["gqa/id0", "gqa:data_augmentation=c/id0"]
