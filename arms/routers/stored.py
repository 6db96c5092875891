"""Which weights of a router are saved, and how they are put back: only what trained, and what has no source.

The parts are the head, and of each encoder the tail and the trunk. A pretrained encoder's trunk is never saved, and
its tail only if it has trained: they are loaded from their source again and compared with the hash that was saved.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from tokenizers import Tokenizer
from torch import Tensor, nn

from arms.data.appearance import APPEARANCE
from arms.encoders.base import Encoder, hash_weights
from arms.encoders.long_texts import shortening_of
from arms.encoders.pair import EncoderPair, build_encoders
from arms.encoders.precision import in_precision
from arms.errors import ArmsError
from arms.nn.router_net import RouterNet
from arms.params.encoders import EncodersParams
from arms.params.training import Trains

Modality = Literal["image", "text"]
_ADDED = ("no_image_D", "no_token_D", "experts.attention.later_places")
MODALITIES: tuple[Modality, ...] = get_args(Modality)


class Tails(nn.Module):
    """Both encoders' tails by themselves, under the names that they have in a net."""

    def __init__(self, encoders: EncoderPair) -> None:
        super().__init__()
        self.image_tail, self.text_tail = encoders.image.tail, encoders.text.tail


def tuned_by(trains: Trains) -> frozenset[str]:
    """The encoders whose tails change in a training."""
    return frozenset(modality for modality in MODALITIES if trains in ("all", modality))


def split_weights(net: RouterNet | Tails, encoders: EncoderPair, tuned: frozenset[str]) -> dict[str, dict[str, Tensor]]:
    """The weights to save, by part.

    Parameters
    ----------
    tuned : frozenset of str
        The encoders whose tails have trained.
    """
    state = net.state_dict()
    tails = {modality: _of_tail(state, modality) for modality in MODALITIES}
    in_tails = {name for tensors in tails.values() for name in tensors}
    parts = {"head": {name: tensor for name, tensor in state.items() if name not in in_tails}}
    for modality in MODALITIES:
        has_source = _is_pretrained(encoders.params, modality)
        if modality in tuned or not has_source:
            parts[f"{modality}_tail"] = tails[modality]
        if not has_source:
            parts[f"{modality}_trunk"] = dict(_encoder(encoders, modality).trunk.state_dict())
    return parts


def hash_untuned(net: RouterNet | Tails, encoders: EncoderPair, tuned: frozenset[str]) -> dict[str, str]:
    """The hashes of the tails that are not saved, by encoder."""
    left_out = [m for m in MODALITIES if m not in tuned and _is_pretrained(encoders.params, m)]
    tails = {modality: _tail(net, modality) for modality in left_out}
    return {modality: hash_weights(tail) for modality, tail in tails.items() if len(tail)}


def build_saved_encoders(description: dict[str, Any], tokenizer: Tokenizer) -> EncoderPair:
    """The encoders of a saved router: pretrained where something of them was not saved, else still without weights."""
    params, fingerprints = EncodersParams.model_validate(description["encoders"]), description["fingerprints"]
    sourced = {
        modality: _is_pretrained(params, modality)
        and ("weights" in fingerprints[modality] or modality in description["untuned"])
        for modality in MODALITIES
    }
    encoders = build_encoders(
        params,
        seed=description["encoders_seed"],
        tokenizer=tokenizer,
        text_config=None if sourced["text"] else description["text_config"],
        load_weights=sourced["image"],
        shortening=shortening_of(fingerprints["text"]),  # as the texts that the router was trained on
        download=False,
    )
    # The trunks compute in the precision of the features that the router was trained on.
    image, text = (fingerprints[modality].get("precision", "float32") for modality in MODALITIES)
    joint = encoders.joint
    if joint is not None:
        joint = in_precision(joint, fingerprints["pair"]["precision"])
    return replace(
        encoders, image=in_precision(encoders.image, image), text=in_precision(encoders.text, text), joint=joint
    )


