from pathlib import Path

import pandas as pd
import pytest

from arms.catalogue.gaps import check_dataset_profiles, check_profiles
from arms.catalogue.match import CATALOGUE
from arms.data.costs import estimate_costs
from arms.data.profiles import VlmProfile, profile_sentence, read_vlms, write_vlms
from arms.errors import ArmsError
from arms.params.costs import STANDARD_COSTS

ROOT = Path(__file__).resolve().parents[2]
SAID = {"provider": "Acme", "architecture": "A", "language_model": "L", "vision_model": "V"}
PAID = VlmProfile(name="nova", access="paid", price_in=1, price_out=4, **SAID)
FREE = VlmProfile(name="tern", access="free", params_b=7, **SAID)


def profile(like=FREE, **changes):
    """A whole profile with some facts changed."""
    facts = {"name": like.name, "access": like.access, "params_b": like.params_b, **SAID}
    return VlmProfile(**{**facts, "price_in": like.price_in, "price_out": like.price_out, **changes})


def facts_by_effect(*profiles):
    """Which facts are missing, by the first words of what for."""
    return {" ".join(gap.effect.split()[:4]): gap.facts for gap in check_profiles(profiles)}


def test_profiles_that_say_everything():
    assert check_profiles([PAID, FREE]) == ()


@pytest.mark.parametrize(
    ("vlm", "missing"),
    [
        (profile(PAID, price_in=None), {"its costs cannot be": ("price_in",)}),
        (profile(PAID, price_in=None, price_out=None), {"its costs cannot be": ("price_in", "price_out")}),
        (profile(PAID, params_b=None), {}),  # undisclosed, and charged by its prices
        (profile(FREE, params_b=None), {"its own compute is": ("params_b",)}),
        (profile(FREE, params_b=None, price_in=1, price_out=1), {}),
        (profile(FREE, price_in=1), {"one price without the": ("price_out",)}),
        (
            profile(FREE, provider=None, vision_model=None),
            {"the profile sentence, which": ("provider", "vision_model")},
        ),
        (
            VlmProfile(name="x", access="paid"),
            {
                "its costs cannot be": ("price_in", "price_out"),
                "the profile sentence, which": ("provider", "architecture", "language_model", "vision_model"),
            },
        ),
    ],
)
def test_missing_facts(vlm, missing):
    assert facts_by_effect(vlm) == missing


@pytest.mark.parametrize("access", ["free", "paid"])
@pytest.mark.parametrize("price_in", [None, 1])
@pytest.mark.parametrize("price_out", [None, 2])
@pytest.mark.parametrize("params_b", [None, 7])
def test_what_is_said_of_costs_is_so(access, price_in, price_out, params_b):
    """The check speaks of costs exactly where the estimate has none, or none of the VLM's own."""
    vlm = VlmProfile(name="x", access=access, price_in=price_in, price_out=price_out, params_b=params_b, **SAID)
    (cost,) = estimate_costs([vlm], [100], [1], STANDARD_COSTS)[0]
    told = facts_by_effect(vlm)
    assert (cost != cost) == bool({"its costs cannot be", "its own compute is"} & set(told))
    (own,) = estimate_costs([profile(FREE, params_b=params_b)], [100], [1], STANDARD_COSTS)[0]
    if "one price without the" in told:
        assert cost == own or cost != cost


@pytest.mark.parametrize("fact", [*SAID])
def test_what_is_said_of_the_sentence_is_so(fact):
    assert len(profile_sentence(profile(**{fact: None}), "full")) < len(profile_sentence(FREE, "full"))


def test_names_that_are_alike():
    others = [profile(name=name) for name in ("Acme/Tern 2", "tern-2", "TERN_2")]
    (gap,) = check_profiles([FREE, *others])
    assert (gap.kind, gap.vlms) == ("names alike", ("Acme/Tern 2", "tern-2", "TERN_2"))
    assert gap.text().startswith("Acme/Tern 2, tern-2, TERN_2: names that differ only in case and separators")


def test_facts_that_the_catalogue_knows():
    lacking = VlmProfile(name="org/Tern", access="paid", provider="Other")
    (gap,) = [gap for gap in check_profiles([lacking], [PAID, FREE]) if gap.kind == "facts known elsewhere"]
    assert gap.facts == ("params_b", "architecture", "language_model", "vision_model")
    assert gap.text() == (
        "org/Tern: the catalogue knows more of it, which can be copied here: "
        "params_b: 7.0; architecture: A; language_model: L; vision_model: V"
    )
    assert check_profiles([FREE], [profile(FREE, provider="another")]) == (), "what both say is not compared"


class TestDataset:
    @pytest.fixture
    def folder(self, tmp_path):
        write_vlms([PAID, FREE], tmp_path / "vlms.yaml")
        outcomes = pd.DataFrame({"query_id": ["1", "2", "3"], "vlm": ["tern", "stranger", None], "correct": True})
        outcomes.to_parquet(tmp_path / "outcomes.parquet")
        return tmp_path

    def test_profiles_and_outcomes_that_do_not_go_together(self, folder):
        assert [(gap.kind, gap.vlms) for gap in check_dataset_profiles(folder)] == [
            ("no outcomes", ("nova",)),
            ("no profile", ("stranger",)),
        ]

    def test_the_catalogue(self, folder):
        gaps = check_dataset_profiles(folder, [profile(FREE, released="2024")])
        assert [gap.facts for gap in gaps if gap.kind == "facts known elsewhere"] == [("released",)]

    def test_no_outcomes_file(self, folder):
        (folder / "outcomes.parquet").unlink()
        with pytest.raises(ArmsError, match=r"outcomes\.parquet: expected the dataset's outcomes, got no such file"):
            check_dataset_profiles(folder)

    def test_a_file_that_is_no_table_of_outcomes(self, folder):
        pd.DataFrame({"query_id": ["1"]}).to_parquet(folder / "outcomes.parquet")
        with pytest.raises(ArmsError, match=r"outcomes\.parquet: expected a Parquet file with a column 'vlm'"):
            check_dataset_profiles(folder)
        (folder / "outcomes.parquet").write_bytes(b"PAR1")
        with pytest.raises(ArmsError, match=r"outcomes\.parquet: expected a Parquet file with a column 'vlm'"):
            check_dataset_profiles(folder)


def test_the_catalogue_that_comes_with_the_project():
    vlms = read_vlms(ROOT / CATALOGUE)
    assert [vlm.name for vlm in vlms] == [
        "Qwen2.5-VL-7B-Instruct",
        "Idefics2-8B",
        "Llama-3.2-11B-Vision-Instruct",
        "SmolVLM2-2.2B-Instruct",
        "gpt-4o",
        "claude-3.5-sonnet",
        "gemini-1.5-flash",
        "gemini-1.5-pro",
        "claude-3-sonnet",
    ]
    assert check_profiles(vlms) == ()
    assert all(vlm.released for vlm in vlms)
    assert {vlm.access for vlm in vlms[:4]} == {"free"}
    assert {vlm.access for vlm in vlms[4:]} == {"paid"}
