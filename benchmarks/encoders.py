"""The bundled encoders against untrained ones and against none: probes, retrieval, routing.

``python -m benchmarks.encoders``. Probes and retrieval use drawn pictures of a seed that training never saw. Routing
uses the datasets that --data names, which must be in data/raw, and the settings of params.yaml except the encoders.
``--extraction`` measures only how fast the natural pair is extracted, beside the loops of timm's and
sentence-transformers' users; it needs the extras `natural` and `sentences`.
"""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from tqdm import tqdm

from arms.data.atomic import atomic_file
from arms.data.prepared import read_prepared
from arms.errors import ArmsError
from arms.evaluation.judge import Judge
from arms.params.data import read_data_params
from arms.params.encoders import read_encoders_params
from arms.params.tree import override, read_params
from benchmarks.encoder_parts.extraction import FULL_SCALE, QUICK_SCALE, measure_extraction
from benchmarks.encoder_parts.page import encoders_page
from benchmarks.encoder_parts.pairs import Embeddings, build, bundled, embed, untrained
from benchmarks.encoder_parts.probes import Probe, probe_labels, run_probe
from benchmarks.encoder_parts.retrieval import Retrieval, run_retrieval
from benchmarks.encoder_parts.routing import Variant, measure_routing, pairs
from benchmarks.feature_parts import setup as features_setup
from benchmarks.record import RESULTS, Clock, format_table, write_report
from pretrain.settings import read_settings
from pretrain.stream import DrawnBatch, draw_batch
from stages.prepare import prepare
from stages.workspace import Workspace

HELD_OUT_SEED = 1_000_003  # for the stream of drawn pictures; training has another
_BATCH = 500
_SMALL_PX = 32  # side to which pictures are shrunk before their principal components are computed
_RAW = "pixels and words"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    train_pictures: int
    test_pictures: int
    components: int
    settings: tuple[str, ...]
    pairs: int | None


FULL = Scale(train_pictures=8000, test_pictures=2000, components=256, settings=(), pairs=None)
QUICK = Scale(train_pictures=300, test_pictures=100, components=16, settings=("epochs=1",), pairs=3)


@click.command()
@click.option("--data", multiple=True, help="Dataset to route on; may be given several times.")
@click.option("--quick", is_flag=True, help="Run little of everything, to test that it works.")
@click.option("--extraction", is_flag=True, help="Measure the natural pair's extraction, and nothing else.")
@click.option("--render", is_flag=True, help="Measure nothing; write the page from encoders.json.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=RESULTS, help="Folder that the JSON goes into."
)
def main(data: tuple[str, ...], quick: bool, extraction: bool, render: bool, out: Path) -> None:
    """Write encoders.json, and its tables as encoders.md; with --quick encoders-quick.json and .md.

    With --extraction it is encoders-extraction.json, and the table is printed.
    """
    if extraction:
        extract(out / f"encoders-extraction{'-quick' if quick else ''}.json", QUICK_SCALE if quick else FULL_SCALE)
        return
    file = out / ("encoders-quick.json" if quick else "encoders.json")
    if not render:
        measure(data, file, QUICK if quick else FULL)
    page = encoders_page(json.loads(file.read_text()))
    with atomic_file(file.with_suffix(".md")) as draft:
        draft.write_text(page, encoding="utf-8")
    click.echo(page, nl=False)


def extract(file: Path, scale: features_setup.Scale) -> None:
    """Measure the natural pair's extraction, print the table, and write it as JSON."""
    clock = Clock()
    lines = measure_extraction(scale)
    click.echo(format_table(lines))
    click.echo(f"\ntook {clock.elapsed_s:.0f} s; other processes kept {clock.others_busy_cores} cores busy")
    write_report(file, [line.to_json() for line in lines], settings=asdict(scale), clock=clock, gpu=False)


