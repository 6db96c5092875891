import shutil
from pathlib import Path

import pandas as pd
import pytest

from arms.catalogue.match import CATALOGUE
from arms.data.profiles import VlmProfile, read_vlms
from tests.cli.helpers import check_failed, run, run_json
from tests.fakes import PROFILES

ROOT = Path(__file__).resolve().parents[2]
FILE = """\
# Mine.
- name: nova-1  # the first
  access: paid
  price_in: 0.80

# Free ones.
- name: tern
  access: free
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory, with a file of profiles beside the catalogue's place."""
    (tmp_path / "mine.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)


class TestList:
    def test_to_read(self):
        result = run("vlms", "list", "mine.yaml")
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines() == [
            "name    provider  access  params (billions)  USD/M in  USD/M out  released",
            "nova-1  -         paid                    -       0.8          -  -",
            "tern    -         free                    -         -          -  -",
        ]

    def test_the_catalogue_is_the_default(self):
        check_failed(run("vlms", "list"), "data/vlms.yaml: expected the VLM profiles, got no such file")
        CATALOGUE.parent.mkdir()
        shutil.copy(ROOT / CATALOGUE, CATALOGUE)
        lines = run("vlms", "list").stdout.splitlines()
        assert lines[1].split() == "Qwen2.5-VL-7B-Instruct Alibaba Cloud free 8.3 - - 2025-01".split()
        assert lines[7].split() == "gemini-1.5-flash Google paid - 0.35 1.05 2024-05".split()

    def test_sentences(self):
        lines = run("vlms", "list", "mine.yaml", "--sentences").stdout.splitlines()
        assert lines == [
            "nova-1 is a vision-language model; access: paid.",
            "tern is a vision-language model; access: free.",
        ]

    def test_json(self):
        nova, tern = run_json("vlms", "list", "mine.yaml")
        assert (nova["name"], nova["price_in"], nova["price_out"]) == ("nova-1", 0.8, None)
        assert tern["sentence"] == "tern is a vision-language model; access: free."

    def test_a_datasets(self, source):
        assert [vlm["name"] for vlm in run_json("vlms", "list", source)] == [profile.name for profile in PROFILES]


class TestAdd:
    def test_a_new_one(self):
        flags = (
            "--provider Acme --params-b 2.5 --language-model L --vision-model V --architecture A --released 2024-05-13"
        )
        result = run("vlms", "add", "wren", "--access", "free", *flags.split(), "--file", "mine.yaml")
        assert result.exit_code == 0, result.output
        assert result.stdout == "added wren in mine.yaml, which holds 3 VLMs\n"
        assert Path("mine.yaml").read_text().startswith(FILE)
        assert read_vlms("mine.yaml")[-1] == VlmProfile(
            name="wren",
            access="free",
            provider="Acme",
            params_b=2.5,
            language_model="L",
            vision_model="V",
            architecture="A",
            released="2024-05-13",
        )

    def test_it_says_what_is_missing(self):
        lines = run("vlms", "add", "Nova_1", "--access", "paid", "--file", "mine.yaml").stdout.splitlines()
        assert lines[1].startswith("Nova_1: price_in, price_out missing: its costs cannot be estimated: ")
        assert lines[2].startswith("Nova_1: provider, architecture, language_model, vision_model missing: ")
        assert lines[3].startswith("nova-1, Nova_1: names that differ only in case and separators: ")
        assert len(lines) == 4

    def test_the_catalogue_is_the_default(self):
        assert run("vlms", "add", "wren", "--access", "free").exit_code == 0
        assert read_vlms("data/vlms.yaml") == (VlmProfile(name="wren", access="free"),)

    def test_one_that_is_there(self):
        arguments = (
            "vlms",
            "add",
            "nova-1",
            "--access",
            "paid",
            "--price-in",
            1,
            "--price-out",
            4,
            "--file",
            "mine.yaml",
        )
        check_failed(
            run(*arguments), "mine.yaml: expected a new VLM, got 'nova-1', which is there; replace it with --replace"
        )
        assert Path("mine.yaml").read_text() == FILE
        result = run(*arguments, "--replace")
        assert result.stdout.splitlines()[0] == "replaced nova-1 in mine.yaml, which holds 2 VLMs"
        assert [vlm.name for vlm in read_vlms("mine.yaml")] == ["nova-1", "tern"]
        assert read_vlms("mine.yaml")[0].price_out == 4
        assert [line for line in Path("mine.yaml").read_text().splitlines() if "#" in line] == [
            "# Mine.",
            "- name: nova-1  # the first",
            "# Free ones.",
        ]

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (["--params-b", -1], "params_b: expected a number > 0 (billions of parameters)"),
            (["--price-in", "nan"], "price_in: expected a number >= 0 (USD per million tokens)"),
            (["--provider", " "], "provider: expected text"),
        ],
    )
    def test_a_fact_that_is_none(self, flags, message):
        check_failed(run("vlms", "add", "wren", "--access", "free", *flags, "--file", "mine.yaml"), message)
        assert Path("mine.yaml").read_text() == FILE

    def test_access_is_needed(self):
        result = run("vlms", "add", "wren", "--file", "mine.yaml")
        assert result.exit_code == 2
        assert "Missing option '--access'" in result.stderr


