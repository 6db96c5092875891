"""A program with LiteLLM's Router, run in LiteLLM's environment: it answers the requests it is told, as JSON.

    python litellm_sdk.py SETTINGS.json

The settings have `model_list`, `router` (a folder), `outcomes` (a file) and `requests` (arguments of `acompletion`).
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import litellm

from arms.integrations.litellm import RoutingPlugin, outcome_logger


async def ask(router: litellm.Router, request: dict[str, Any]) -> dict[str, Any]:
    """One request: the answer's text, its chunks and its id, or the error."""
    try:
        answer = await router.acompletion(model="auto", **request)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    if not request.get("stream"):
        hidden = answer._hidden_params
        return {"text": answer.choices[0].message.content, "chunks": None, "id": hidden["litellm_call_id"]}
    chunks = [chunk.choices[0].delta.content async for chunk in answer]
    return {"text": "".join(filter(None, chunks)), "chunks": len(chunks), "id": None}


async def until_recorded(file: Path, number: int) -> None:
    """Wait until so many answers are recorded: LiteLLM calls its loggers after the answer."""
    async with asyncio.timeout(120):
        while not file.exists() or file.read_text().count('"status": "success"') < number:
            await asyncio.sleep(0.1)


async def main(settings: dict[str, Any]) -> None:
    """Answer them one after the other, then wait until the outcomes are written."""
    plugin = RoutingPlugin(settings["router"], time_limit_s=30)
    litellm.callbacks = [outcome_logger(settings["outcomes"], keep_questions=True, keep_images=True)]
    router = litellm.Router(model_list=settings["model_list"], plugins=[plugin], **settings["settings"])
    answers = [await ask(router, request) for request in settings["requests"]]
    await until_recorded(Path(settings["outcomes"]), sum("text" in answer for answer in answers))
    sys.stdout.write(json.dumps({"answers": answers, "counts": dict(plugin.counts)}) + "\n")


asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
