"""The parts of the gateway's benchmark."""
