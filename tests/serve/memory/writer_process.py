"""A process that records decisions as fast as it can, and says which are recorded; tests kill it."""

import asyncio
import itertools
import os
import sys

from arms.serve.memory.opening import open_memory
from tests.serve.memory.made import answer, decision, feedback

AT_ONCE = 24


async def main(place: str, name: str) -> None:
    """Record decisions r0, r1, ... without an end; each id is printed after its decision is recorded."""
    memory = open_memory(place, keep_questions=True, keep_images=True)
    numbers = itertools.count()

    async def record() -> None:
        for number in numbers:
            request_id = f"{name}-{number}"
            picture = f"picture {number % 50}".encode()
            await memory.decide(decision(request_id, images=(picture,)))
            os.write(1, f"decided {request_id}\n".encode())
            await memory.answered(answer(request_id))
            os.write(1, f"answered {request_id}\n".encode())
            if not number % 3:
                await memory.feedback(feedback(request_id))
                os.write(1, f"feedback {request_id}\n".encode())

    await asyncio.gather(*(record() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
