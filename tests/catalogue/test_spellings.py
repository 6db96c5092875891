import pytest

from arms.catalogue.spellings import alike_key, cached_name, near_key, near_names, short_name, undated_key

HUB = (
    "/root/.cache/huggingface/hub/models--Qwen--Qwen2-VL-7B-Instruct/snapshots/a28a094eb66a9f2ac70eef346f040d8a79977472"
)


def test_a_name_s_keys() -> None:
    assert alike_key("Org/My_Model: v1.5 ") == "my-model-v1-5"
    assert undated_key("openai/GPT_4o-2024-08-06") == undated_key("gpt-4o@20240806") == "gpt-4o"
    assert undated_key("Pixtral-12B-2409") == "pixtral-12b-2409", "part of the name"
    assert near_key("GPT4o_20240806") == near_key("openai/gpt-4o") == "gpt4o"
    assert near_key("Qwen2-57B") != near_key("Qwen2.5-7B")
    assert near_key("gpt-4o") != near_key("gpt-4o-mini")


@pytest.mark.parametrize(
    ("recorded", "name"),
    [
        (HUB, "Qwen/Qwen2-VL-7B-Instruct"),
        (f'"{HUB}/"', "Qwen/Qwen2-VL-7B-Instruct"),
        (HUB.replace("/", "\\"), "Qwen/Qwen2-VL-7B-Instruct"),
        ("hub/models--gpt2/snapshots/a28a094eb66a", "gpt2"),
        ("models--org--a--b", "org/a--b"),
        ("snapshots/a28a094eb66a9f2ac70eef346f040d8a79977472", None),
        ("/data/ckpts/llava-7b/", "ckpts/llava-7b"),
        ("C:\\ckpts\\llava", "ckpts/llava"),
        ("gpt-4o", "gpt-4o"),
        (" ", None),
        ("a\nb", None),
    ],
)
def test_the_name_in_a_path(recorded: str, name: str | None) -> None:
    assert short_name(recorded) == name


def test_only_paths_into_the_cache_are_renamed() -> None:
    assert cached_name(HUB) == "Qwen/Qwen2-VL-7B-Instruct"
    assert cached_name("a/b/c") == "a/b/c"


@pytest.mark.parametrize(
    ("names", "known", "pairs"),
    [
        ("gpt-4o openai/gpt-4o phi", "", [("gpt-4o", "openai/gpt-4o")]),  # which has more outcomes
        ("GPT4o openai/gpt-4o", "gpt-4o", [("GPT4o", "gpt-4o"), ("openai/gpt-4o", "gpt-4o")]),
        ("gpt-4o gpt-4o-2024-08-06", "gpt-4o", [("gpt-4o-2024-08-06", "gpt-4o")]),
        ("openai/gpt-4o", "gpt-4o", []),  # the profile is found
        ("gpt-4o-2024-08-06", "gpt-4o", []),
        ("GPT4o", "gpt-4o", [("GPT4o", "gpt-4o")]),
        ("gpt-4o gpt-4o-mini Qwen2-57B Qwen2.5-7B", "gpt-4", []),
        ("", "gpt-4", []),
    ],
)
def test_names_that_may_be_one(names: str, known: str, pairs: list[tuple[str, str]]) -> None:
    assert near_names(names.split(), {"openai/gpt-4o": 9, "gpt-4o": 2}, known.split()) == pairs
