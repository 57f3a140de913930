"""The decoder H, which all experts share: from features, one map or several a pixel, to an image."""

import torch
from torch import Tensor, nn


class IdentityDecoder(nn.Module):
    """Take features for images: experts forecast frames, and the gates blend them pixel by pixel (STMoE-Id)."""

    def forward(self, features: Tensor) -> Tensor:
        """Return `features`, (batch, channel, y, x)."""
        return features


class ConvolutionDecoder(nn.Module):
    """
    Filter features to an image by a linear 3x3 convolution without bias (STMoE-conv).

    Being linear, `H(sum_k Z^k) = sum_k H(Z^k)`: the images that the experts stand for add up to the forecast, which is
    what makes features of different physical properties combinable (equation 4).

    Parameters
    ----------
    features : channels in
    channels : channels of the image
    """

    def __init__(self, features: int, channels: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(features, channels, 3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """
        Decode, in the precision of the parameters under autocast too: what is returned is fed back.

        Parameters
        ----------
        features : (batch, features, y, x)

        Returns
        -------
        (batch, channel, y, x), neither clipped nor squashed
        """
        with torch.autocast(features.device.type, enabled=False):
            decoded: Tensor = self.convolution(features.to(self.convolution.weight.dtype))
        return decoded

    @torch.no_grad()
    def normalise_columns(self) -> Tensor:
        """
        Scale the filters of each feature to unit norm, so that frozen they ask of every expert features of about 1.

        Returns
        -------
        (features,), the norms before; features multiplied by them decode to the same image. 1 where all was zero
        """
        weight = self.convolution.weight  # (channel, features, y, x)
        norms = weight.square().sum((0, 2, 3)).sqrt()
        norms = torch.where(norms > 0, norms, 1)
        weight /= norms[:, None, None]
        return norms
