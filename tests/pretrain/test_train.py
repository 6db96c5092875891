"""Training the pair: losses, masks, batches, and going on after a kill."""

import copy

import numpy as np
import pytest
import torch

from arms.errors import ArmsError
from pretrain.batches import TrainBatches, mask_pieces, matched_texts
from pretrain.net import PairNet, contrastive_loss
from pretrain.settings import PretrainParams, read_settings
from pretrain.stream import draw_batch
from pretrain.train import train
from pretrain.vocabulary import learn_vocabulary

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def settings():
    """A pair so small that it learns next to nothing in no time."""
    content = read_settings().model_dump()
    content["vocabulary"] = {"size": 1500, "num_texts": 300}
    content["image"] = {
        "embed_dim": 8,
        "vision_cfg": {"layers": [1, 1, 1, 1], "width": 8, "head_width": 32, "image_size": 32},
    }
    content["text"] = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 256}
    content["train"] |= {"num_steps": 5, "batch_size": 8, "warmup_steps": 2, "checkpoint_every": 2}
    content["runtime"] = {"device": "cpu", "workers": 1}
    return PretrainParams.model_validate(content)


@pytest.fixture(scope="module")
def tokenizer(settings):
    return learn_vocabulary(settings)


def changed(settings, **changes):
    return settings.model_copy(update={"train": settings.train.model_copy(update=changes)})


def run(settings, tokenizer, checkpoint, on_step=lambda log: None):
    return train(settings, tokenizer, checkpoint=checkpoint, device=CPU, on_step=on_step)


def test_the_committed_settings_are_within_the_promised_size():
    settings = read_settings()
    net = PairNet(settings.image.model_dump(), settings.text, settings.vocabulary.size)
    image = sum(parameter.numel() for parameter in net.clip.visual.parameters())
    text = sum(parameter.numel() for parameter in net.text.distilbert.parameters())
    assert image <= 4e6
    assert text <= 5e6
    assert 2 * (image + text) <= 14e6  # bytes, in float16


def test_unknown_words_fall_back_to_pieces(tokenizer):
    for word in ("Zxqvkwj", "ßçøłž", "Ωψξ", "щжъ", "क्षत्रिय"):
        assert "[UNK]" not in tokenizer.encode(word).tokens


def test_contrastive_loss_is_the_cross_entropy_of_both_directions():
    rng = np.random.default_rng(0)
    image, text = (rng.normal(size=(4, 3)) for _ in range(2))
    image, text = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True) for vectors in (image, text))
    for log_scale, scale in ((np.log(5), 5), (9.0, 100)):  # the temperature is bounded
        logits = scale * image @ text.T
        by_row = np.log(np.exp(logits).sum(1)) - np.diag(logits)
        by_column = np.log(np.exp(logits).sum(0)) - np.diag(logits)
        got = contrastive_loss(torch.tensor(image), torch.tensor(text), torch.tensor(log_scale))
        assert got.item() == pytest.approx((by_row.mean() + by_column.mean()) / 2)


def test_masking(tokenizer):
    rng = np.random.default_rng(0)
    token_ids = rng.integers(0, tokenizer.get_vocab_size(), (200, 50))
    mask = np.arange(50) < rng.integers(1, 50, (200, 1))
    hidden, targets = mask_pieces(token_ids, mask, tokenizer, 0.15, rng)
    chosen = targets >= 0
    np.testing.assert_array_equal(targets[chosen], token_ids[chosen])
    np.testing.assert_array_equal(hidden[~chosen], token_ids[~chosen])
    assert not chosen[~mask].any()
    assert not chosen[token_ids < 5].any()  # special tokens
    assert chosen[mask & (token_ids >= 5)].mean() == pytest.approx(0.15, abs=0.02)
    assert (hidden[chosen] == tokenizer.token_to_id("[MASK]")).mean() == pytest.approx(0.8, abs=0.05)
    assert (hidden[chosen] == token_ids[chosen]).mean() == pytest.approx(0.1, abs=0.04)


def test_matched_texts():
    drawn = draw_batch(1, 0, size=6, image_px=32, same_family_share=0.0)
    assert matched_texts(drawn, 0.0, np.random.default_rng(0)) == drawn.captions
    asked = matched_texts(drawn, 1.0, np.random.default_rng(0))
    assert asked == [f"{question} {answer}" for question, answer in drawn.questions]


def test_a_batch_is_a_function_of_its_step(settings, tokenizer):
    data = TrainBatches(settings, tokenizer)
    one, same, other = data[1], data[1], data[2]
    assert one.pixels.shape == (8, 3, 32, 32)
    assert one.token_ids.shape == one.mask.shape == one.targets.shape
    assert len(one.token_ids) == 16
    assert (one.targets[:8] < 0).all()
    assert (one.targets[8:] >= 0).any()
    for name, tensor in vars(one).items():
        assert torch.equal(tensor, getattr(same, name))
    assert not torch.equal(one.pixels, other.pixels)


def test_a_killed_run_ends_with_the_same_weights(settings, tokenizer, tmp_path):
    logs = []
    whole = run(settings, tokenizer, tmp_path / "whole.pt", logs.append)
    assert [log.step for log in logs] == [1, 2, 3, 4, 5]

    def interrupt(log):
        if log.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(settings, tokenizer, tmp_path / "killed.pt", interrupt)
    logs = []
    resumed = run(settings, tokenizer, tmp_path / "killed.pt", logs.append)
    assert [log.step for log in logs] == [3, 4, 5]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert run(settings, tokenizer, tmp_path / "killed.pt", logs.append) is not None
    assert len(logs) == 3  # nothing was left to do


def test_other_settings_do_not_go_on_from_a_checkpoint(settings, tokenizer, tmp_path):
    run(settings, tokenizer, tmp_path / "x.pt")
    with pytest.raises(ArmsError, match=r"x\.pt: made by other settings than pretrain/params\.yaml"):
        run(changed(settings, learning_rate=0.5), tokenizer, tmp_path / "x.pt")
    run(changed(settings, checkpoint_every=3), tokenizer, tmp_path / "x.pt")  # alters no result


def test_every_part_learns(settings, tokenizer, tmp_path):
    net = PairNet(settings.image.model_dump(), settings.text, tokenizer.get_vocab_size())
    torch.manual_seed(settings.seed)
    before = copy.deepcopy(PairNet(settings.image.model_dump(), settings.text, tokenizer.get_vocab_size()))
    net = run(settings, tokenizer, tmp_path / "x.pt")
    after = dict(net.named_parameters())
    same = {name for name, tensor in before.named_parameters() if torch.equal(tensor, after[name])}
    # open_clip's own text tower and temperature have no part; pieces that no text held keep nothing but their decay.
    assert all(name.startswith("clip.") and not name.startswith("clip.visual.") for name in same)


def test_the_loss_falls(settings, tokenizer, tmp_path):
    logs = []
    run(changed(settings, num_steps=40, learning_rate=0.01, warmup_steps=5), tokenizer, tmp_path / "x.pt", logs.append)
    losses = [log.contrastive_loss + log.masked_loss for log in logs]
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.5
