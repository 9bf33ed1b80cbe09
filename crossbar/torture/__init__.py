"""Torture of a virtual bench: whole runs with faults, and one checker that judges them.

``xbar bench torture`` is the command. `plan` says what a run does, `rehearse` does it on a virtual
bench while something goes wrong, `check` judges, `campaign` does it many times, `deaths` kills the
program meanwhile.
"""
