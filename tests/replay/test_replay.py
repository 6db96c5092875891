"""What another policy or router would have made of a log."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytest.importorskip("sqlalchemy")

from arms.errors import ArmsError
from arms.importers.gateway.gateway_importer import GatewayImporter
from arms.importers.run import ImportOptions, import_log
from arms.replay.estimate import replay
from arms.replay.gateway_log import decisions_of_log
from arms.replay.outcome_tables import decisions_of_tables
from arms.replay.targets import own_target, policy_target, router_target
from arms.routers.router import Router
from arms.traffic.store import open_store
from arms.traffic.times import as_utc
from tests.fakes import NAMES, make_queries, make_router
from tests.importers.logs.gateway import write_records
from tests.replay.made import COSTS, VLMS, write_traffic
from tests.serve.memory.made import START, answer, decision, feedback


def read(file, since=None):
    """The decisions of a log."""
    store = open_store(str(file))
    try:
        return decisions_of_log(store, since)
    finally:
        store.close()


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """A log with a third of exploration, and what each VLM would have answered."""
    file = tmp_path_factory.mktemp("traffic") / "memory.db"
    return file, write_traffic(file, 1500, 0.3)


def test_the_own_policy_without_exploration(explored):
    file, right = explored
    decisions = read(file)
    found = replay(own_target(decisions))
    greedy = decisions.confidence.argmax(axis=1)
    truth = right[np.arange(1500), greedy].mean()
    for one in (found.reward.ips, found.reward.snips, found.reward.dr):
        assert one.value == pytest.approx(truth, abs=0.04)
    assert found.reward.logged.value < truth, "exploring costs something"
    assert found.reward.agreement == pytest.approx(0.8, abs=0.03)
    assert found.warnings == ()
    assert found.left_out == {}
    costs = np.array([dict(zip(VLMS, COSTS, strict=True))[vlm] for vlm in decisions.vlms])
    assert found.cost.dr.value == pytest.approx(costs[greedy].mean(), rel=0.02)


def test_another_policy(explored):
    file, right = explored
    decisions = read(file)
    found = replay(policy_target(decisions, {"name": "cheapest", "tau": 0.5, "of": "cost"}))
    order = np.argsort(COSTS)
    confidence = decisions.confidence
    columns = [decisions.vlms.index(VLMS[number]) for number in order]
    choice = confidence.argmax(axis=1)
    for column in reversed(columns):
        choice = np.where(confidence[:, column] > 0.5, column, choice)
    truth = right[np.arange(1500), [VLMS.index(decisions.vlms[column]) for column in choice]].mean()
    assert found.reward.dr.value == pytest.approx(truth, abs=0.04)
    assert found.cost.dr.value < 0.7 * found.cost.logged.value
    assert "cheapest" in found.judged


def test_the_chances_of_all_vlms(tmp_path):
    """As the gateway draws: a share evenly from all that could answer, else the policy's choice."""
    explore, confidences = 0.3, {"small": 0.2, "large": 0.8, "other": 0.5}
    records = [
        decision("a", confidences=confidences, chosen="large", propensity=1 - explore + explore / 3),
        decision("b", confidences=confidences, chosen="small", propensity=explore / 3, reason="explore"),
        decision("c", confidences={"large": 0.8, "small": 0.2}, chosen="small", propensity=0.15, reason="explore"),
        decision("d", confidences={"large": 0.8}, propensity=1.0),
        decision("e", confidences=confidences, chosen="small", propensity=1.0, reason="shadow"),
    ]
    write_records(tmp_path / "m.db", records)
    decisions = read(tmp_path / "m.db")
    assert decisions.vlms == ("small", "large", "other")
    expected = [[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.15, 0.85, 0], [0, 1, 0], [1, 0, 0]]
    assert decisions.chance == pytest.approx(np.array(expected))


def test_shadow_mode_supports_no_other_choice(tmp_path):
    write_traffic(tmp_path / "m.db", 200, 0.0, shadow="small")
    decisions = read(tmp_path / "m.db")
    with pytest.raises(ArmsError, match=r"no support: .*explore: 0.02 in its settings, and no shadow mode"):
        replay(own_target(decisions))


