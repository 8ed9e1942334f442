"""What merc-annotation registers. It is imported whenever merc looks for plugins: keep it light."""

from merc_embedded import EXTRA

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_annotators(register):
    register("action-units", "merc_annotation.action_units:ActionUnits", needs=["mediapipe"], extra=EXTRA)
    register("face-measures", "merc_annotation.calibrated_units:FaceMeasures", needs=["mediapipe"], extra=EXTRA)
    register("calibrated-units", "merc_annotation.calibrated_units:CalibratedUnits")
    register("openface", "merc_annotation.openface:OpenFaceTables")
    register("peak-frame", "merc_annotation.peak_frame:PeakFrame")
    register("key-frames", "merc_annotation.key_frames:KeyFrames")
    register("visual-expression", "merc_annotation.peak_frame:VisualExpression")
    register("visual-objective", "merc_annotation.clue_teachers:VisualObjective")
    register("audio-tone", "merc_annotation.audio_tone:AudioTone")
    register("audio-tone-teacher", "merc_annotation.clue_teachers:AudioToneTeacher")
    register("audio-tone-model", "merc_annotation.hearing_model:AudioToneModel")
    register("lexical", "merc_annotation.lexical:Lexical")
    register("lexical-teacher", "merc_annotation.clue_teachers:LexicalTeacher")
    register("description-teacher", "merc_annotation.describing:DescriptionTeacher")
    register("composed-description", "merc_annotation.describing:ComposedDescription")
    register("judge-teacher", "merc_annotation.judging:JudgeTeacher")
    register("rule-judge", "merc_annotation.judging:RuleJudge")
    register("majority-vote", "merc_annotation.voting:MajorityVote")
    register("dawid-skene", "merc_annotation.voting:DawidSkeneVote")


@merc.hookimpl
def register_corpora(register):
    register("recordings", "merc_annotation.recordings:RecordingsCorpus")


@merc.hookimpl
def register_commands(register):
    register(
        "release", "merc_annotation.commands:release", help="Make a data set, from recordings to a released folder."
    )
    register("corpus-export", "merc_annotation.commands:export", help="A released set in another project's form.")
    register(
        "agreement",
        "merc_annotation.commands:agreement",
        help="How far raters or teachers agree, in numbers and words.",
    )
    register("sample", "merc_annotation.commands:sample", help="Draw clips of a released set for people to check.")
    register("rationales", "merc_annotation.commands:rationales", help="Measure the rationales of a released set.")
    register("review", "merc_annotation.commands:review", help="Let people check a released set, on a page.")
