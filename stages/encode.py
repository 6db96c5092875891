"""Encode each distinct image, each distinct text, or each distinct pair, up to the encoder's cut."""

import logging
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import click
import zarr

from arms.data.prepared import Prepared, read_prepared
from arms.device import choose_device
from arms.encoders.base import Encoder
from arms.errors import ArmsError
from arms.features.extract import Engine, extract
from arms.features.inspection import damaged_shards
from arms.features.mirror import mirrored
from arms.features.store import FeatureStore
from stages.sources import SOURCES, open_source
from stages.workspace import Stopwatch, Workspace, open_workspace, stage

_SERVER_SHARD_BYTES = 4 * 2**20
_PAIRS_AT_ONCE = 4  # held as the joint encoder takes them, which may be much; it reads one after the other

MODALITIES = ("image", "text", "pair")

logger = logging.getLogger("stages.encode")


@click.command()
@click.argument("modality", type=click.Choice(MODALITIES))
@click.option("--encoders", help="A file under conf/encoders/ other than the one that params.yaml names.")
def main(modality: str, encoders: str | None) -> None:
    """Write data/features/<data>/<encoders>/<modality>.zarr."""
    workspace = open_workspace([] if encoders is None else [f"encoders={encoders}"])
    encode(workspace, read_prepared(workspace.prepared), modality)


def encode(workspace: Workspace, prepared: Prepared, modality: str) -> int:
    """Bring the feature store of one modality up to date; return how many inputs were encoded."""
    watch = Stopwatch()
    runtime = workspace.params.runtime
    if modality == "pair" and workspace.encoders.pair is None:
        zarr.open_group(workspace.features(modality), mode="a", zarr_format=3)  # DVC warns of an output without files
        logger.info("conf/encoders/%s.yaml has no joint encoder: nothing to do", workspace.params.encoders)
        return 0
    encoder, keys, read = SOURCES[modality](workspace, prepared)
    batch_size, shard_bytes = runtime.extract_batch_size, runtime.shard_mb * 2**20
    if modality == "text" and (server := workspace.encoders.server) is not None:
        # What it answered costs: little of it is to be lost to a kill.
        batch_size, shard_bytes = server.batch_size, min(shard_bytes, _SERVER_SHARD_BYTES)
    if modality == "pair":
        batch_size = min(batch_size, _PAIRS_AT_ONCE)
    store = FeatureStore(workspace.features(modality), encoder.fingerprint)
    with (
        store.writing(),
        mirrored(store, workspace.features_url(modality)),
        _engine(workspace, modality, store, encoder, batch_size) as engine,
    ):
        if damaged := damaged_shards(store, elsewhere=False):  # what is stored already is used as it is
            raise ArmsError("\n".join(damaged))
        count = extract(
            store,
            keys,
            read,
            encoder,
            label=modality,
            batch_size=batch_size,
            shard_bytes=shard_bytes,
            workers=runtime.num_workers if _needs_workers(modality) else 0,
            device=choose_device(runtime.device),
            compiled=_compiled(workspace, modality),
            engine=engine,
        )
        store.finish()
    logger.info(
        "encoded %s of %s distinct %ss in %.1f s; the others were stored already, and are sound",
        f"{count:,}", f"{len(keys):,}", modality, watch.elapsed_s,
    )  # fmt: skip
    return count


def _needs_workers(modality: str) -> bool:
    """Only images are decoded: texts are already tokenised, and a pair takes much longer to compute than to read."""
    return modality == "image"


def _compiled(workspace: Workspace, modality: str) -> bool:
    return workspace.params.runtime.compile and modality != "pair"  # its shapes differ from pair to pair


def _engine(
    workspace: Workspace, modality: str, store: FeatureStore, encoder: Encoder, batch_size: int
) -> AbstractContextManager[Engine | None]:
    """What encodes the shards; None is this process."""
    runtime = workspace.params.runtime
    if runtime.engine == "local":
        return nullcontext()
    from arms.features.on_ray import ray_engine
    from arms.features.ray_actor import RayWork

    work = RayWork.of(
        store,
        partial(open_source, workspace, modality),
        batch_size=batch_size,
        workers=(None if runtime.workers == "auto" else runtime.workers) if _needs_workers(modality) else 0,
        compiled=_compiled(workspace, modality),
    )
    return ray_engine(work, address=runtime.ray_address, actors=runtime.num_actors, device=runtime.device)


if __name__ == "__main__":
    with stage("encode"):
        main(standalone_mode=False)