class TestCheck:
    def test_to_read(self):
        result = run("vlms", "check", "mine.yaml")
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        assert lines[0].startswith("nova-1: price_out missing: its costs cannot be estimated: ")
        assert lines[2].startswith("tern: params_b missing: its own compute is charged ")
        assert lines[-1] == "mine.yaml: 2 VLMs, 4 gaps"

    def test_strict(self):
        assert run("vlms", "check", "mine.yaml", "--strict").exit_code == 1
        shutil.copy(ROOT / CATALOGUE, "whole.yaml")
        result = run("vlms", "check", "whole.yaml", "--strict")
        assert result.exit_code == 0
        assert result.stdout == "whole.yaml: 9 VLMs, 0 gaps\n"

    def test_json(self):
        content = run_json("vlms", "check", "mine.yaml")
        assert (content["file"], content["vlms"], len(content["gaps"])) == ("mine.yaml", 2, 4)
        assert content["gaps"][0]["vlms"] == ["nova-1"]
        assert content["gaps"][0]["facts"] == ["price_out"]
        assert run_json("vlms", "check", "mine.yaml", "--strict", exit_code=1) == content

    def test_against_the_catalogue(self):
        CATALOGUE.parent.mkdir()
        CATALOGUE.write_text(
            "- {name: NOVA 1, access: paid, price_in: 9, price_out: 4, provider: Acme, released: 2024-05}"
        )
        (gap,) = [
            gap for gap in run_json("vlms", "check", "mine.yaml")["gaps"] if gap["kind"] == "facts known elsewhere"
        ]
        assert (gap["vlms"], gap["facts"]) == (["nova-1"], ["provider", "price_out", "released"])
        assert "provider: Acme; price_out: 4.0; released: 2024-05" in gap["effect"]
        assert "known elsewhere" not in str(run_json("vlms", "check"))

    def test_a_dataset(self, source):
        gaps = run_json("vlms", "check", source)["gaps"]
        assert {gap["kind"] for gap in gaps} == {"facts missing"}
        outcomes = pd.read_parquet(source / "outcomes.parquet").replace({"vlm": {"painter": "stranger"}})
        outcomes.to_parquet(source / "outcomes.parquet")
        lines = run("vlms", "check", source).stdout.splitlines()
        assert "painter: has no outcomes here: it can be chosen only from its profile" in lines
        assert "stranger: has outcomes but no profile in vlms.yaml: they are set aside" in lines

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("- {name: a}", "mine.yaml, entry 1 (a): key 'access' is missing"),
            ("- {name: a, access: free, price: 3}", "unknown key 'price'"),
            ("[", "expected a YAML list of VLM profiles, could not read it"),
        ],
    )
    def test_errors_are_errors(self, text, message):
        Path("mine.yaml").write_text(text)
        check_failed(run("vlms", "check", "mine.yaml"), message)
        check_failed(run("vlms", "check", "mine.yaml", "--json"), message)

    def test_a_folder_that_is_no_dataset(self, source):
        (source / "outcomes.parquet").unlink()
        check_failed(
            run("vlms", "check", source), "outcomes.parquet: expected the dataset's outcomes, got no such file"
        )
        (source / "vlms.yaml").unlink()
        check_failed(run("vlms", "check", source), "vlms.yaml: expected the VLM profiles, got no such file")
