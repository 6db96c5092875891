import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arms.data.profiles import VlmProfile, profile_sentence, read_vlms, write_vlms
from arms.errors import ArmsError

FULL = """
- name: gpt-x
  provider: Acme
  params_b: 7
  architecture: decoder
  language_model: Lima
  vision_model: ViT
  access: paid
  price_in: 2.5
  price_out: 10
  released: 2024-05
- name: small
  access: free
"""


def read(tmp_path: Path, text: str) -> tuple[VlmProfile, ...]:
    path = tmp_path / "vlms.yaml"
    path.write_text(text, encoding="utf-8")
    return read_vlms(path)


def test_read_in_order_with_undisclosed_facts_null(tmp_path: Path) -> None:
    first, second = read(tmp_path, FULL)
    assert first == VlmProfile(
        name="gpt-x",
        provider="Acme",
        params_b=7.0,
        architecture="decoder",
        language_model="Lima",
        vision_model="ViT",
        access="paid",
        price_in=2.5,
        price_out=10.0,
        released="2024-05",
    )
    assert isinstance(first.params_b, float)
    assert second == VlmProfile(name="small", access="free")


def test_yaml_1_2(tmp_path: Path) -> None:
    (vlm,) = read(tmp_path, "- {name: no, provider: on, access: free, released: 2024-05-13}")
    assert (vlm.name, vlm.provider, vlm.released) == ("no", "on", "2024-05-13")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "vlms.yaml: expected a list of VLM profiles, each starting with '- name:', got an empty file or list"),
        ("name: a", "expected a list of VLM profiles, each starting with '- name:', got a dict"),
        ("- a", "vlms.yaml, entry 1: expected a mapping with a name and facts, got 'a'"),
        ("- {access: free}", "vlms.yaml, entry 1: key 'name' is missing; known: name, provider, params_b"),
        ("- {name: a}", "vlms.yaml, entry 1 (a): key 'access' is missing"),
        (
            "- {name: a, access: free, parms_b: 7}",
            "entry 1 (a): unknown key 'parms_b'; known: name, provider, params_b",
        ),
        ("- {name: 1.5, access: free}", "entry 1 (1.5): name: expected text, got 1.5; put it in quotes"),
        ("- {name: ' ', access: free}", "name: expected text, got ' '"),
        ('- {name: "a\\nb", access: free}', "name: expected printable characters on one line"),
        ("- {name: a, access: cheap}", "entry 1 (a): access: expected one of free, paid, got 'cheap'"),
        ("- {name: a, access: null}", "access: expected one of free, paid, got None"),
        ("- {name: a, access: free, provider: 3}", "provider: expected text, or null where undisclosed, got 3; put it"),
        ("- {name: a, access: free, provider: ''}", "provider: expected text, or null where undisclosed, got ''"),
        ("- {name: a, access: free, released: 2024}", "released: expected text, or null where undisclosed, got 2024"),
        (
            "- {name: a, access: paid, price_in: -1}",
            "price_in: expected a number >= 0 (USD per million tokens), or null",
        ),
        ("- {name: a, access: paid, price_out: .nan}", "price_out: expected a number >= 0"),
        ("- {name: a, access: paid, price_out: .inf}", "price_out: expected a number >= 0"),
        ("- {name: a, access: paid, price_in: true}", "price_in: expected a number >= 0"),
        (
            "- {name: a, access: paid, params_b: 7B}",
            "params_b: expected a number > 0 (billions of parameters), or null",
        ),
        ("- {name: a, access: paid, params_b: 0}", "params_b: expected a number > 0"),
        (FULL + "- {name: gpt-x, access: free}", "vlms.yaml: expected one entry per VLM name, got several for 'gpt-x'"),
        ("- {name: a, name: b, access: free}", "vlms.yaml: expected a YAML list of VLM profiles, could not read it"),
        ("- [", "vlms.yaml: expected a YAML list of VLM profiles, could not read it"),
    ],
)
def test_errors(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ArmsError, match=re.escape(message)):
        read(tmp_path, text)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ArmsError, match=r"vlms\.yaml: expected the VLM profiles, got no such file"):
        read_vlms(tmp_path / "vlms.yaml")


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.strip)
amounts = st.none() | st.floats(min_value=1e-9, max_value=1e12)
profiles = st.builds(
    VlmProfile,
    name=texts.filter(str.isprintable),
    provider=st.none() | texts | st.sampled_from(["null", "~", "yes", "1e5", "2024-05-13", "0x1F", "- a", "a: b", "#"]),
    architecture=st.none() | texts,
    language_model=st.none() | texts,
    vision_model=st.none() | texts,
    released=st.none() | texts,
    access=st.sampled_from(["free", "paid"]),
    params_b=amounts,
    price_in=amounts,
    price_out=amounts,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(vlms=st.lists(profiles, min_size=1, max_size=3, unique_by=lambda vlm: vlm.name))
def test_round_trip(tmp_path: Path, vlms: list[VlmProfile]) -> None:
    path = tmp_path / "vlms.yaml"
    write_vlms(vlms, path)
    content = path.read_bytes()
    assert read_vlms(path) == tuple(vlms)
    write_vlms(read_vlms(path), path)
    assert path.read_bytes() == content


def sentence(kind: Any = "full", **facts: Any) -> str:
    return profile_sentence(VlmProfile(**{"name": "gpt-x", "access": "free", **facts}), kind)


def test_sentence() -> None:
    full = sentence(
        provider="Acme", params_b=7, architecture="decoder", language_model="Lima", vision_model="ViT-L", access="paid"
    )
    assert full == (
        "gpt-x is a vision-language model by Acme with 7 billion parameters; architecture: decoder; "
        "language model: Lima; vision model: ViT-L; access: paid."
    )


def test_sentence_leaves_out_what_is_undisclosed() -> None:
    assert sentence() == "gpt-x is a vision-language model; access: free."
    assert sentence(params_b=0.5) == "gpt-x is a vision-language model with 0.5 billion parameters; access: free."


def test_sentence_of_the_name_alone() -> None:
    assert sentence("name", provider="Acme", params_b=7) == "gpt-x"


def test_sentence_is_one_line() -> None:
    assert "\n" not in sentence(architecture="a\nb\n")


def test_sentence_of_unknown_kind() -> None:
    with pytest.raises(ArmsError, match="profile: expected one of full, name, got 'long'"):
        sentence("long")


@pytest.mark.parametrize("name", ["query_id", "asked: gpt"])
def test_names_that_score_tables_use_are_refused_before_any_training(name: str) -> None:
    with pytest.raises(ArmsError, match=f"name: expected a name that score tables do not use themselves, got '{name}'"):
        VlmProfile(name=name, access="free")
