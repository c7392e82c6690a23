"""Corpora with a name: the embedded starter and known data sets, written as files like a user's own."""

import json
import logging
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
