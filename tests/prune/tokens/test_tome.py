"""ToMe: tokens most alike become one."""

import pytest
import torch

from hw.errors import UserError
from prune.tokens import ToMe, attach_, recording
from prune.tokens.tome import matching
from tests.prune.tokens.small import MODELS, images, plain


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "parallel"])
@torch.no_grad()
def test_every_block_leaves_fewer_tokens(kind: str) -> None:
    model = attach_(plain(kind), ToMe(3))
    seen = list[int]()
    for module in model.modules():
        if type(module).__name__ == "Mlp" and module.fc1.in_features == module.fc2.out_features:
            module.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[1]))
    with recording(model) as record:
        assert model(images(model)).isfinite().all()
    assert seen[: len(record)] == [int(selection.tokens[0]) for selection in record.values()]
    assert seen[1] == seen[0] - 3


@pytest.mark.parametrize("prefix", [0, 1, 2, 5])
def test_matching_is_the_published_one(prefix: int) -> None:
    """Edge by edge: even tokens to their most similar odd one, the most similar edges first."""
    keys = torch.randn(1, 18, 4, generator=torch.Generator().manual_seed(prefix))
    similarity = torch.cosine_similarity(keys[0, :, None], keys[0, None], dim=-1)
    sources = [token for token in range(0, 18, 2) if token >= prefix]
    targets = [token for token in range(1, 18, 2) if token >= prefix]
    edge = {s: max(targets, key=lambda t, s=s: similarity[s, t]) for s in sources}
    going = sorted(sources, key=lambda s: -similarity[s, edge[s]])[:4]
    order = [*range(prefix), *(s for s in sources if s not in going), *targets]
    expected = [order.index(edge[t] if t in going else t) for t in range(18)]
    assert matching(keys, 4, prefix)[0].tolist() == expected


@pytest.mark.parametrize("kind", ["deit", "registers and mean", "latent query, no prefix"])
@torch.no_grad()
def test_merging_equal_tokens_changes_nothing(kind: str) -> None:
    """Attention in proportion to sizes, and means weighted by them, are exact then."""
    model = plain(kind)
    model.pos_embed.zero_()
    flat = torch.full_like(images(model), 0.3)
    expected = model(flat)
    attach_(model, ToMe(9))
    torch.testing.assert_close(model(flat), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_merged_tokens_are_means_of_their_patches() -> None:
    model = attach_(plain(), ToMe((6, 5, 0, 0)))
    seen = list[torch.Tensor]()
    model.blocks[1].attn.register_forward_hook(lambda _, __, output: seen.append(output))
    model.blocks[1].norm1.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    model.blocks[1].norm2.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    with recording(model) as record:
        model(images(model, 1))
    before, attended, after = seen
    patches = (before + attended)[0][record[0].place[0]]
    for token in range(1, after.shape[1]):
        mine = record[1].place[0] == token
        torch.testing.assert_close(after[0, token], patches[mine].mean(dim=0))
    torch.testing.assert_close(after[0, 0], (before + attended)[0, 0])


@torch.no_grad()
def test_at_most_half_of_the_patches_go_in_a_block() -> None:
    model = attach_(plain("registers and mean"), ToMe(100))
    with recording(model) as record:
        model(images(model))
    prefix = model.num_prefix_tokens
    assert [int(s.tokens[0]) - prefix for s in record.values()] == [18, 9, 5, 3]


@torch.no_grad()
def test_counts_are_one_each_block() -> None:
    model = attach_(plain(), ToMe((4, 0, 2, 0)))
    with recording(model) as record:
        model(images(model))
    assert {block: int(s.tokens[0]) for block, s in record.items()} == {0: 33, 2: 31}


@pytest.mark.parametrize("merged", [-1, (1, 2)])
def test_unusable_counts_are_refused(merged: int | tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="merged tokens"):
        attach_(plain(), ToMe(merged))


@torch.no_grad()
def test_attention_that_hides_its_keys_is_refused() -> None:
    model = attach_(plain(), ToMe(2))
    model.blocks[0].attn.fused_attn = False
    with pytest.raises(UserError, match="fused_attn"):
        model(images(model))
