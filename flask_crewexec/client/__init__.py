"""Client of the HTTP API for other programs; it needs neither Flask nor anything else but httpx."""

from __future__ import annotations

from .async_client import AsyncClient
from .documents import Message
from .errors import ApiError
from .sync_client import Client

__all__ = ["ApiError", "AsyncClient", "Client", "Message"]
