"""Training the pair: losses, masks, batches, and going on after a kill."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from arms.errors import ArmsError
from pretrain.attributes import NOT_TOLD, attribute_targets, attributes
from pretrain.batches import TrainBatches, texts_about
from pretrain.corpus import texts
from pretrain.hiding import SPECIAL, hide_pieces, mask_pieces, untouched
from pretrain.losses import attribute_loss, losses_of
from pretrain.net import PairNet, contrastive_loss
from pretrain.settings import PretrainParams, read_settings
from pretrain.stream import draw_batch
from pretrain.train import build_net, learning_rate_factor, train
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
    content["train"] |= {"text_steps": 2, "num_steps": 4, "batch_size": 8, "text_batch_size": 6, "texts_beside": 7}
    content["train"] |= {"warmup_steps": 2, "checkpoint_every": 2}
    content["runtime"] = {"device": "cpu", "workers": 1}
    return PretrainParams.model_validate(content)


@pytest.fixture(scope="module")
def tokenizer(settings):
    return learn_vocabulary(settings)


def changed(settings, **changes):
    return settings.model_copy(update={"train": settings.train.model_copy(update=changes)})


def run(settings, tokenizer, checkpoint, killed_after=None):
    """Train a new net, to the end or until a kill; the net and the logs of the steps."""
    net, logs = build_net(settings, tokenizer), []
    for log in train(net, settings, tokenizer, checkpoint=checkpoint, device=CPU):
        logs.append(log)
        if log.step == killed_after:
            break
    return net, logs


def test_the_committed_settings_are_within_the_promised_size():
    settings = read_settings()
    net = PairNet(settings.image.model_dump(), settings.text, settings.vocabulary.size, [2])
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
    encodings = tokenizer.encode_batch(list(texts(1, 300)))
    whole = untouched(encodings)
    masked = mask_pieces(encodings, tokenizer, 0.15, rng)
    np.testing.assert_array_equal(masked.mask, whole.mask)
    chosen = masked.targets >= 0
    np.testing.assert_array_equal(masked.targets[chosen], whole.token_ids[chosen])
    np.testing.assert_array_equal(masked.token_ids[~chosen], whole.token_ids[~chosen])
    assert not chosen[~whole.mask].any()
    assert not chosen[whole.token_ids < len(SPECIAL)].any()
    assert chosen[whole.token_ids >= len(SPECIAL)].mean() == pytest.approx(0.15, abs=0.03)
    seen = masked.token_ids[chosen]
    assert (seen == tokenizer.token_to_id("[MASK]")).mean() == pytest.approx(0.8, abs=0.06)
    assert (seen == whole.token_ids[chosen]).mean() == pytest.approx(0.1, abs=0.05)


def test_special_tokens_come_first_in_the_vocabulary(tokenizer):
    assert tuple(map(tokenizer.id_to_token, range(len(SPECIAL)))) == SPECIAL


def test_answers_are_hidden_whole(tokenizer):
    question, answer = "How many circles are there?", "twenty two"
    encodings = tokenizer.encode_batch([f"{question} {answer}", question])
    hidden = hide_pieces(encodings, [len(question) + 1, None], 0.0, np.random.default_rng(0))
    asked = tokenizer.encode(question).ids
    first = hidden.targets[0][hidden.targets[0] >= 0]
    assert first.tolist() == tokenizer.encode(answer).ids[1:-1]
    assert hidden.token_ids[0][: len(asked) - 1].tolist() == asked[:-1]
    assert set(hidden.token_ids[0][hidden.targets[0] >= 0]) == {tokenizer.token_to_id("[MASK]")}
    assert (hidden.targets[1] < 0).all()  # no answer, and a share of nothing


def test_texts_about_pictures():
    drawn = draw_batch(1, 0, size=6, image_px=32, same_family_share=0.0)
    assert texts_about(drawn, 0.0, np.random.default_rng(0)) == (drawn.captions, [None] * 6)
    asked, starts = texts_about(drawn, 1.0, np.random.default_rng(0))
    assert asked == [f"{question} {answer}" for question, answer in drawn.questions]
    assert [text[start:] for text, start in zip(asked, starts, strict=True)] == [a for _, a in drawn.questions]


def test_attributes():
    known = attributes()
    assert {"family", "count", "colour", "crosses", "letter", "quality"} <= set(known)
    assert not {"word", "largest"} & set(known)
    drawn = draw_batch(1, 0, size=40, image_px=32, same_family_share=0.0)
    targets = attribute_targets(drawn.families, drawn.labels)
    assert targets.shape == (40, len(known))
    for column, (name, values) in zip(targets.T, known.items(), strict=True):
        given = drawn.families if name == "family" else drawn.labels[name]
        for target, value in zip(column, given, strict=True):
            assert target == NOT_TOLD if value not in values else values[target] == value


def test_attribute_loss_leaves_out_what_does_not_apply():
    logits = (torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    targets = torch.tensor([[0, NOT_TOLD], [NOT_TOLD, 2]])
    expected = (np.log(1 + np.exp(-2)) + np.log(np.e + 2)) / 2
    assert attribute_loss(logits, targets).item() == pytest.approx(expected)


def test_a_batch_is_a_function_of_its_step(settings, tokenizer):
    data = TrainBatches(settings, tokenizer)
    assert len(data) == 6
    assert data[1].pictures is None
    assert len(data[1].texts.mask) == 6
    one, same, other = data[3], data[3], data[4]
    assert one.pictures.pixels.shape == (8, 3, 32, 32)
    assert len(one.pictures.matched.mask) == len(one.pictures.hidden.mask) == 8
    assert (one.pictures.matched.targets < 0).all()
    assert (one.pictures.hidden.targets >= 0).any()
    assert len(one.texts.mask) == 7
    for get in (lambda batch: batch.texts, lambda batch: batch.pictures.matched, lambda batch: batch.pictures.hidden):
        for name, tensor in vars(get(one)).items():
            assert torch.equal(tensor, getattr(get(same), name))
    assert torch.equal(one.pictures.attributes, same.pictures.attributes)
    assert not torch.equal(one.pictures.pixels, other.pictures.pixels)


def test_texts_padded_together_have_the_states_that_they_have_alone(settings, tokenizer):
    net = build_net(settings, tokenizer).eval()
    batch = TrainBatches(settings, tokenizer)[3].pictures.matched
    together = net.text_states(batch.token_ids, batch.mask)
    for row in range(len(batch.mask)):
        length = int(batch.mask[row].sum())
        alone = net.text_states(batch.token_ids[row : row + 1, :length], batch.mask[row : row + 1, :length])
        torch.testing.assert_close(together[row, :length], alone[0], atol=1e-5, rtol=1e-5)


def test_hidden_pieces_are_filled_in_with_the_picture_at_hand(settings, tokenizer):
    net = build_net(settings, tokenizer).eval()
    batch = TrainBatches(settings, tokenizer)[3]
    losses = losses_of(net, batch)
    others = replace(batch, pictures=replace(batch.pictures, pixels=batch.pictures.pixels.flip(0)))
    swapped = losses_of(net, others)
    assert losses["masked"] == swapped["masked"]
    for name in ("contrastive", "grounded", "attributes"):
        assert losses[name] != swapped[name], name


def test_the_learning_rate_rises_twice(settings):
    params = settings.train.model_copy(update={"text_steps": 10, "num_steps": 20, "warmup_steps": 4})
    factors = [learning_rate_factor(step, params) for step in range(params.total_steps)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4:10] == [1.0] * 6
    assert factors[10] < 0.5
    assert max(factors[10:]) == pytest.approx(1.0)
    assert factors[-1] < 0.05


def test_a_killed_run_ends_with_the_same_weights(settings, tokenizer, tmp_path):
    whole, logs = run(settings, tokenizer, tmp_path / "whole.pt")
    assert [log.step for log in logs] == [1, 2, 3, 4, 5, 6]
    assert set(logs[0].losses) == {"masked"}
    assert set(logs[-1].losses) == {"masked", "contrastive", "grounded", "attributes"}
    run(settings, tokenizer, tmp_path / "killed.pt", killed_after=5)
    resumed, logs = run(settings, tokenizer, tmp_path / "killed.pt")
    assert [log.step for log in logs] == [5, 6]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    _, logs = run(settings, tokenizer, tmp_path / "killed.pt")
    assert not logs, "nothing was left to do"


def test_other_settings_do_not_go_on_from_a_checkpoint(settings, tokenizer, tmp_path):
    run(settings, tokenizer, tmp_path / "x.pt")
    with pytest.raises(ArmsError, match=r"x\.pt: made by other settings than pretrain/params\.yaml"):
        run(changed(settings, learning_rate=0.5), tokenizer, tmp_path / "x.pt")
    run(changed(settings, checkpoint_every=3), tokenizer, tmp_path / "x.pt")  # alters no result


def test_every_part_learns(settings, tokenizer, tmp_path):
    before = build_net(settings, tokenizer)
    net, _ = run(settings, tokenizer, tmp_path / "x.pt")
    after = dict(net.named_parameters())
    same = {name for name, tensor in before.named_parameters() if torch.equal(tensor, after[name])}
    # open_clip's own text tower and temperature have no part; pieces that no text held keep nothing but their decay.
    assert all(name.startswith("clip.") and not name.startswith("clip.visual.") for name in same)


def test_the_loss_falls(settings, tokenizer, tmp_path):
    longer = changed(settings, num_steps=40, learning_rate=0.01, warmup_steps=5)
    _, logs = run(longer, tokenizer, tmp_path / "x.pt")
    for name, fall in (("masked", 0.5), ("grounded", 0.5), ("attributes", 0.05)):
        losses = [log.losses[name] for log in logs if "grounded" in log.losses]
        assert np.mean(losses[-8:]) < np.mean(losses[:8]) - fall, name
