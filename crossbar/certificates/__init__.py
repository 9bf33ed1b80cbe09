"""What can be proved of the vote of a network whose parameters are noisy.

A certificate speaks of the average over the noise, that is, of the class that most noisy copies
of the network vote for. It says nothing of one copy: of one chip.
"""
