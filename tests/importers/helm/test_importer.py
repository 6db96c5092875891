"""HELM: runs are found, joined and graded."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from arms.errors import ArmsError
from arms.importers.helm.names import language_code, natural_key, parse_run_name
from tests.importers.helm.case import Output, ask, right, set_aside
from tests.importers.logs.helm import ART, CLAUDE, GPT, IDEFICS, request, short, summarise, write_log


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(tmp_path)


def test_joined_tables(tmp_path: Path, output: Output) -> None:
    (source,) = write_log(tmp_path / "log")
    found = output.read(source)
    question = "Which shape?\nA. circle\nB. square\nC. star"
    assert [[value for key, value in query.items() if key != "images"] for query in found.queries] == [
        *([f"gqa/id{n}", "gqa", "gqa", "en", "Which colour?", f"colour {n}"] for n in range(3)),
        *(
            [f"{ART}/id{n}", "mmmu", "Art", "en", question, shape]
            for n, shape in enumerate(("circle", "square", "star"))
        ),
    ]
    originals = [*(source / "scenarios/gqa/images").iterdir(), *(source / "scenarios/mmmu/images/Art").iterdir()]
    assert [found.image(query) for query in found.queries] == [path.read_bytes() for path in sorted(originals)]
    assert [[*row.values()] for row in found.outcomes] == [
        *([f"gqa/id{n}", CLAUDE, True, "red", None, n + 0.5] for n in range(2)),
        *([f"gqa/id{n}", IDEFICS, False, "red", None, None] for n in range(3)),  # summarised: times are not kept
        *([f"gqa/id{n}", GPT, n == 0, "red", None, n + 0.5] for n in range(3)),
        *([f"{ART}/id{n}", CLAUDE, True, "A", None, n + 0.5] for n in range(3)),
        *([f"{ART}/id{n}", IDEFICS, False, "A", None, None] for n in range(3)),
        *([f"{ART}/id{n}", GPT, n == 0, "A", None, n + 0.5] for n in range(3)),
    ]
    assert [*found.report.report.outcomes_per_vlm] == [CLAUDE, IDEFICS, GPT]
    assert (found.report.verdicts, found.report.images_found) == (("quasi_prefix_exact_match >= 1",), 6)
    runs, suite = source / "runs", source / "runs/v1"
    (runs / "latest").symlink_to("v1", target_is_directory=True)  # as HELM does
    for sources in ([runs], [suite], sorted(suite.iterdir()), [suite, runs / "latest"]):
        again = output.read(*sources)
        assert (again.queries, again.outcomes, again.kinds) == (found.queries, found.outcomes, {})


@pytest.mark.parametrize(
    ("name", "benchmark", "key", "args"),
    [
        ("gqa:model=openai_gpt-4o", "gqa", "gqa", {}),
        ("gqa", "gqa", "gqa", {}),
        ("mmmu:subject=Art,model=a_b,x=open", "mmmu", "mmmu:subject=Art,x=open", {"subject": "Art", "x": "open"}),
        ("vqa:model_deployment=x_y,model=a_b,y=c", "vqa", "vqa:y=c", {"y": "c"}),
        ("latex:of=real:is=easy,model=a_b", "latex", "latex:of=real:is=easy", {"of": "real", "is": "easy"}),
    ],
)
def test_run_names(name: str, benchmark: str, key: str, args: dict[str, str]) -> None:
    parsed = parse_run_name(name)
    assert (parsed.benchmark, parsed.key, parsed.args) == (benchmark, key, args)


def test_natural_order_and_languages() -> None:
    assert sorted(["v1.10.0", "v1.9.0", "v1", "²", "1"], key=natural_key) == ["1", "v1", "v1.9.0", "v1.10.0", "²"]
    assert natural_key("9" * 5000) > natural_key("8" * 5000)
    assert [language_code(name) for name in ("Chinese", "english", "zh-CN")] == ["zh", "en", "zh-CN"]


class TestRuns:
    def test_deployments(self, output: Output) -> None:
        """In the name beside the model, and in the model's place."""
        output.run(right(), name="gqa:model_deployment=azure_gpt-4o")
        path = output.run(right(match=0), vlm=CLAUDE) / "run_spec.json"
        assert [(row["query_id"], row["vlm"]) for row in output.read().outcomes] == [
            ("gqa/id0", CLAUDE),
            ("gqa/id0", GPT),
        ]
        spec = json.loads(path.read_text())
        del spec["adapter_spec"]["model"]
        spec["adapter_spec"]["model_deployment"] = "together/llava"
        path.write_text(json.dumps(spec))
        assert set(output.read().column("vlm")) == {"together/llava", GPT}

    def test_the_last_suite_counts(self, output: Output) -> None:
        output.run(right(output="old"), suite="v1.9.0")
        last = output.run(right(output="new"), suite="v1.10.0") / "scenario_state.json"
        output.run(right(), suite="v1", vlm=CLAUDE)
        found = output.read()
        assert {(row["vlm"], row["output"]) for row in found.outcomes} == {(GPT, "new"), (CLAUDE, "red")}
        kind = "older run, joined by row"
        assert found.kinds == {kind: 1}
        (finding,) = [one for one in found.report.report.findings if one.kind == kind]
        assert not finding.set_aside
        assert finding.rows[0]["where"].endswith("runs/v1.9.0/gqa:model=openai_gpt-4o")
        last.write_text(last.read_text()[:-200])
        found = output.read()
        assert {(row["vlm"], row["output"]) for row in found.outcomes} == {(GPT, "old"), (CLAUDE, "red")}
        assert found.kinds == {"run that cannot be read": 1}

    def test_versions_of_a_benchmark(self, output: Output) -> None:
        output.run(right(), vlm=CLAUDE)
        output.run(request(short("id0", "gqa/0.png", "Question 0?", "blue"), "red", match=0))
        found = output.read()
        assert (found.column("vlm"), found.kinds) == ([CLAUDE], {"answer differs from another run's": 1})

    def test_only_one_key_joins(self, output: Output) -> None:
        output.run(right())
        output.run(right(), name="gqa:data_augmentation=c", vlm=CLAUDE)
        assert output.read().column("query_id") == ["gqa/id0", "gqa:data_augmentation=c/id0"]

    @pytest.mark.parametrize("name", ["Art", "scenarios", "file"])
    def test_none(self, output: Output, name: str) -> None:
        (output.folder / "Art").mkdir()
        (output.folder / "file").touch()
        message = "run folders of HELM, with run_spec.json; found none; name b"
        if name == "file":
            message = "a folder of HELM's output, got a file; name the fol"
        with pytest.raises(ArmsError, match=f"{name}: expected {message}"):
            output.read(output.folder / name)


