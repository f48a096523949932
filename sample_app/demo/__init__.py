"""The commands ``up`` and ``demo``: the whole system on one machine."""
