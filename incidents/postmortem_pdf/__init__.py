"""A postmortem's document as PDF, by reportlab: no browser and no system library.

The same document gives the same bytes on every machine: the fonts are in the project
(DejaVu, incidents/fonts). A character that they cannot write, or that would need a
direction or joining that reportlab does not know, stands as its name: nothing is lost
without a word. Whatever the document holds is laid out, in time that grows with its
length: what reportlab cannot break over pages reaches it in pieces that fit one.
"""

from incidents.postmortem_pdf.document import write_pdf
from incidents.postmortem_pdf.fonts import PLAIN, writable

__all__ = ["PLAIN", "writable", "write_pdf"]
