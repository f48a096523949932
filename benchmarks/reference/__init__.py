"""A plain service written by hand, as a guide has it: what the extension is measured against."""
