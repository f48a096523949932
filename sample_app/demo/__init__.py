"""The command ``flask --app sample_app demo``: the whole system on one machine."""
