"""What libraries would tell the users of merc, and they could do nothing about."""

from __future__ import annotations

import logging


def quiet_libraries() -> None:
    """Keep single sentences of libraries from being shown; whatever else they have to say is shown as ever."""
    # transformers imports deepspeed wherever it is installed, and that warns of every machine without a GPU.
    logging.getLogger("DeepSpeed").addFilter(_is_news)
    # peft imports bitsandbytes wherever it is installed, and that looks for kernels of the hub that merc does not use.
    logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not any(old in str(record.msg) for old in ("Setting accelerator to CPU", "from kernels-community"))
