"""What this machine and this project have, and what is missing for what."""
