import os
from pathlib import Path
from typing import Any

import pytest

from arms.importers.set_aside import SetAside
from arms.importers.vlmevalkit.result_files import ResultFile, assign_files, find_files, is_passed_over, split_judge

NAMES = {"MMBench_DEV_EN", "MMBench_DEV_EN_V11", "MME", "MME-RealWorld", "MathVista_MINI", "DocVQA_VAL", "OCRBench"}


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def kinds(aside: SetAside) -> dict[str, Any]:
    return {finding.kind: [Path(row["where"]).name for row in finding.rows] for finding in aside.findings()}


@pytest.mark.parametrize(
    ("benchmark", "rests"),
    [
        # What an evaluation adds to the name of a benchmark, by the judge; at first of benchmarks that are known.
        ("MMBench_DEV_EN", {"_openai_result": "openai", "_exact_matching_result": "exact_matching"}),
        ("MMBench_DEV_EN", {"_my-judge_result": "my-judge"}),
        ("MMBench_DEV_EN_V11", {"_openai_result": "openai", "_myjudge_result": "myjudge"}),
        ("MME", {"_auxmatch": ""}),
        ("MME-RealWorld", {"_auxmatch": ""}),
        ("DocVQA_VAL", {"_results": "", "_detailed_results": "", "_gpt-4o_results": "gpt-4o"}),
        (
            "MathVista_MINI",
            {"_gpt-4o-mini": "gpt-4o-mini", "_some-judge": "some-judge", "": "", "_gpt-4_score": "gpt-4"},
        ),
        # The name of a benchmark that is not known, though another one's with which it begins is.
        ("OCRBench_v2", {"_results": "", "_auxmatch": "", "": "", "_openai_result": "openai"}),
        ("OCRBench_v2", {"_extract_matching_result": "extract_matching", "_myjudge_result": "myjudge"}),
        ("MMT-Bench_VAL_MI", {"_chatgpt-0125_result": "chatgpt-0125"}),
        ("SEEDBench_IMG", {"_gpt4": "gpt4"}),
        ("result", {"": ""}),
    ],
)
def test_split_judge(benchmark: str, rests: dict[str, str]) -> None:
    for rest, judge in rests.items():
        assert split_judge(ResultFile(Path("x.xlsx"), "M", "", benchmark + rest), NAMES) == (benchmark, judge)


def test_what_is_passed_over() -> None:
    averages = "M_B_acc.csv M_B_score.csv M_B_gpt4_extract.xlsx status.json _M_B_SUB_C.xlsx M_B_rating.json".split()
    assert all(is_passed_over(Path("run") / name) for name in averages)
    assert not any(is_passed_over(Path("run") / name) for name in ("M_B_score.xlsx", "M_B_openai_result.xlsx"))


def test_vlms_by_folder(tmp_path: Path) -> None:
    names = [
        "GPT4o/T20250301-120000/GPT4o_MME.xlsx",  # within a run
        "GPT4o/T20240301_Gabc123/GPT4o_MME.xlsx",  # within a run of old
        "GPT4o/GPT4o_MME.tsv",
        "GPT4o_MINI/GPT4o_MINI_MME_auxmatch.xlsx",  # another VLM, whose name begins with the first one's
        "GPT4o/T2025/GPT4o_MME.xlsx",  # no run
    ]
    paths = [tmp_path / name for name in names]
    aside = SetAside()
    files = assign_files(paths, {"MME"}, lambda path: True, aside)
    assert [(file.vlm, file.run, file.rest) for file in files] == [
        ("GPT4o", "T20250301-120000", "MME"),
        ("GPT4o", "T20240301_Gabc123", "MME"),
        ("GPT4o", "", "MME"),
        ("GPT4o_MINI", "", "MME_auxmatch"),
        ("GPT4o", "", "MME"),
    ]
    assert aside.findings() == ()


