"""The selector's scores."""

import pytest
import torch

from prune.tokens import TokenSelector
from tests.prune.tokens.small import decide_by_noise_

TOKENS = torch.randn(2, 7, 24, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def selector() -> TokenSelector:
    torch.manual_seed(0)
    found = TokenSelector(24, 3)
    decide_by_noise_(found)
    return found.eval()


def test_scores_of_a_fresh_selector_keep_everything() -> None:
    assert TokenSelector(24, 3)(TOKENS).min() > 0.9


def test_scores_are_the_published_formula_head_by_head(selector: TokenSelector) -> None:
    """Written out for single heads and tokens, from the description in arXiv 2112.13890."""
    x, gelu = TOKENS[0, 1:], torch.nn.functional.gelu
    normal, mean = selector.norm(x), selector.norm_mean(x.mean(dim=0))
    attention = torch.sigmoid(
        selector.heads2(gelu(selector.heads1(normal.view(6, 3, 8).mean(dim=-1))))
    )
    for token in range(6):
        keep = []
        for head in range(3):
            part = slice(8 * head, 8 * head + 8)

            def layer(name: str, given: torch.Tensor, head: int = head) -> torch.Tensor:
                module = selector.get_submodule(name)
                return given @ module.weight[head] + module.bias[head]

            own, common = layer("local", normal[token, part]), layer("common", mean[part])
            mixed = gelu(layer("mix", torch.cat([gelu(own), gelu(common)])))
            keep.append(torch.sigmoid(layer("keep", gelu(layer("squeeze", mixed))))[0])
        weights = attention[token]
        expected = (weights * torch.stack(keep)).sum() / weights.sum()
        torch.testing.assert_close(selector(TOKENS)[0, token], expected)


def test_every_head_has_weights_of_its_own(selector: TokenSelector) -> None:
    layers = (selector.local, selector.common, selector.mix, selector.squeeze, selector.keep)
    for layer in layers:
        assert not torch.equal(layer.weight[0], layer.weight[1])


def test_dead_tokens_do_not_change_the_scores_of_live_ones(selector: TokenSelector) -> None:
    live = torch.ones(2, 7)
    live[:, 4:] = 0
    garbage = torch.cat([TOKENS[:, :4], 1000 * TOKENS[:, 4:]], dim=1)
    torch.testing.assert_close(selector(garbage, live)[:, :3], selector(TOKENS[:, :4]))


def test_the_prefix_does_not_change_scores(selector: TokenSelector) -> None:
    other = torch.cat([1000 * TOKENS[:, :2], TOKENS[:, 2:]], dim=1)
    assert torch.equal(selector(other, prefix=2), selector(TOKENS, prefix=2))
