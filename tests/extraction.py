"""An extraction as a program, by either engine: python -m tests.extraction <path> local|ray <seconds to read an image>."""

import sys
import time
from functools import partial
from pathlib import Path

from arms.errors import ArmsError
from arms.features import store as store_module
from arms.features.extract import extract
from arms.features.on_ray import RayWork, ray_engine
from arms.features.store import FeatureStore
from tests.fakes import CPU, make_encoders, make_queries
from tests.stores import keys

NUM_IMAGES, BATCH_SIZE = 80, 4  # a shard is a batch
KEYS = keys(*range(NUM_IMAGES))


def open_source(read_s):
    """Made-up pictures and a tiny encoder, the same in each process."""
    encoder = make_encoders(image={"tunable_layers": 1}).image
    pictures = dict(zip(KEYS, make_queries(NUM_IMAGES).pictures, strict=True))

    def read(key):
        time.sleep(read_s)
        return encoder.read(pictures[key])

    return encoder, KEYS, read


def run(path, engine, read_s):
    """Returns how many images were encoded."""
    encoder, _, read = open_source(read_s)
    store = FeatureStore(path, encoder.fingerprint)
    source = partial(open_source, read_s)
    work = RayWork.of(store, source, batch_size=BATCH_SIZE, workers=0, compiled=False)
    options = {"batch_size": BATCH_SIZE, "shard_bytes": 1, "workers": 0, "device": CPU, "label": "image"}
    with store.writing(), ray_engine(work, address=None, actors=None, device="cpu") as on_ray:
        count = extract(store, KEYS, read, encoder, **options, engine=None if engine == "local" else on_ray)
        store.finish()
    return count


if __name__ == "__main__":
    # Imported by its name, as Ray's actors will.
    from tests.extraction import run as run_by_name

    store_module._LOCK_TIMEOUT_S = float(sys.argv[4]) if len(sys.argv) > 4 else store_module._LOCK_TIMEOUT_S
    try:
        sys.stdout.write(f"encoded {run_by_name(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))}\n")
    except ArmsError as error:
        sys.exit(f"error: {error}")
