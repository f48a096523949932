"""The only place that imports crewai; nothing outside of a worker imports it."""
