import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from arms.baselines.registry import build_router
from arms.baselines.saved import SavedBaseline
from arms.data.atomic import reserved
from arms.data.profiles import VlmProfile, write_vlms
from arms.errors import ArmsError
from arms.extension.request import Request
from arms.extension.saved import extend_router, report_text
from arms.features.dataset import Embedder
from arms.params.tree import override
from arms.routers.arms import ArmsRouter
from arms.routers.cascade import CascadeRouter
from arms.routers.origin import Origin
from arms.routers.router import Router
from arms.routers.saved import load_router
from arms.safe.router import SafeRouter
from arms.selection.select import select
from tests.cached import MADE, NEW, OLD, SPLIT_OF, make_prepared, new_outcomes, tiny_params, write_cached
from tests.fakes import QUESTIONS, make_router, watch_progress
from tests.stores import contents

OTHER = VlmProfile(name="singer", access="free", params_b=1)


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """The data/ folder of a pipeline that ran; no test changes it."""
    folder = tmp_path_factory.mktemp("cached")
    write_cached(folder)
    return folder


@pytest.fixture
def request_for(cached, tmp_path):
    """Makes a request from the new VLM's outcomes on some splits, or from a table, with changes to the request."""

    def make(*splits, table=None, profiles=(NEW,), **changes):
        write_vlms(profiles, tmp_path / "new.yaml")
        outcomes = new_outcomes(*splits) if table is None else table
        outcomes.to_parquet(tmp_path / "outcomes.parquet")
        request = Request(
            profile=tmp_path / "new.yaml",
            outcomes=tmp_path / "outcomes.parquet",
            prepared=cached / "data/prepared/tiny",
            features=cached / "data/features/tiny/toy",
            router=cached / "data/routers/phi",
            out=tmp_path / "mine",
            strategy="independent",
        )
        return replace(request, **changes)

    return make


def extend(request, *settings):
    return extend_router(request, override(tiny_params(), settings))


def rows_of(split):
    return [i for i in range(len(MADE.questions)) if SPLIT_OF[i % 6] == split]


def queries_of(router, rows):
    """Queries as they come in, encoded on the spot."""
    return router.encode([MADE.pictures[i] for i in rows], [MADE.questions[i] for i in rows])


def expected_changes(old, new, split):
    """EM before and after on a split's complete cases, and how often the new VLM is chosen, in plain Python."""
    rows = rows_of(split)
    old_outcomes = make_prepared().outcome_matrix([f"q{i}" for i in rows], old.vlms)
    outcomes = np.concatenate([old_outcomes, MADE.outcomes[rows, 2:]], axis=1)
    scores = [router.score(queries_of(router, rows)) for router in (old, new)]
    ems = [[], []]
    for n in range(len(rows)):
        if not (outcomes[n] == 1).any() or np.isnan(outcomes[n]).any():
            continue
        for em, router, score, known in zip(ems, (old, new), scores, (old_outcomes, outcomes), strict=True):
            (chosen,) = select(score[[n]], router.policy, router.vlms, ~np.isnan(known[[n]]))
            em.append(known[n, chosen])
    chosen = select(scores[1], new.policy, new.vlms)
    return len(ems[0]), np.mean(ems[0]), np.mean(ems[1]), np.mean(chosen == 2)


