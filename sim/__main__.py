"""`python -m sim`: the same as `zhantu-sim`."""

import sys

from sim.cli import main

sys.exit(main())
