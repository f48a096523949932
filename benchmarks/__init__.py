"""Programs that measure the extension, or try to break it."""
