"""The gateway `arms serve`: chat completions whose VLM the router chooses. It needs the extra `arms[serve]`."""
