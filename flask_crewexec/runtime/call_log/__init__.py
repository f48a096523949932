"""The calls of one run: written as they happen, and answered from what earlier attempts wrote."""
