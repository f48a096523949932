"""Tell handlers, signals and webhooks what has happened, from the outbox."""
