"""Extraction of DistilBERT from questions, against computing alone and against a plain loop."""

import shutil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arms.encoders.precision import fastest_precision, in_precision
from arms.encoders.text import TextEncoder, build_text_encoder
from arms.encoders.torchvision_guard import import_torchvision
from arms.features.arrays import Ragged
from arms.features.extract import extract
from arms.features.store import FeatureStore
from arms.features.trunk import run_trunk
from benchmarks.feature_parts.limits import forward_alone
from benchmarks.feature_parts.setup import SEED, Setup, check_same, make_keys
from benchmarks.record import Line
from benchmarks.timing import interleave, plain_torch, seconds

import_torchvision()

from transformers import DistilBertConfig, DistilBertModel  # noqa: E402

PART = "texts"


def measure_texts(setup: Setup) -> list[Line]:
    """The pooled embedding of an encoder frozen whole."""
    encoder = build_text_encoder(setup.encoders().text, tokenizer=setup.tokenizer, seed=SEED)
    precision = fastest_precision(encoder, setup.device)
    encoder = in_precision(encoder, precision)
    encoder.trunk.to(setup.device)
    batches = padded_batches(setup, encoder)
    loop = _PlainLoop(setup)

    forward_alone(encoder, batches[:1], setup.device)  # what is done once alone
    extract_texts(setup, encoder)
    loop.run(2)
    forward_runs, loop_runs, own_runs = interleave(
        setup.scale.rounds,
        lambda: forward_alone(encoder, batches, setup.device),
        lambda: loop.run(setup.scale.plain),
        lambda: extract_texts(setup, encoder),
    )
    own_first: Any = run_trunk(encoder, encoder.tokenize(setup.questions[:1]), setup.device)["pooled"]
    check_same(own_first[0], loop.first)
    batch_size = setup.params.runtime.extract_batch_size
    forward = Line(
        part=PART,
        name=f"computing alone, {precision}, padded batches of {batch_size}",
        unit="texts/s",
        runs=forward_runs,
    )
    plain = Line(part=PART, name="plain float32 loop, one by one", unit="texts/s", runs=loop_runs)
    own = Line(part=PART, name="tokenize() and extract() into a store", unit="texts/s", runs=own_runs)
    bounds = 0.8 if setup.device.type == "cuda" else 0.9
    return [forward, plain, own.over(forward, at_least=bounds), own.over(plain, at_least=3)]


def extract_texts(setup: Setup, encoder: TextEncoder) -> float:
    """Texts a second of what the stage does: tokens, sorted by length, extracted."""
    keys = make_keys(len(setup.questions))
    folder = setup.folder / "text.zarr"
    store = FeatureStore(folder, encoder.fingerprint)

    def work() -> None:
        token_ids = dict(zip(keys, encoder.tokenize(setup.questions), strict=True))
        with store.writing():
            extract(
                store,
                sorted(keys, key=lambda key: (len(token_ids[key]), key)),
                token_ids.__getitem__,
                encoder,
                label="text",
                batch_size=setup.params.runtime.extract_batch_size,
                shard_bytes=setup.scale.shard_mb * 2**20,
                workers=0,
                device=setup.device,
            )
            store.finish()

    took_s = seconds(work, setup.device)
    shutil.rmtree(folder)
    return len(keys) / took_s


def padded_batches(setup: Setup, encoder: TextEncoder) -> list[dict[str, Tensor]]:
    """All questions in batches by length, on the device."""
    token_ids = sorted(encoder.tokenize(setup.questions), key=len)
    ragged, size = Ragged.join(token_ids), setup.params.runtime.extract_batch_size
    batches = []
    for start in range(0, len(ragged), size):
        padded, mask = ragged.pad(np.arange(start, min(start + size, len(ragged))))
        arrays = {"token_ids": padded, "mask": mask}
        batches.append({name: torch.from_numpy(array).to(setup.device) for name, array in arrays.items()})
    return batches


class _PlainLoop:
    """What is done without ARMS: text after text through transformers, in float32, and saved at the end."""

    def __init__(self, setup: Setup) -> None:
        config = DistilBertConfig(**setup.scale.text_architecture, vocab_size=setup.tokenizer.get_vocab_size())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            net: Any = DistilBertModel(config)
        self._net = net.to(setup.device).eval()
        self._setup = setup
        self.first = np.empty(0)

    def run(self, count: int) -> float:
        """Texts a second."""
        return count / seconds(lambda: self._run(count), self._setup.device)

    @torch.no_grad()
    def _run(self, count: int) -> None:
        device, features = self._setup.device, []
        with plain_torch():
            for question in self._setup.questions[:count]:
                ids = torch.tensor([self._setup.tokenizer.encode(question).ids], device=device)
                states = self._net(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
                features.append(states[:, 0].cpu())
        pooled = torch.cat(features).numpy()
        np.save(self._setup.folder / "plain.npy", pooled)
        self.first = pooled[0]
