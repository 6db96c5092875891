"""The `arms` command."""

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from arms import __version__
from arms.errors import ArmsError

if TYPE_CHECKING:
    from arms.features.inspection import StoreInfo
    from arms.routers.base import RankedVlm


class _Group(click.Group):
    """Ends with the text of an ArmsError and exit status 1, not with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ArmsError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="arms")
def main() -> None:
    """Route image questions to the vision-language model most likely to answer them."""


@main.command()
@click.option("--image", required=True, type=click.Path(path_type=Path), help="The picture asked about.")
@click.option("--question", required=True, help="The question.")
@click.option(
    "--router",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("data/routers/independent"),
    show_default=True,
    help="A trained router's folder.",
)
@click.option("--exclude", multiple=True, metavar="NAME", help="A VLM to leave out of the pool; repeat for several.")
@click.option(
    "--cheapest-above",
    type=click.FloatRange(0, 1),
    metavar="CONFIDENCE",
    help="Choose the cheapest VLM that the router is surer of than this; if it is of none, the surest.",
)
@click.option(
    "--budget",
    type=click.FloatRange(0),
    metavar="USD",
    help="Choose the surest VLM that costs this at most; if none does, the cheapest.",
)
@click.option(
    "--cost-penalty",
    type=click.FloatRange(0),
    metavar="PER_USD",
    help="Choose by confidence less this times the cost: at 50, a cost of $0.002 weighs as much as 0.1 of confidence.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def route(
    image: Path,
    question: str,
    folder: Path,
    exclude: tuple[str, ...],
    cheapest_above: float | None,
    budget: float | None,
    cost_penalty: float | None,
    as_json: bool,
) -> None:
    """Rank the pool for one query.

    The VLM chosen comes first, the others by confidence. With --cheapest-above, --budget or --cost-penalty, one of the
    three, costs count too: they are estimated from the prices in the VLMs' profiles, and printed in USD.

    \b
    Examples:
      arms route --image photo.png --question "How many chairs are there?"
      arms route --image photo.png --question "What is this?" --exclude sim-lynx-8b --exclude sim-atlas
      arms route --image photo.png --question "What is this?" --cheapest-above 0.7
      arms route --image photo.png --question "What is this?" --budget 0.001
    """
    from arms.routers.base import Router

    policy = _policy(cheapest_above, budget, cost_penalty)
    result = Router.load(folder).route(image, question, exclude=exclude, policy=policy)
    if as_json:
        ranking = [_ranked_json(ranked) for ranked in result.ranking]
        click.echo(json.dumps({"vlm": result.vlm, "ranking": ranking}, ensure_ascii=False))
        return
    width = max(len(ranked.vlm) for ranked in result.ranking)
    for place, ranked in enumerate(result.ranking, start=1):
        cost = "" if ranked.expected_cost_usd is None else f"  ${ranked.expected_cost_usd:.6f}"
        click.echo(f"{place}. {ranked.vlm:<{width}}  {ranked.confidence:.3f}{cost}")


def _policy(cheapest_above: float | None, budget: float | None, cost_penalty: float | None) -> dict[str, Any] | None:
    """The selection policy that the options ask for; None for the router's own."""
    options = (
        ("--cheapest-above", "cheapest", "tau", cheapest_above),
        ("--budget", "query_budget", "budget", budget),
        ("--cost-penalty", "penalised", "penalty", cost_penalty),
    )
    given = [(option, name, setting, value) for option, name, setting, value in options if value is not None]
    if len(given) > 1:
        names = " and ".join(option for option, *_ in given)
        raise click.UsageError(f"expected one of {', '.join(option for option, *_ in options)}, got {names}")
    for option, name, setting, value in given:
        if not math.isfinite(value):
            raise click.BadParameter(f"expected a finite number, got {value}", param_hint=f"'{option}'")
        return {"name": name, setting: value, "of": "cost"}
    return None


def _ranked_json(ranked: "RankedVlm") -> dict[str, Any]:
    """A place in the ranking, with its cost where the policy weighs costs."""
    content: dict[str, Any] = {"vlm": ranked.vlm, "confidence": round(ranked.confidence, 4)}
    if ranked.expected_cost_usd is not None:
        content["expected_cost_usd"] = float(f"{ranked.expected_cost_usd:.4g}")
    return content


