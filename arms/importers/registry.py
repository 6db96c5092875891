"""The importers by name: those of ARMS, and those that other packages add by an entry point."""

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from arms.errors import ArmsError

if TYPE_CHECKING:  # it loads pandas, and a shell that completes a name needs only the names
    from arms.importers.base import Importer

ENTRY_POINTS = "arms.importers"  # the group under which a package names its own, as in: mine = "my_package:MyImporter"

# An importer is one line here, and a file or, where it takes several, a folder of them.
IMPORTERS = {
    "blindtest": "arms.importers.blindtest.blindtest_importer:BlindTestImporter",
    "csv": "arms.importers.csv_importer:CsvImporter",
    "dynamath": "arms.importers.dynamath_importer:DynaMathImporter",
    "gateway": "arms.importers.gateway.gateway_importer:GatewayImporter",
    "helm": "arms.importers.helm.helm_importer:HelmImporter",
    "lmms-eval": "arms.importers.lmms_eval.lmms_eval_importer:LmmsEvalImporter",
    "m2": "arms.importers.m2_importer:M2Importer",
    "mmr-bench": "arms.importers.mmr_bench_importer:MmrBenchImporter",
    "records": "arms.importers.records.records_importer:RecordsImporter",
    "scope": "arms.importers.vl_routerbench.vl_routerbench_importer:ScopeImporter",
    "tables": "arms.importers.outcome_tables:TablesImporter",
    "vl-routerbench": "arms.importers.vl_routerbench.vl_routerbench_importer:VlRouterBenchImporter",
    "vlmevalkit": "arms.importers.vlmevalkit.vlmevalkit_importer:VlmEvalKitImporter",
}


def importer_names() -> list[str]:
    """Every known name, without loading anything."""
    return sorted({*IMPORTERS, *entry_points(group=ENTRY_POINTS).names})


def find_importer(name: str) -> "type[Importer]":
    """The class of an importer; an ArmsError if the name is unknown or its module cannot be loaded."""
    from arms.importers.base import Importer

    if name in IMPORTERS:
        module, _, attribute = IMPORTERS[name].partition(":")
        try:
            return getattr(import_module(module), attribute)
        except ImportError as error:
            raise ArmsError(f"importer {name}: {module} cannot be loaded: {error}; install arms anew") from error
    others = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in others:
        raise ArmsError(f"importer: unknown name {name!r}; known: {', '.join(importer_names())}")
    try:
        found = others[name].load()
    except Exception as error:  # whatever a foreign module raises, the user has to know which one it was
        raise ArmsError(f"importer {name}: the entry point {others[name].value} cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Importer)):
        raise ArmsError(f"importer {name}: expected {others[name].value} to be a subclass of Importer, got {found!r}")
    return found