def test_what_was_logged_before_it_explored_is_left_out_by_its_time(tmp_path):
    write_traffic(tmp_path / "m.db", 300, 0.0)
    write_traffic(tmp_path / "m.db", 600, 0.5, seed=1, day=3)
    policy = {"name": "cheapest", "tau": 0.5, "of": "cost"}
    with pytest.raises(ArmsError, match=r"on .* of 900 decisions"):
        replay(policy_target(read(tmp_path / "m.db"), policy))
    found = replay(policy_target(read(tmp_path / "m.db", as_utc("2026-11-05", "")), policy))
    assert found.decisions == 600


def test_a_policy_that_explored_nothing_supports_itself(tmp_path):
    right = write_traffic(tmp_path / "m.db", 300, 0.0)
    decisions = read(tmp_path / "m.db")
    found = replay(own_target(decisions))
    assert found.reward.ips.value == found.reward.logged.value
    assert found.reward.ips.value == right[np.arange(300), decisions.confidence.argmax(axis=1)].mean()


def test_feedback_that_depends_on_the_vlm_is_told(tmp_path):
    write_traffic(tmp_path / "m.db", 600, 0.5, silent=0.5)
    found = replay(own_target(read(tmp_path / "m.db")))
    (warning,) = found.warnings
    assert warning.startswith("feedback came on 100% of the answers of ")
    assert "of those of small: if it depends on how good an answer was" in warning
    assert found.with_feedback < found.decisions == 600


def test_what_no_policy_could_have_changed_is_left_out(tmp_path):
    records = []
    for number, reason in enumerate(("policy", "named", "sticky", "default", "named", "explore")):
        confidences = {} if reason == "default" else {"small": 0.2, "large": 0.8}
        records += [decision(f"r{number}", reason=reason, confidences=confidences), answer(f"r{number}")]
    write_records(tmp_path / "m.db", records)
    decisions = read(tmp_path / "m.db")
    assert (len(decisions.chosen), decisions.left_out) == (2, {"default": 1, "named": 2, "sticky": 1})


def test_the_choice_counts_whoever_answered(tmp_path):
    end = answer(vlm="small", fallbacks=("large",))
    write_records(tmp_path / "m.db", [decision(), end, feedback(correct=False), feedback(vlm="large")])
    decisions = read(tmp_path / "m.db")
    assert decisions.vlms[decisions.chosen[0]] == "large"
    assert decisions.vlms[decisions.answered[0]] == "small"
    assert decisions.reward.tolist() == [0.0], "what was said of another VLM is not what the choice earned"


def test_scores_count_where_no_verdict_was_given(tmp_path):
    records = [decision("a"), answer("a"), feedback("a", None, score=0.25)]
    records += [decision("b"), answer("b"), feedback("b", True, score=0.5), decision("c"), answer("c")]
    write_records(tmp_path / "m.db", records)
    assert read(tmp_path / "m.db").reward[:2].tolist() == [0.25, 1.0]
    assert np.isnan(read(tmp_path / "m.db").reward[2])


def test_decisions_on_one_picture_are_one_group(tmp_path):
    one, other = (b"one",), (b"other",)
    asked = [{"images": one}, {"images": other}, {"images": one, "question": "B?"}, {"images": (), "question": "C?"}]
    asked.append({"images": (), "question": "D?"})
    write_records(tmp_path / "m.db", [decision(f"r{number}", **changes) for number, changes in enumerate(asked)])
    assert read(tmp_path / "m.db").groups.tolist() == [0, 1, 0, 2, 3]


def test_a_log_without_decisions_of_the_router(tmp_path):
    write_records(tmp_path / "m.db", [decision(reason="named")])
    with pytest.raises(ArmsError, match="expected decisions of the router, got none of 1"):
        read(tmp_path / "m.db")


def test_a_policy_by_costs_that_nobody_recorded(tmp_path):
    write_records(tmp_path / "m.db", [decision(), answer(cost_usd=None)])
    with pytest.raises(ArmsError, match="expected costs of every VLM in the log, got none of small, large"):
        policy_target(read(tmp_path / "m.db"), {"name": "cheapest", "tau": 0.5, "of": "cost"})


