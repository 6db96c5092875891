"""The dataset of a run: its prepared tables with the features that the encode stage stored."""

from arms.data.prepared import read_prepared, text_sha256
from arms.data.profiles import profile_sentence
from arms.device import choose_device
from arms.encoders.pair import EncoderPair
from arms.encoders.remote.known import asks_server, know_texts
from arms.encoders.text import TextEncoder
from arms.features.dataset import Dataset, Embedder
from stages.encoders import build_encoders
from stages.workspace import Workspace


def open_dataset(workspace: Workspace, *, processes: int = 1) -> tuple[Dataset, EncoderPair]:
    """Join the prepared tables to their features, and build the encoders, before any tuning.

    Parameters
    ----------
    processes : int
        How many processes that do the same share this machine's memory.

    Raises
    ------
    ArmsError
        If a store is missing, unfinished, damaged, or was made by other settings.
    """
    prepared = read_prepared(workspace.prepared)
    encoders = build_encoders(workspace, prepared)
    params = workspace.params
    dataset = Dataset.open_in(
        workspace.features_folder,
        encoders,
        prepared,
        budget_bytes=params.runtime.cache_budget_gb * 2**30 / processes,
        window_bytes=params.train.shuffle_window_mb * 2**20,
    )
    _know_profiles(encoders.text, dataset)
    return dataset, encoders


def _know_profiles(encoder: TextEncoder, dataset: Dataset) -> None:
    """Spare a server the profiles, which every router encodes and the store holds."""
    if asks_server(encoder):
        sentences = list({profile_sentence(vlm, kind) for vlm in dataset.prepared.vlms for kind in ("full", "name")})
        rows = dataset.texts.rows([text_sha256(sentence) for sentence in sentences])
        know_texts(encoder, sentences, dataset.texts.take(rows)["pooled"].numpy())


def open_embedded(workspace: Workspace) -> Dataset:
    """The dataset with pooled embeddings and costs, for routers that train no encoder."""
    dataset, encoders = open_dataset(workspace)
    runtime = workspace.params.runtime
    embedder = Embedder(encoders, runtime.extract_batch_size, choose_device(runtime.device))
    return dataset.with_embeddings(embedder, workspace.params.costs)
