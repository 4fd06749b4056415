"""How annotations are checked at run time, in tests only."""

import random

from beartype import BeartypeConf, beartype
from beartype._check.code import codemain

# beartype draws which items of a list it checks: not from the state that tests watch
codemain.getrandbits = random.Random(0).getrandbits

# an int where a float is asked for, as static checkers allow
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
