from __future__ import annotations

import logging

import pytest

from merc.cli.quiet import quiet_libraries


def test_one_sentence_is_kept_back_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("DeepSpeed")
    before = list(logger.filters)
    logger.addHandler(caplog.handler)
    try:
        quiet_libraries()
        logger.warning("Setting accelerator to CPU. If you have GPU or other accelerator, we were unable to detect it.")
        logger.warning("Something that matters")
    finally:
        logger.removeHandler(caplog.handler)
        for added in [f for f in logger.filters if f not in before]:
            logger.removeFilter(added)
    assert {record.getMessage() for record in caplog.records} == {"Something that matters"}
