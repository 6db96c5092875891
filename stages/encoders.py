"""The encoders that the settings name, before any tuning."""

from arms.data.prepared import Prepared
from arms.data.profiles import profile_sentence
from arms.device import choose_device
from arms.encoders.image import ImageEncoder, build_image_encoder
from arms.encoders.joint import JointEncoder, build_joint_encoder
from arms.encoders.pair import EncoderPair
from arms.encoders.precision import PRECISIONS, EncoderT, fastest_precision, in_precision
from arms.encoders.text import TextEncoder, build_text_encoder, train_tokenizer
from arms.features.store import FeatureStore
from arms.params.encoders import PrecisionChoice
from stages.workspace import Workspace


def build_encoders(workspace: Workspace, prepared: Prepared) -> EncoderPair:
    """The encoders."""
    image, text = image_encoder(workspace), text_encoder(workspace, prepared)
    return EncoderPair(image, text, workspace.encoders, workspace.params.seed, joint_encoder(workspace))


def image_encoder(workspace: Workspace) -> ImageEncoder:
    """The image encoder."""
    params = workspace.encoders.image
    encoder = build_image_encoder(params, seed=workspace.params.seed)
    return _settle_precision(encoder, params.precision, workspace, "image")


def joint_encoder(workspace: Workspace) -> JointEncoder | None:
    """The encoder of pictures and question together; None if the settings have none."""
    if (params := workspace.encoders.pair) is None:
        return None
    return _settle_precision(build_joint_encoder(workspace.encoders), params.precision, workspace, "pair")


def text_encoder(workspace: Workspace, prepared: Prepared) -> TextEncoder:
    """The text encoder; with `vocabulary_size`, it learns a vocabulary from training questions and base profiles."""
    params, tokenizer = workspace.encoders.text, None
    if params.vocabulary_size is not None:
        profiles = [profile_sentence(vlm, "full") for vlm in prepared.vlms if vlm.name in prepared.base]
        texts = [*prepared.split("train")["question"], *profiles]
        tokenizer = train_tokenizer(texts, vocabulary_size=params.vocabulary_size)
    encoder = build_text_encoder(
        params, tokenizer=tokenizer, seed=workspace.params.seed, server=workspace.encoders.server
    )
    return _settle_precision(encoder, params.precision, workspace, "text")


def _settle_precision(encoder: EncoderT, wanted: PrecisionChoice, workspace: Workspace, modality: str) -> EncoderT:
    """The encoder with its trunk in the wanted precision; auto means that of an existing store, else the fastest."""
    if wanted != "auto" or not len(encoder.trunk):
        return in_precision(encoder, "float32" if wanted == "auto" else wanted)
    for precision in PRECISIONS:
        candidate = in_precision(encoder, precision)
        if FeatureStore(workspace.features(modality), candidate.fingerprint).exists():
            return candidate
    return in_precision(encoder, fastest_precision(encoder, choose_device(workspace.params.runtime.device)))
