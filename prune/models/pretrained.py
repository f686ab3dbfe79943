"""Whether timm's pretrained weights can be had, found out within seconds."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from typing import Any

from huggingface_hub import hf_hub_url, try_to_load_from_cache

_FILE = "model.safetensors"
_TIMEOUT_S = 5.0


def why_unavailable(config: dict[str, Any]) -> str | None:
    """Reason why the weights of a timm `pretrained_cfg` cannot be loaded, None when they can.

    Weights in the local cache need no network. Otherwise one metadata request is made, in a thread
    of its own because name resolution ignores timeouts.
    """
    repository = config.get("hf_hub_id")
    if not repository and not config.get("url"):
        return "timm has no weights for it"
    if repository and isinstance(try_to_load_from_cache(repository, _FILE), str):
        return None
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "TRUE", "YES", "ON"):
        return "HF_HUB_OFFLINE is set"
    url = hf_hub_url(repository, _FILE) if repository else str(config["url"])
    answer = ["no answer from the model hub"]
    thread = threading.Thread(target=_probe, args=(url, answer), daemon=True)
    thread.start()
    thread.join(_TIMEOUT_S + 1)
    return answer[0] or None


def _probe(url: str, answer: list[str]) -> None:
    try:
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S):
            answer[0] = ""
    except urllib.error.HTTPError as error:
        answer[0] = f"the model hub answers {error.code}"
    except (OSError, ValueError):
        answer[0] = "the model hub cannot be reached"
