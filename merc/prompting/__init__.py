"""Prompts as tokens, the prompt tree, verbalizers."""

from merc.prompting.chat import CHAT_DATE
from merc.prompting.encode import AnswerPath, EncodedPrompt, PromptEncoder, is_label_prompt
from merc.prompting.length import LongPrompts, check_depth, depth_with
from merc.prompting.parse import Policy, parse_label
from merc.prompting.runs import BlockItem, Item, SeenItem, SlotItem
from merc.prompting.tree import (
    Tree,
    build_chains,
    build_tree,
    build_trees,
    micro_batches,
    pack_rows,
    rows_within,
)
from merc.prompting.verbalizer import Normalize, label_scores

__all__ = [
    "CHAT_DATE",
    "AnswerPath",
    "BlockItem",
    "EncodedPrompt",
    "Item",
    "LongPrompts",
    "Normalize",
    "Policy",
    "PromptEncoder",
    "SeenItem",
    "SlotItem",
    "Tree",
    "build_chains",
    "build_tree",
    "build_trees",
    "check_depth",
    "depth_with",
    "is_label_prompt",
    "label_scores",
    "micro_batches",
    "pack_rows",
    "parse_label",
    "rows_within",
]  # fmt: skip
