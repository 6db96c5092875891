"""HELM's and VHELM's output."""
