"""`arms doctor`: what this machine and this project have, and what is missing for what."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from arms.doctor import machine
from arms.doctor.machine import Found, Line, Status, report
from arms.errors import ArmsError
from arms.params.data import read_data_params
from arms.params.encoders import read_encoders_params
from arms.params.tree import read_params

# The baselines that search with faiss.
FAISS_ROUTERS = ("hybrid-llm", "knn", "prknn", "prox-router")


def examine(*, ask_hub: bool = True) -> Iterator[Line]:
    """Look at the machine and at the project in the working directory, one line after the other.

    A line is `missing` if `dvc repro` with the present params.yaml needs its subject; outside a project, if every
    command of ARMS needs it. With `ask_hub` the model hub is asked for a sign of life.
    """
    settings = report("settings", _look_at_settings, failed="missing")
    params = read_params() if settings.status == "ok" else None
    searches = params and any(own.get("router", name) in FAISS_ROUTERS for name, own in params.baselines.items())
    yield report("python", machine.look_at_python)
    yield report("machine", machine.look_at_processor)
    yield report("torch", machine.look_at_package, "torch", failed="missing")
    found = report("device", machine.look_at_device, params.runtime.device if params else "auto", failed="missing")
    yield found
    device = found.facts.get("device")
    yield report("bfloat16", machine.look_at_bfloat16, device)
    yield report("torchvision", machine.look_at_torchvision, failed="missing")
    for package in ("open_clip", "transformers"):
        yield report(package, machine.look_at_package, package, failed="missing")
    for package in ("zarr", "matplotlib"):
        yield report(package, machine.look_at_package, package, "pipeline", failed="missing" if params else "note")
    yield report("faiss", machine.look_at_faiss, device, failed="missing" if searches else "note")
    yield report("dvc", machine.look_at_package, "dvc", "pipeline", failed="missing" if params else "note")
    yield report("git", machine.look_at_git)
    yield report("disk", machine.look_at_disk, Path())
    hub = report("hub", machine.look_at_hub, ask_hub)
    yield from (hub, settings)
    if params:
        yield report("dvc project", _look_at_dvc_project)
        yield report("dataset", _look_at_dataset, params.data, failed="missing")
        if others := _names_in("conf/data", params.data):
            yield report("others", _look_at_other_datasets, others)
        for name in (params.encoders, *_names_in("conf/encoders", params.encoders)):
            lack: Status = "missing" if name == params.encoders else "note"
            yield report(f"encoders {name}", _look_at_encoders, name, hub.facts.get("reachable"), lack, failed=lack)
        yield report("routers", _look_at_routers)


def is_ready(lines: Sequence[Line]) -> bool:
    """Whether nothing is missing."""
    return all(line.status != "missing" for line in lines)


def summary(lines: Sequence[Line]) -> str:
    """The report in one sentence."""
    missing = [line.topic for line in lines if line.status == "missing"]
    in_project = any(line.topic == "dvc project" for line in lines)
    if missing:
        return f"missing{' for `dvc repro`' if in_project else ''}: {', '.join(dict.fromkeys(missing))}"
    return "`dvc repro` has all that it needs" if in_project else "nothing is missing on this machine"


def _look_at_settings() -> Found:
    if not Path("params.yaml").exists():
        return "note", "no params.yaml here: run it in the project's folder to see what its settings need", {}
    data, encoders = (params := read_params()).data, params.encoders
    return "ok", f"params.yaml: data {data}, encoders {encoders}", {"data": data, "encoders": encoders}


def _names_in(folder: str, chosen: str) -> list[str]:
    """The settings files of a folder, but the chosen one."""
    return sorted(file.stem for file in Path(folder).glob("*.yaml") if file.stem != chosen)


def _look_at_dvc_project() -> Found:
    here = Path().resolve()
    if not Path("dvc.yaml").is_file():
        return "missing", "no dvc.yaml here: restore it", {}
    if not any((folder / ".dvc").is_dir() for folder in (here, *here.parents)):
        return "missing", "no .dvc folder here: run dvc init", {}
    return "ok", "dvc.yaml and .dvc are here", {}


def _look_at_dataset(name: str) -> Found:
    """The dataset that params.yaml names: whether its tables are there and hold the VLMs that its settings name."""
    import pyarrow.parquet as pq

    from arms.data.profiles import read_vlms
    from arms.data.tables import QUERIES, VLMS_FILE

    params, folder = read_data_params(name), Path("data/raw") / name
    facts = {"name": name, "folder": str(folder), "lacks": _lacking_tables(folder)}
    if name == "sample" and params.sample is not None:
        return "ok", f"{name}: the pipeline draws it itself", facts
    if facts["lacks"]:
        return "missing", f"{name}: {folder} has no {', '.join(facts['lacks'])}; run: arms import --help", facts
    known = [vlm.name for vlm in read_vlms(folder / VLMS_FILE)]
    if unknown := [vlm for vlm in (*params.pools.base, *params.pools.new) if vlm not in known]:
        text = f"expected VLMs of {folder / VLMS_FILE}, got {', '.join(unknown)}; known: {', '.join(known)}"
        return "missing", f"conf/data/{name}.yaml.pools: {text}", facts
    rows = pq.read_metadata(folder / QUERIES.file).num_rows
    return "ok", f"{name}: {rows:,} queries, {len(known)} VLMs", facts | {"queries": rows, "vlms": known}


def _lacking_tables(folder: Path) -> list[str]:
    from arms.data.tables import OUTCOMES, QUERIES, VLMS_FILE

    return [name for name in (QUERIES.file, OUTCOMES.file, VLMS_FILE) if not (folder / name).is_file()]


def _look_at_other_datasets(names: Sequence[str]) -> Found:
    """The other datasets that have settings, and which of them have no tables."""
    without = [name for name in names if _lacking_tables(Path("data/raw") / name)]
    ready = [name for name in names if name not in without]
    lists = {"ready": ready, "without tables, to be imported or drawn": without}
    text = "; ".join(f"{label}: {', '.join(found)}" for label, found in lists.items() if found)
    return "note" if without else "ok", text, {"ready": ready, "without_tables": without}


def _look_at_encoders(name: str, hub_reachable: bool | None, lack: Status) -> Found:
    from arms.doctor.weights import weights_of

    pair = weights_of(read_encoders_params(name))
    keys = ("modality", "name", "origin", "here")
    facts = {"name": name, "weights": [{key: getattr(one, key) for key in keys} for one in pair]}
    text = "; ".join(weights.text() for weights in pair)
    away = {weights.origin for weights in pair if not weights.here}
    if not away:
        served = any(weights.origin == "server" for weights in pair)
        return "ok", text if served else f"need no network: {text}", facts
    if away != {"hub"}:
        return lack, text, facts
    if hub_reachable is False:
        return lack, f"{text}; the hub is not reachable (`encoders: bundled` needs none)", facts
    return "note", text if hub_reachable else f"{text}; the hub was not asked", facts


def _look_at_routers() -> Found:
    """The trained routers that `arms route` can load."""
    from arms.routers.checkpoint import DESCRIPTION, read_description

    kinds, shown, broken = {}, [], []
    folders = ("data/routers", "data/routers/baselines")
    for file in (file for folder in folders for file in sorted(Path(folder).glob(f"*/{DESCRIPTION}"))):
        try:
            description = read_description(file.parent)
            kinds[str(file.parent)] = description.get("kind")
            made_on = description.get("origin", {}).get("data")
            shown.append(f"{file.parent} ({made_on})" if made_on else str(file.parent))
        except (ArmsError, OSError, UnicodeDecodeError) as error:
            broken.append(str(error))
    facts = {"trained": kinds, "broken": broken}
    if broken:
        return "note", "; ".join(broken), facts
    if not kinds:
        return "note", "none is trained yet: `arms route` and `arms extend` need one; run: dvc repro", facts
    return "ok", f"trained: {', '.join(shown)}", facts
