"""The routers by name: those of this package, and those that other packages add by an entry point."""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

from pydantic import ConfigDict, create_model

from arms.errors import ArmsError
from arms.params.section import check
from arms.routers.base import BaseRouter

ENTRY_POINTS = "arms.routers"  # where a package names its own routers: mine = "my_package:MyRouter"

# A router on pooled embeddings is one file and one line here.
ROUTERS = {
    "best-single": "arms.baselines.constant:BestSingleRouter",
    "cosine": "arms.baselines.cosine_classifier:CosineRouter",
    "elo": "arms.baselines.elo:EloRouter",
    "forc": "arms.baselines.forc:ForcRouter",
    "frugal-gpt": "arms.baselines.frugal_gpt:FrugalGptRouter",
    "graph-router": "arms.baselines.graph_router:GraphRouter",
    "hybrid-llm": "arms.baselines.hybrid_llm:HybridLlmRouter",
    "kmeans": "arms.baselines.kmeans:KMeansRouter",
    "knn": "arms.baselines.knn:KnnRouter",
    "latent-router": "arms.baselines.latent_router:LatentRouter",
    "linear": "arms.baselines.linear:LinearRouter",
    "matrix-factorisation": "arms.baselines.matrix_factorisation:MatrixFactorisationRouter",
    "mlp": "arms.baselines.mlp:MlpRouter",
    "ovr": "arms.baselines.ovr:OvrRouter",
    "pair-ranker": "arms.baselines.pair_ranker:PairRankerRouter",
    "prknn": "arms.baselines.prknn:PrknnRouter",
    "prototypes": "arms.baselines.prototypes:PrototypeRouter",
    "prox-router": "arms.baselines.prox_router:ProxRouter",
    "random": "arms.baselines.constant:RandomRouter",
    "router-dc": "arms.baselines.router_dc:RouterDcRouter",
    "scope": "arms.baselines.scope:ScopeRouter",
    "to-router": "arms.baselines.to_router:ToRouter",
    "zooter": "arms.baselines.zooter:ZooterRouter",
}


def build_router(
    name: str, vlms: Sequence[str], settings: Mapping[str, Any], *, seed: int, where: str = "baselines"
) -> BaseRouter:
    """Make an untrained router.

    Parameters
    ----------
    name : str
        A key of `ROUTERS` or an installed package's entry point; any other name if the settings hold `router`.
    vlms : sequence of str
        The pool.
    settings : mapping
        All keyword arguments of the router's class except `seed`. `router` names the class where `name` does not, so
        one class can be used several times.
    seed : int
        For the routers that take one.
    where : str
        Where the settings come from, for error messages.

    Raises
    ------
    ArmsError
        If the router is unknown or cannot be loaded, or a setting is unknown, missing or of another type.
    """
    settings = dict(settings)
    kind = settings.pop("router", name)
    if name in ROUTERS and kind != name:
        raise ArmsError(f"{where}.{name}: expected another name for a router of kind {kind!r}: {name!r} is a kind too")
    router_class = find_router(kind, where)
    checked = _check_settings(router_class, settings, f"{where}.{name}")
    if "seed" in settings_of(router_class):
        checked["seed"] = seed
    return cast(Any, router_class)(tuple(vlms), **checked)


def find_router(name: str, where: str = "baselines") -> type[BaseRouter]:
    """The class of a router; an ArmsError if the name is unknown or its module cannot be loaded."""
    if name in ROUTERS:
        module, _, attribute = ROUTERS[name].partition(":")
        return getattr(import_module(module), attribute)
    others = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in others:
        raise ArmsError(f"{where}: unknown router {name!r}; known: {', '.join(sorted([*ROUTERS, *others]))}")
    try:
        found = others[name].load()
    except Exception as error:  # a foreign module may raise anything; the user must see which one it was
        raise ArmsError(f"{where}.{name}: the entry point {others[name].value} cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, BaseRouter)):
        raise ArmsError(
            f"{where}.{name}: expected {others[name].value} to be a subclass of arms.BaseRouter, got {found!r}"
        )
    return found


def foreign_source(name: str) -> str | None:
    """The SHA-256 of the file that another package's router is written in; None for a router of this one.

    DVC watches no files of other packages, so what was fitted by them keeps it.
    """
    if name in ROUTERS:
        return None
    return hashlib.sha256(Path(inspect.getfile(find_router(name))).read_bytes()).hexdigest()


def any_learns_from_answers(routers: Mapping[str, Mapping[str, Any]], where: str = "baselines") -> bool:
    """Whether any of these routers (name -> settings) needs the VLMs' answers."""
    return any(
        find_router(settings.get("router", name), where).learns_from_answers for name, settings in routers.items()
    )


def settings_of(router_class: type[BaseRouter]) -> dict[str, tuple[Any, Any]]:
    """Type and default of each keyword argument of a router's class; the default is ... where there is none."""
    hints, found = get_type_hints(router_class.__init__, include_extras=True), dict[str, tuple[Any, Any]]()
    for parameter in inspect.signature(router_class).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            default = ... if parameter.default is parameter.empty else parameter.default
            found[parameter.name] = (hints.get(parameter.name, Any), default)
        if parameter.kind is parameter.VAR_KEYWORD:  # as in **training: Unpack[Training]
            (group,) = get_args(hints[parameter.name])
            found |= {name: (kind, ...) for name, kind in get_type_hints(group, include_extras=True).items()}
    return found


def _check_settings(router_class: type[BaseRouter], settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings, checked against the keyword arguments of the router's class and their types."""
    fields: dict[str, Any] = {name: kind for name, kind in settings_of(router_class).items() if name != "seed"}
    model = create_model("Settings", __config__=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False), **fields)
    return dict(check(model, dict(settings), where))
