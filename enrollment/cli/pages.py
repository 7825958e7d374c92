"""Reads a list that the API gives page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar


class PagedRequest(Protocol):
    """A List... request of the API."""

    page_token: str


class PagedAnswer(Protocol):
    """A List... answer of the API."""

    @property
    def next_page_token(self) -> str: ...


Request = TypeVar("Request", bound=PagedRequest)
Answer = TypeVar("Answer", bound=PagedAnswer)


def pages(call: Callable[[Request], Answer], request: Request) -> Iterator[Answer]:
    """Every page in order; the next one is asked for only when it is wanted."""
    while True:
        answer = call(request)
        yield answer
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token
