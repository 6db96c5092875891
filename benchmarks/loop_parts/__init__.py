"""The parts of the loop that learns from traffic."""
