"""The pages on what YAML files may hold: the fields of a spec and of a training run."""

from docs.generators.fields import model_sections
from docs.generators.markdown import page
from schemas.render import RenderSpec
from schemas.run import RunConfig

SPEC_LEAD = """What `datagen render --spec FILE` reads, `datagen schema` prints as JSON Schema, and the service takes
as JSON. With the same spec everyone holds the same sequences; the SHA-256 of its canonical JSON names them. Unknown
fields are errors. Where a range has two numbers, [low, high], a value between them is drawn."""

RUN_LEAD = """What `trainer fit --config FILE` reads. Options of the command override its fields. Unknown fields are
errors. The defaults are those of `scale: small`; `scale: paper` puts larger sizes and budgets in place of what the
file leaves out."""


def spec_page() -> str:
    """Return the page on the fields of a spec."""
    return page("Fields of a spec", SPEC_LEAD, model_sections(RenderSpec.model_json_schema()))


def run_page() -> str:
    """Return the page on the fields of a run."""
    return page("Fields of a training run", RUN_LEAD, model_sections(RunConfig.model_json_schema()))
