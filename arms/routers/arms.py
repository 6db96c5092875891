"""The ARMS router: encoders, gate, fusion experts and cosine classifier (arXiv:2606.08970)."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor, nn

from arms.data.atomic import atomic_folder
from arms.data.profiles import VlmProfile, profile_sentence
from arms.device import choose_device
from arms.encoders.base import hash_weights
from arms.encoders.pair import EncoderPair, build_encoders
from arms.encoders.precision import EncoderT, in_precision
from arms.errors import ArmsError
from arms.features.labelled import Labelled
from arms.features.loader import Queries
from arms.features.online import encode_queries, encode_texts
from arms.nn.router_net import RouterNet
from arms.params import EncodersParams, FitParams, RouterParams
from arms.routers.base import BaseRouter
from arms.routers.checkpoint import read_description, read_weights, write_checkpoint
from arms.training.epoch_log import EpochLog
from arms.training.loop import train_net
from arms.training.prediction import Reading, predict_logits, read_net
from arms.training.snapshot import Snapshot
from arms.training.temperature import fit_temperature

TOKENIZER = "tokenizer.json"


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
            self.net = RouterNet(encoders.image, encoders.text, router)
        self.encoders = encoders
        self.router, self.training, self.device = router, training, device
        self.temperature = 1.0
        self.set_pool(profiles)

    def set_pool(self, profiles: Sequence[VlmProfile]) -> None:
        """Make these VLMs the pool; a VLM that was never trained on is scored from its profile only."""
        self.profiles = tuple(profiles)
        self.vlms = tuple(profile.name for profile in profiles)
        sentences = [profile_sentence(profile, self.router.profile) for profile in self.profiles]
        if len(set(sentences)) < len(sentences):
            raise ArmsError(f"two VLMs have the same profile sentence, so no router can tell them apart: {sentences}")
        features = encode_texts(self.encoders, sentences, self.device)
        self.profile_batch = features.take(np.arange(len(sentences)))

    def fit(self, train: Labelled, val: Labelled | None = None) -> Self:
        """Train on from the current weights; see `train`."""
        for _ in self.train(train, val):
            pass
        return self

    def train(self, train: Labelled, val: Labelled | None = None, *, resume: Path | None = None) -> Iterator[EpochLog]:
        """Train epoch by epoch; at the end calibrate on val, if the settings ask for it.

        Parameters
        ----------
        train, val : Labelled
            See `BaseRouter.fit`.
        resume : Path, optional
            The file from which a killed training resumes.

        Yields
        ------
        EpochLog
        """
        snapshot = Snapshot(resume, self.encoders.fingerprints)
        yield from train_net(self.net, self.profile_batch, train, val, self.training, self.device, snapshot)
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

    def encode(self, images: Sequence[Image.Image], questions: Sequence[str]) -> Queries:
        """Encode queries up to the cut with this router's own encoders."""
        return encode_queries(self.encoders, images, questions, self.device)

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

    def save(self, path: str | Path) -> None:
        """Write everything that `load_router` needs into a folder, whole or not at all.

        Pretrained frozen trunks are left out: they are loaded from their source again, and checked against the hash
        that is saved here.
        """
        with atomic_folder(path) as folder:
            (folder / TOKENIZER).write_text(self.encoders.text.tokenizer.to_str(), encoding="utf-8")
            write_checkpoint(folder, self._tensors(), self._describe())

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"net.{name}": tensor for name, tensor in self.net.state_dict().items()}
        for modality, trunk in self._own_trunks().items():
            tensors |= {f"{modality}_trunk.{name}": tensor for name, tensor in trunk.state_dict().items()}
        return tensors

    def _own_trunks(self) -> dict[str, nn.Module]:
        """The frozen trunks that cannot be loaded from elsewhere."""
        params = self.encoders.params
        trunks: dict[str, nn.Module] = {}
        if params.image.pretrained is None:
            trunks["image"] = self.encoders.image.trunk
        if params.text.model is None:
            trunks["text"] = self.encoders.text.trunk
        return trunks

    def _describe(self) -> dict[str, Any]:
        return {
            "kind": "arms",
            "vlms": [asdict(profile) for profile in self.profiles],
            "router": self.router.model_dump(),
            "train": self.training.model_dump(exclude={"epochs", "seed"}),
            "epochs": self.training.epochs,
            "seed": self.training.seed,
            "temperature": self.temperature,
            "encoders": self.encoders.params.model_dump(),
            "encoders_seed": self.encoders.seed,
            "text_config": self.encoders.text.config,
            "fingerprints": self.encoders.fingerprints,
        }

    @classmethod
    def from_folder(cls, folder: Path, *, device: str) -> Self:
        """Load what `save` wrote; use `load_router`."""
        description = read_description(folder)
        tensors = read_weights(folder, description)
        params = EncodersParams.model_validate(description["encoders"])
        fingerprints = description["fingerprints"]
        frozen_image = params.image.pretrained is not None and "weights" in fingerprints["image"]
        frozen_text = params.text.model is not None and "weights" in fingerprints["text"]
        encoders = build_encoders(
            params,
            seed=description["encoders_seed"],
            tokenizer=_read_tokenizer(folder / TOKENIZER),
            text_config=None if frozen_text else description["text_config"],
            load_weights=frozen_image,
        )
        encoders = replace(
            encoders,
            image=_in_stored_precision(encoders.image, fingerprints["image"]),
            text=_in_stored_precision(encoders.text, fingerprints["text"]),
        )
        router = cls(
            [VlmProfile(**profile) for profile in description["vlms"]],
            encoders,
            RouterParams.model_validate(description["router"]),
            FitParams(**description["train"], epochs=description["epochs"], seed=description["seed"]),
            device=choose_device(device),
        )
        router.temperature = description["temperature"]
        _load(router.net, "net.", tensors, folder)
        for modality, trunk in router._own_trunks().items():
            _load(trunk, f"{modality}_trunk.", tensors, folder)
        if encoders.text.fingerprint["tokenizer"] != fingerprints["text"]["tokenizer"]:
            raise ArmsError(f"{folder / TOKENIZER}: not the tokenizer that the router was trained with")
        for modality, encoder in (("image", encoders.image), ("text", encoders.text)):
            expected = fingerprints[modality].get("weights")
            if expected is not None and (got := hash_weights(encoder.trunk)) != expected:
                raise ArmsError(
                    f"{folder}: it was trained on the frozen {modality} encoder {encoder.name} with weights "
                    f"{expected[:16]}, this installation loads {got[:16]}; get those weights, or train the router anew"
                )
        # The encoders' own fingerprints are from before the frozen trunks were loaded.
        router.encoders = replace(
            encoders,
            image=replace(encoders.image, fingerprint=fingerprints["image"]),
            text=replace(encoders.text, fingerprint=fingerprints["text"]),
        )
        router.set_pool(router.profiles)
        router.net.to(router.device).eval()
        return router


def _in_stored_precision(encoder: EncoderT, fingerprint: dict[str, Any]) -> EncoderT:
    """The encoder with its trunk in the precision of the features that the router was trained on."""
    return in_precision(encoder, fingerprint.get("precision", "float32"))


def _read_tokenizer(file: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library has no error class of its own
        raise ArmsError(f"{file}: the router's tokenizer cannot be read: {error}") from error


def _load(module: nn.Module, prefix: str, tensors: dict[str, Tensor], folder: Path) -> None:
    part = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    try:
        module.load_state_dict(part)
    except RuntimeError as error:
        raise ArmsError(f"{folder}: its weights do not fit its description: {error}") from error
