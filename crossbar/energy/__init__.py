"""Energy of a multiply: what the array dissipates, what converters add, what papers print.

Array physics at the read voltage, from measured conductances. What charging the lines' capacitance
costs is not in it, nor amplifiers, drivers, routing and memory.
"""
