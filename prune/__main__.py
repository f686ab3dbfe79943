"""`python -m prune`: make a Vision Transformer block-sparse and quantize it."""

from hw.cli import run_app
from prune.cli import app

if __name__ == "__main__":
    run_app(app)
