"""Laws: formulas and small pure judges that a gateway and a hub both compute, each with its source and reference value.

Enters: numbers, with the unit in each name, and the time as an argument. Leaves: numbers. Standard library only.
Callers: `edge.guard`, and the hub where it shows what a gateway would say.
"""