def test_vlms_in_a_folder_of_all(tmp_path: Path) -> None:
    names = [
        "GPT4o_MME_auxmatch.xlsx",
        "GPT4o_MINI_MME_auxmatch.xlsx",
        "GPT4o_MME-RealWorld_auxmatch.xlsx",
        "a_b_MMBench_DEV_EN_V11_openai_result.xlsx",
        "a_b_MMBench_DEV_EN_openai_result.xlsx",
        "T20250301-120000/x_MME.xlsx",
    ]
    aside = SetAside()
    files = assign_files([tmp_path / name for name in names], NAMES, lambda path: True, aside)
    assert [(file.vlm, file.rest) for file in files] == [
        ("GPT4o", "MME_auxmatch"),
        ("GPT4o_MINI", "MME_auxmatch"),
        ("GPT4o", "MME-RealWorld_auxmatch"),
        ("a_b", "MMBench_DEV_EN_V11_openai_result"),
        ("a_b", "MMBench_DEV_EN_openai_result"),
        ("x", "MME"),
    ]
    assert aside.findings() == ()


def test_vlms_known_from_elsewhere_and_not_at_all(tmp_path: Path) -> None:
    names = ["M/M_x.xlsx", "M_2/M_2_x.xlsx", "M_2_new_openai_result.xlsx", "other_new_openai_result.xlsx", "notes.json"]
    aside = SetAside()
    paths = [tmp_path / name for name in names]
    files = assign_files(paths, {"MME"}, lambda path: path.stem != "notes", aside)
    assert [(file.vlm, file.rest) for file in files] == [("M", "x"), ("M_2", "x"), ("M_2", "new_openai_result")]
    assert kinds(aside) == {
        "file whose VLM and benchmark cannot be told apart": ["other_new_openai_result.xlsx"],
        "file that holds no answers": ["notes.json"],
    }
    assert aside.count == 1


def test_links_within_the_sources_are_one_file(tmp_path: Path) -> None:
    real = tmp_path / "outputs/M/T20250301-120000/M_MME.xlsx"
    touch(real, tmp_path / "outputs/M/M_POPE.pkl")
    (tmp_path / "outputs/M/M_MME.xlsx").symlink_to(real)  # VLMEvalKit leaves such links to its newest run
    (tmp_path / "outputs/A.xlsx").symlink_to(real)
    aside = SetAside()
    assert find_files([tmp_path / "outputs"], aside) == [real]
    assert find_files([tmp_path / "outputs/M/M_MME.xlsx"], aside) == [tmp_path / "outputs/M/M_MME.xlsx"]
    assert find_files([tmp_path / "outputs/M", real.parent, real], aside) == [real]
    assert aside.findings() == ()


def test_links_out_of_the_sources(tmp_path: Path) -> None:
    secret = tmp_path / "secret_MME.xlsx"
    touch(secret, tmp_path / "outputs/M/M_MME.xlsx")
    (tmp_path / "outputs/M/M_POPE.xlsx").symlink_to(secret)
    (tmp_path / "outputs/M/M_GQA.xlsx").symlink_to(tmp_path / "outputs/M/none.xlsx")
    (tmp_path / "outputs/N").symlink_to(tmp_path)
    aside = SetAside()
    assert find_files([tmp_path / "outputs"], aside) == [tmp_path / "outputs/M/M_MME.xlsx"]
    assert kinds(aside) == {"file outside the sources": ["M_POPE.xlsx"], "link that leads nowhere": ["M_GQA.xlsx"]}


def test_age_of_runs(tmp_path: Path) -> None:
    runs = ["", "T20240301_Gffff", "T20250301_Gabc", "T20250301-080000", "T20250301-120000"]
    files = [ResultFile(tmp_path / f"{number}.xlsx", "M", run, "MME") for number, run in enumerate(runs)]
    touch(*(file.path for file in files))
    for number, file in enumerate(files):
        os.utime(file.path, (1000 - number, 1000 - number))  # the folders' names count, not the files' times
    assert sorted([*files[3:], *files[:3]], key=lambda file: file.age) == files
    same = [ResultFile(file.path, "M", "T20240301_Gffff", "MME") for file in files[:2]]
    assert sorted(same, key=lambda file: file.age) == [same[1], same[0]]
