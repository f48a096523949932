"""Configuration: the settings, limits per user, prices and the URLs of Redis."""
