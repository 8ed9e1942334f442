"""The commands that merc brings."""

COMMANDS = {
    "run": "Train and evaluate what a recipe says.",
    "predict": "Say the emotions in conversations and clips, one JSON object a line.",
    "evaluate": "Evaluate a finished run again, or on another split.",
    "benchmark": "Measure a trained run on every set of a benchmark that is there.",
    "score": "Measure answers of any model by a benchmark's numbers.",
    "compare": "Put the results of several runs side by side.",
    "report": "Make the report of a run again.",
    "recipes": "List the recipes that come with merc.",
    "show": "Show a recipe's values, and where each came from.",
    "validate": "Check a recipe and list everything that is wrong with it.",
    "copy": "Copy a recipe, to change it.",
    "convert": "Rewrite a recipe of an older merc in today's words.",
    "export": "Write a run's language model for transformers or PEFT.",
    "encode": "Fill the feature store for a recipe.",
    "annotate": "Ask a recipe's annotators for cues, and keep them.",
    "corpus": "See what a file of conversations is, or bring a corpus into merc's own form.",
    "params": "Count the parameters of a recipe's model, by part.",
    "doctor": "Say what works on this machine, and what to do about what does not.",
    "plugins": "List the installed plugins, or write a new one.",
}
"""Every command and the line that ``merc --help`` shows for it. The command NAME is
``merc.cli.NAME:command``."""
