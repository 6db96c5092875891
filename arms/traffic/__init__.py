"""The log of a gateway: the tables of its memory, how they are opened, and what is read of them."""
