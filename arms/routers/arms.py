"""The ARMS router: encoders, gate, fusion experts and cosine classifier (arXiv:2606.08970)."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from tokenizers import Tokenizer

from arms.data.atomic import atomic_folder
from arms.data.profiles import VlmProfile, profile_sentence
from arms.device import check_usable_here, choose_device
from arms.encoders.pair import EncoderPair
from arms.encoders.remote.known import asks_server, know_texts
from arms.errors import ArmsError
from arms.features.labelled import Labelled
from arms.features.loader import Queries
from arms.features.online import Claim, Item, Pictures, Question, encode_queries, encode_texts
from arms.nn.router_net import RouterNet
from arms.params.training import FitParams, RouterParams
from arms.routers.base import BaseRouter
from arms.routers.checkpoint import read_description, read_file, read_weights, write_checkpoint
from arms.routers.stored import (
    MODALITIES,
    build_saved_encoders,
    hash_untuned,
    load_weights,
    split_weights,
    tuned_by,
)
from arms.training.epoch_log import EpochLog, kept_epoch
from arms.training.loop import train_net
from arms.training.prediction import Reading, predict_logits, read_net
from arms.training.snapshot import Snapshot
from arms.training.temperature import fit_temperature

TOKENIZER = "tokenizer.json"
_PROFILES = "profiles"  # of a text encoder that is a server: the vectors of the pool's sentences


class ArmsRouter(BaseRouter):
    """The router Phi of the paper, over any pool.

    Parameters
    ----------
    profiles : sequence of VlmProfile
        The pool, in order.
    encoders : EncoderPair
        Their tails become part of this router and are trained with it.
    router : RouterParams
    training : FitParams
    device : torch.device
    """

    def __init__(
        self,
        profiles: Sequence[VlmProfile],
        encoders: EncoderPair,
        router: RouterParams,
        training: FitParams,
        *,
        device: torch.device,
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            pair_width = 0 if encoders.joint is None else encoders.joint.width
            self.net = RouterNet(encoders.image, encoders.text, router, pair_width=pair_width)
        self.encoders = encoders
        self.router, self.training, self.device = router, training, device
        self.temperature = 1.0
        self.kept_epoch = 0  # whose weights it has; 0: untrained
        self.tuned: frozenset[str] = frozenset()  # the encoders whose tails are no longer as they were loaded
        self.set_pool(profiles)

    def set_pool(self, profiles: Sequence[VlmProfile]) -> None:
        """Make these VLMs the pool; a VLM that was never trained on is scored from its profile only."""
        self.profiles = tuple(profiles)
        self.vlms = tuple(profile.name for profile in profiles)
        sentences = _sentences(self.profiles, self.router)
        if len(set(sentences)) < len(sentences):
            raise ArmsError(f"two VLMs have the same profile sentence, so no router can tell them apart: {sentences}")
        features = encode_texts(self.encoders, sentences, self.device)
        self.profile_batch = features.take(np.arange(len(sentences)))

    def fit(self, train: Labelled, val: Labelled | None = None) -> Self:
        """Train on from the current weights; see `train`."""
        for _ in self.train(train, val):
            pass
        return self

    def train(
        self, train: Labelled, val: Labelled | None = None, *, resume: Path | None = None, until: int | None = None
    ) -> Iterator[EpochLog]:
        """Train epoch by epoch; at the end calibrate on val, if the settings ask for it.

        Parameters
        ----------
        train, val : Labelled
            See `BaseRouter.fit`.
        resume : Path, optional
            The file from which a killed training resumes.
        until : int, optional
            Stop after this epoch, with the learning rate still on its way.

        Yields
        ------
        EpochLog
        """
        self.tuned |= tuned_by(self.training.trains)
        snapshot = Snapshot(resume, self.encoders.fingerprints)
        logs = []
        for log in train_net(self.net, self.profile_batch, train, val, self.training, self.device, snapshot):
            logs.append(log)
            yield log
            if log.epoch == until:
                break
        self.net.eval()
        self.kept_epoch = kept_epoch(logs, self.training.keep if until is None else "last")
        if val is not None and self.training.calibrate:
            self.temperature = fit_temperature(self._logits(val.queries), val.outcomes)

    def score(self, queries: Queries) -> np.ndarray:
        """Confidences c = sigmoid(t / T), T the calibrated temperature, shape (N, S); see `BaseRouter.score`."""
        return torch.from_numpy(self._logits(queries) / self.temperature).float().sigmoid().numpy()

    def _logits(self, queries: Queries) -> np.ndarray:
        return predict_logits(
            self.net,
            self.profile_batch,
            queries,
            batch_size=4 * self.training.batch_size,
            window_mb=self.training.shuffle_window_mb,
            device=self.device,
        )

    def read(self, queries: Queries) -> Reading:
        """The gate's weights and the fused vectors of N queries."""
        return read_net(
            self.net,
            queries,
            batch_size=4 * self.training.batch_size,
            window_mb=self.training.shuffle_window_mb,
            device=self.device,
        )

    def encode(self, images: Sequence[Pictures], questions: Sequence[Question], claim_pair: Claim = Item) -> Queries:
        """Encode queries up to the cut with this router's own encoders."""
        check_usable_here(self.device)
        return encode_queries(self.encoders, images, questions, self.device, claim_pair)

    def continued(self, profiles: Sequence[VlmProfile], training: FitParams) -> "ArmsRouter":
        """A router over another pool that starts from a copy of this one's weights; this one stays as it is."""
        other = copy.copy(self)
        other.net = copy.deepcopy(self.net)
        other.training = training
        other.set_pool(profiles)
        return other

    def over(self, profiles: Sequence[VlmProfile]) -> "ArmsRouter":
        """This router, with the same weights, over another pool."""
        other = copy.copy(self)
        other.set_pool(profiles)
        return other

    def save(self, path: str | Path, *, beside: Path | None = None) -> None:
        """Write everything that `load_router` needs into a folder, whole or not at all.

        Only the weights that trained are written, and those that have no source; see `arms.routers.stored`.

        Parameters
        ----------
        beside : Path, optional
            A saved router next to this one, with which it shares the files of equal weights.
        """
        with atomic_folder(path) as folder:
            (folder / TOKENIZER).write_text(self.encoders.text.tokenizer.to_str(), encoding="utf-8")
            parts = split_weights(self.net, self.encoders, self.tuned)
            if asks_server(self.encoders.text):  # so that loading asks for nothing
                parts[_PROFILES] = {"pooled": self.profile_batch["pooled"]}
            write_checkpoint(folder, parts, self._describe(), beside=beside, files=(TOKENIZER,))

    def _describe(self) -> dict[str, Any]:
        return {
            "kind": "arms",
            **self.origin_entry(),
            "vlms": [asdict(profile) for profile in self.profiles],
            "router": self.router.model_dump(),
            "train": self.training.model_dump(exclude={"epochs", "seed"}),
            "epochs": self.training.epochs,
            "seed": self.training.seed,
            "kept_epoch": self.kept_epoch,
            "temperature": self.temperature,
            "encoders": self.encoders.params.saved(),
            "encoders_seed": self.encoders.seed,
            "text_config": self.encoders.text.config,
            "fingerprints": self.encoders.fingerprints,
            "untuned": hash_untuned(self.net, self.encoders, self.tuned),
        }

    @classmethod
    def from_folder(cls, folder: Path, *, device: str, sha256: str | None = None) -> Self:
        """Load what `save` wrote; use `load_router`. For `sha256` see `read_description`."""
        description = read_description(folder, sha256)
        parts = read_weights(folder, description)
        encoders = build_saved_encoders(description, read_tokenizer(folder, description))
        profiles = [VlmProfile(**profile) for profile in description["vlms"]]
        params = RouterParams.model_validate(description["router"])
        if _PROFILES in parts:
            know_texts(encoders.text, _sentences(profiles, params), parts[_PROFILES]["pooled"].numpy())
        router = cls(
            profiles,
            encoders,
            params,
            FitParams(**description["train"], epochs=description["epochs"], seed=description["seed"]),
            device=choose_device(device),
        )
        router.temperature = _checked_temperature(description["temperature"], folder)
        router.kept_epoch = description.get("kept_epoch", description["epochs"])
        if encoders.text.fingerprint["tokenizer"] != description["fingerprints"]["text"]["tokenizer"]:
            raise ArmsError(f"{folder / TOKENIZER}: not the tokenizer that the router was trained with")
        router.encoders = load_weights(router.net, encoders, parts, description, folder)
        router.tuned = frozenset(MODALITIES) - description["untuned"].keys()
        router.set_pool(router.profiles)
        router.net.to(router.device).eval()
        return router


def _sentences(profiles: Sequence[VlmProfile], router: RouterParams) -> list[str]:
    return [profile_sentence(profile, router.profile) for profile in profiles]


def _checked_temperature(temperature: Any, folder: Path) -> float:
    if not isinstance(temperature, float | int) or not 0 < temperature < math.inf:
        raise ArmsError(f"{folder}: expected a temperature above 0, got {temperature!r}; train it anew")
    return temperature


def read_tokenizer(folder: Path, description: dict[str, Any]) -> Tokenizer:
    """The tokenizer that was saved with a router, checked against the router's description."""
    content = read_file(folder, description, TOKENIZER)
    try:
        return Tokenizer.from_str(content.decode())
    except Exception as error:  # the library has no error class of its own
        raise ArmsError(f"{folder / TOKENIZER}: the router's tokenizer cannot be read: {error}") from error
