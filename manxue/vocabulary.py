"""The provider's own words: models, ratios, fields, paths. Facts only, no behaviour.

The emulator shares this file and nothing else of this package, so that a mistake in our
client is not repeated in what tests it.
"""

from enum import StrEnum

DEFAULT_BASE_URL = "https://zcbservice.aizfw.cn/kyyReactApiServer"

CREATE_PATH = "/v1/sd2_manxue/videos"
RESULT_PATH = "/v1/result/{id}"
ASSET_UPLOAD_PATH = "/asset/sd2Manxue/assetUpload"
ASSET_STATUS_PATH = "/asset/sd2Manxue/assetStatus"

MODELS = (
    "sd2_manxue_720p",
    "sd2_manxue_1080p",
    "sd2_manxue_2k",
    "sd2_manxue_4k",
    "sd2_manxue_fast_720p",
    "sd2_manxue_fast_1080p",
)
"""The models of the vendor's page. The model sets the output resolution."""

VIDEO_MODELS = (
    "sd2_manxue_video_720p",
    "sd2_manxue_video_1080p",
    "sd2_manxue_video_2k",
    "sd2_manxue_video_4k",
    "sd2_manxue_video_fast_720p",
    "sd2_manxue_video_fast_1080p",
)
"""Models that newer documentation of the same API adds for `referenceVideos`. Reported, not on the vendor's page."""

RATIOS = ("16:9", "21:9", "4:3", "1:1", "3:4", "9:16")
DEFAULT_RATIO = "16:9"

MIN_DURATION, MAX_DURATION, DEFAULT_DURATION = 4, 15, 5
"""Seconds, whole numbers."""

MAX_REFERENCE_IMAGES, MAX_REFERENCE_VIDEOS, MAX_REFERENCE_AUDIOS = 9, 3, 3

ASSET_SCHEME = "asset://"


class Mode(StrEnum):
    """Which of the provider's seven modes a request is in. It follows from the fields given."""

    TEXT = "text"
    FIRST_FRAME = "first_frame"
    FIRST_LAST_FRAME = "first_last_frame"
    IMAGE_REFERENCE = "image_reference"
    VIDEO_REFERENCE = "video_reference"
    AUDIO_REFERENCE = "audio_reference"
    MULTIMODAL_REFERENCE = "multimodal_reference"


def resolution(model: str) -> str:
    """The resolution that a model's name ends in: `720p`, `1080p`, `2k` or `4k`."""
    return model.rsplit("_", 1)[-1]
