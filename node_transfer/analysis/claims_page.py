"""The claims as a page of Markdown, and the two sentences that sum them up."""

import math

from node_transfer.analysis import claim_words as words
from node_transfer.analysis import paper, protocol, provenance
from node_transfer.analysis.claim_words import (
    FAILS,
    HOLDS,
    NOT_BY_THE_BLOCK,
    OPEN,
)
from node_transfer.analysis.claims import Evidence, Judged
from node_transfer.analysis.inference import (
    EQUIVALENT,
    HIGHER,
    LOWER,
    MIN_SEEDS,
    UNTOLD,
)
from node_transfer.analysis.lineup import MODELS
from node_transfer.analysis.runs import Sweep

# "Cannot be told" is said of the question, since two models that "cannot be told apart"
# would sound like equal ones.
ACCURACY_SAID = {
    EQUIVALENT: "the test accuracy of {left} is equivalent to that of {right}",
    HIGHER: "the test accuracy of {left} is higher than that of {right}",
    LOWER: "the test accuracy of {left} is lower than that of {right}",
    UNTOLD: "whether {left} is more or less accurate than {right} cannot be told",
}
LEVEL = "to the baseline's level of validation accuracy"
EPOCHS_SAID = {
    EQUIVALENT: f"{{left}} takes as many epochs as {{right}} {LEVEL}",
    HIGHER: f"{{left}} takes more epochs than {{right}} {LEVEL}",
    LOWER: f"{{left}} takes fewer epochs than {{right}} {LEVEL}",
    UNTOLD: f"whether {{left}} takes fewer epochs than {{right}} {LEVEL} cannot be told",
}


def sentences(evidence: Evidence, judged: list[Judged]) -> tuple[str, str]:
    """Returns what the declared comparisons say, and how the claims came out."""
    return _first(evidence), _second(judged)


def _first(evidence: Evidence) -> str:
    if evidence.short is None:
        return "The declared comparisons are of short runs, over seeds, and not of these."
    made = protocol.primaries(evidence.short)
    said = []
    for primary in protocol.PRIMARIES:
        result, _ = made[primary.name]
        if len(result.seeds) < MIN_SEEDS:
            continue
        left, right = MODELS[primary.left].label, MODELS[primary.right].label
        if primary.compare is protocol.test_accuracy:
            sentence = ACCURACY_SAID[result.outcome]
            numbers = words.points(result)
            if not result.mcnemar:
                numbers += f", {words.SEEDS_ALONE}"
        else:
            sentence = EPOCHS_SAID[result.outcome]
            finite = math.isfinite(result.comparison.mean)
            numbers = words.difference(result, 1, 1) if finite else "by counting seeds"
        sentence = sentence.format(left=left, right=right)
        said.append(f"{sentence} ({primary.name}: {numbers})")
    waiting = len(protocol.PRIMARIES) - len(said)
    if not said:
        return (
            "None of the declared comparisons has its three seeds yet, so nothing is "
            "concluded."
        )
    rest = f"; {waiting} of {len(protocol.PRIMARIES)} wait for runs" if waiting else ""
    text = "; ".join(said)
    if protocol.seen_before(evidence.short):
        return (
            "A first look, at runs that were seen before the rules were fixed: "
            f"{text}{rest}."
        )
    return f"{text[0].upper()}{text[1:]}{rest}."


