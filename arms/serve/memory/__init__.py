"""Where the gateway keeps what it decided, how it ended, and what was said of it."""