@pytest.mark.parametrize("strategy", ["independent", "incremental"])
class TestBothStrategies:
    def test_from_outcomes_to_a_router_that_routes(self, request_for, cached, strategy, monkeypatch):
        before = contents(cached)
        request = request_for("train", "val", "id", "ood", strategy=strategy)
        steps = watch_progress(monkeypatch)
        report = extend_router(request, tiny_params())
        assert contents(cached) == before  # the old router, the features and the dataset stay as they were
        new = load_router(request.out, device="cpu")
        assert isinstance(new, CascadeRouter if strategy == "independent" else ArmsRouter)
        assert new.vlms == ("counter-2b", "reader-7b", "painter")
        assert len(Router(new).route(MADE.pictures[0], MADE.questions[0]).ranking) == 3
        assert steps[-1][1] == steps[-1][2] >= 6
        assert report["outcomes"] == {"taught": 36, "calibrated": 12, "only_reported": 24, "set_aside": {}}
        assert (report["new"], report["zero_shot"], report["unrecorded"]) == (["painter"], [], [])
        assert report["vlms"] == list(new.vlms)
        assert report["elapsed_s"] > 0
        assert json.loads(json.dumps(report)) == report

    def test_what_changed(self, request_for, strategy):
        request = request_for("train", "val", "id", "ood", strategy=strategy)
        report = extend(request)
        old, new = (load_router(folder, device="cpu") for folder in (request.router, request.out))
        assert list(report["splits"]) == ["val", "id", "ood"]
        for split, changes in report["splits"].items():
            queries, old_em, new_em, new_chosen = expected_changes(old, new, split)
            assert (
                changes["queries"] == queries <= changes["partial"]["queries"] == changes["partial"]["queries_with_new"]
            )
            assert changes["queries_all"] + changes["queries_incomplete"] == 12
            assert changes["old_em"] == pytest.approx(old_em, abs=1e-4)
            assert changes["new_em"] == pytest.approx(new_em, abs=1e-4)
            assert changes["difference"] == pytest.approx(new_em - old_em, abs=2e-4)
            assert changes["low"] <= changes["difference"] <= changes["high"]
            assert changes["new_chosen"] == pytest.approx(new_chosen, abs=1e-4)

    def test_it_learns(self, request_for, strategy):
        """The outcomes set apart a VLM that counts and does not read."""
        table = new_outcomes("train", "val")
        counts = np.array([question in QUESTIONS[:2] for question in MADE.questions])
        table["correct"] = counts[[int(query_id[1:]) for query_id in table["query_id"]]]
        request = request_for(table=table, strategy=strategy)
        extend(request, f"extend.{strategy}.min_steps=150", f"extend.{strategy}.learning_rate=0.01")
        new = load_router(request.out, device="cpu")
        rows = [*rows_of("id"), *rows_of("ood")]
        confidence = new.score(queries_of(new, rows))[:, 2]
        assert confidence[counts[rows]].mean() > confidence[~counts[rows]].mean() + 0.2

    def test_only_some_outcomes_are_known(self, request_for, strategy):
        table = pd.concat([new_outcomes("train")[:5], new_outcomes("val")[:3]])
        report = extend(request_for(table=table, strategy=strategy))
        assert report["outcomes"] == {"taught": 5, "calibrated": 3, "only_reported": 0, "set_aside": {}}
        assert report["splits"]["val"]["queries_all"] + report["splits"]["id"]["queries_all"] <= 3
        assert report["splits"]["val"]["partial"]["queries_with_new"] <= 3
        assert report["splits"]["id"]["new_em"] is None
        assert "id, 0 of 12 queries have an outcome of every VLM" in report_text(report)

    def test_no_outcome_on_val(self, request_for, strategy):
        request = request_for("train", strategy=strategy)
        report = extend(request)
        assert report["outcomes"]["calibrated"] == 0
        assert report["splits"]["val"]["new_em"] is None
        assert np.isfinite(report["splits"]["val"]["partial"]["new_em"])

    def test_rows_that_cannot_be_used(self, request_for, strategy):
        table = pd.concat(
            [new_outcomes("train"), new_outcomes("val").assign(query_id=lambda frame: "x" + frame["query_id"])]
        )
        table["correct"] = table["correct"].astype("boolean")
        table.iloc[0, 2] = None
        report = extend(request_for(table=table, strategy=strategy))
        assert report["outcomes"] == {
            "taught": 35,
            "calibrated": 0,
            "only_reported": 0,
            "set_aside": {"query not in the prepared dataset": 12, "correct neither true nor false": 1},
        }
        assert "13 set aside\n  set aside, query not in the prepared dataset: 12\n" in report_text(report)

    def test_several_vlms(self, request_for, strategy):
        table = pd.concat([new_outcomes("train", "val"), new_outcomes("train")[::2].assign(vlm="singer")])
        request = request_for(table=table, profiles=(NEW, OTHER), strategy=strategy)
        report = extend(request)
        assert report["new"] == ["painter", "singer"]
        assert report["outcomes"]["taught"] == 36 + 18
        assert load_router(request.out, device="cpu").vlms == ("counter-2b", "reader-7b", "painter", "singer")


