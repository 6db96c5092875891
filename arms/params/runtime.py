"""What only changes speed: a section of params.yaml."""

import os
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from arms.params.section import PositiveFloat, PositiveInt, Section


def _check_workers(value: Any) -> Any:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError(f"expected an integer >= 1 or 'auto', got {value!r}")


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Workers = Annotated[int | Literal["auto"], BeforeValidator(_check_workers)]


ObjectUrl = Annotated[str, Field(pattern="^(s3|gs|file)://.")]


class RuntimeParams(Section):
    """What only changes speed; no stage lists it, so changing it re-runs nothing."""

    device: Literal["auto", "cpu", "cuda"] = Field(description="auto: a GPU if there is one")
    extract_batch_size: PositiveInt = Field(description="images or texts encoded at a time")
    compile: bool = Field(description="compile frozen blocks before a long extraction")
    workers: Workers = Field(description="processes or threads that decode images; auto: one a core")
    shard_mb: PositiveInt = Field(description="size of a feature store's shards, in MiB")
    cache_budget_gb: PositiveFloat = Field(description="GiB of features to hold in memory; larger ones are streamed")
    processes: PositiveInt = Field(description="processes that train Phi together, one for each GPU")
    features_url: ObjectUrl | None = Field(
        description="an object store, as s3://bucket/features, that features are uploaded to while they are encoded, "
        "and resumed from; null: none"
    )
    engine: Literal["local", "ray"] = Field(description="what encodes: this process, or the actors of Ray; arms[ray]")
    ray_address: str | None = Field(
        description="of Ray: a cluster's that this machine is a node of, as host:6379; auto: it is found; null: Ray is "
        "started on this machine, for as long as the stage runs"
    )
    ray_actors: PositiveInt | Literal["auto"] = Field(description="of Ray, at most; auto: as many as there is room for")

    @property
    def num_workers(self) -> int:
        """How many processes or threads decode images."""
        return count_cores() if self.workers == "auto" else self.workers

    @property
    def num_actors(self) -> int | None:
        """How many actors of Ray encode at most; None: as many as there is room for."""
        return None if self.ray_actors == "auto" else self.ray_actors
