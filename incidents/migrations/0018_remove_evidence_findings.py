from django.db import migrations


class Migration(migrations.Migration):
    """Drop the findings by report: what they held is answered again from the evidence,
    and every version of a postmortem has its own copy of those it cites."""

    dependencies = [("incidents", "0017_findings")]

    operations = [migrations.DeleteModel(name="EvidenceFindings")]