class TestZeroShot:
    def test_incremental(self, request_for):
        request = request_for("val", "id", strategy="incremental")
        report = extend(request)
        assert report["zero_shot"] == ["painter"]
        assert report["outcomes"] == {"taught": 0, "calibrated": 0, "only_reported": 24, "set_aside": {}}
        assert "no outcome on a training query, scored from the profile only: painter" in report_text(report)
        old, new = (load_router(folder, device="cpu") for folder in (request.router, request.out))
        assert new.vlms == (*old.vlms, "painter")
        assert all(torch.equal(old.net.state_dict()[name], value) for name, value in new.net.state_dict().items())
        queries = queries_of(old, rows_of("id"))
        np.testing.assert_allclose(new.score(queries)[:, :2], old.score(queries), atol=1e-6)
        assert set(report["splits"]) == {"val", "id", "ood"}

    def test_from_an_empty_table(self, request_for, tmp_path):
        (tmp_path / "outcomes.csv").write_text("query_id,vlm,correct\n")
        report = extend(request_for("val", outcomes=tmp_path / "outcomes.csv", strategy="incremental"))
        assert report["zero_shot"] == ["painter"]
        assert report["splits"]["val"]["partial"]["queries_with_new"] == 0

    def test_one_of_two(self, request_for):
        request = request_for("train", "val", profiles=(NEW, OTHER), strategy="incremental")
        report = extend(request)
        assert (report["zero_shot"], report["outcomes"]["taught"]) == (["singer"], 36)

    @pytest.mark.parametrize(
        ("splits", "profiles", "names"), [(("val",), (NEW,), "painter"), (("train",), (NEW, OTHER), "singer")]
    )
    def test_independent(self, request_for, splits, profiles, names):
        request = request_for(*splits, profiles=profiles)
        with pytest.raises(ArmsError, match=f"got none of {names}; record some, or use --strategy incremental"):
            extend(request)
        assert not request.out.exists()


@pytest.fixture(scope="module")
def extended(cached, tmp_path_factory):
    """A cascade of Phi and a Theta over the singer; the prepared dataset has no outcomes of the singer."""
    folder = tmp_path_factory.mktemp("cascade") / "first"
    phi = load_router(cached / "data/routers/phi", device="cpu")
    CascadeRouter(phi, [phi.over([OTHER])], theta=0.6).save(folder)
    return folder


class TestCascade:
    def test_one_more_theta(self, request_for, extended):
        before = contents(extended)
        request = request_for("train", "val", "id", router=extended)
        report = extend(request)
        assert contents(extended) == before
        new = load_router(request.out, device="cpu")
        assert new.policy == {
            "name": "cascade",
            "theta": 0.6,
            "pools": [["counter-2b", "reader-7b"], ["singer"], ["painter"]],
        }
        old = load_router(extended, device="cpu")
        queries = queries_of(old, rows_of("id"))
        np.testing.assert_array_equal(new.score(queries)[:, :3], old.score(queries))
        assert report["unrecorded"] == ["singer"]
        assert "no outcome in the prepared dataset, not in the pools judged below: singer" in report_text(report)
        assert report["splits"]["id"]["queries"] > 0, "singer keeps no query from being a complete case"

    def test_another_threshold(self, request_for, extended):
        request = request_for("train", router=extended, theta=0.9)
        extend(request)
        assert load_router(request.out, device="cpu").theta == 0.9
        assert load_router(extended, device="cpu").theta == 0.6

    def test_not_incrementally(self, request_for, extended):
        with pytest.raises(
            ArmsError, match=r"expected a single router for --strategy incremental, .* got a cascade; use"
        ):
            extend(request_for("train", router=extended, strategy="incremental"))

    def test_the_threshold_of_the_first_cascade(self, request_for):
        request = request_for("train")
        extend(request, "extend.theta=0.35")
        assert load_router(request.out, device="cpu").theta == 0.35
        extend(replace(request, theta=0.2, replace=True))
        assert load_router(request.out, device="cpu").theta == 0.2