class TestRows:
    def test_perturbed_queries(self, output: Output) -> None:
        typos = {"name": "typos", "robustness": True, "fairness": False, "computed_on": "perturbed", "prob": 0.1}
        chinese = {"name": "translate", "robustness": False, "fairness": False, "language_code": "zh-CN"}
        person = {"name": "person_name", "name_file_path": "/home/evaluator/names.txt"}
        for vlm in (GPT, CLAUDE):
            person["name_file_path"] += "x"  # another machine
            instances = [ask(), *(ask(perturbation=dict(one)) for one in (typos, chinese, person))]
            rows = [request(one, "red", match=number % 2) for number, one in enumerate(instances)]
            run = output.run(*rows, name="gqa:data_augmentation=canonical", vlm=vlm)
            if vlm == CLAUDE:
                summarise(run)
        found = output.read()
        key = "gqa:data_augmentation=canonical/id0"
        names = {"": "en", "/typos prob=0.1": "en", "/translate language_code=zh-CN": "zh-CN", "/person_name": "en"}
        asked = [(query["query_id"], query["language"]) for query in found.queries]
        assert asked == [(key + name, language) for name, language in names.items()]
        assert found.column("correct") == [False, True, False, True] * 2

    def test_training_trials(self, output: Output) -> None:
        output.run(*(right(output=f"answer {trial}", match=trial == 1, trial=trial) for trial in range(3)))
        for trial in (0, 1):
            found = output.read(trial=trial)
            assert [(row["output"], row["correct"]) for row in found.outcomes] == [(f"answer {trial}", trial == 1)]
            assert found.kinds == {"request of another training trial": 2}

    def test_splits(self, output: Output) -> None:
        unsaid = {key: value for key, value in ask(2).items() if key != "split"}
        output.run(request(ask() | {"split": "train"}, "red", match=1), right(1), request(unsaid, "red", match=1))
        found = output.read()
        assert found.column("query_id") == ["gqa/id1", "gqa/id2"]
        assert found.kinds == {"instance that is not of the test or validation split": 1}

    def test_tasks_and_languages(self, output: Output) -> None:
        for name in (
            "exams_v:language=Chinese,subject_grouped=Other",
            "pairs:subset=jobs,person=x",
            "pope",
            "bink:kind=art",
        ):
            output.run(right(), name=name)

        def asked(**settings: Any) -> list[tuple[str, ...]]:
            return [(query["benchmark"], query["task"], query["language"]) for query in output.read(**settings).queries]

        expected = [("bink", "bink", "de"), ("exams_v", "Other", "zh"), ("pairs", "jobs", "de"), ("pope", "pope", "de")]
        assert asked(language="de") == expected
        assert asked(task="kind", benchmark=("bink", "pope")) == [("bink", "art", "en"), ("pope", "pope", "en")]
        with pytest.raises(
            ArmsError, match="--benchmark: there is no run of gqa, vqa; there are bink, exams_v, pairs, p"
        ):
            output.read(benchmark=("vqa", "pope", "gqa"))

    def test_that_repeat(self, output: Output) -> None:
        output.run(right(), right(), right(1), right(1, "blue"), right(2))
        found = output.read()
        assert [row["query_id"] for row in found.outcomes] == ["gqa/id0", "gqa/id2"]
        assert found.kinds == {"rows of one instance that disagree": 2, "repeated row for one query_id and vlm": 1}


