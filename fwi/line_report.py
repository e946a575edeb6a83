"""The page of one inverted line: section, interval, verdict, and how its records were read.

It is one HTML file that needs no network, no script and no other file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fwi.lines import LineVerdict
from fwi.pages import Figure, data_uri, template
from fwi.provenance import versions
from fwi.trust.verdict import meaning


@dataclass(frozen=True)
class LinePage:
    """What the page of a line says."""

    name: str
    """Name of the section."""
    facts: Mapping[str, str]
    """What its head says, by title: records, network, section, and so on."""
    changes: Sequence[str]
    """What was done to the records, a sentence each."""
    warnings: Sequence[str]
    """What the network was not trained for, a sentence each."""
    verdict: LineVerdict | None
    """The verdict on the line; None where it was not checked."""
    figures: Mapping[str, bytes]
    """PNG images by caption."""

    def html(self) -> str:
        """Render the page."""
        images = [Figure(data_uri(image), caption) for caption, image in self.figures.items()]
        trust = self.verdict.worst.trust if self.verdict else None
        return template("line.html.j2").render(
            name=self.name,
            facts=self.facts,
            changes=self.changes,
            warnings=self.warnings,
            figures=images,
            verdict=self.verdict,
            stretches=self.verdict.summary() if self.verdict else [],
            meaning=meaning(trust) if trust else "",
            versions=", ".join(f"{name} {version}" for name, version in versions().items()),
        )
