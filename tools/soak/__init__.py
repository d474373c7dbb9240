"""Random faults for as long as you say, while contracts C1 to C5 are checked all the time.

    xvfb-run -a -s "-screen 0 1920x1080x24" python -m tools.soak --minutes 60 --out soak

The program under test is a process of its own with a real window. It is judged by what it logs,
by its report, by /proc, by the recordings that it leaves, and by the pixels on the X server.
"""
