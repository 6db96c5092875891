import base64
import json
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from arms.errors import ArmsError
from tests.importers.logs.vlmevalkit import RUN, hit, question, write_sheet, write_tsv
from tests.importers.logs.vlmevalkit_case import Log


def test_benchmarks_whose_names_begin_alike(log: Log) -> None:
    log.result("M", "MMBench_DEV_EN", question(1, prediction="A"))
    log.result("M", "MMBench_DEV_EN_openai_result", hit(1, 1))
    log.result("M", "MMBench_DEV_EN_V11_openai_result", hit(1, 0))
    log.result("M", "MMBench_DEV_EN_V11", question(1, prediction="A"))
    log.result("M", "MME_auxmatch", {**question(1), "prediction": "Yes", "extracted": "Yes", "score": True})
    log.result("M", "MME-RealWorld_auxmatch", {**question(1), "prediction": "Yes", "extracted": "No", "score": False})
    for benchmark in ("MMBench_DEV_EN", "MMBench_DEV_EN_V11", "MME", "MME-RealWorld"):
        log.tsv(benchmark, 1)
    expected = {"MMBench_DEV_EN/1": True, "MMBench_DEV_EN_V11/1": False, "MME/1": True, "MME-RealWorld/1": False}
    assert log.read().verdicts() == expected
    (log.outputs / f"M/{RUN}/M_MMBench_DEV_EN_V11.xlsx").unlink()
    assert log.read().verdicts() == expected  # the TSV still tells
    (log.tsvs / "MMBench_DEV_EN_V11.tsv").rename(log.folder / "other.tsv")
    found = log.read(log.outputs, log.tsvs, tsv=(f"MMBench_DEV_EN_V11={log.folder / 'other.tsv'}",))
    assert found.verdicts() == expected


def test_benchmark_known_by_a_name_alone(log: Log) -> None:
    log.result("M", "MMBench_DEV_EN", question(1, prediction="A"))
    log.result("M", "MMBench_DEV_EN_V11_openai_result", hit(1, 0))
    log.tsv("MMBench_DEV_EN", 1)
    with pytest.raises(ArmsError, match="no image in the log: the TSV of MMBench_DEV_EN_V11 is not at") as caught:
        log.read()
    assert "benchmark known only by an evaluated file's name" in str(caught.value)
    assert "1 set aside: prediction file without an evaluation; evaluate it with VLMEvalKit" in str(caught.value)


def test_vlms_whose_names_begin_alike(log: Log) -> None:
    log.result("GPT4o", "MME_auxmatch", {**question(1), "prediction": "Yes", "extracted": "Yes", "score": True})
    log.result("GPT4o_MINI", "MME_auxmatch", {**question(1), "prediction": "No", "extracted": "No", "score": False})
    log.tsv("MME", 1)
    found = log.read()
    assert (found.verdicts("GPT4o"), found.verdicts("GPT4o_MINI")) == ({"MME/1": True}, {"MME/1": False})
    flat = log.folder / "flat"
    flat.mkdir()
    for path in log.outputs.rglob("*.xlsx"):
        path.rename(flat / path.name)
    found = log.read(flat, log.tsvs)
    assert (found.verdicts("GPT4o"), found.verdicts("GPT4o_MINI")) == ({"MME/1": True}, {"MME/1": False})


def test_the_newest_verdict_counts(log: Log) -> None:
    log.tsv("MMStar", 1, 2)
    log.result("M", "MMStar_openai_result", hit(1, 0), hit(2, 0), run="T20250301-120000")
    log.result("M", "MMStar_openai_result", hit(1, 1), run="T20250301-130000")
    log.result("M", "MMStar", question(1, prediction="A"), run="T20241231_Gabc123")
    log.result("M", "MMStar_openai_result", hit(1, 0), run="T20241231_Gabc123")
    log.result("M", "MMStar_openai_result", hit(1, 0), run="")
    log.result("N", "MMStar_openai_result", hit(1, 0), run="T20241231_Gabc123")
    found = log.read()
    assert found.verdicts("M") == {"MMStar/1": True, "MMStar/2": False}  # the second question was not asked again
    assert found.verdicts("N") == {"MMStar/1": False}
    assert found.findings() == {"VLM without a profile": 2, "older run, joined by row": 3}
    assert found.report.rows_set_aside == 0
    details = [row["detail"].partition(";")[0] for row in found.rows("older run, joined by row")]
    assert details == ["1 of 2 verdicts taken", "0 of 1 verdicts taken", "0 of 1 verdicts taken"]


