from merc import hookimpl


@hookimpl
def register_encoders(register):
    register("toy-video", "merc_toys.parts:ToyVideo")
    register("toy-learner", "merc_toys.parts:ToyLearner")
    register("toy-audio", "merc_toys.parts:ToyAudio")
    register("toy-words", "merc_toys.parts:ToyWords")
    register("toy-demanding", "merc_toys.parts:ToyDemanding")


@hookimpl
def register_connectors(register):
    register("toy-linear", "merc_toys.parts:ToyLinear")


@hookimpl
def register_fusers(register):
    register("toy-join", "merc_toys.parts:ToyJoin")
    register("toy-silent", "merc_toys.parts:ToySilent")


@hookimpl
def register_prompters(register):
    register("toy-plain", "merc_toys.parts:ToyPlain")
    register("toy-text", "merc_toys.parts:ToyText")
    register("toy-mute", "merc_toys.parts:ToyMute")
    register("toy-prompt", "merc_toys.parts:ToyPrompt")
    register("toy-broken-prompt", "merc_toys.parts:BrokenPrompt")


@hookimpl
def register_trainers(register):
    register("toy-trainer", "merc_toys.parts:ToyTrainer")


@hookimpl
def register_corpora(register):
    register("toy-corpus", "merc_toys.parts:ToyCorpus")
    register("toy-other", "merc_toys.parts:ToyOther")
    register("toy-typed", "merc_toys.parts:ToyTyped")
    register("toy-crash", "merc_toys.parts:Crash")
    register("toy-untyped", "merc_toys.parts:Untyped")


@hookimpl
def register_backbones(register):
    register("toy-llm", "merc_toys.parts:ToyBackbone")


@hookimpl
def register_metrics(register):
    register("toy-metric", "merc_toys.parts:ToyMetric")


@hookimpl
def register_corruptions(register):
    register("toy-hiss", "merc_toys.parts:ToyHiss")
    register("toy-spell", "merc_toys.parts:ToySpell")


@hookimpl
def register_annotators(register):
    register("toy-teacher", "merc_toys.parts:ToyTeacher")


@hookimpl
def register_selectors(register):
    register("toy-broken-selector", "merc_toys.parts:BrokenSelector")
