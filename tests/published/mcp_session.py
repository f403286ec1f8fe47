"""An agent's session, scripted: run by test_mcp_client.py with the published client. Prints as JSON what came back.

    mcp_session.py NARROW SERVER EVALUATOR
"""

import asyncio
import json
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

NARROW, SERVER, EVALUATOR = sys.argv[1:]
JOB = {"evaluator": {"url": EVALUATOR}, "accuracy_criterion": {"tolerable_loss": 0.02},
       "tuning_criterion": {"strategy": "sgp", "stop_on": "budget", "max_trials": 4}}
CALLS = (("probe", {"evaluator": EVALUATOR}), ("dry_run", {"job": JOB}), ("submit", {"job": JOB}),
         ("watch", {"job": "last", "seconds": 600}), ("best", {"job": "last"}), ("why", {"job": "last", "operator": "op0"}),
         ("export", {"job": "last", "format": "inc"}), ("jobs", {"limit": 3}))


async def session(options, use):
    server = StdioServerParameters(command=NARROW, args=["mcp", "--server", SERVER, *options])
    async with stdio_client(server) as (read, write), ClientSession(read, write) as client:
        return await use(client, await client.initialize())


async def names(client, _):
    return sorted(tool.name for tool in (await client.list_tools()).tools)


async def tune(client, hello):
    answers = {}
    for tool, arguments in CALLS:
        result = await client.call_tool(tool, arguments)
        answers[tool] = result.content[0].text
    return {"server": hello.server_info.name, "answers": answers}


async def main():
    read_only = await session([], names)
    print(json.dumps({"read_only": read_only, **await session(["--allow-changes"], tune)}))


asyncio.run(main())