class TestMetrics:
    def test_default(self, output: Output) -> None:
        grades = {"exact_match": 1.0, "quasi_leave_articles_exact_match": 0.0}
        for benchmark in ("math_vista", "real_world_qa", "other"):
            output.run(request(ask(), "red", metrics=grades), name=benchmark)
        found = output.read()
        verdicts = {row["query_id"]: row["correct"] for row in found.outcomes}
        assert verdicts == {"math_vista/id0": True, "other/id0": True, "real_world_qa/id0": False}
        assert found.report.verdicts == ("exact_match >= 1", "quasi_leave_articles_exact_match >= 1")

    def test_named(self, output: Output) -> None:
        output.run(right(match=0, metrics={"f1_score": 0.7}))
        output.run(right(match=0), name="pope")
        (own,) = [row for row in output.read(metric=("gqa=f1_score",)).outcomes if row["query_id"] == "gqa/id0"]
        assert own["correct"] is True
        assert set(output.read(metric=("gqa=f1_score",)).column("query_id")) == {"gqa/id0", "pope/id0"}
        found = output.read(metric=("f1_score",))
        assert [(row["query_id"], row["correct"]) for row in found.outcomes] == [("gqa/id0", True)]
        assert found.column("score") == [0.7]
        assert found.report.verdicts == ("f1_score >= 0.5",)
        detail = set_aside(found)["run without the metric that says what is right"]
        assert "expected f1_score, got estimated_num_tokens_cost, exact_match, num_ref" in detail
        assert output.read(metric=("f1_score",), threshold=0.8).column("correct") == [False]

    @pytest.mark.parametrize("grades", [(1.0, 3.0, 5.0), (1.0, 1.0, 1.0)])
    def test_ratings_need_a_threshold(self, output: Output, grades: tuple[float, ...]) -> None:
        output.run(
            *(right(n, match=0, metrics={"prometheus_vision": g}) for n, g in enumerate(grades)), name="flickr30k"
        )
        output.run(right())
        for settings in ({}, {"metric": ("prometheus_vision",), "benchmark": ("flickr30k",)}):
            with pytest.raises(
                ArmsError, match="metric prometheus_vision: expected --threshold, as its ratings go from 1"
            ):
                output.read(**settings)
        found = output.read(threshold=3.0)
        assert found.column("correct") == [*(grade >= 3 for grade in grades), True]
        assert found.report.verdicts == ("prometheus_vision >= 3", "quasi_prefix_exact_match >= 1")
        assert "score" not in found.outcomes[0], "nobody said which scale it is"
        if len({*grades}) > 1:
            assert output.read(threshold=3.0, grade_range="1,5").column("score") == [0, 0.5, 1, None]

    def test_lower_is_better(self, output: Output) -> None:
        output.run(
            *(right(n, match=0, metrics={"toxic_frac": n}) for n in range(2)), name="mm_safety_bench:subset=fraud"
        )
        output.run(right())
        with pytest.raises(ArmsError, match=r"metric toxic_frac: expected one where more is bett.* --lower-is-better"):
            output.read()
        assert len(output.read(benchmark=("gqa",)).outcomes) == 1
        found = output.read(lower_is_better=True)
        assert found.column("correct") == [True, True, False]
        assert found.report.verdicts == ("quasi_prefix_exact_match >= 1", "toxic_frac <= 0")

    def test_main_one_that_is_missing(self, output: Output) -> None:
        output.run(right(match=0), name="bingo")
        message = "(?s)at least one usable query, got none.*" + re.escape("without the metric that says what")
        with pytest.raises(ArmsError, match=message):
            output.read()
