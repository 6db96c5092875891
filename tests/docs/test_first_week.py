"""A newcomer's first week, in order: every command in a fresh clone, with an empty home directory.

`python -m pytest -m clone -rA tests/docs/test_first_week.py` prints how long each step took.
"""

import csv
import json
import re
import sys

import pandas as pd
import pytest
from PIL import Image

from tests.docs import messy
from tests.docs.brought import environment, nova_profile
from tests.docs.newcomer import Diary, Newcomer
from tests.docs.reader import Reader, write_yaml
from tests.pipeline import ROOT

pytestmark = [pytest.mark.clone, pytest.mark.timeout(7200)]

EVALUATION = "../evaluation"  # as seen from the clone
QUESTION = f'--image {EVALUATION}/{messy.PICTURES}/003.png --question "How many shapes are there?"'
KEPT = messy.NUM_QUERIES - len(messy.LOST) * messy.QUESTIONS_EACH
UNKNOWN_OUTCOMES = len(messy.UNJUDGED) + len(messy.ODD_WORD)

# What an attempt to import says, what is then typed, and the flags of the next attempt.
ADVICE = (
    (
        ("say which ones these are: --question-column, --image-column, --vlm-column, --correct-column",),
        "",
        "--question-column frage --image-column bild --vlm-column modell --correct-column urteil",
    ),
    (
        (f"VLMs without a profile: {messy.UNKNOWN}", "(arms vlms add NAME --access free)"),
        f"arms vlms add {messy.UNKNOWN} --access free --provider OpenGVLab --params-b 8.1",
        "",
    ),
    (
        (
            "value that is not a grade; write 0 or 1 into 'urteil', or say what its words mean: --right WORD, --wrong",
            "image outside the roots; if the images are elsewhere here, name their folder: --images FOLDER; if the log "
            "has the paths of another machine, name also what they begin with there: --image-prefix PATH",
        ),
        "",
        f"--right richtig --right ja --wrong falsch --images {EVALUATION}/{messy.PICTURES} "
        f"--image-prefix {messy.ELSEWHERE}",
    ),
)
# What the attempts say that do import, and the flags that mend it.
NOTES = (
    (
        ("fields that are not read; name them if they matter", "nr, loesung, aufgabe, kosten, sekunden"),
        "--replace --id-column nr --answer-column loesung --task-column aufgabe --cost-column kosten "
        "--latency-column sekunden",
    ),
    (
        ("amount; correct it, or if a comma opens the decimals: --decimal-comma", f"--rename {messy.ALSO_CALLED}="),
        f"--decimal-comma --rename {messy.ALSO_CALLED}={messy.FIRST}",
    ),
)


@pytest.fixture
def newcomer(tmp_path):
    """Somebody who has nothing yet; the queue of their experiments ends with the test."""
    newcomer = Newcomer(tmp_path / "arms", tmp_path / "home")
    yield newcomer
    if (newcomer.folder / "queue.log").exists():
        newcomer.types("dvc queue stop --kill")


def test_first_week(first_run, newcomer, tmp_path):
    diary = Diary()
    try:
        with diary.step("clone"):
            newcomer.clone(first_run.folder)
        diary.walk(
            newcomer,
            look_around,
            reproduce,
            import_the_evaluation,
            choose_pools,
            run_on_it,
            route,
            add_a_vlm,
            add_a_router,
            report,
            share,
        )
        with diary.step("a colleague's clone"):
            follow_up(newcomer, Newcomer(tmp_path / "colleague", tmp_path / "colleagues-home"))
        diary.walk(newcomer, experiment_in_a_copy, queue_an_experiment, extend_beside_it, wait_for_the_queue)
    finally:
        sys.stdout.write(f"{diary.table()}\n")


def look_around(newcomer):
    """README: what is there before anything is trained; the environment is built by other tests."""
    environment(newcomer)
    doctor = newcomer.types("arms doctor")
    assert "it has no name and no email for you, which commits and `dvc exp run` need; run: git config" in doctor
    assert "`dvc repro` has all that it needs" in doctor
    answer = newcomer.types('arms route --image docs/figures/shapes.png --question "How many red shapes are there?"')
    assert "router: arms/cli/starter, the starter: it knows simulated VLMs only" in answer
    assert answer.count("sim-") == 7


