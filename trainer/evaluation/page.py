"""One page of HTML about a run: all in one file, nothing fetched, no scripts, light or dark as the reader has it."""

from pathlib import Path

from trainer.evaluation import sections
from trainer.evaluation.markup import escaped
from trainer.evaluation.report_data import ReportData

STYLE = Path(__file__).with_name("page.css")


def page_of(data: ReportData) -> str:
    """
    Return the page.

    Parameters
    ----------
    data : what it says

    Raises
    ------
    InputError
        a picture would be too large.
    """
    found = {
        "forecasts": ("Forecasts", sections.forecasts(data)),
        "experts": ("Experts and gates", sections.experts(data)),
        "errors": ("Errors", sections.errors(data)),
        "rain": ("Rain by threshold", sections.rain(data)),
        "attribution": ("Gate attribution", sections.attribution(data)),
        "motion": ("Motion", sections.motion(data)),
        "training": ("Training", sections.training(data)),
        "run": ("The run", sections.run(data)),
    }
    shown = {name: section for name, section in found.items() if section[1]}
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, (title, _) in shown.items())
    bodies = "\n".join(_section(name, title, body) for name, (title, body) in shown.items())
    title = escaped(data.title)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<header>
<h1>{title}</h1>
{sections.summary(data)}
<nav aria-label="Sections"><ul>{links}</ul></nav>
</header>
<main>
{bodies}
</main>
<footer>Written by <code>trainer report</code>, {escaped(data.created)}.</footer>
</body>
</html>
"""


def _section(name: str, title: str, body: str) -> str:
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">\n'
        f'<h2 id="{name}-title">{escaped(title)}</h2>\n{body}\n</section>'
    )
