import pandas as pd
import pytest

from arms.catalogue.match import match_profiles, profile_finder, rename_vlms
from arms.data.profiles import VlmProfile
from arms.errors import ArmsError

CATALOGUE = (
    VlmProfile(name="gpt-4o", access="paid", provider="OpenAI"),
    VlmProfile(name="Qwen2.5-VL-7B", access="free", params_b=8.3),
    VlmProfile(name="qwen2.5_vl_7b", access="free", provider="a later one"),
)
OUTCOMES = pd.DataFrame({"query_id": ["1", "1", "2"], "vlm": ["a", "b", None], "correct": [True, False, True]})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gpt-4o", "OpenAI"),
        ("GPT-4o", "OpenAI"),
        ("openai/gpt_4o", "OpenAI"),
        ("some/where/GPT 4O", "OpenAI"),
        ("gpt-4o-mini", None),
        ("gpt4o", None),  # might be another
        ("4o", None),
        ("gpt-4o-2024-08-06", "OpenAI"),  # a version of it
        ("openai/GPT-4o_20240806", "OpenAI"),
        ("gpt-4o-mini-2024-07-18", None),
        ("qwen2.5_vl_7b", "a later one"),  # its very name goes before one that is alike
    ],
)
def test_which_profile_fits(name: str, found: str | None) -> None:
    (profile,), bare = match_profiles([name], CATALOGUE, "free")
    assert (profile.name, profile.provider) == (name, found)
    assert bare == (() if found else (name,))


def test_of_several_that_are_alike_the_first_is_taken() -> None:
    profile = profile_finder(CATALOGUE)("QWEN2.5:VL:7B")
    assert profile is CATALOGUE[1]
    assert profile_finder([])("gpt-4o") is None


def test_vlms_without_a_profile() -> None:
    profiles, bare = match_profiles(["new", "gpt-4o", "other"], CATALOGUE, "paid")
    assert [(profile.name, profile.access) for profile in profiles] == [
        ("new", "paid"),
        ("gpt-4o", "paid"),
        ("other", "paid"),
    ]
    assert bare == ("new", "other")
    assert profiles[0] == VlmProfile(name="new", access="paid")


def test_the_error_says_what_to_do() -> None:
    with pytest.raises(ArmsError) as caught:
        match_profiles(["qwen2.5-vl-7b-instruct", "zzz"], CATALOGUE, None)
    first, guess, *rest = str(caught.value).splitlines()
    assert first == "the log has VLMs without a profile: qwen2.5-vl-7b-instruct, zzz"
    assert guess == ("if qwen2.5-vl-7b-instruct is qwen2.5_vl_7b: --rename qwen2.5-vl-7b-instruct=qwen2.5_vl_7b")
    assert rest == [
        "say what is known of them in data/vlms.yaml (arms vlms add NAME --access free) or another file (--vlms), or "
        "that they are free or paid, and no more: --access free, or for one of them --access NAME=paid"
    ]


def test_access_by_vlm() -> None:
    profiles, bare = match_profiles(["a", "b", "gpt-4o"], CATALOGUE, "free", {"b": "paid", "gpt-4o": "paid"})
    assert [profile.access for profile in profiles] == ["free", "paid", "paid"]
    assert bare == ("a", "b")
    profiles, _ = match_profiles(["a"], CATALOGUE, None, {"a": "paid"})
    assert profiles[0].access == "paid"
    with pytest.raises(ArmsError, match="the log has VLMs without a profile: b\n"):
        match_profiles(["a", "b"], CATALOGUE, None, {"a": "paid"})
    with pytest.raises(ArmsError, match=r"^--access c=paid: the log has no VLM 'c'; it has a$"):
        match_profiles(["a"], CATALOGUE, "free", {"c": "paid"})
    with pytest.raises(ArmsError, match=r"^--access gpt-4o=free: expected paid, as its profile gpt-4o says; change"):
        match_profiles(["gpt-4o"], CATALOGUE, None, {"gpt-4o": "free"})


def test_a_dated_name_finds_no_profile_of_another_date() -> None:
    catalogue = [VlmProfile(name="gpt-4o-2024-05-13", access="paid")]
    assert profile_finder(catalogue)("gpt-4o-2024-08-06") is None
    assert profile_finder(catalogue)("openai/gpt-4o-2024-05-13") is catalogue[0]


def test_the_error_of_very_many_is_short() -> None:
    names = [f"{number:05d}" for number in range(10_000)]
    with pytest.raises(ArmsError, match="00018, 00019 and 9,980 more") as caught:
        match_profiles(names, CATALOGUE, None)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "half \ud800"])
def test_a_name_that_no_profile_can_have(name: str) -> None:
    with pytest.raises(ArmsError, match=r"^VLM '.*' of the log: name: expected .*; give it another name with --rename"):
        match_profiles([name], CATALOGUE, "free")


def test_renaming() -> None:
    names, outcomes = rename_vlms(["a", "b"], OUTCOMES, {"b": "c"})
    assert names == ("a", "c")
    assert outcomes["vlm"].astype(object).where(outcomes["vlm"].notna(), None).tolist() == ["a", "c", None]
    assert OUTCOMES["vlm"].tolist()[:2] == ["a", "b"], "the log's table stays as it was"


def test_two_become_one() -> None:
    names, outcomes = rename_vlms(["a", "b"], OUTCOMES, {"a": "b"})
    assert names == ("b",)
    assert outcomes["vlm"].tolist()[:2] == ["b", "b"]


def test_two_swap_names() -> None:
    names, outcomes = rename_vlms(["a", "b"], OUTCOMES, {"a": "b", "b": "a"})
    assert names == ("b", "a")
    assert outcomes["vlm"].tolist()[:2] == ["b", "a"]


def test_nothing_to_rename() -> None:
    names, outcomes = rename_vlms(["a", "b"], OUTCOMES, {})
    assert names == ("a", "b")
    assert outcomes is OUTCOMES


def test_a_vlm_that_the_log_has_not() -> None:
    with pytest.raises(ArmsError, match=r"rename: the log has no VLM 'c'; it has a, b$"):
        rename_vlms(["a", "b"], OUTCOMES, {"a": "x", "c": "y"})
    with pytest.raises(ArmsError, match=r"it has none$"):
        rename_vlms([], OUTCOMES, {"c": "y"})
