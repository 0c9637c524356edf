"""What the buttons of an incident page do, by subject.

Each reads a form and calls one service.
"""

from incidents.admin.case_actions import checklist, details, ending, kills, phases

ACTIONS = {
    **phases.ACTIONS,
    **checklist.ACTIONS,
    **details.ACTIONS,
    **kills.ACTIONS,
    **ending.ACTIONS,
}