def test_a_newer_part_of_a_run(log: Log) -> None:
    """A later run with a limit, or one whose answers were not obtained, takes nothing from the whole one."""
    log.tsv("MMStar", *range(20))
    log.result("M", "MMStar_openai_result", *(hit(number, 0) for number in range(20)), run="T20250301-120000")
    lost = hit(1, 0, prediction="Failed to obtain answer via API.")
    log.result("M", "MMStar_openai_result", hit(0, 1), lost, run="T20250401-120000")
    found = log.read()
    assert found.verdicts() == {f"MMStar/{number}": number == 0 for number in range(20)}
    (small,) = found.rows("run much smaller than another on the same questions")
    assert small["where"].endswith("T20250401-120000/M_MMStar_openai_result.xlsx")
    assert small["detail"].startswith("2 rows of M, 20 of M in ")


def test_newest_run_without_an_evaluation(log: Log) -> None:
    log.tsv("MMStar", 1, 2)
    log.result("M", "MMStar_openai_result", hit(1, 0), run="T20250301-120000")
    newer = log.result("M", "MMStar", question(1, prediction="A"), question(2, prediction="A"), run="T20250401-120000")
    alone = log.result("N", "POPE", question(1, prediction="A"), ending="tsv")
    found = log.read()
    assert found.verdicts() == {"MMStar/1": False}
    assert found.findings()["prediction file without an evaluation"] == 3  # rows
    assert [row["where"] for row in found.rows("prediction file without an evaluation")] == [str(newer), str(alone)]


@pytest.mark.parametrize("benchmark", ["OCRBench", "MTVQA_TEST"])
def test_a_benchmark_whose_verdicts_are_written_nowhere(log: Log, benchmark: str) -> None:
    """VLMEvalKit keeps only totals of these, so that its advice to evaluate could never help."""
    log.tsv("MMStar", 1)
    log.tsv(benchmark, 1, 2)
    log.result("M", "MMStar_openai_result", hit(1, 1))
    predictions = [question(number, prediction="A") for number in (1, 2)]
    path = log.result("M", benchmark, *predictions)
    found = log.read()
    kind = "prediction file of a benchmark that VLMEvalKit gives only totals of"
    assert found.findings()[kind] == 2
    (advice,) = (one.advice for one in found.report.report.findings if one.kind == kind)
    assert advice.startswith("to evaluate it again does not help: add a column hit to the file, 1 where")
    write_sheet(path, [{**row, "hit": verdict} for row, verdict in zip(predictions, (1, 0), strict=True)])
    found = log.read()
    assert found.verdicts() == {"MMStar/1": True, f"{benchmark}/1": True, f"{benchmark}/2": False}
    assert kind not in found.findings()


def test_links_to_the_newest_run(log: Log) -> None:
    """VLMEvalKit leaves links to the files of its newest run in the VLM's folder."""
    log.tsv("MMStar", 1)
    for run, verdict in (("T20250301-120000", 0), ("T20250401-120000", 1)):
        path = log.result("M", "MMStar_openai_result", hit(1, verdict), run=run)
    (log.outputs / "M" / path.name).symlink_to(path)
    found = log.read()
    assert found.verdicts() == {"MMStar/1": True}
    assert found.findings() == {"VLM without a profile": 1, "older run, joined by row": 1}


def test_judges(log: Log) -> None:
    log.tsv("MMStar", 1)
    for judge, verdict in (("exact_matching", 0), ("openai", 1), ("qwen2.5", 0)):
        log.result("M", f"MMStar_{judge}_result", hit(1, verdict))
    log.result("N", "MMStar_exact_matching_result", hit(1, 1))
    found = log.read()
    assert (found.verdicts("M"), found.verdicts("N")) == ({"MMStar/1": True}, {"MMStar/1": True})
    assert found.findings()["other evaluation of the same run"] == 2
    assert found.rows("benchmark with several judges") == [{"where": "MMStar", "detail": "exact_matching, openai"}]
    found = log.read(judge="Exact_matching")
    assert (found.verdicts("M"), found.verdicts("N")) == ({"MMStar/1": False}, {"MMStar/1": True})
    assert found.findings()["evaluation by another judge"] == 2


