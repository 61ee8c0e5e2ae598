"""For every test: these machines are shared, so none is timed; and what is generated is the same in every run.

A change is judged by what it changed, not by what chance found today. `make chance` looks for what is new.
"""

from hypothesis import settings

settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("chance", deadline=None, print_blob=True)
settings.load_profile("same")
