"""What this plugin registers; nothing heavy is imported here."""

from __future__ import annotations

import merc

MERC_PLUGIN_API = 2


@merc.hookimpl
def register_encoders(register):
    register("measured-audio", "merc_corpora.table.measured:MeasuredAudio")
    register("measured-video", "merc_corpora.table.measured:MeasuredVideo")
    register("measured-text", "merc_corpora.table.measured:MeasuredText")


@merc.hookimpl
def register_corpora(register):
    register("meld", "merc_corpora.meld:MeldCorpus")
    register("iemocap", "merc_corpora.iemocap:IemocapCorpus")
    register("table", "merc_corpora.table.corpus:TableCorpus")
    register("subtitles", "merc_corpora.subtitles.corpus:SubtitlesCorpus")
    register("iemocap-table", "merc_corpora.texts.iemocap_table:IemocapTableCorpus")
    register("emorynlp", "merc_corpora.texts.emorynlp:EmoryNlpCorpus")
    register("dailydialog", "merc_corpora.texts.dailydialog:DailyDialogCorpus")
    register("cped", "merc_corpora.texts.cped:CpedCorpus")
    register("sharegpt", "merc_corpora.texts.sharegpt:ShareGptCorpus")
    register("clip-list", "merc_corpora.texts.clip_list:ClipListCorpus")
    register("mer2023", "merc_corpora.importers.mer:Mer2023Corpus")
    register("mer2024", "merc_corpora.importers.mer:Mer2024Corpus")
    register("emer", "merc_corpora.importers.emer:EmerCorpus")
    register("merr", "merc_corpora.importers.described:MerrCorpus")
    register("mer-caption-plus", "merc_corpora.importers.described:MerCaptionPlusCorpus")
    register("ov-merd-plus", "merc_corpora.importers.mer:OvMerdPlusCorpus")
    register("cmu-mosi", "merc_corpora.importers.sentiment:CmuMosiCorpus")
    register("cmu-mosei", "merc_corpora.importers.sentiment:CmuMoseiCorpus")
    register("ch-sims", "merc_corpora.importers.sentiment:ChSimsCorpus")
    register("ch-sims-v2", "merc_corpora.importers.sentiment:ChSimsV2Corpus")
    register("caer", "merc_corpora.importers.films:CaerCorpus")
    register("dfew", "merc_corpora.importers.films:DfewCorpus")
    register("mafw", "merc_corpora.importers.mafw:MafwCorpus")
    register("bold", "merc_corpora.importers.bold:BoldCorpus")
    register("e3", "merc_corpora.importers.release:E3Corpus")
    register("mc-eiu", "merc_corpora.importers.release:McEiuCorpus")
    register("mer-factory", "merc_corpora.texts.mer_factory:MerFactoryCorpus")
    register("mmeverse", "merc_corpora.importers.release:MmeverseCorpus")
    register("emobench-m", "merc_corpora.importers.emobench_m:EmoBenchMCorpus")
    register("mme-emotion", "merc_corpora.importers.mme_emotion:MmeEmotionCorpus")
    register("mosabench", "merc_corpora.importers.mosabench:MosaBenchCorpus")
    register("emobench", "merc_corpora.importers.emobench:EmoBenchCorpus")
