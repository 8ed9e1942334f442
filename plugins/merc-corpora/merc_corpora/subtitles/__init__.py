"""Subtitles and transcripts with times: SRT, WebVTT, ASS, and the tiers of ELAN and Praat."""
