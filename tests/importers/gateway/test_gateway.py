"""What becomes of a gateway's log: which requests are one query, what counts, what is set aside."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

pytest.importorskip("sqlalchemy")

from arms.cli import main
from arms.errors import ArmsError
from arms.importers.gateway.gateway_importer import GatewayImporter
from tests.importers.helpers import FREE
from tests.importers.logs.gateway import QUESTIONS, picture, request, write_log, write_records
from tests.serve.memory.made import feedback


@pytest.fixture
def read(tmp_path, load):
    """Imports some records: read(*records, keep=..., options=..., settings)."""

    def read_records(*records, keep=("questions", "images", "outputs"), options=FREE, **settings):
        log = write_records(tmp_path / "memory.db", [one for some in records for one in some], keep=keep)
        return load(GatewayImporter(**settings), log, options=options)

    return read_records


def test_a_query_has_what_was_asked_and_answered(read):
    pictures = picture(1), picture(2)
    found = read(request("r7", "Which is older?", *pictures, minute=2), [feedback("r7", score=0.8)])
    (query,), (outcome,) = found.queries, found.outcomes
    assert (query["query_id"], query["question"], query["benchmark"]) == ("r7", "Which is older?", "gateway")
    assert found.pictures(query) == list(pictures)
    assert outcome == {
        "query_id": "r7",
        "vlm": "gpt-4o",
        "correct": True,
        "output": "r7 says",
        "cost_usd": 0.003,
        "latency_s": 1.5,
        "score": 0.8,
        "propensity": 0.9,
    }


def test_what_has_no_feedback_is_no_outcome(read):
    found = read(request("r0", "One?", picture(0)), request("r1", "Two?", picture(1)), [feedback("r1")])
    assert found.column("query_id") == ["r1"]


def test_requests_that_asked_the_same_are_one_query(read):
    found = read(
        request("first", "One?", picture(0), chosen="phi-4"),
        request("second", "One?", picture(0), chosen="gpt-4o", minute=1),
        request("third", "One?", picture(0), chosen="phi-4", minute=2),
        request("other", "One?", picture(1), minute=3),
        [feedback("first", True), feedback("second", False), feedback("third", False), feedback("other", True)],
    )
    assert found.column("query_id") == ["first", "other"]
    rows = {(row["query_id"], row["vlm"]): row for row in found.outcomes}
    assert {key: row["correct"] for key, row in rows.items()} == {
        ("first", "phi-4"): False,
        ("first", "gpt-4o"): False,
        ("other", "gpt-4o"): True,
    }
    assert rows["first", "phi-4"]["output"] == "third says"
    assert [row["propensity"] for row in rows.values()] == [None, None, 0.9], "one request's chance is not the query's"


def test_of_several_verdicts_the_latest_counts(read):
    said = [feedback("r0", False, hours=3), feedback("r0", True, hours=2), feedback("r0", None, score=0.25, hours=4)]
    (row,) = read(request("r0", "One?"), said).outcomes
    assert (row["correct"], row["score"]) == (False, 0.25)


def test_a_score_without_a_verdict_is_graded(read):
    records = [[*request(f"r{n}", f"{n}?"), feedback(f"r{n}", None, score=n / 10)] for n in (4, 6, 8)]
    found = read(*records)
    assert [row["correct"] for row in found.outcomes] == [False, True, True]
    assert found.report.verdicts == ("score >= 0.5",)


def test_the_threshold_of_scores(read):
    found = read(*[[*request(f"r{n}", f"{n}?"), feedback(f"r{n}", None, score=n / 10)] for n in (6, 8)], threshold=0.7)
    assert [row["correct"] for row in found.outcomes] == [False, True]


def test_after_a_fallback_the_outcome_is_of_the_vlm_that_answered(read):
    (row,) = read(
        request("r0", "One?", chosen="phi-4", ended={"vlm": "gpt-4o", "fallbacks": ("phi-4",)}), [feedback("r0")]
    ).outcomes
    assert (row["vlm"], row["cost_usd"]) == ("gpt-4o", 0.001)
    assert row.get("propensity") is None, "the chance was that of another VLM"


@pytest.mark.parametrize(("reason", "kept"), [("explore", 0.05), ("policy", 0.05), ("sticky", None), ("named", None)])
def test_only_draws_have_a_propensity(read, reason, kept):
    (row,) = read(request("r0", "One?", chosen="phi-4", reason=reason), [feedback("r0")]).outcomes
    assert row.get("propensity") == kept


@pytest.mark.parametrize(("chance", "kept"), [(0.05, None), (1.0, 1.0)])
def test_a_draw_from_a_part_of_the_pool_has_no_propensity(read, chance, kept):
    within_budget = {"confidences": {"phi-4": 0.3, "llava-7b": 0.2}, "propensity": chance}
    found = read(
        request("whole", "One?"),
        request("part", "Two?", chosen="phi-4", minute=1, **within_budget),
        [feedback("whole"), feedback("part")],
    )
    assert [row["propensity"] for row in found.outcomes] == [0.9, kept], "tables say that all could have been drawn"


def test_feedback_on_another_vlm_has_no_costs(read):
    (row,) = read(request("r0", "One?"), [feedback("r0", vlm="llava-7b")]).outcomes
    assert (row["vlm"], row["cost_usd"], row["output"]) == ("llava-7b", None, None)


def test_feedback_on_an_answer_that_was_not_recorded_is_nobodys(read):
    decided = request("r0", "One?")[:1]
    found = read(decided, [feedback("r0")], request("r1", "Two?"), [feedback("r1")])
    assert found.column("query_id") == ["r1"]


def test_what_was_not_kept_is_said(read):
    records = request("r0", "One?", picture(0)), request("r1", "Two?"), [feedback("r0"), feedback("r1")]
    found = read(*records, keep=("questions",))
    assert found.column("query_id") == ["r1"]
    assert found.kinds["picture that was not kept"] == found.report.rows_set_aside == 1
    text = found.report.report.text()
    assert "set keep.images: true in the gateway's settings for what is to come, or import questions only" in text


def test_without_images_only_questions_are_needed(read):
    records = request("r0", "One?", picture(0)), [feedback("r0")]
    found = read(*records, keep=("questions",), options=replace(FREE, no_images=True))
    assert [query["images"] for query in found.queries] == [()]


def test_a_log_without_questions_is_an_error_that_says_what_to_set(read):
    with pytest.raises(ArmsError, match=r"question that was not kept .*; set keep.questions: true"):
        read(request("r0", "One?", picture(0)), [feedback("r0")], keep=())


def test_a_log_without_feedback(read):
    with pytest.raises(ArmsError, match="expected decisions with feedback, got none"):
        read(request("r0", "One?"))


def test_since_a_day(read):
    early, late = request("r0", "One?"), request("r1", "Two?", minute=60 * 24)
    assert read(early, late, [feedback("r0"), feedback("r1")], since="2026-11-04").column("query_id") == ["r1"]


def test_a_day_that_is_none(read):
    with pytest.raises(ArmsError, match="--since: expected a day or a time such as 2026-11-01"):
        read(request("r0", "One?"), since="yesterday")


def test_a_url_is_read_as_a_file_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf/data").mkdir(parents=True)
    (log,) = write_log(tmp_path)
    command = ["import", "gateway", f"sqlite:///{log}", "--access", "free"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2
    assert "expected --name, as a URL gives none" in done.output
    done = CliRunner().invoke(main, [*command, "--name", "mine"])
    assert f"imported {len(QUESTIONS)} queries with 17 outcomes" in done.output
    assert f"sqlite:///{log}" in (tmp_path / "conf/data/mine.yaml").read_text()


def test_other_formats_take_no_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["import", "csv", "https://me:secret@host/log.csv", "--name", "mine"])
    assert done.exit_code == 1
    assert "https://me:***@host/log.csv: expected files or folders, got a URL; download it first" in done.output
    done = CliRunner().invoke(main, ["import", "csv", "a.csv", "https://host/log.csv", "--name", "mine"])
    assert done.exit_code == 1
