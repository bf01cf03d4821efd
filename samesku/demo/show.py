"""How the demo speaks: coloured on a terminal, plain lines elsewhere (a CI log), the same words in both."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from samesku.demo.script import Act
from samesku.demo.tally import Quality, Tally
from schemas.answer import Answer
from schemas.deadletter import DeadLetter
from schemas.decision import MatchDecision
from schemas.rationale import ATTRIBUTES

_SIGN = {"same": "=", "different": "≠", "unknown": "?"}
_VERDICT = {
    "match": ("✔ match    ", "bold green"),
    "review": ("? review   ", "bold yellow"),
    "no_match": ("✘ no match ", "dim"),
    "retracted": ("↩ retracted", "bold magenta"),
}
_INDENT = " " * 19
TITLE_CHARS = 90
SAMPLES = 3


class Voice:
    """Writes what happens to a console. `titles` are the listings' by offer key."""

    def __init__(self, console: Console, titles: Mapping[str, str]) -> None:
        self._console = console
        self._titles = dict(titles)
        self._hidden = 0

    def say(self, text: str, style: str = "") -> None:
        """One line."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def act(self, act: Act) -> None:
        """The heading of an act."""
        self._console.print()
        self.say(f"▶ {act.title}", "bold cyan")
        if act.expect:
            self.say(f"  expected: {act.expect}", "dim")

    def decision(self, decision: MatchDecision, detailed: bool) -> None:
        """A decision with its rationale. Of non-matches only the best candidate's is shown, unless detailed."""
        changed = decision.previous_verdict not in (None, decision.verdict)
        if decision.verdict == "no_match" and not detailed and not changed and decision.candidate_rank != 0:
            self._hidden += 1
            return
        label, style = _VERDICT[decision.verdict]
        probability = "    " if decision.probability is None else f"{decision.probability:.2f}"
        line = Text(f"{label} {probability}  ", style=style)
        line.append(self._listing(decision.query_key), style="" if decision.verdict != "no_match" else "dim")
        self._console.print(line, soft_wrap=True)
        self.say(f"{_INDENT}{self._listing(decision.candidate_key)}", "" if decision.verdict != "no_match" else "dim")
        self._why(decision)
        if decision.previous_verdict is not None:
            self.say(f"{_INDENT}before: {decision.previous_verdict}", "cyan")

    def answer(self, answer: Answer) -> None:
        """The one answer to a change."""
        parts = [f"answer: {answer.outcome}"]
        if answer.reason:
            parts.append(f"{answer.reason}: {answer.detail or ''}".rstrip(": "))
        if answer.decision_ids:
            parts.append(f"{len(answer.decision_ids)} new decisions")
        if answer.standing_ids:
            parts.append(f"{len(answer.standing_ids)} stand as they were")
        self.say("  " + ", ".join(parts), "cyan")

    def dead_letter(self, letter: DeadLetter) -> None:
        """Where a change that cannot be used went."""
        source = letter.source
        self.say(
            f"  dead letter: {letter.reason} ({letter.detail}), "
            f"from {source.topic}[{source.partition}]@{source.offset}",
            "red",
        )

    def end_of_act(self, act: Act, answers: int, seconds: float, judged: int) -> None:
        """How fast it went; single events are too short to say."""
        if self._hidden:
            self.say(f"({self._hidden} more pairs that do not match are not shown)", "dim")
            self._hidden = 0
        if act.detailed or seconds <= 0:
            return
        rates = f"{answers} changes in {seconds:.1f} s: {answers / seconds:.1f} changes/s"
        self.say(rates + (f", {judged / seconds:.1f} pairs/s judged" if judged else ""), "dim")

    def _why(self, decision: MatchDecision) -> None:
        rationale = decision.rationale
        if rationale is None:
            return
        seen = rationale.attributes
        verdicts = (f"{name} {_SIGN[seen[name].verdict]}" for name in ATTRIBUTES if name in seen)
        doubts = [reason for reason in decision.reasons if decision.verdict == "review"]
        self.say(f"{_INDENT}{'  '.join(verdicts)}{'   (' + ', '.join(doubts) + ')' if doubts else ''}", "dim")
        if rationale.sentence:
            self.say(f"{_INDENT}“{rationale.sentence}”", "italic")

    def _listing(self, key: str) -> str:
        title = self._titles.get(key, "")
        short = title if len(title) <= TITLE_CHARS else title[: TITLE_CHARS - 1] + "…"
        return f"{key}  {short}".rstrip()

    def retitle(self, key: str, title: str) -> None:
        """A listing has another title from now on."""
        self._titles[key] = title

    def summary(self, tally: Tally, right: Quality | None, judged_s: float, judged_changes: int, pairs: int) -> None:
        """What came of it all, for somebody who sees it for the first time."""
        stands = tally.standing()
        self._console.print()
        self.say("━━ summary " + "━" * 60, "bold")
        self.say(f"{tally.answers} changes went in, and each has exactly one answer: {_counts(tally.outcomes)}.")
        self.say(f"{sum(tally.decisions.values())} decisions came out, about {len(tally.stands)} pairs. Now stand:")
        for verdict, meaning in (
            ("match", "the same product"),
            ("no_match", "different products"),
            ("review", "doubtful: a person is asked, in match.review"),
            ("retracted", "gone with a deleted listing"),
        ):
            self.say(f"  {_VERDICT[verdict][0]} {stands[verdict]:4d}   {meaning}", _VERDICT[verdict][1])
        self.say(
            f"{sum(tally.dead.values())} changes could not be used and are in catalog.changes.dlq, byte for byte: "
            f"{_counts(tally.dead) or 'none'}."
        )
        if judged_s > 0:
            self.say(
                f"Speed while judging: {judged_changes / judged_s:.1f} changes/s, {pairs / judged_s:.1f} pairs/s "
                f"(with sentences, on this machine's {_cores()} cores)."
            )
        if right is not None:
            self.say(_how_right(right))
        self._samples(list(tally.stands.values()))

    def _samples(self, decisions: Sequence[MatchDecision]) -> None:
        """The surest decisions of each kind that have a sentence."""
        for verdict in ("match", "review", "no_match"):
            told = [each for each in decisions if each.verdict == verdict and each.rationale is not None]
            told.sort(key=lambda each: (not (each.rationale and each.rationale.sentence), -(each.probability or 0)))
            if told:
                self._console.print()
                self.say(f"For example, {verdict.replace('_', ' ')}:", "bold")
            for each in told[: SAMPLES if verdict == "match" else 1]:
                self.decision(each, detailed=True)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _how_right(right: Quality) -> str:
    precision = "-" if right.precision is None else f"{right.precision:.0%}"
    recall = "-" if right.recall is None else f"{right.recall:.0%}"
    return (
        f"Against the catalogue's ground truth: {right.found} of {right.found + right.wrong} matches are right "
        f"(precision {precision}), {right.found} of {right.known} true pairs were matched (recall {recall}); "
        f"{right.in_review} more wait for a person, {right.known - right.judged} were never compared."
    )
