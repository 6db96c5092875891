"""`arms doctor`: what this machine and this project have, and what is missing for what."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from arms.doctor import machine
from arms.doctor.machine import Line, Status, safely
from arms.errors import ArmsError
from arms.params import DataParams, Params, read_data_params, read_encoders_params, read_params

# The baselines that search with faiss.
FAISS_ROUTERS = ("hybrid-llm", "knn", "prknn")


def examine(*, ask_hub: bool = True) -> Iterator[Line]:
    """Look at the machine and at the project in the working directory, one line after the other.

    A line is `missing` if `dvc repro` with the present params.yaml needs what it is about; outside a project, if no
    command of ARMS can do without it.

    Parameters
    ----------
    ask_hub : bool
        Ask the model hub for a sign of life.
    """
    params, settings = _read_settings()
    yield safely("python", machine.look_at_python)
    yield safely("machine", machine.look_at_processor)
    yield safely("torch", machine.look_at_torch, failed="missing")
    wanted = params.runtime.device if params else "auto"
    device = safely("device", partial(machine.look_at_device, wanted))
    yield device
    yield safely("bfloat16", partial(machine.look_at_bfloat16, device.facts.get("device")))
    yield safely("torchvision", machine.look_at_torchvision, failed="missing")
    for package in ("open_clip", "transformers", "zarr"):
        yield safely(package, partial(machine.look_at_package, package), failed="missing")
    need_faiss: Status = "missing" if params and _searches_with_faiss(params) else "note"
    yield safely("faiss", partial(machine.look_at_faiss, device.facts.get("device")), failed=need_faiss)
    yield safely("dvc", partial(machine.look_at_package, "dvc"), failed="missing" if params else "note")
    yield safely("git", machine.look_at_git)
    yield safely("disk", partial(machine.look_at_disk, Path()))
    hub = safely("hub", partial(machine.look_at_hub, ask=ask_hub))
    yield hub
    yield settings
    if params is None:
        return
    yield _look_at_dvc_project()
    yield safely("dataset", partial(_look_at_dataset, params.data), failed="missing")
    yield from _look_at_other_datasets(params.data)
    yield from _look_at_encoders(params.encoders, hub.facts.get("reachable"))
    yield safely("routers", _look_at_routers)


def is_ready(lines: Sequence[Line]) -> bool:
    """Whether nothing is missing."""
    return all(line.status != "missing" for line in lines)


def summary(lines: Sequence[Line]) -> str:
    """What the lines come to."""
    missing = [line.topic for line in lines if line.status == "missing"]
    in_project = any(line.topic == "dvc project" for line in lines)
    if missing:
        return f"missing{' for `dvc repro`' if in_project else ''}: {', '.join(dict.fromkeys(missing))}"
    return "`dvc repro` has all that it needs" if in_project else "nothing is missing on this machine"


def _read_settings() -> tuple[Params | None, Line]:
    """params.yaml, if it is there and right, and what there is to say of it."""
    file = Path("params.yaml")
    if not file.exists():
        text = "no params.yaml here: run it in the project's folder to see what its settings need"
        return None, Line(topic="settings", status="note", text=text, facts={"data": None, "encoders": None})
    try:
        params = read_params()
    except (ArmsError, OSError, UnicodeDecodeError) as error:
        return None, Line(topic="settings", status="missing", text=str(error), facts={"error": str(error)})
    facts = {"data": params.data, "encoders": params.encoders}
    text = f"params.yaml: data {params.data}, encoders {params.encoders}"
    return params, Line(topic="settings", status="ok", text=text, facts=facts)


def _searches_with_faiss(params: Params) -> bool:
    """Whether a baseline does; its settings may say that it is another router than its name."""
    return any(settings.get("router", name) in FAISS_ROUTERS for name, settings in params.baselines.items())


def _look_at_dvc_project() -> Line:
    here = Path().resolve()
    facts = {
        "dvc_yaml": Path("dvc.yaml").is_file(),
        "initialised": any((folder / ".dvc").is_dir() for folder in (here, *here.parents)),
    }
    if not facts["dvc_yaml"]:
        return Line(topic="dvc project", status="missing", text="no dvc.yaml here: restore it", facts=facts)
    if not facts["initialised"]:
        return Line(topic="dvc project", status="missing", text="no .dvc folder here: run dvc init", facts=facts)
    return Line(topic="dvc project", status="ok", text="dvc.yaml and .dvc are here", facts=facts)


def _look_at_dataset(name: str) -> Line:
    """The dataset that params.yaml names: its settings, its tables, and whether they go together."""
    try:
        params = read_data_params(name)
    except ArmsError as error:
        return Line(topic="dataset", status="missing", text=str(error), facts={"name": name})
    folder = Path("data/raw") / name
    facts: dict[str, Any] = {"name": name, "folder": str(folder), "lacks": _lacking_tables(folder)}
    if _is_drawn(name, params):
        return Line(topic="dataset", status="ok", text=f"{name}: the pipeline draws it itself", facts=facts)
    if facts["lacks"]:
        text = f"{name}: {folder} has no {', '.join(facts['lacks'])}; run: arms import --help"
        return Line(topic="dataset", status="missing", text=text, facts=facts)
    return _look_at_tables(name, folder, params, facts)


def _look_at_tables(name: str, folder: Path, params: DataParams, facts: dict[str, Any]) -> Line:
    """Whether the tables open, and hold the VLMs that the settings name."""
    import pyarrow.parquet as pq

    from arms.data.profiles import read_vlms
    from arms.data.tables import QUERIES, VLMS_FILE

    known = [vlm.name for vlm in read_vlms(folder / VLMS_FILE)]
    unknown = [vlm for vlm in (*params.pools.base, *params.pools.new) if vlm not in known]
    if unknown:
        text = (
            f"conf/data/{name}.yaml.pools: expected VLMs of {folder / VLMS_FILE}, got {', '.join(unknown)}; "
            f"known: {', '.join(known)}"
        )
        return Line(topic="dataset", status="missing", text=text, facts=facts)
    rows = pq.read_metadata(folder / QUERIES.file).num_rows
    text = f"{name}: {rows:,} queries, {len(known)} VLMs"
    return Line(topic="dataset", status="ok", text=text, facts=facts | {"queries": rows, "vlms": known})


def _look_at_other_datasets(chosen: str) -> Iterator[Line]:
    """The datasets that have settings, and which of them have no tables."""
    names = sorted(file.stem for file in Path("conf/data").glob("*.yaml") if file.stem != chosen)
    without = [name for name in names if _lacking_tables(Path("data/raw") / name)]
    if names:
        ready = [name for name in names if name not in without]
        told = [f"ready: {', '.join(ready)}"] if ready else []
        told += [f"without tables, to be imported or drawn: {', '.join(without)}"] if without else []
        facts = {"ready": ready, "without_tables": without}
        yield Line(topic="others", status="note" if without else "ok", text="; ".join(told), facts=facts)


def _is_drawn(name: str, params: DataParams) -> bool:
    """Whether the pipeline makes the dataset's tables, as it does the sample's alone."""
    return name == "sample" and params.sample is not None


def _lacking_tables(folder: Path) -> list[str]:
    from arms.data.tables import OUTCOMES, QUERIES, VLMS_FILE

    return [name for name in (QUERIES.file, OUTCOMES.file, VLMS_FILE) if not (folder / name).is_file()]


def _look_at_encoders(chosen: str, hub_reachable: bool | None) -> Iterator[Line]:
    """Each encoder pair that has settings, the chosen one first; only that one can be missing."""
    others = sorted(file.stem for file in Path("conf/encoders").glob("*.yaml") if file.stem != chosen)
    for name in (chosen, *others):
        failed: Status = "missing" if name == chosen else "note"
        yield safely(f"encoders {name}", partial(_look_at_pair, name, hub_reachable, failed), failed=failed)


def _look_at_pair(name: str, hub_reachable: bool | None, failed: Status) -> Line:
    from arms.doctor.weights import weights_of

    topic = f"encoders {name}"
    try:
        pair = weights_of(read_encoders_params(name))
    except ArmsError as error:
        return Line(topic=topic, status=failed, text=str(error), facts={"name": name})
    facts = {
        "name": name,
        "weights": [
            {"modality": one.modality, "name": one.name, "origin": one.origin, "here": one.here} for one in pair
        ],
    }
    text = "; ".join(weights.text() for weights in pair)
    away = [weights for weights in pair if not weights.here]
    if not away:
        return Line(topic=topic, status="ok", text=f"need no network: {text}", facts=facts)
    if hub_reachable is False or any(weights.origin != "hub" for weights in away):
        if all(weights.origin == "hub" for weights in away):
            text += "; the hub is not reachable (`encoders: bundled` needs none)"
        return Line(topic=topic, status=failed, text=text, facts=facts)
    asked = "" if hub_reachable else "; the hub was not asked"
    return Line(topic=topic, status="note", text=text + asked, facts=facts)


def _look_at_routers() -> Line:
    """The trained routers that `arms route` can load."""
    from arms.routers.checkpoint import DESCRIPTION, read_description

    kinds, broken = {}, []
    for file in sorted(Path("data/routers").glob(f"*/{DESCRIPTION}")):
        try:
            kinds[str(file.parent)] = read_description(file.parent).get("kind")
        except (ArmsError, OSError, UnicodeDecodeError) as error:
            broken.append(str(error))
    facts = {"trained": kinds, "broken": broken}
    if broken:
        return Line(topic="routers", status="note", text="; ".join(broken), facts=facts)
    if not kinds:
        text = "none is trained yet: `arms route` and `arms extend` need one; run: dvc repro"
        return Line(topic="routers", status="note", text=text, facts=facts)
    return Line(topic="routers", status="ok", text=f"trained: {', '.join(kinds)}", facts=facts)
