"""aiolimiter, a leaky bucket of that burst: URL COUNT RATE BURST. A refusal is asked again, for a minute at most."""
import asyncio
import json
import sys
import time

import aiohttp
from aiolimiter import AsyncLimiter


async def main(url, count, rate, burst):
    limiter = AsyncLimiter(burst, burst / rate)
    end = time.monotonic() + 60
    async with aiohttp.ClientSession() as session:

        async def ask():
            while True:
                async with limiter:
                    async with session.get(url) as response:
                        await response.read()
                        if response.status != 429:
                            return 1
                if time.monotonic() > end:
                    return 0

        answered = sum(await asyncio.gather(*(ask() for _ in range(count))))
    print(json.dumps({"answered": answered}))


asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:5])))
