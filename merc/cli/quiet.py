"""What libraries would tell the users of merc, and they could do nothing about."""

from __future__ import annotations

import logging


def quiet_libraries() -> None:
    """Keep single sentences of libraries from being shown; whatever else they have to say is shown as ever."""
    # transformers imports deepspeed wherever it is installed, and that warns of every machine without a GPU.
    logging.getLogger("DeepSpeed").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return "Setting accelerator to CPU" not in str(record.msg)