class TestJoined:
    """A router that remembers its training queries."""

    @pytest.fixture
    def joined(self, request_for, cached):
        """Makes a request as `request_for` does, for the joined router."""
        return lambda *splits, **changes: request_for(
            *splits, **{"router": cached / "data/routers/arms-base", **changes}
        )

    @pytest.mark.parametrize(("strategy", "net"), [("independent", CascadeRouter), ("incremental", ArmsRouter)])
    def test_it_is_joined_again(self, joined, cached, strategy, net):
        before = contents(cached)
        request = joined("train", "val", "id", strategy=strategy)
        report = extend(request)
        assert contents(cached) == before
        old, new = (load_router(folder, device="cpu") for folder in (request.router, request.out))
        assert isinstance(new, SafeRouter)
        assert isinstance(new.net, net)
        assert (report["vlms"], report["new"]) == (list(new.vlms), ["painter"])
        assert new.memory.ids == old.memory.ids == tuple(f"q{i}" for i in rows_of("train"))
        np.testing.assert_array_equal(new.memory.outcomes[:, :2], old.memory.outcomes)
        np.testing.assert_array_equal(new.memory.outcomes[:, 2], MADE.outcomes[rows_of("train"), 2])
        assert Router(new).route(MADE.pictures[0], MADE.questions[0], why=True).why.neighbours
        for split, changes in report["splits"].items():
            scores = new.score(queries_of(new, rows_of(split)))
            assert changes["new_chosen"] == pytest.approx(np.mean(scores.argmax(axis=1) == 2), abs=1e-4)

    def test_without_any_outcome_a_vlm_is_a_mean_one(self, joined):
        request = joined("id", strategy="incremental")
        assert extend(request)["zero_shot"] == ["painter"]
        new = load_router(request.out, device="cpu")
        assert np.isnan(new.memory.outcomes[:, 2]).all()
        assert new.joint.base[:2].min() - 0.1 < new.joint.base[2] < new.joint.base[:2].max() + 0.1
        assert new.joint.net_shares.tolist() == [1, 1, 0]

    def test_one_more_and_then_another(self, joined, tmp_path):
        """What was remembered of the first one stays, though the prepared dataset knows nothing of it."""
        extend(joined("train", "val", table=new_outcomes("train", "val").assign(vlm="singer"), profiles=(OTHER,)))
        request = joined("train", "val", router=tmp_path / "mine", out=tmp_path / "second")
        extend(request)
        first, second = (load_router(folder, device="cpu") for folder in (request.router, request.out))
        assert second.vlms == ("counter-2b", "reader-7b", "singer", "painter")
        np.testing.assert_array_equal(second.memory.outcomes[:, :3], first.memory.outcomes)
        assert not np.isnan(second.memory.outcomes[:, 2:]).any()
        assert second.joint.old.tolist() == [True, True, True, False]

    def test_not_incrementally_if_its_net_is_a_cascade(self, joined, tmp_path):
        extend(joined("train", table=new_outcomes("train").assign(vlm="singer"), profiles=(OTHER,)))
        with pytest.raises(ArmsError, match=r"expected a single router for --strategy incremental, .* got a cascade"):
            extend(joined("train", router=tmp_path / "mine", out=tmp_path / "second", strategy="incremental"))


class TestWhereItGoes:
    def test_a_second_one_into_the_same_folder_is_refused_at_once(self, request_for):
        request = request_for("train")
        with (
            reserved(request.out),
            pytest.raises(ArmsError, match=r"mine: another process is at work on it; wait until"),
        ):
            extend(request)
        extend(request)

    def test_nothing_is_replaced_unasked(self, request_for):
        request = request_for("train")
        extend(request)
        before = contents(request.out)
        with pytest.raises(
            ArmsError, match="mine: expected nothing there, got an existing path; name another folder, or"
        ):
            extend(request)
        assert contents(request.out) == before
        extend(replace(request, theta=0.1, replace=True))
        assert contents(request.out) != before

    @pytest.mark.parametrize("place", [".", "deeper", "..", "../../routers/phi"])
    def test_the_old_router_is_out_of_reach(self, request_for, cached, place):
        before = contents(cached)
        router = cached / "data/routers/phi"
        with pytest.raises(ArmsError, match=r"expected a folder outside --router .*phi, which must not change"):
            extend(request_for("train", out=router / place, replace=True))
        assert contents(cached) == before

    @pytest.mark.parametrize("kind", ["folder", "file", "broken link"])
    def test_only_a_router_is_replaced(self, request_for, kind):
        request = request_for("train", replace=True)
        if kind == "folder":
            (request.out / "photos").mkdir(parents=True)
        elif kind == "file":
            request.out.touch()
        else:
            request.out.symlink_to("nowhere")
        with pytest.raises(ArmsError, match=r"expected a router to replace, got no router\.json there"):
            extend(request)