def test_averages_and_other_files_are_no_results(log: Log) -> None:
    log.tsv("MMStar", 1)
    folder = log.result("M", "MMStar_openai_result", hit(1)).parent
    log.result("M", "MMStar", question(1, prediction="A"))
    (folder / "M_MMStar_acc.csv").write_text('"split","Overall"\n"none","1.0"\n')
    (folder / "M_OCRBench_score.json").write_text(json.dumps({"Final Score": 500}))
    (folder / "status.json").write_text("{}")
    (folder / "M_MMStar_openai_result.pkl").write_bytes(b"\x80\x04.")
    write_sheet(folder / "M_MathVerse_MINI_gpt-4_extract.xlsx", [{"index": 1, "extract": "A", "prediction": "A"}])
    found = log.read()
    assert found.verdicts() == {"MMStar/1": True}
    assert found.findings() == {"VLM without a profile": 1, "file that holds no answers": 1}
    assert found.rows("file that holds no answers")[0]["where"].endswith("M_OCRBench_score.json")


def test_files_that_cannot_be_read(log: Log) -> None:
    log.tsv("MMStar", 1, 2)
    log.result("M", "MMStar_openai_result", hit(1))
    names = ("truncated.xlsx", "latin.tsv", "cut.json", "open.tsv", "twice.tsv", "average.xlsx", "empty.xlsx")
    paths = {}
    for number, name in enumerate(names):
        paths[name] = log.outputs / f"V{number}/{RUN}/V{number}_MMStar_openai_result{Path(name).suffix}"
        paths[name].parent.mkdir(parents=True)
    good = log.result("N", "MMStar_openai_result", hit(1), hit(2)).read_bytes()
    paths["truncated.xlsx"].write_bytes(good[: len(good) // 2])
    paths["latin.tsv"].write_bytes(b"index\tquestion\thit\n1\tcaf\xe9?\t1\n")
    paths["cut.json"].write_text(json.dumps([hit(1)])[:-20])
    paths["open.tsv"].write_text('index\tquestion\thit\n1\tWhat?\t1\n2\t"What\t1\n')
    paths["twice.tsv"].write_text("index\thit\thit\n1\t1\t0\n")
    write_sheet(paths["average.xlsx"], [{"split": "none", "Overall": 0.5}])
    paths["empty.xlsx"].write_bytes(b"")
    found = log.read()
    assert found.outcomes["vlm"].unique().tolist() == ["M", "N"]
    assert found.findings()["file that cannot be read"] == 6
    assert found.findings()["file without verdicts"] == 1
    source = pd.read_parquet(found.folder / "set_aside/source.parquet")
    assert sorted(source["where"]) == sorted(map(str, paths.values()))
    assert found.report.rows_set_aside == 7


def test_rows_of_a_text_file_that_are_cut(log: Log) -> None:
    log.tsv("MMStar", 1, 2)
    path = log.result("M", "MMStar_openai_result", hit(1), hit(2), ending="tsv")
    path.write_text(path.read_text().rsplit("\t", 3)[0])
    found = log.read()
    assert found.verdicts() == {"MMStar/1": True}
    assert found.rows("row with another number of cells than the header")[0]["where"] == f"{path}, row 3"


def test_nothing_usable(log: Log) -> None:
    log.result("M", "MMStar", question(1, prediction="A"))
    log.tsv("MMStar", 1)
    with pytest.raises(ArmsError, match="expected at least one usable query, got none") as caught:
        log.read()
    assert "prediction file without an evaluation; evaluate it with VLMEvalKit: python run.py --mode eval" in str(
        caught.value
    )
    assert not (log.folder / "out").exists()


@pytest.mark.parametrize("files", [(), ("notes.txt",), ("MMStar_acc.csv",)])
def test_no_log_of_vlmevalkit(log: Log, files: tuple[str, ...]) -> None:
    log.outputs.mkdir()
    for name in files:
        (log.outputs / name).write_text("a,b\n1,2\n")
    with pytest.raises(ArmsError, match=r"outputs: expected result files of VLMEvalKit, .*got none; name its outputs"):
        log.read(log.outputs)


def test_strict(log: Log) -> None:
    log.result("M", "MMStar_openai_result", hit(1), hit(2, index=None))
    log.tsv("MMStar", 1)
    with pytest.raises(ArmsError, match="expected every row to be usable"):
        log.read(options={"strict": True})


def test_images_of_any_format(log: Log) -> None:
    content = BytesIO()
    Image.new("RGB", (32, 32), (9, 9, 9)).save(content, "JPEG")
    write_tsv(log.tsvs / "MMStar.tsv", [question(1, image=base64.b64encode(content.getvalue()).decode())])
    log.result("M", "MMStar_openai_result", hit(1))
    assert log.read().queries.loc["MMStar/1", "images"][0].endswith(".jpeg")
