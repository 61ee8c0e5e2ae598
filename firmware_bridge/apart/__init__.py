"""Receivers that run in a process of their own beside the agent, because their libraries are heavy.

The agent imports only `pipe` and `elsewhere` of this package; `ais` and `ble` are started with `python -m`.
"""
