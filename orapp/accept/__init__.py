"""Acceptance: is this workstation fit? Checks against a budget, through the same live path.

`run.py` goes through the parts in their order: `equipment` (engine, calibration), `measured`
(latency and soak, under `load`), `drill` (one fault in a run of its own each). Each gives
`Check`s; `document.py` writes them down.
"""
