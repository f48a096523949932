"""Tools as others write them for CrewAI; only workers may import this."""

from __future__ import annotations

import typing as t

from crewai.tools import BaseTool
from pydantic import BaseModel
from pydantic import Field


class Words(BaseModel):
    text: str = Field(max_length=20)
    times: int = Field(default=1, ge=1, le=3)


class Shout(BaseTool):
    name: str = "Shout it out"
    description: str = "What its author says."
    args_schema: type[BaseModel] = Words
    mark: str = "!"
    token: str = ""

    def _run(self, text: str, times: int = 1) -> str:
        return " ".join([f"{text.upper()}{self.mark}"] * times) + self.token


class Later(BaseTool):
    name: str = "later"
    description: str = "Answers from a coroutine."

    async def _run(self, text: str) -> dict[str, t.Any]:
        return {"text": text}


class Fragile(BaseTool):
    name: str = "fragile"
    description: str = "Cannot be made."

    def __init__(self, **options: t.Any) -> None:
        raise RuntimeError("no, thanks")

    def _run(self) -> str:
        return ""