def _second(judged: list[Judged]) -> str:
    counts = {}
    for one in judged:
        kind, _, reading = one.outcome.partition(" (")
        mixed = kind.startswith("mixed")
        said = f"{one.claim.number}{f' {reading[:-1]}' if reading and not mixed else ''}"
        counts.setdefault("mixed" if mixed else kind, []).append(said)
    order = {  # of one, of several
        HOLDS: ("holds", "hold"),
        f"{HOLDS}, in part": ("holds in part", "hold in part"),
        NOT_BY_THE_BLOCK: ("holds {}", "hold {}"),
        f"{NOT_BY_THE_BLOCK}, in part": ("holds in part {}", "hold in part {}"),
        "mixed": ("is mixed", "are mixed"),
        FAILS: ("fails", "fail"),
        f"{FAILS}, in part": ("fails in part", "fail in part"),
        UNTOLD: ("cannot be told yet", "cannot be told yet"),
    }
    only = "as tested but not against the control"
    found = [
        f"{len(counts[kind])} {phrases[len(counts[kind]) > 1].format(only)} "
        f"({', '.join(counts[kind])})"
        for kind, phrases in order.items()
        if kind in counts
    ]
    return (
        "By all comparisons, most of which are secondary and not adjusted for their "
        f"number, of the paper's {len(judged)} claims {', '.join(found)}."
    )


def markdown(
    evidence: Evidence, judged: list[Judged], protocol_page: str = "docs/protocol.md"
) -> str:
    """Returns the page `docs/claims.md`.

    Args:
        evidence: What the claims were judged by.
        judged: The claims.
        protocol_page: The protocol, named or linked, in Markdown.
    """
    first, second = sentences(evidence, judged)
    lines = [
        "# The paper, claim by claim",
        "",
        "Made by `node-transfer claims` from run directories and the records of "
        "`benchmarks/`, by the rules of",
        f"{protocol_page} as of commit {protocol.COMMIT}, {age_of_rules(evidence)}; "
        "what was changed since",
        "is at that page's end. *Cold*: the model with the block starts from the "
        "backbone's first weights; *warm*: from the",
        "trained baseline. P1 to P4 were declared beforehand; every other comparison is "
        "secondary.",
        "",
        *(line for sentence in of_the_runs(evidence) for line in (sentence, "")),
        first,
        "",
        second,
        "",
        "| # | claim | outcome |",
        "| --- | --- | --- |",
        *(f"| {j.claim.number} | {j.claim.title} | {j.outcome} |" for j in judged),
        "",
    ]
    for one in judged:
        lines += _section(one)
    lines += ["## Where the paper contradicts itself", ""]
    lines += [f"* {text}" for text in paper.CONTRADICTIONS]
    return "\n".join(lines) + "\n"


def age_of_rules(evidence: Evidence) -> str:
    """Says whether the rules are older than the runs."""
    if any(map(protocol.seen_before, evidence.sweeps)):
        return "which is younger than runs that it is applied to here"
    return "which is older than the runs that it judges"


def of_the_runs(evidence: Evidence) -> list[str]:
    """What to know of the runs before their comparisons are read."""
    several = len(evidence.sweeps) > 1
    return [
        f"*{sweep.folder.name}.* {sentence}" if several else sentence
        for sweep in evidence.sweeps
        for of_runs in (
            provenance.processors,
            provenance.commits,
            provenance.other_starts,
            _diverged,
        )
        for sentence in of_runs(sweep)
    ]


def _diverged(sweep: Sweep) -> list[str]:
    """Returns a sentence where runs diverged."""
    said = [f"{path} ({what})" for path, what in sweep.diverged_paths.items()]
    return said and [f"Diverged, so that nothing is judged by it: {', '.join(said)}."]


def _section(one: Judged) -> list[str]:
    claim = one.claim
    lines = [
        f"## {claim.number}. {claim.title}: {one.outcome}",
        "",
        f"> {claim.quotation}",
        "",
    ]
    if one.parts:
        lines += [
            "| models | reading | measure | as the paper tests it | against the control "
            "| outcome | runs |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for part in one.parts:
            cells = (
                part.models, part.reading, part.quantity, part.as_tested,
                part.against_control, part.outcome, part.runs,
            )  # fmt: skip
            lines.append(
                f"| {' | '.join(c.replace('|', chr(92) + '|') for c in cells)} |"
            )
        lines.append("")
    if claim.takes and (not one.parts or any(p.outcome in OPEN for p in one.parts)):
        lines += [f"What it would take: {claim.takes}.", ""]
    return lines