def reproduce(newcomer):
    """README: the committed numbers come out again, in a clone without a name or an email."""
    committed = newcomer.metrics()
    assert "| arms |" in newcomer.types("make repro")
    assert newcomer.metrics() == committed
    assert newcomer.changes() == ""


def import_the_evaluation(newcomer):
    """docs/your-data.md, 1 and 2: each attempt says what to do, and it is done."""
    messy.write_messy(newcomer.folder / EVALUATION)
    attempt = f"arms import csv {EVALUATION}/{messy.SHEET} --name mine"
    for said, typed, flags in ADVICE:
        output = newcomer.types(attempt, fails=True)
        assert all(words in output for words in said), output
        assert not (newcomer.folder / "data/raw/mine").exists()
        newcomer.types(typed)
        attempt += f" {flags}"
    for said, flags in NOTES:
        output = newcomer.types(attempt)
        assert all(words in output for words in said), output
        attempt += f" {flags}"
    output = newcomer.types(attempt)
    assert "--rename" not in output, "nothing to do about names any more"
    (line,) = re.findall(r"With all of them its line under pools: is\n  base: \[(.*)\]", output)
    assert line.split(", ") == list(messy.STRONG_IN)
    report = json.loads((newcomer.folder / "data/raw/mine/import_report.json").read_text())
    assert report["queries"] == {"kept": KEPT, "set_aside": messy.NUM_QUERIES - KEPT}
    assert report["outcomes"]["kept"] == KEPT * len(messy.STRONG_IN) - len(messy.DISPUTED) - UNKNOWN_OUTCOMES
    assert report["images"] == {"found": messy.NUM_PICTURES - len(messy.LOST), "not_found": len(messy.LOST)}
    set_aside = pd.read_parquet(newcomer.folder / "data/raw/mine/set_aside/outcomes.parquet")["reason"]
    counts = {words: int(set_aside.str.startswith(words).sum()) for words in ("conflicting", "repeated", "correct is")}
    repeats = len(messy.REPEATED) * len(messy.STRONG_IN)
    assert counts == {"conflicting": 2 * len(messy.DISPUTED), "repeated": repeats, "correct is": UNKNOWN_OUTCOMES}
    check_tables(newcomer)
    assert "query without words" in newcomer.types("arms validate data/raw/mine")


def check_tables(newcomer):
    """Whether texts, costs and odd pictures came through as they were meant."""
    folder = newcomer.folder / "data/raw/mine"
    queries = pd.read_parquet(folder / "queries.parquet").set_index("query_id")
    assert {"形はいくつありますか。", "Où est la forme bleutée ?", ""} <= set(queries["question"])
    assert set(queries["task"]) == set(messy.QUESTIONS)
    outcomes = pd.read_parquet(folder / "outcomes.parquet")
    assert outcomes["cost_usd"].dropna().between(0.002, 0.006).all()
    assert outcomes["latency_s"].between(0.4, 3.0).all()
    assert set(outcomes["vlm"]) == set(messy.STRONG_IN)
    turned, deep = (folder / queries.loc[f"f{3 * picture:03}", "image"] for picture in (messy.TURNED, messy.DEEP))
    with Image.open(turned) as one, Image.open(deep) as other:
        assert one.getexif()[0x0112] == 6
        assert other.mode == "I;16"


def choose_pools(newcomer):
    """docs/your-data.md, 3: a VLM joins later, a task is held out."""
    base = [vlm for vlm in messy.STRONG_IN if vlm != messy.UNKNOWN]
    changes = {"pools": {"base": base, "new": [messy.UNKNOWN]}, "ood": {"tasks": ["groesse"]}}
    write_yaml(newcomer.folder / "conf/data/mine.yaml", changes)


