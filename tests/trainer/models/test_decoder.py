"""Decoders are linear and fixed in scale."""

import torch
from torch import Tensor

from trainer.models.decoder import ConvolutionDecoder, IdentityDecoder


def features(count: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(2, count, 12, 9, generator=torch.Generator().manual_seed(seed))


def seeded_decoder(count: int = 16, channels: int = 1) -> ConvolutionDecoder:
    torch.manual_seed(0)
    return ConvolutionDecoder(count, channels)


def test_identity_returns_the_features() -> None:
    assert torch.equal(IdentityDecoder()(features()), features())
    assert list(IdentityDecoder().parameters()) == []


def test_decoded_sum_is_the_sum_of_what_is_decoded() -> None:
    decoder = seeded_decoder(channels=3).double()
    parts = [features(seed=seed).double() for seed in range(3)]
    whole = decoder(torch.stack(parts).sum(0))
    torch.testing.assert_close(whole, torch.stack([decoder(part) for part in parts]).sum(0), rtol=0, atol=1e-12)
    assert whole.shape == (2, 3, 12, 9)


def test_nothing_decodes_to_black() -> None:
    assert not seeded_decoder()(torch.zeros(1, 16, 8, 8)).any()


def test_sixteen_features_take_144_parameters() -> None:
    assert sum(parameter.numel() for parameter in seeded_decoder().parameters()) == 144


def test_normalised_columns_have_unit_norm_and_decode_scaled_features_alike() -> None:
    decoder = seeded_decoder(channels=2)
    before = decoder(features())
    norms = decoder.normalise_columns()
    torch.testing.assert_close(decoder.convolution.weight.square().sum((0, 2, 3)), torch.ones(16))
    torch.testing.assert_close(decoder(features() * norms[:, None, None]), before)


def test_column_of_zeros_stays() -> None:
    decoder = seeded_decoder()
    with torch.no_grad():
        decoder.convolution.weight[:, 3] = 0
    assert decoder.normalise_columns()[3] == 1
    assert not decoder.convolution.weight[:, 3].any()


def test_bfloat16_features_decode_in_float32_under_autocast() -> None:
    decoder = seeded_decoder()
    with torch.autocast("cpu", torch.bfloat16):
        decoded = decoder(features().bfloat16())
    assert torch.equal(decoded, decoder(features().bfloat16().float()))
