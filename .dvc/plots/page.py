"""Print page.html with Vega inside, for `dvc plots --html-template`: DVC's own page takes Vega from the internet.

A second or two, 0.9 MB.
"""

from pathlib import Path

from vl_convert import javascript_bundle

# No version of Vega-Lite is named: only the newest belongs to the Vega that comes with it.
javascript = javascript_bundle("window.vegaEmbed = vegaEmbed")
print(Path(__file__).with_name("page.html").read_text(encoding="utf-8").replace("{javascript}", javascript))
