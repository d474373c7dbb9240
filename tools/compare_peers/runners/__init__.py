"""One program for each peer; all are given one plan, and write the same lines."""
