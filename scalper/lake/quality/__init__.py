"""Quality: which sessions may be learned from and traded, and why not the others.

Here live the figures of a session, the rules on them, the verdicts, and the page for people. Not here: rows on their
way into the lake, which are checked there (files/), and what a lane does with a quarantine (lane/quality.py).
"""