@main.command()
@click.option(
    "--profile", required=True, type=click.Path(path_type=Path), help="YAML: an entry of vlms.yaml, or several."
)
@click.option(
    "--outcomes", required=True, type=click.Path(path_type=Path), help="Parquet or CSV: query_id, vlm, correct."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The extended router's folder.")
@click.option(
    "--router",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("data/routers/phi"),
    show_default=True,
    help="The router to extend; it stays as it is.",
)
@click.option(
    "--strategy",
    type=click.Choice(["independent", "incremental"]),
    help="A router for the new VLMs behind the old one, or a copy of the old one that goes on training.  "
    "[default: extend.strategy of params.yaml]",
)
@click.option(
    "--theta",
    type=click.FloatRange(0, 1),
    help="Confidence above which no router behind is asked.  [default: the cascade's own, or extend.theta]",
)
@click.option("--replace", is_flag=True, help="Replace a router at --out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def extend(
    profile: Path,
    outcomes: Path,
    out: Path,
    folder: Path,
    strategy: Literal["independent", "incremental"] | None,
    theta: float | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Add new VLMs to a trained router.

    The outcomes are on queries of the prepared dataset that params.yaml names. Those on its training queries teach,
    those on val calibrate, and the others only tell how the router was and is. Nothing is encoded but the profiles.

    \b
    Example:
      arms extend --profile new.yaml --outcomes outcomes.parquet --out data/routers/mine
    """
    from arms.extend_command import Request, extend_router, report_text
    from arms.params import read_params

    params = read_params()
    request = Request(
        profile=profile,
        outcomes=outcomes,
        prepared=Path("data/prepared") / params.data,
        features=Path("data/features") / params.data / params.encoders,
        router=folder,
        out=out,
        strategy=strategy or params.extend.strategy,
        theta=theta,
        replace=replace,
    )
    with _bar(f"extend {request.strategy}", unit="steps") as progress:
        report = extend_router(request, params, progress)
    click.echo(json.dumps(report, indent=2, ensure_ascii=False) if as_json else report_text(report))


@main.group(name="import")
def import_() -> None:
    """Bring recorded outcomes into data/raw/."""


@import_.command(name="tables")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the dataset; the source folder's by default.")
@click.option("--strict", is_flag=True, help="Refuse a dataset with unusable rows instead of setting them aside.")
@click.option("--replace", is_flag=True, help="Replace a dataset of that name.")
@click.option("--workers", type=click.IntRange(min=1), default=4, show_default=True, help="Threads that check images.")
def import_tables_command(source: Path, name: str | None, strict: bool, replace: bool, workers: int) -> None:
    """Validate outcome tables and copy them into data/raw/<name>.

    SOURCE is a folder with queries.parquet, outcomes.parquet, vlms.yaml and the images.

    \b
    Example:
      arms import tables ~/evaluations/blindtest --name blindtest
    """
    from arms.data.importers.tables import import_tables

    name = name or source.resolve().name
    destination = Path("data/raw") / name
    with _bar("check images") as progress:
        report = import_tables(source, destination, strict=strict, workers=workers, progress=progress, replace=replace)
    click.echo(report.text())
    click.echo(f"imported into {destination}")
    settings = Path("conf/data") / f"{name}.yaml"
    if not settings.exists():
        click.echo(
            f"next: name its pools in {settings}, as in conf/data/blindtest.yaml; then: dvc exp run -S data={name}"
        )


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit with status 1 if a row is unusable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--workers", type=click.IntRange(min=1), default=4, show_default=True, help="Threads that check images.")
def validate(folder: Path, strict: bool, as_json: bool, workers: int) -> None:
    """Check a dataset in outcome-table form and report every unusable row.

    \b
    Example:
      arms validate data/raw/blindtest
    """
    from arms.data.tables import read_dataset
    from arms.data.validation import validate as validate_dataset

    with _bar("check images") as progress:
        report = validate_dataset(read_dataset(folder), strict=strict, workers=workers, progress=progress).report
    click.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False) if as_json else report.text())


@main.command()
@click.option(
    "--metrics",
    type=click.Path(path_type=Path),
    default=Path("metrics"),
    show_default=True,
    help="The folder of metrics files.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the page of all results, of every dataset whose studies were run, instead.",
)
def report(metrics: Path, out: Path | None) -> None:
    """Print the results of the last run as Markdown tables.

    \b
    Examples:
      arms report
      arms report --out docs/results.md
    """
    from arms.data.atomic import atomic_file
    from arms.evaluation.report import read_metrics, results_table
    from arms.evaluation.results_page import read_summaries, results_page
    from arms.params import read_data_params

    if out is None:
        click.echo(results_table(read_metrics(metrics)), nl=False)
        return
    summaries = read_summaries(Path("studies/results"))
    descriptions = {name: read_data_params(name).description for name in summaries}
    pages = sorted(Path("benchmarks/results").glob("*.md"))
    benchmarks = [file.read_text(encoding="utf-8") for file in pages if not file.stem.endswith("-quick")]
    with atomic_file(out) as draft:
        draft.write_text(results_page(summaries, descriptions, benchmarks), encoding="utf-8")
    click.echo(f"wrote {out}: {', '.join(summaries)}", err=True)


@main.group()
def features() -> None:
    """Look into the feature stores, and check them."""


@features.command(name="info")
@click.argument("path", type=click.Path(path_type=Path), default=Path("data/features"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def features_info(path: Path, as_json: bool) -> None:
    """Say what each feature store holds, and how much.

    PATH is one store (*.zarr) or a folder with stores below it; data/features by default.

    \b
    Example:
      arms features info data/features/sample
    """
    from arms.features.inspection import describe_store
    from arms.features.store import FeatureStore

    described: list[dict[str, Any]] = []
    for folder in _store_folders(path):
        try:
            described.append(_describe(describe_store(FeatureStore.at(folder))))
        except ArmsError as error:  # the others are told all the same
            described.append({"path": str(folder.parent), "fingerprint": folder.name, "error": str(error)})
    if as_json:
        click.echo(json.dumps(described, indent=2, ensure_ascii=False))
    else:
        click.echo("\n\n".join(_info_text(store) for store in described))
    if any("error" in store for store in described):
        sys.exit(1)


@features.command(name="verify")
@click.argument("path", type=click.Path(path_type=Path), default=Path("data/features"))
def features_verify(path: Path) -> None:
    """Read feature stores whole, compare all checksums, and report everything that is wrong.

    PATH is one store (*.zarr) or a folder with stores below it; data/features by default. Exits with status 1 if
    anything is wrong.

    \b
    Example:
      arms features verify data/features/sample/bundled/image.zarr
    """
    from arms.features.inspection import describe_store, verify_store
    from arms.features.store import FeatureStore

    folders, problems, infos, started = _store_folders(path), [], [], time.perf_counter()
    for folder in folders:
        try:
            store = FeatureStore.at(folder)
            with _bar(f"verify {store.path.name}", unit="shards") as progress:
                problems += verify_store(store, progress)
            infos.append(describe_store(store))
        except ArmsError as error:
            problems.append(str(error))
    elapsed_s = time.perf_counter() - started
    problems = list(dict.fromkeys(problems))
    for problem in problems:
        click.echo(problem)
    shards, rows, num_bytes = (sum(getattr(info, name) for info in infos) for name in ("shards", "rows", "num_bytes"))
    click.echo(
        f"checked {_count(len(folders), 'store')}, {_count(shards, 'shard')}, {_count(rows, 'row')}, "
        f"{_size(num_bytes)} in {elapsed_s:.1f} s ({_size(num_bytes / elapsed_s)}/s): "
        f"{_count(len(problems), 'problem')}"
    )
    if problems:
        sys.exit(1)


def _store_folders(path: Path) -> list[Path]:
    """The folder of each fingerprint in the store at `path`, or in those below it."""
    stores = [path] if path.suffix == ".zarr" else []
    for folder, names, _ in os.walk(path) if not stores else ():
        stores += [Path(folder, name) for name in names if name.endswith(".zarr")]
        names[:] = [name for name in names if not name.endswith(".zarr")]
    # One that lost its list of shards is a store too.
    folders = {
        file.parent for store in sorted(stores) for name in ("zarr.json", "shard-*") for file in store.glob(f"*/{name}")
    }
    if not folders:
        raise ArmsError(f"{path}: expected feature stores (*.zarr) there, found none; run: dvc repro encode")
    return sorted(folders)


def _describe(info: "StoreInfo") -> dict[str, Any]:
    """A store as JSON; what crosses a cut before the encoder has no blocks and no precision."""
    encoder = info.fingerprint.get("encoder")
    return {
        "path": str(info.path),
        "fingerprint": info.id,
        "encoder": encoder or "inputs",
        "blocks_frozen": info.fingerprint.get("blocks_frozen"),
        "precision": info.fingerprint.get("precision", "float32") if encoder else None,
        "arrays": info.arrays,
        "rows": info.rows,
        "bytes": info.num_bytes,
        "bytes_per_row": round(info.num_bytes / max(1, info.rows)),
        "shards": info.shards,
        "finished": info.finished,
    }


def _info_text(store: dict[str, Any]) -> str:
    """A block of lines."""
    title = f"{store['path']}/{store['fingerprint']}"
    if "error" in store:
        return f"{title}\n  error     {store['error']}"
    frozen = f", {store['blocks_frozen']} blocks frozen, {store['precision']}" if store["precision"] else ""
    lines = {
        "encoder": f"{store['encoder']}{frozen}",
        "arrays": ", ".join(f"{name} {kind}" for name, kind in store["arrays"].items()),
        "rows": f"{store['rows']:,} in {_count(store['shards'], 'shard')}",
        "size": f"{_size(store['bytes'])}, {_size(store['bytes_per_row'])} a row",
        "finished": "yes" if store["finished"] else "no: the extraction was stopped; run: dvc repro encode",
    }
    return "\n".join([title, *(f"  {name:<8}  {value}" for name, value in lines.items())])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _size(num_bytes: float) -> str:
    """Bytes to read, such as 1.21 GiB."""
    for unit in ("bytes", "KiB", "MiB"):
        if num_bytes < 1024:
            return f"{num_bytes:.4g} {unit}"
        num_bytes /= 1024
    return f"{num_bytes:,.4g} GiB"


@contextmanager
def _bar(label: str, unit: str = "images") -> Iterator[Any]:
    """A progress bar on a terminal; nothing in a pipe."""
    from tqdm import tqdm

    with tqdm(desc=label, unit=unit, disable=not sys.stderr.isatty(), leave=False) as bar:

        def update(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield update


if __name__ == "__main__":
    main()