def load_weights(
    net: RouterNet | Tails,
    encoders: EncoderPair,
    parts: dict[str, dict[str, Tensor]],
    description: dict[str, Any],
    folder: Path,
) -> EncoderPair:
    """Put saved weights into the net and the trunks, and check the weights that come from a source.

    Returns
    -------
    EncoderPair
        With the fingerprints that were saved; the encoders' own are from before their trunks were loaded.

    Raises
    ------
    ArmsError
        If the weights do not fit the net, a source has other ones than at the time of the training, pictures were read
        otherwise then, or the encoders that were built are not those of the saved fingerprints.
    """
    trained_on = description["fingerprints"]["image"].get("pictures")
    if trained_on != APPEARANCE:
        raise ArmsError(
            f"{folder}: it was trained on pictures read as {trained_on!r}, this version reads them as {APPEARANCE!r}; "
            "train it anew"
        )
    saved = {
        name: tensor for part in ("head", "image_tail", "text_tail") for name, tensor in parts.get(part, {}).items()
    }
    untuned = [_of_tail(net.state_dict(), modality) for modality in description["untuned"]]
    # Routers from before queries had any number of images; these begin as zeros.
    saved = {name: tensor for name, tensor in net.state_dict().items() if name in _ADDED} | saved
    _load(net, {name: tensor for tensors in [*untuned, saved] for name, tensor in tensors.items()}, folder)
    for modality in MODALITIES:
        if not _is_pretrained(encoders.params, modality):
            _load(_encoder(encoders, modality).trunk, parts.get(f"{modality}_trunk", {}), folder)
    for modality in MODALITIES:
        # An encoder that is saved whole is the same whatever seed it once began with.
        apart = {"weights"} if _is_pretrained(encoders.params, modality) else {"weights", "encoder"}
        _check_fingerprint(_encoder(encoders, modality), description["fingerprints"][modality], apart, folder)
    if encoders.joint is not None:  # never saved, so its weights are of the fingerprint too
        _check_fingerprint(encoders.joint, description["fingerprints"]["pair"], set(), folder)
    for what, module, expected in _expected(net, encoders, description):
        if (got := hash_weights(module)) != expected:
            raise ArmsError(
                f"{folder}: it was trained on {what} with weights {expected[:16]}, this installation loads "
                f"{got[:16]}; get those weights, or train the router anew"
            )
    image, text = (description["fingerprints"][modality] for modality in MODALITIES)
    return replace(
        encoders, image=replace(encoders.image, fingerprint=image), text=replace(encoders.text, fingerprint=text)
    )


def _check_fingerprint(encoder: Encoder, saved: dict[str, Any], apart: set[str], folder: Path) -> None:
    """Compare what was built with what was trained on, but for some parts, such as weights: see `_expected`."""
    built = encoder.fingerprint
    if wrong := [key for key in saved if key not in apart and built.get(key) != saved[key]]:
        differences = "; ".join(f"{key} {saved[key]!r}, this installation has {built.get(key)!r}" for key in wrong)
        raise ArmsError(f"{folder}: it was trained with an encoder of {differences}; train it anew")


def _expected(
    net: RouterNet | Tails, encoders: EncoderPair, description: dict[str, Any]
) -> Iterator[tuple[str, nn.Module, str]]:
    """The modules that the training left as they were, in words, with the hashes of their weights."""
    for modality in MODALITIES:
        encoder = _encoder(encoders, modality)
        if (expected := description["fingerprints"][modality].get("weights")) is not None:
            yield f"the frozen {modality} encoder {encoder.name}", encoder.trunk, expected
        if (expected := description["untuned"].get(modality)) is not None:
            yield f"the untuned upper layers of the {modality} encoder {encoder.name}", _tail(net, modality), expected


def _load(module: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise ArmsError(f"{folder}: its weights do not fit its description: {error}") from error


def _is_pretrained(params: EncodersParams, modality: Modality) -> bool:
    """Whether an encoder's weights can be loaded from elsewhere."""
    return (params.image if modality == "image" else params.text).has_source


def _encoder(encoders: EncoderPair, modality: Modality) -> Encoder:
    return encoders.image if modality == "image" else encoders.text


def _tail(net: RouterNet | Tails, modality: Modality) -> nn.Sequential:
    return net.image_tail if modality == "image" else net.text_tail


def _of_tail(state: dict[str, Any], modality: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name.startswith(f"{modality}_tail.")}
