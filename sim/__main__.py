"""`python -m sim`: run a network on the simulated machine, and report its cycles."""

from hw.cli import run_app
from sim.cli import app

if __name__ == "__main__":
    run_app(app)