def run_on_it(newcomer):
    """docs/your-data.md, 4: Git wants a name, a wrong dataset is said, and then it runs."""
    run = "dvc exp run -S data=mine -S epochs=8"
    assert "Git user name and email must be configured" in newcomer.types(run, fails=True)
    (advice,) = re.findall(r"; run: (git config .*)", newcomer.types("arms doctor"))
    newcomer.types(advice.replace("YOUR_NAME", "'Ada Neu'").replace("YOUR_EMAIL", "ada@example.org"))
    assert "no email" not in newcomer.types("arms doctor")
    wrong = newcomer.types("dvc exp run -S data=nope", fails=True)
    assert re.search(r"check: error: conf/data/nope\.yaml: no such settings file; known here: .*\bmine\b", wrong)
    assert "params.yaml keeps what `-S` wrote into it: change it back there, or by -S" in wrong
    assert set(re.findall(r"Running stage '(.*)'", wrong)) == {"check"}, "nothing else is run before"
    output = newcomer.types(run)
    assert re.search(r"ARMS on id, base pool: EM 0\.\d+ against 0\.\d+ for the best single VLM", output)
    summary = json.loads(newcomer.metrics()["summary.json"])
    assert summary["data"] == "mine"
    assert summary["id"]["base"]["gain"] > 0, "who is right follows from the task"
    diff = newcomer.types("dvc metrics diff")
    assert re.search(r"^metrics/summary\.json +data +sample +mine ", diff, flags=re.MULTILINE)
    assert len(diff.splitlines()) <= 12, "ten numbers, the dataset's name and a header"
    assert "Data and pipelines are up to date." in newcomer.types("dvc repro")


def route(newcomer):
    """docs/your-data.md, 5: what answers was trained on mine, and the best of the other routers answers too."""
    answer = json.loads(newcomer.types(f"arms route {QUESTION} --json").splitlines()[-1])
    assert (answer["router"], answer["data"]) == ("data/routers/arms", "mine")
    assert {ranked["vlm"] for ranked in answer["ranking"]} == set(messy.STRONG_IN)
    why = newcomer.types(f"arms route {QUESTION} --why")
    assert "router: data/routers/arms, of the dataset mine" in why
    assert "most similar training queries:\n  f" in why
    leaderboard = json.loads(newcomer.metrics()["leaderboard.json"])["id"]["extended"]
    folders = (f"data/routers/baselines/{name}" for name in leaderboard)
    best = next(folder for folder in folders if (newcomer.folder / folder).is_dir())
    assert f"router: {best}, of the dataset mine" in newcomer.types(f"arms route --router {best} {QUESTION}")


def add_a_vlm(newcomer):
    """docs/add-a-vlm.md: a plan, its answers and some on the other splits, a router that knows the VLM."""
    newcomer.types("arms extend --plan 32 --out plan.csv")
    with (newcomer.folder / "plan.csv").open(newline="") as stream:
        planned = [row["query_id"] for row in csv.DictReader(stream)]
    queries = pd.read_parquet(newcomer.folder / "data/prepared/mine/queries.parquet")
    assert set(planned) <= set(queries["query_id"][queries["split"] == "train"])
    asked = queries[queries["query_id"].isin(planned) | (queries["split"] != "train")]
    outcomes = asked[["query_id"]].assign(vlm="nova", correct=asked["task"].isin(["farbe", "groesse"]))
    outcomes.to_csv(newcomer.folder / "nova.csv", index=False)
    nova_profile(newcomer)
    extend = "arms extend --profile nova.yaml --outcomes nova.csv --out data/routers/nova"
    output = newcomer.types(extend)
    assert "data/routers/nova: data/routers/arms-base and nova, independent, 5 VLMs, in" in output
    assert re.search(r"outcomes: 32 taught, \d+ calibrated, \d+ only reported, 0 set aside", output)
    assert re.search(r"  EM 0\.\d+, before 0\.\d+:", output)
    assert "or add --replace" in newcomer.types(extend, fails=True)
    answer = json.loads(newcomer.types(f"arms route --router data/routers/nova {QUESTION} --json").splitlines()[-1])
    assert "nova" in {ranked["vlm"] for ranked in answer["ranking"]}


def add_a_router(newcomer):
    """docs/add-a-router.md, from its first block to its last: the router is judged beside the others, and routes."""
    Reader(newcomer, ()).follow(ROOT / "docs/add-a-router.md")
    board = json.loads(newcomer.metrics()["leaderboard.json"])["id"]["base"]
    assert 0 < board["nearest-mean"]["em"] <= 1
    answer = newcomer.types(f"arms route --router data/routers/baselines/nearest-mean {QUESTION}")
    assert "router: data/routers/baselines/nearest-mean, of the dataset mine" in answer


