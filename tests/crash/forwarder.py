"""Carries TCP connections from one address to another, as a proxy in front of the daemon does.

forwarder.py HOST:PORT HOST:PORT    the first is listened on, the second connected to
"""

import asyncio
import sys


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # whoever it was is gone
    finally:
        writer.close()


async def serve(here, there):
    async def carry(reader, writer):
        try:
            up = await asyncio.open_connection(*there)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, up[1]), pump(up[0], writer))

    server = await asyncio.start_server(carry, *here, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(serve(*(argument.rsplit(":", 1) for argument in sys.argv[1:3])))
