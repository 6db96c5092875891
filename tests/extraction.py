"""An extraction as a program: `python -m tests.extraction <path> --engine ray`."""

import argparse
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from arms.errors import ArmsError
from arms.features import store as store_module
from arms.features.extract import extract
from arms.features.on_ray import ray_engine
from arms.features.ray_actor import RayWork
from arms.features.store import FeatureStore
from tests.fakes import CPU, make_encoders, make_queries
from tests.stores import keys

NUM_IMAGES, BATCH_SIZE = 80, 4  # a shard is a batch
KEYS = keys(*range(NUM_IMAGES))


def open_source(read_s, *, deadly=False):
    """Made-up pictures and a tiny encoder, the same in each process; one picture may end the process that reads it."""
    encoder = make_encoders(image={"tunable_layers": 1}).image
    pictures = dict(zip(KEYS, make_queries(NUM_IMAGES).pictures, strict=True))

    def read(key):
        if deadly and key == KEYS[50]:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(read_s)
        return encoder.read(pictures[key])

    return encoder, KEYS, read


def run(path, engine, read_s, address, *, deadly=False):
    """Returns how many images were encoded."""
    encoder, _, read = open_source(read_s)
    store = FeatureStore(path, encoder.fingerprint)
    work = RayWork.of(
        store, partial(open_source, read_s, deadly=deadly), batch_size=BATCH_SIZE, workers=0, compiled=False
    )
    options = {"batch_size": BATCH_SIZE, "shard_bytes": 1, "workers": 0, "device": CPU, "label": "image"}
    with store.writing(), ray_engine(work, address=address, actors=None, device="cpu") as on_ray:
        count = extract(store, KEYS, read, encoder, **options, engine=on_ray if engine == "ray" else None)
        store.finish()
    return count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--engine", default="local")
    parser.add_argument("--read-s", type=float, default=0.0, help="how long it takes to read an image")
    parser.add_argument("--address")
    parser.add_argument("--deadly", action="store_true", help="an image ends the actor that reads it")
    parser.add_argument("--lock-timeout-s", type=float, default=store_module._LOCK_TIMEOUT_S)
    arguments = parser.parse_args()
    store_module._LOCK_TIMEOUT_S = arguments.lock_timeout_s
    try:
        engine = arguments.engine, arguments.read_s, arguments.address
        count = run(arguments.path, *engine, deadly=arguments.deadly)
    except ArmsError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"encoded {count}\n")


if __name__ == "__main__":
    from tests import extraction  # by the name under which Ray's actors import it

    extraction.main()
