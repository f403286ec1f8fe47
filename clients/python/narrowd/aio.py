"""The client for asyncio: the same calls, each carried out by a thread while the loop goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from .client import Client, Job
from .types import Best, Event, JobDocument, Trial

T = TypeVar("T")
END = object()


async def stepwise(make: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
    """The items of an iterator that blocks."""
    items = make()
    while (item := await asyncio.to_thread(next, items, END)) is not END:
        yield item  # type: ignore[misc]


class AsyncJob:
    """A job of a daemon; see Job for what the calls mean."""

    def __init__(self, job: Job):
        self.sync, self.id = job, job.id

    async def get(self) -> JobDocument:
        return await asyncio.to_thread(self.sync.get)

    async def best(self, tolerable_loss: float | None = None) -> Best:
        return await asyncio.to_thread(self.sync.best, tolerable_loss)

    async def trial(self, number: int) -> Trial:
        return await asyncio.to_thread(self.sync.trial, number)

    async def wait(self, progress: bool = False, timeout_s: float | None = None) -> JobDocument:
        """As Job.wait. Who cancels the task leaves a thread that ends with the answer it waits for."""
        return await asyncio.to_thread(self.sync.wait, progress, timeout_s)

    async def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        """Any other method of Job, such as `await job.call("cancel")`."""
        return await asyncio.to_thread(getattr(self.sync, name), *arguments, **named)

    def trials(self, **filters: Any) -> AsyncIterator[Trial]:
        return stepwise(lambda: self.sync.trials(**filters))

    def events(self, after: int = 0) -> AsyncIterator[Event]:
        return stepwise(lambda: self.sync.events(after))


class AsyncClient:
    """A daemon, found as Client finds it: `async with AsyncClient() as client`."""

    def __init__(self, url: str | None = None, **settings: Any):
        self.make = lambda: Client(url, **settings)

    async def __aenter__(self) -> "AsyncClient":
        self.sync = await asyncio.to_thread(self.make)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.sync.close)

    async def submit(self, body: dict[str, Any], key: str | None = None) -> AsyncJob:
        return AsyncJob(await asyncio.to_thread(self.sync.submit, body, key))

    def job(self, id: str) -> AsyncJob:
        return AsyncJob(self.sync.job(id))

    async def find(self, word: str) -> AsyncJob:
        return AsyncJob(await asyncio.to_thread(self.sync.find, word))

    def jobs(self, **filters: Any) -> AsyncIterator[JobDocument]:
        return stepwise(lambda: self.sync.jobs(**filters))

    async def dry_run(self, body: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(self.sync.dry_run, body)
