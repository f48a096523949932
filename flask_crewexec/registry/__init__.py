"""What hosts register for their graphs: tools, models, checks, files and secrets."""