@pytest.fixture(scope="module")
def router():
    """A small trained router."""
    made, router = make_queries(12), make_router(image={"tunable_layers": "all"}, text={"tunable_layers": "all"})
    return Router(router.fit(made.label(router.encoders)))


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A log of a hundred drawn decisions whose pictures and questions were kept, but for some."""
    file, rng, records = tmp_path_factory.mktemp("asked") / "memory.db", np.random.default_rng(0), []
    for number in range(100):
        content = io.BytesIO()
        Image.new("RGB", (8, 8), (2 * number, 50, 7)).save(content, format="PNG")
        vlm = NAMES[rng.integers(3)]
        made = decision(
            f"r{number}",
            images=(content.getvalue(),),
            question="How many?" if number else None,
            question_sha256=f"{bool(number):064}",
            confidences=dict.fromkeys(NAMES, 0.5),
            chosen=vlm,
            greedy=NAMES[0],
            propensity=1 / 3,
            time=START,
        )
        records += [made, answer(f"r{number}", vlm=vlm), feedback(f"r{number}", vlm == NAMES[number % 3])]
    return write_records(file, records)


def test_another_router_scores_what_was_kept(asked, router):
    store = open_store(str(asked))
    decisions = decisions_of_log(store)
    target = router_target(decisions, router, None, "new")
    store.close()
    assert (len(target.decisions.chosen), target.not_kept) == (99, 1)
    content = decisions.contents
    assert content is not target.decisions.contents
    ((pictures, question),) = target.decisions.contents([41])
    route = router.route(pictures, question)
    assert target.decisions.vlms[target.chance_NS[41].argmax()] == route.vlm
    assert target.decisions.confidence[41, target.decisions.vlms.index(route.vlm)] == pytest.approx(
        route.ranking[0].confidence, abs=1e-5
    )
    found = replay(target, least_size=5)
    assert found.left_out == {"not kept": 1}
    assert 0 < found.reward.ips.low < found.reward.ips.high


def test_another_router_and_a_vlm_that_nobody_drew(asked, router, monkeypatch):
    store = open_store(str(asked))
    decisions = decisions_of_log(store)
    gone = [column for column, vlm in enumerate(decisions.vlms) if vlm != NAMES[2]]
    rows = decisions.chosen != decisions.vlms.index(NAMES[2])
    some = decisions.where(rows)
    some = replace(
        some,
        vlms=tuple(decisions.vlms[column] for column in gone),
        confidence=some.confidence[:, gone],
        able=some.able[:, gone],
        chosen=np.array([gone.index(column) for column in some.chosen]),
    )
    route_batch = router.route_batch
    monkeypatch.setattr(router, "route_batch", lambda *asked, **_: route_batch(*asked, exclude=NAMES[:2]))
    target = router_target(some, router, None, "new")
    store.close()
    with pytest.raises(ArmsError, match=f"no support: .*{NAMES[2]}"):
        replay(target, least_size=1)


def test_a_router_needs_what_was_asked(tmp_path, router):
    write_records(tmp_path / "m.db", [decision(), answer()], keep=())
    store = open_store(str(tmp_path / "m.db"))
    with pytest.raises(ArmsError, match=r"none was kept; set keep.questions and keep.images: true"):
        router_target(decisions_of_log(store), router, None, "new")
    store.close()


def test_outcome_tables_of_an_import_say_the_same(asked, router, tmp_path):
    import_log(GatewayImporter(), [asked], tmp_path / "mine", ImportOptions(access="free"))
    tables = decisions_of_tables(tmp_path / "mine")
    store = open_store(str(asked))
    log = decisions_of_log(store)
    one, two = (router_target(decisions, router, None, "new") for decisions in (tables, log))
    store.close()
    for target in (one, two):
        found = replay(target, least_size=5).reward
        assert found.decisions == 99
        assert found.snips.value == pytest.approx(replay(two, least_size=5).reward.snips.value)
    with pytest.raises(ArmsError, match="expected --router: outcome tables hold no confidences"):
        own_target(tables)
    with pytest.raises(ArmsError, match="expected --router"):
        policy_target(tables, {"name": "argmax"})


def test_outcome_tables_without_propensities(asked, tmp_path):
    import_log(GatewayImporter(), [asked], tmp_path / "mine", ImportOptions(access="free"))
    file = tmp_path / "mine/outcomes.parquet"
    pd.read_parquet(file).drop(columns="propensity").to_parquet(file)
    with pytest.raises(ArmsError, match="expected outcomes with a propensity"):
        decisions_of_tables(tmp_path / "mine")
