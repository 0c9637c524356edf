"""What findings are of and about, in the words of people."""

from __future__ import annotations

import datetime as dt

from evidence.accounts.access import name_of
from incidents.findings import CODES, QUESTIONS, Answer, Pointer, Question, Verdict
from incidents.models import Finding, FindingReview, Incident

CODE_OF_CATEGORY = dict(
    zip(
        (
            "policy_violation",
            "secret_exposure",
            "ledger_integrity",
            "scanner_bypass",
            "quarantine_escape",
            "quota_breach",
        ),
        CODES,
        strict=True,
    )
)


def code_of(incident: Incident) -> str:
    """Return the class whose questions the case's playbook asks; empty for no class.

    A playbook of a team's own asks them by its alert category.
    """
    document = incident.playbook_version.document
    return CODE_OF_CATEGORY.get(str(document.get("alert_category", "")), "")


def question_of(finding: Finding) -> Question | None:
    """Return the question a stored answer is to; None where it is asked no longer."""
    return QUESTIONS.get((finding.code, finding.key))


def title_of(finding: Finding) -> str:
    """Return the question, for people."""
    question = question_of(finding)
    return question.title if question else finding.key.replace("-", " ").capitalize()


def shows_incident(finding: Finding) -> bool:
    """Return whether an answer shows an incident of its class by itself."""
    question = question_of(finding)
    return (
        finding.verdict == Verdict.FOUND
        and question is not None
        and question.is_incident
    )


def answer_of(finding: Finding) -> Answer | None:
    """Return a stored answer as it was given; None where it is asked no longer."""
    question = question_of(finding)
    if question is None:
        return None
    names = ("item", "section", "index", "sequence", "call_id")
    return Answer(
        question,
        Verdict(finding.verdict),
        finding.sentence,
        tuple(
            Pointer(**{name: pointer.get(name) for name in names})
            for pointer in finding.pointers
        ),
        finding.inputs,
    )


def newest_review(
    finding: Finding, *, until: dt.datetime | None = None
) -> FindingReview | None:
    """Return what was said of an answer last; the rows are fetched with it."""
    reviews = [
        review
        for review in finding.reviews.all()
        if until is None or review.reviewed_at <= until
    ]
    return reviews[-1] if reviews else None


def review_text(finding: Finding, *, until: dt.datetime | None = None) -> str:
    """Return who confirmed or overruled an answer, and why; empty where nobody did."""
    review = newest_review(finding, until=until)
    if review is None:
        return ""
    why = f": {review.reason}" if review.reason else ""
    return f"{review.get_choice_display()} by {name_of(review.reviewed_by)}{why}"
