#!/usr/bin/env python3
"""Prints how hard the pages for newcomers and the messages are to read: school grades, by textstat.

    pip install textstat==0.7.13 && docs/reading_grade.py

The Coleman-Liau index and the automated readability index count letters, words and sentences; they need no dictionary.
Commands, code, tables and headings are left out.
"""

import re
from pathlib import Path

import textstat

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "docs/first-hour.md", "docs/gymnasium.md", "docs/review.md", "docs/hooks.md", "docs/recovery.md"]


def read_sentences(page):
    """The sentences of a Markdown page; what is between backticks counts as one short word."""
    text = re.sub(r"```.*?```|<!--.*?-->", "", page.read_text(), flags=re.DOTALL)
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("|", "#", "!", "- ")))
    text = re.sub(r"`[^`]*`", "it", text)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


def read_messages():
    """Every message and hint, each a sentence."""
    lines = (ROOT / "tests" / "pins" / "messages.txt").read_text().splitlines()
    plain = (re.sub(r"`[^`]*`|\{[^}]*\}", "it", line) for line in lines)
    return ". ".join(line for line in plain if len(line.split()) > 3)


def main():
    texts = {page: read_sentences(ROOT / page) for page in PAGES}
    texts["messages and hints"] = read_messages()
    print(f"{'':<24}{'Coleman-Liau':>14}{'automated':>11}")
    for name, text in texts.items():
        grades = textstat.coleman_liau_index(text), textstat.automated_readability_index(text)
        print(f"{name:<24}{grades[0]:>14.1f}{grades[1]:>11.1f}")


if __name__ == "__main__":
    main()
