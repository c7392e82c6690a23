"""Corpora with a name: the embedded starter and known data sets, written as files like a user's own."""

from dataclasses import dataclass

from controller.corpus import Corpus


@dataclass
class StarterCorpus(Corpus):
    """x"""


@dataclass
class ScanJumpCorpus(Corpus):
    """x"""
