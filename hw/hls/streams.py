"""A stream has one reader: what a token selection gives is copied for each of its readers.

hls4ml copies the streams of layers with one result, up to seven times.
"""

from __future__ import annotations

from collections.abc import Sequence

from hw.hls.lowering import LayerEntry


def with_copies(layers: Sequence[LayerEntry]) -> list[LayerEntry]:
    """The layers, with a `CopyWords` for every reader but the last of tokens and of live counts.

    A count without a reader goes to the layer that reads the selected tokens.
    """
    inputs = {layer["name"]: list(layer["inputs"]) for layer in layers}
    copies: dict[str, list[LayerEntry]] = {}
    for selection in (layer for layer in layers if layer["class_name"] == "TokenSelect"):
        tokens, count = selection["outputs"]
        if not any(count in names for names in inputs.values()):
            next(names for names in inputs.values() if tokens in names).append(count)
        copies[selection["name"]] = [
            copy
            for tensor, (_, shape) in zip((tokens, count), selection["results"], strict=True)
            for copy in _copied(tensor, shape, list(inputs.values()))
        ]
    return [
        entry
        for layer in layers
        for entry in ({**layer, "inputs": inputs[layer["name"]]}, *copies.get(layer["name"], ()))
    ]


def _copied(tensor: str, shape: Sequence[int], inputs: Sequence[list[str]]) -> list[LayerEntry]:
    """Copies of a tensor, one after another; its readers' inputs become theirs."""
    copies: list[LayerEntry] = []
    source = tensor
    readers = [names for names in inputs if tensor in names]
    for number, names in enumerate(readers[:-1]):
        copy, rest = f"{tensor}_copy{number}", f"{tensor}_rest{number}"
        copies.append(
            {
                "class_name": "CopyWords",
                "name": f"{tensor}_copies{number}",
                "inputs": [source],
                "outputs": [copy, rest],
                "results": [("result", shape), ("rest", shape)],
                "result_precision": "ap_int<16>",
                "tensors": 1,
                "n_tokens": 1 if len(shape) == 1 else shape[0],
                "n_in": shape[-1],
            }
        )
        names[names.index(tensor)] = copy
        source = rest
    readers[-1][readers[-1].index(tensor)] = source
    return copies
