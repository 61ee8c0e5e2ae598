"""Who is in danger, and who has answered: alarms, rules, zones, entry control, roll-call, warnings, stations, coverage.

Enters: the picture, events, orders, what people and other systems say. Leaves: messages of the feed, alarms, answers of
the API. Every room is a `Part`; `hub.safety.parts` lists them, `hub.app` runs them.
"""
