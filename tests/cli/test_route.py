import re
import shutil

import pytest

from arms.cli.completers import STARTER
from arms.cli.route import _why_lines
from arms.routers.origin import Origin
from arms.routers.router import Router
from arms.routers.saved import load_router
from arms.safe.why import Neighbour, Why
from tests.cached import write_cached
from tests.cli.helpers import check_failed, run, run_json
from tests.fakes import PROFILES, make_queries, make_router
from tests.pipeline import ROOT

MADE = make_queries(12)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved router and two pictures."""
    folder = tmp_path_factory.mktemp("cli")
    router = make_router(image={"tunable_layers": "all"}, text={"tunable_layers": "all"})
    router.fit(MADE.label(router.encoders)).save(folder / "router")
    MADE.pictures[0].save(folder / "picture.png")
    MADE.pictures[1].save(folder / "other.png")
    return folder


def test_to_read(saved):
    result = run(
        "route", "--image", saved / "picture.png", "--question", "Read the sign.", "--router", saved / "router"
    )
    assert result.exit_code == 0, result.output
    route = Router.load(saved / "router").route(saved / "picture.png", "Read the sign.")
    lines = [f"{n}. {r.vlm:<10}  {r.confidence:.3f}" for n, r in enumerate(route.ranking, start=1)]
    assert result.output.splitlines() == lines


def test_json(saved):
    content = run_json(
        "route", "--image", saved / "picture.png", "--question", "有几个点?", "--router", saved / "router"
    )
    confidences = [ranked["confidence"] for ranked in content["ranking"]]
    assert confidences == sorted(confidences, reverse=True)
    assert {ranked["vlm"] for ranked in content["ranking"]} == {profile.name for profile in PROFILES}
    assert content["vlm"] == content["ranking"][0]["vlm"]
    assert content["router"] == str(saved / "router")


def test_a_missing_picture_is_said_before_the_router_is_loaded(saved, monkeypatch):
    monkeypatch.setattr(Router, "load", lambda *_, **__: pytest.fail("it was loaded"))
    result = run("route", "--image", "none.png", "--question", "Read the sign.", "--router", saved / "router")
    check_failed(result, "none.png: no such image")


class TestAnyNumberOfImages:
    """Several images, none, or only these."""

    def ranking(self, saved, *arguments):
        return run_json("route", *arguments, "--router", saved / "router")["ranking"]

    @pytest.mark.parametrize(
        ("names", "question"),
        [
            (["picture", "other"], "Read the sign."),
            (["other", "picture"], "Read the sign."),
            (["picture", "other"], ""),
            (["picture"], ""),
            ([], "Read the sign."),
        ],
    )
    def test_it_is_what_python_says(self, saved, names, question):
        paths = [saved / f"{name}.png" for name in names]
        arguments = [word for path in paths for word in ("--image", path)]
        found = self.ranking(saved, *arguments, *(("--question", question) if question else ()))
        route = Router.load(saved / "router").route(paths, question)
        assert [one["confidence"] for one in found] == [round(one.confidence, 4) for one in route.ranking]

    @pytest.mark.parametrize("question", [(), ("--question", " "), ("--question", "")])
    def test_neither(self, saved, question, monkeypatch):
        monkeypatch.setattr(Router, "load", lambda *_, **__: pytest.fail("it was loaded"))
        result = run("route", *question, "--router", saved / "router")
        assert result.exit_code == 2
        assert "Error: expected --question, --image or both, got neither" in result.stderr

    def test_the_missing_one_is_named(self, saved):
        arguments = ("--image", saved / "picture.png", "--image", "gone.png", "--router", saved / "router")
        check_failed(run("route", *arguments), "gone.png: no such image")

    def test_of_too_many_the_first_count(self, saved, caplog):
        arguments = ["--image", saved / "picture.png"] * 8
        arguments += ["--image", saved / "other.png"]
        found = self.ranking(saved, *arguments)
        (warning,) = caplog.records
        assert warning.getMessage() == "1 of 1 queries have more than 8 images; the first 8 are read"
        assert found == self.ranking(saved, *arguments[:-2])


def test_it_says_which_dataset_the_router_is_of(saved, tmp_path):
    router = load_router(saved / "router")
    router.origin = Origin("mine", {"train": 1452, "val": 9}, "0" * 64, ("train",), {})
    router.save(tmp_path / "router")
    arguments = ("route", "--image", saved / "picture.png", "--question", "Read it.", "--router", tmp_path / "router")
    told = f"router: {tmp_path / 'router'}, of the dataset mine, from 1,452 queries of train\n"
    assert run(*arguments).stderr == told
    assert run_json(*arguments)["data"] == "mine"


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_starter_answers_before_anything_is_trained(saved, work):
    arguments = ("route", "--image", saved / "picture.png", "--question", "Read the sign.")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stderr == (
        f"router: {STARTER}, of the dataset sample, from 4,171 queries of train, the starter: it knows simulated VLMs "
        "only; train your own router with: make repro\n"
    )
    assert len(result.stdout.splitlines()) == 7
    assert run_json(*arguments)["router"] == str(STARTER)
    dear = run_json(*arguments, "--cost-penalty", 1000)["ranking"]
    assert [ranked for ranked in dear if ranked["expected_cost_usd"] > 0] == dear


def test_a_trained_router_comes_before_the_starter(saved, work):
    shutil.copytree(saved / "router", work / "data/routers/arms")
    result = run("route", "--image", saved / "picture.png", "--question", "Read the sign.")
    assert result.exit_code == 0, result.output
    assert result.stderr == "router: data/routers/arms\n"
    assert len(result.stdout.splitlines()) == len(PROFILES)


def test_a_named_router_needs_no_note(saved, work):
    arguments = ("route", "--image", saved / "picture.png", "--question", "Read the sign.")
    assert run(*arguments, "--router", saved / "router").stderr == ""


@pytest.mark.parametrize("left", ["nothing", "description"])
def test_a_broken_router_is_an_error_and_not_the_starter(saved, work, left):
    folder = work / "data/routers/arms"
    folder.mkdir(parents=True)
    message = "data/routers/arms: no router there (router.json is missing)"
    if left == "description":
        shutil.copy(saved / "router/router.json", folder)
        message = "data/routers/arms/head.safetensors is missing; the checkpoint is incomplete"
    check_failed(run("route", "--image", saved / "picture.png", "--question", "What?"), message)


def test_the_first_query_of_the_readme(work):
    """The page shows what the starter answers; the last digit may differ from machine to machine."""
    block = re.search(r"```console\n\$ arms route (.*)\n([^`]*)```", (ROOT / "README.md").read_text(encoding="utf-8"))
    shown = [line.split() for line in block[2].splitlines() if re.match(r"\d", line)]
    assert len(shown) >= 3
    image, question = re.fullmatch(r'--image (\S+) --question "(.*)"', block[1]).groups()
    result = run("route", "--image", ROOT / image, "--question", question)
    got = [line.split() for line in result.stdout.splitlines()[: len(shown)]]
    note = block[2].splitlines()[0]
    assert result.stderr.replace(str(STARTER), STARTER.relative_to(ROOT).as_posix()).strip() == note
    assert [line[:2] for line in shown] == [line[:2] for line in got]
    assert [float(line[2]) for line in shown] == pytest.approx([float(line[2]) for line in got], abs=0.003)


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """A folder with a router that remembers its training queries."""
    folder = tmp_path_factory.mktemp("joined")
    write_cached(folder)
    return folder / "data/routers/arms-base"


class TestWhy:
    def arguments(self, saved, router):
        question = ("--question", "Read the sign.", "--router", router)
        return ("route", "--image", saved / "picture.png", *question, "--why")

    def test_to_read(self, saved, joined):
        result = run(*self.arguments(saved, joined))
        assert result.exit_code == 0, result.output
        why = Router.load(joined).route(saved / "picture.png", "Read the sign.", why=True).why
        lines = result.output.splitlines()
        assert [line[:2] for line in lines[:2]] == ["1.", "2."]
        assert lines[2] == ""
        assert lines[3].startswith(f"decided by: {why.decided_by} (")
        assert lines[4] == f"chance that it is right where only one of the two is: {why.beats_default:.2f}"
        assert re.fullmatch(r"novelty: \d\.\d\d \(.*\); net and neighbours count \d+%", lines[5])
        assert lines[6] == "most similar training queries:"
        assert len(lines) == 7 + len(why.neighbours) == 12
        (first, *_) = why.neighbours
        assert lines[7].startswith(f"  {first.query_id}  similarity {first.similarity:.2f}  right: ")

    def test_json(self, saved, joined):
        content = run_json(*self.arguments(saved, joined))
        assert set(content) == {"vlm", "router", "data", "ranking", "why"}
        assert content["why"]["surest"] == content["vlm"]
        assert content["why"]["default"] in ("counter-2b", "reader-7b")
        assert {"query_id", "similarity", "right", "wrong"} == set(content["why"]["neighbours"][0])
        assert "why" not in run_json(*self.arguments(saved, joined)[:-1])

    def test_a_vlm_left_out_changes_nothing_of_what_was_found(self, saved, joined):
        whole = run_json(*self.arguments(saved, joined))
        without = run_json(*self.arguments(saved, joined), "--exclude", whole["vlm"])
        assert without["vlm"] != whole["vlm"]
        assert without["why"]["surest"] == whole["vlm"]

    def test_a_router_without_a_memory(self, saved):
        check_failed(run(*self.arguments(saved, saved / "router")), "train one with safe.use: true")


@pytest.mark.parametrize(
    ("decided_by", "words"),
    [
        ("default", "decided by: default (wren, the best single VLM: neither net nor neighbours say enough"),
        ("net", "decided by: net (lark instead of wren, the best single VLM: the net says most for it)"),
        ("neighbours", "decided by: neighbours (lark instead of wren, the best single VLM: the neighbours say most"),
    ],
)
def test_what_decided_in_words(decided_by, words):
    near = Neighbour("q7", 0.934, ("wren",), ())
    lines = _why_lines(Why(0.123, 0.5, "wren", "lark", 0.61, decided_by, (near,)))
    assert lines[1].startswith(words)
    assert lines[2].endswith(": 0.61")
    assert lines[3].startswith("novelty: 0.12 ")
    assert lines[3].endswith(" count 50%")
    assert lines[5:] == ["  q7  similarity 0.93  right: wren  wrong: none"]


def test_no_router(saved, tmp_path):
    arguments = ("route", "--image", saved / "picture.png", "--question", "What?", "--router", tmp_path / "none")
    check_failed(run(*arguments), "none: no router there (router.json is missing); train one with: dvc repro")


def test_no_image(saved, tmp_path):
    arguments = ("route", "--image", tmp_path / "none.png", "--question", "What?", "--router", saved / "router")
    check_failed(run(*arguments), "none.png: no such image")


def test_no_picture(saved):
    arguments = ("--image", saved / "router/router.json", "--question", "What?", "--router", saved / "router")
    check_failed(run("route", *arguments), "router.json is of no known format; expected one of PNG, JPEG,")


def test_a_picture_without_words(saved):
    arguments = ("--image", saved / "picture.png", "--question", "", "--router", saved / "router")
    assert len(run_json("route", *arguments)["ranking"]) == 3


def test_exclude(saved):
    arguments = ("--image", saved / "picture.png", "--question", "Read the sign.", "--router", saved / "router")
    whole = run("route", *arguments).output.splitlines()
    without = run("route", *arguments, "--exclude", "painter", "--exclude", "reader-7b")
    assert without.exit_code == 0, without.output
    (left,) = [line.split() for line in whole if "counter-2b" in line]
    assert without.output.split() == ["1.", *left[1:]]


def test_exclude_whom_nobody_knows(saved):
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
def test_costs_count(saved, option, policy):
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


def test_costs_in_json(saved):
    arguments = ("--image", saved / "picture.png", "--question", "Read the sign.", "--router", saved / "router")
    content = run_json("route", *arguments, "--budget", 0.01)
    costs = {ranked["vlm"]: ranked["expected_cost_usd"] for ranked in content["ranking"]}
    assert costs == {"counter-2b": 3.214e-05, "reader-7b": 0.0001125, "painter": 0.004338}
    whole = run_json("route", *arguments)
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
def test_costs_that_cannot_be_told(options, message):
    result = run("route", "--image", "picture.png", "--question", "What?", *options)
    assert result.exit_code == 2
    assert message in result.output
