"""QA over an archive: every frame of every run, offline and repeatable, compared with a baseline.

A results folder holds

- `qa.json`: what ran (engine, machine, cases, speed), written last;
- `run-0001/summary.json`, `run-0001/outlines.jsonl`: one case; no name of a file in them;
- `cases.csv`: which file each number is; it stays on this machine, and nothing else names files;
- `report.html` and, where a baseline was given, `comparison.json`.
"""
