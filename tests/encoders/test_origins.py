"""What a saved router may name, and what settings may."""

import pytest
from huggingface_hub import constants

from arms.encoders import origins
from arms.encoders.origins import HubName, check_known, hub, is_path, know_path, know_settings
from arms.errors import ArmsError

COMMIT = "12040accade4e8a0f71eabdb258fecc2e7e948be"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(origins, "_known", set())
    monkeypatch.setattr(origins, "_projects", set())


@pytest.mark.parametrize(
    ("text", "name", "commit"),
    [
        ("bert", "bert", None),
        (f"acme/bert@{COMMIT}", "acme/bert", COMMIT),
        ("acme/bert@main", "acme/bert@main", None),
        (f"@{COMMIT}", f"@{COMMIT}", None),
        (f"bert@{COMMIT[:-1]}", f"bert@{COMMIT[:-1]}", None),
    ],
)
def test_names_on_the_hub(text, name, commit):
    assert HubName.of(text) == HubName(name, commit)


def test_a_name_is_pinned():
    HubName("acme/bert", COMMIT).check_pinned("text encoder")
    with pytest.raises(ArmsError, match="text encoder 'acme/bert': expected a pinned commit, as in acme/bert@COMMIT"):
        HubName.of("acme/bert").check_pinned("text encoder")


def test_paths_and_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme/bert").mkdir(parents=True)
    assert all(is_path(text) for text in ("acme/bert", "./x", "../x", "/x", "~/x"))
    assert not any(is_path(text) for text in ("acme/other", "bert", f"bert@{COMMIT}"))


def test_only_known_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bert").mkdir()
    (tmp_path / "link").symlink_to("bert")
    with pytest.raises(ArmsError) as caught:
        check_known("bert", "text encoder")
    assert str(caught.value).startswith("text encoder 'bert': the router names a path that the settings of this")
    know_path("bert")
    for name in ("bert", "./bert", "link", str(tmp_path / "bert")):
        check_known(name, "text encoder")
    with pytest.raises(ArmsError, match="'bert/inner'"):
        check_known("bert/inner", "text encoder")


def test_paths_that_settings_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("words", "eyes.pt", "tower", "stranger"):
        (tmp_path / name).mkdir()
    (tmp_path / "conf/encoders").mkdir(parents=True)
    image = "architecture: null, resize: squash, tunable_layers: 0, precision: float32, store_tokens: true"
    text = "architecture: null, vocabulary_size: null, pooling: mean, max_tokens: 9, tunable_layers: 0, precision: auto"
    (tmp_path / "conf/encoders/a.yaml").write_text(
        f"image: {{model: ViT-B-32, pretrained: {tmp_path}/eyes.pt, {image}}}\ntext: {{model: ./words, {text}}}\n"
    )
    (tmp_path / "conf/encoders/b.yaml").write_text(
        f"image: {{model: 'local-dir:tower', pretrained: null, {image}}}\ntext: {{model: bundled, {text}}}\n"
    )
    (tmp_path / "conf/encoders/broken.yaml").write_text("image: [")
    with pytest.raises(ArmsError):
        check_known("words", "text encoder")
    know_settings()
    for name in ("words", "eyes.pt", "tower"):
        check_known(name, "encoder")
    for name in ("stranger", "bundled"):
        with pytest.raises(ArmsError, match=name):
            check_known(name, "encoder")


def test_the_hub_is_out_of_reach_only_inside(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with hub(reachable=True):
        assert not constants.HF_HUB_OFFLINE
    with hub(reachable=False):
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with hub(reachable=True):
        assert constants.HF_HUB_OFFLINE, "who works offline stays offline"
