"""Where an encoder pair's weights come from, and whether they are here already. Nothing is loaded or downloaded."""

import os
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from arms.encoders.bundled import BUNDLED, bundled_folder
from arms.encoders.natural import NATURAL, natural_folder
from arms.encoders.origins import HF_HUB, LOCAL_DIR, OPEN_CLIP_CONFIG, URL_CACHE, HubName, is_path
from arms.encoders.picture_text import models_folder
from arms.errors import ArmsError
from arms.params.encoders import EncodersParams, ImageEncoderParams, PairEncoderParams, ServerParams, TextEncoderParams

_WEIGHTS_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer_config.json")
_UNHASHED = "expected the sha256 of its weights beside its name; the page of the file on the hub shows it"


@dataclass(frozen=True, slots=True)
class Weights:
    """One encoder's weights: `name` as in the settings; `here` if they need no network; `problem` if they are wrong."""

    modality: Literal["image", "text", "joint"]
    name: str
    origin: Literal["package", "seed", "file", "hub", "server", "unknown"]
    here: bool
    problem: str = ""

    def text(self) -> str:
        """As in 'text encoder distilbert-base-uncased is to be downloaded once'."""
        verb = {
            "package": "comes with the package" if self.name == BUNDLED else "comes with a package",
            "seed": "begins from the seed",
            "file": "is on this machine",
            "hub": "was downloaded" if self.here else "is to be downloaded once",
            "server": "is asked of a server",
            "unknown": "is unknown",
        }[self.origin]
        return f"{self.modality} encoder {self.name} {verb}{f': {self.problem}' if self.problem else ''}"


def weights_of(params: EncodersParams) -> tuple[Weights, ...]:
    """The weights of the image encoder, of the text encoder, and of the joint encoder where there is one."""
    image = _weights("image", params.image)
    if params.image.ocr:
        image = _with_reader(image)
    text = _weights("text", params.text) if params.server is None else _served(params.text, params.server)
    return (image, text) if params.pair is None else (image, text, _joint_weights(params.pair))


def _joint_weights(params: PairEncoderParams) -> Weights:
    if Path(params.model).is_dir():
        return Weights("joint", params.model, "file", True)
    named = HubName.of(params.model)
    return _on_hub("joint", named.name, named, params.hashes, ("config.json",), _WEIGHTS_FILES, _TOKENIZER_FILES)


def _weights(modality: Literal["image", "text"], params: ImageEncoderParams | TextEncoderParams) -> Weights:
    if params.model in (None, BUNDLED, NATURAL):
        return _without_name(modality, params.model)
    if params.library == "open_clip":
        return _open_clip_weights(modality, params)
    assert params.model is not None
    place = params.model.removeprefix(HF_HUB).removeprefix(LOCAL_DIR)
    if Path(place).is_dir():
        return Weights(modality, params.model, "file", True)
    if params.library != "transformers" and (is_path(place) or params.model.startswith(LOCAL_DIR)):
        return Weights(modality, params.model, "unknown", False, f"expected a folder at {place}")
    named = HubName.of(place)
    tokenizer = (_TOKENIZER_FILES,) if modality == "text" else ()
    return _on_hub(modality, named.name, named, params.hashes, ("config.json",), _WEIGHTS_FILES, *tokenizer)


def _with_reader(image: Weights) -> Weights:
    """An image encoder that is given the text in the picture: whether that can be read."""
    try:
        models_folder()
    except ArmsError as error:
        return replace(image, here=False, problem="; ".join(filter(None, (image.problem, str(error)))))
    return image


def _on_hub(
    modality: Literal["image", "text", "joint"],
    name: str,
    named: HubName,
    sha256: dict[str, str] | None,
    *groups: tuple[str, ...],
    repository: str = "",
) -> Weights:
    """Weights on the hub: here if one file of each group is, and all files whose hashes are pinned."""
    if named.commit is None:
        return Weights(modality, name, "unknown", False, named.pin_advice)
    if not sha256:
        return Weights(modality, name, "unknown", False, _UNHASHED)
    try:
        here = _is_cached(HubName(repository or named.name, named.commit), *groups, *((file,) for file in sha256))
        return Weights(modality, name, "hub", here)
    except ValueError as error:  # of huggingface_hub, for what cannot be a name there
        return Weights(modality, name, "unknown", False, f"expected a folder or a name on the hub: {error}")


def _open_clip_weights(modality: Literal["image", "text"], params: ImageEncoderParams | TextEncoderParams) -> Weights:
    model, tag = params.model, params.pretrained
    assert model is not None
    found = partial(Weights, modality, f"{model}/{tag or 'no weights'}")
    if model.startswith(HF_HUB):
        named = HubName.of(model.removeprefix(HF_HUB))
        return _on_hub(modality, f"{model}/{tag or 'no weights'}", named, params.hashes, (OPEN_CLIP_CONFIG,))
    if model.startswith(LOCAL_DIR):
        place = model.removeprefix(LOCAL_DIR)
        if (Path(place) / OPEN_CLIP_CONFIG).is_file():
            return Weights(modality, model, "file", True)
        return Weights(modality, model, "unknown", False, f"expected {OPEN_CLIP_CONFIG} in {place}")
    if tag and Path(tag).is_file():
        return found("file", True)

    from arms.encoders.torchvision_guard import import_torchvision

    import_torchvision()
    import open_clip

    if open_clip.get_model_config(model) is None:
        return found("unknown", False, "expected an open_clip architecture")
    if tag is None:
        return found("seed", True)
    pinned = HubName.of(tag)
    source = open_clip.get_pretrained_cfg(model.replace("/", "-"), pinned.name)
    if not source:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model))
        return found("unknown", False, f"expected a checkpoint file or one of the tags {tags}")
    name = f"{model}/{pinned.name}"
    if not source.get("hf_hub"):
        if not params.hashes:
            return Weights(modality, name, "unknown", False, _UNHASHED)
        return Weights(modality, name, "hub", Path(URL_CACHE, Path(source["url"]).name).expanduser().is_file())
    repository, _ = os.path.split(source["hf_hub"])
    return _on_hub(modality, name, pinned, params.hashes, repository=repository)


def _served(text: TextEncoderParams, server: ServerParams) -> Weights:
    """A server's model: whether it could be asked."""
    problem = ""
    if missing := [library for library in ("httpx2", "tenacity") if find_spec(library) is None]:
        problem = f"{', '.join(missing)} not installed; run: pip install 'arms[remote]'"
    elif text.probe is not None and text.probe.vector is None:
        problem = "its model is not pinned yet: dvc repro prints what to write into text.probe.vector"
    elif server.key_env is not None and not os.environ.get(server.key_env):
        problem = f"the environment variable {server.key_env} with its key is not set"
    return Weights("text", f"{text.model} at {server.url}", "server", not problem, problem)


def _without_name(modality: Literal["image", "text"], model: str | None) -> Weights:
    """The weights of an encoder that names no model, or one whose weights are in a package."""
    if model is None:
        return Weights(modality, "of its own architecture", "seed", True)
    try:
        (bundled_folder if model == BUNDLED else natural_folder)(modality)
    except ArmsError as error:
        return Weights(modality, model, "package", False, str(error))
    return Weights(modality, model, "package", True)


def _is_cached(named: HubName, *groups: tuple[str, ...]) -> bool:
    """Whether at least one file of each group was downloaded from a repository on the hub."""
    from huggingface_hub import try_to_load_from_cache

    def has(file: str) -> bool:
        return isinstance(try_to_load_from_cache(named.name, file, revision=named.commit), str)

    return all(any(map(has, group)) for group in groups)