def report(newcomer):
    """docs/your-data.md, 4: the page says whether to route, and has its figures."""
    assert "| nearest-mean |" in newcomer.types("arms report")
    newcomer.types("arms report --data mine")
    folder = newcomer.folder / "data/reports/mine"
    page = (folder / "mine.md").read_text()
    (verdict,) = re.findall(r"## Verdict\n\n(\*\*.*\*\*.*)", page)
    em = json.loads(newcomer.metrics()["summary.json"])["id"]["extended"]["em"]
    assert f"EM {em:.3f}" in verdict
    assert "| nearest-mean |" in page
    figures = re.findall(r"!\[.+\]\((.+\.png)\)", page)
    assert len(figures) == 3
    for figure in figures:
        with Image.open(folder / figure) as image:
            image.verify()


def share(newcomer):
    """docs/your-data.md: the dataset goes under DVC and to a shelf, what stands for it into Git."""
    newcomer.types("git add nearest_mean.py reader-0.dist-info nova.yaml nova.csv plan.csv")
    newcomer.follows("docs/your-data.md", "Keep it, share it")
    assert newcomer.changes() == ""
    tracked = newcomer.types("git ls-files data conf/data/mine.yaml").split()
    assert {"conf/data/mine.yaml", "data/raw/mine.dvc", "data/vlms.yaml"} <= set(tracked)
    assert not any(name.startswith("data/raw/mine/") for name in tracked)
    assert "in sync" in newcomer.types("dvc status --cloud data/raw/mine.dvc")


def follow_up(newcomer, colleague):
    """docs/your-data.md: a clone of the newcomer's project pulls all there is, and comes to the same numbers anew."""
    colleague.clone(newcomer.folder)
    said = colleague.types("dvc repro", fails=True)
    assert "run: dvc pull data/raw/mine.dvc" in said
    colleague.types("dvc pull data/raw/mine.dvc dvc.yaml")
    picture = newcomer.folder / EVALUATION / messy.PICTURES / "003.png"
    assert "of the dataset mine" in colleague.types(f'arms route --image {picture} --question "How many?"')
    colleague.types("dvc repro --force")
    assert colleague.metrics() == newcomer.metrics()
    assert colleague.changes() == ""


def experiment_in_a_copy(newcomer):
    """An experiment in a copy of the project has the dataset, and leaves the project as it is."""
    metrics = newcomer.metrics()
    newcomer.types("dvc exp run --temp --name in-a-copy -S router.fusion=pooled")
    assert newcomer.metrics() == metrics
    assert newcomer.changes() == ""
    check_experiment(newcomer, "in-a-copy", "pooled")


def queue_an_experiment(newcomer):
    """docs/your-data.md: so has an experiment of the queue."""
    newcomer.types("dvc exp run --queue --name in-the-queue -S router.fusion=concat")
    newcomer.types("dvc queue start > queue.log 2>&1")  # the worker keeps what it writes to, and a pipe would not end


def extend_beside_it(newcomer):
    """A router can be extended meanwhile, to the same weights as before."""
    before = weights(newcomer)
    newcomer.types("arms extend --replace --profile nova.yaml --outcomes nova.csv --out data/routers/nova")
    assert weights(newcomer) == before


def weights(newcomer):
    """The weights of the router that knows nova, by file."""
    folder = newcomer.folder / "data/routers/nova"
    return {file.relative_to(folder): file.read_bytes() for file in sorted(folder.rglob("*.safetensors"))}


def wait_for_the_queue(newcomer):
    """The experiment ends with numbers of its own."""
    newcomer.types("until dvc queue status | grep -E 'in-the-queue.*(Success|Failed)'; do sleep 10; done")
    assert re.search(r"in-the-queue.*Success", newcomer.types("dvc queue status"))
    check_experiment(newcomer, "in-the-queue", "concat")


def check_experiment(newcomer, name, fusion):
    """Whether the table of experiments has one with numbers of mine, other than those of the commit."""
    rows = list(csv.DictReader(newcomer.types("dvc exp show --csv").splitlines()))
    (row,) = [row for row in rows if row["Experiment"] == name]
    assert row["params.yaml:router.fusion"] == fusion
    assert row["params.yaml:data"] == "mine"
    assert 0 < float(row["id.base.em"]) <= 1
