"""The proof rig: starts real processes, breaks them, and asks an independent checker what became of the events.

Shares no code with the product. Everything random comes from the seed, every wait is a polled condition with a deadline.
"""
