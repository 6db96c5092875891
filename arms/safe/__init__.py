"""Safe ARMS: net, neighbours and base rates joined, as far as left-out queries show that each can be trusted."""