class TestErrors:
    def test_a_vlm_of_the_pool(self, request_for):
        table = new_outcomes("train").assign(vlm="reader-7b")
        with pytest.raises(
            ArmsError, match=r"expected VLMs that are new to .*phi, got reader-7b; its pool: counter-2b, re"
        ):
            extend(request_for(table=table, profiles=(OLD[1],)))

    def test_a_threshold_without_a_cascade(self, request_for):
        with pytest.raises(ArmsError, match=r"--theta: expected only with --strategy independent, .* got incremental"):
            extend(request_for("train", strategy="incremental", theta=0.5))

    @pytest.mark.parametrize("theta", [-0.1, 1.5, float("nan")])
    def test_a_threshold_out_of_range(self, request_for, theta):
        with pytest.raises(ArmsError, match=rf"--theta: expected a number in \[0, 1\], got {theta}"):
            extend(request_for("train", theta=theta))

    def test_a_router_from_nothing(self, request_for):
        with pytest.raises(
            ArmsError, match=r"params\.yaml\.extend\.independent\.start: expected phi, .* got nothing; "
        ):
            extend(request_for("train"), "extend.independent.start=nothing")

    def test_no_router(self, request_for, tmp_path):
        with pytest.raises(ArmsError, match="none: no router there"):
            extend(request_for("train", router=tmp_path / "none"))

    def test_no_prepared_dataset(self, request_for, tmp_path):
        with pytest.raises(
            ArmsError, match="none: expected a prepared dataset, got no such folder; run: dvc repro prep"
        ):
            extend(request_for("train", prepared=tmp_path / "none"))

    def test_features_of_other_encoders(self, request_for, tmp_path):
        phi = make_router(OLD, image={"tunable_layers": "all"}, text={"tunable_layers": 1})
        phi.save(tmp_path / "other")
        message = (
            r"image\.zarr: expected the features that .*other was trained on, got none made by its encoders; set data"
        )
        with pytest.raises(ArmsError, match=message):
            extend(request_for("train", router=tmp_path / "other"))

    def test_no_features(self, request_for, tmp_path):
        with pytest.raises(ArmsError, match=r"image\.zarr: expected the features that .* then: dvc repro encode"):
            extend(request_for("train", features=tmp_path / "none"))

    def test_an_unfinished_store(self, request_for, cached, tmp_path):
        shutil.copytree(cached / "data/features/tiny/toy", tmp_path / "toy")
        (file,) = (tmp_path / "toy/text.zarr").glob("*/zarr.json")
        content = json.loads(file.read_text())
        del content["attributes"]["shards"]
        file.write_text(json.dumps(content))
        with pytest.raises(ArmsError, match=r"text\.zarr: the extraction was stopped before it ended"):
            extend(request_for("train", features=tmp_path / "toy"))


class TestOrigin:
    """The dataset that a router comes from, before and after."""

    @pytest.fixture
    def known(self, cached, tmp_path):
        """A router that knows it."""

        def make(data, prepared):
            router = load_router(cached / "data/routers/phi")
            router.origin = Origin.of(data, prepared, router.vlms, tiny_params().costs)
            router.save(tmp_path / "known")
            return tmp_path / "known"

        return make

    def test_the_extended_router_has_the_prices_of_all(self, request_for, tmp_path):
        extend(request_for("train", profiles=[replace(NEW, price_in=5.0, price_out=15.0)]))
        origin = load_router(tmp_path / "mine").origin
        assert (origin.data, origin.learnt_from) == ("tiny", ("train",))
        assert {NEW.name} <= set(origin.prices) <= {NEW.name, *(vlm.name for vlm in OLD)}

    def test_another_dataset(self, request_for, known):
        other = make_prepared()
        other.queries.loc[0, "split"] = "ood"
        message = "known: trained on the dataset theirs, params.yaml names tiny; set data: theirs there, or name"
        with pytest.raises(ArmsError, match=message):
            extend(request_for("train", router=known("theirs", other)))

    def test_the_same_dataset_by_another_name(self, request_for, known):
        extend(request_for("train", router=known("theirs", make_prepared())))


def test_a_baseline_is_not_extended(request_for, cached, tmp_path):
    embedder = Embedder(make_router(OLD).encoders, 16, torch.device("cpu"))
    train = MADE.label(embedder.encoders, tuple(vlm.name for vlm in OLD), embeddings=True)
    names = [vlm.name for vlm in OLD]
    baseline = build_router("random", names, {}, seed=1)
    SavedBaseline("random", {}, 1, OLD, baseline, train, None, embedder).save(tmp_path / "random")
    with pytest.raises(ArmsError, match="random: expected ARMS or a net to extend, got a baseline"):
        extend(request_for("train", router=tmp_path / "random"))
