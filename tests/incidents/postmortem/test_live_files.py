"""The archive and the PDF of a postmortem, made by a real worker on a real broker."""

import pytest

from evidence.accounts.access import Role
from incidents.models import PostmortemArchive, PostmortemPdf
from incidents.services.postmortems.pdfs import request_pdf, stored_pdf
from tests.factories import make_user
from tests.incidents.postmortem.cases import make_version, sign

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]


def test_pdf_and_archive_are_made_by_the_worker(live_worker):
    version = make_version()
    pdf = request_pdf(actor=make_user(Role.AUDITOR), version_id=version.pk)
    assert stored_pdf(version, None) is None
    live_worker.wait_for(
        lambda: not PostmortemPdf.objects.get(pk=pdf.pk).is_pending, seconds=60
    )
    assert stored_pdf(version, None).startswith(b"%PDF-")
    review = sign(version)
    live_worker.wait_for(
        lambda: PostmortemArchive.objects.filter(review=review).exists(), seconds=60
    )
    live_worker.wait_for(
        lambda: not review.archivings.filter(state="running").exists(), seconds=60
    )
    assert review.archivings.get().state == "done"
