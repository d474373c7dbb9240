"""orapp and its peers side by side: `python -m tools.compare_peers --help`."""