def measure(data: Sequence[str], file: Path, scale: Scale) -> None:
    """Measure everything, and write it as JSON."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("benchmarks").setLevel(logging.INFO)
    clock, seed = Clock(), read_params().seed
    probes, retrievals = measure_drawn(scale, seed)
    variants: list[Variant] = []
    for name in data:
        try:
            variants += measure_dataset(name, scale)
        except ArmsError as error:
            raise click.ClickException(str(error)) from error
    records: list[Probe | Retrieval | Variant] = [*probes, *retrievals, *variants]
    lines = [{"kind": type(record).__name__.lower(), **asdict(record)} for record in records]
    write_report(file, lines, settings=asdict(scale), clock=clock, gpu=False)
    logger.info(
        "took %.0f s; other processes kept %s cores busy; wrote %s", clock.elapsed_s, clock.others_busy_cores, file
    )


def measure_drawn(scale: Scale, seed: int) -> tuple[list[Probe], list[Retrieval]]:
    """Probes and retrieval for the bundled pair, for an untrained pair, and for pixels and words."""
    drawn = draw(scale.train_pictures + scale.test_pictures)
    sides = {
        "bundled": embed(build(bundled(0), seed), drawn.images, drawn.captions),
        "untrained": embed(build(untrained(0), seed), drawn.images, drawn.captions),
        _RAW: reduce_inputs(drawn, scale, seed),
    }
    found = [
        run_probe(attribute, encoder, side.images, values, scale.train_pictures, seed)
        for attribute, values in probe_labels(drawn.labels, drawn.families).items()
        for encoder, side in sides.items()
    ]
    probes, width = [probe for probe in found if probe is not None], scale.components
    return probes, [run_retrieval(name, side, scale.train_pictures, width, seed) for name, side in sides.items()]


def draw(num: int) -> DrawnBatch:
    """Held-out pictures of all families."""
    image_px = read_settings().image.vision_cfg["image_size"]
    parts = [
        draw_batch(HELD_OUT_SEED, step, size=min(_BATCH, num - step * _BATCH), image_px=image_px, same_family_share=0.0)
        for step in tqdm(range(-(-num // _BATCH)), desc="draw", unit="batches", leave=False)
    ]
    return DrawnBatch(
        images=np.concatenate([part.images for part in parts]),
        captions=_chain(part.captions for part in parts),
        questions=_chain(part.questions for part in parts),
        families=_chain(part.families for part in parts),
        languages=_chain(part.languages for part in parts),
        labels={name: _chain(part.labels[name] for part in parts) for name in parts[0].labels},
    )


def reduce_inputs(drawn: DrawnBatch, scale: Scale, seed: int) -> Embeddings:
    """Principal components of the pixels, and of the TF-IDF of the words."""
    step = drawn.images.shape[-1] // _SMALL_PX
    shape = (*drawn.images.shape[:2], _SMALL_PX, step, _SMALL_PX, step)
    pixels = drawn.images.reshape(shape).mean(axis=(3, 5)).reshape(len(drawn.images), -1)
    words = TfidfVectorizer(sublinear_tf=True).fit(drawn.captions[: scale.train_pictures]).transform(drawn.captions)
    pca = PCA(scale.components, random_state=seed).fit(pixels[: scale.train_pictures])
    svd = TruncatedSVD(scale.components, random_state=seed).fit(words[: scale.train_pictures])
    return Embeddings(images=pca.transform(pixels), texts=svd.transform(words))


def measure_dataset(name: str, scale: Scale) -> list[Variant]:
    """Routing on one dataset, with the settings of params.yaml except the encoders."""
    params = override(read_params(), [f"data={name}", *scale.settings])
    compared = dict(list(pairs(read_encoders_params("scratch")).items())[: scale.pairs])
    workspace = Workspace(params, read_data_params(name), read_encoders_params("bundled"))
    prepare(workspace)
    evaluate = params.evaluate
    judge = Judge(read_prepared(workspace.prepared), {}, samples=evaluate.bootstrap_samples, seed=evaluate.seed)
    return list(measure_routing(workspace, compared, judge))


def _chain(parts: Any) -> list[Any]:
    return [item for part in parts for item in part]


if __name__ == "__main__":
    main()
