"""The one exception that a command line turns into a single line and a non-zero exit."""


class UserError(Exception):
    """Input that cannot be used: names the input, what was expected, and the remedy."""
