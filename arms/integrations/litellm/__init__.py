"""LiteLLM: a routing plugin that picks the VLM, and a logger of what came of it. LiteLLM itself is not imported."""

from arms.integrations.litellm.outcome_logger import outcome_logger
from arms.integrations.litellm.plugin import RoutingPlugin

__all__ = ["RoutingPlugin", "outcome_logger"]
