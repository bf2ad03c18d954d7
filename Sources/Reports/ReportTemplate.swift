/// The page of the report, as a Mustache template. Written so that an XML reader accepts it too, but for the scripts.
enum ReportTemplate {
  static let page = """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8"/>
    <meta name="viewport" content="width=device-width, initial-scale=1"/>
    <title>{{title}}</title>
    <style>
    \(style)
    </style>
    {{{script}}}
    </head>
    <body{{#interactive}} class="live"{{/interactive}}>
    <header>
    <h1>{{title}}</h1>
    <p>{{subtitle}}</p>
    <nav>{{#sections}}<a href="#{{id}}">{{title}}</a> {{/sections}}</nav>
    </header>
    <main>
    {{#hasWarnings}}
    <section class="warnings" id="warnings">
    <h2>Warnings</h2>
    <ul>
    {{#warnings}}
    <li><strong>{{stage}}</strong>: {{message}}</li>
    {{/warnings}}
    </ul>
    </section>
    {{/hasWarnings}}
    {{#hasNote}}
    <p class="note">{{note}}</p>
    {{/hasNote}}
    {{#static}}
    <p class="note">Drawn without Plotly, so figures do not zoom: ./bootstrap fetches it, and the next report has it.</p>
    {{/static}}
    {{#sections}}
    <section id="{{id}}">
    <h2>{{title}}</h2>
    <p>{{text}}</p>
    {{#tables}}
    <div class="scroll">
    <table>
    <caption>{{title}}</caption>
    <thead><tr>{{#columns}}<th scope="col"{{#right}} class="right"{{/right}}>{{text}}</th>{{/columns}}</tr></thead>
    <tbody>
    {{#rows}}
    <tr>{{#cells}}<td{{#right}} class="right"{{/right}}>{{text}}</td>{{/cells}}</tr>
    {{/rows}}
    </tbody>
    </table>
    </div>
    {{/tables}}
    <div class="figures">
    {{#figures}}
    <figure{{#wide}} class="wide"{{/wide}}>
    <h3>{{title}}</h3>
    <div class="plot" id="{{id}}">{{{drawing}}}</div>
    <figcaption>{{caption}}</figcaption>
    </figure>
    {{/figures}}
    </div>
    </section>
    {{/sections}}
    <section id="parameters">
    <h2>Parameters</h2>
    <p>What each stage's key was made from, in full.</p>
    {{#stages}}
    <details><summary>{{name}}</summary><pre>{{canonical}}</pre></details>
    {{/stages}}
    </section>
    </main>
    {{#interactive}}
    <script>
    const figures = [
    {{{figures}}}
    ];
    // Each is drawn when it comes near the window: a page of maps then opens at once.
    const draw = figure => Plotly.newPlot(figure.id, figure.data, figure.layout, { responsive: true, displaylogo: false });
    const byElement = new Map(figures.map(figure => [document.getElementById(figure.id), figure]));
    const watcher = new IntersectionObserver((entries, observer) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        observer.unobserve(entry.target);
        draw(byElement.get(entry.target));
      }
    }, { rootMargin: "600px" });
    for (const element of byElement.keys()) watcher.observe(element);
    window.addEventListener("beforeprint", () => {
      for (const [element, figure] of byElement) { if (!element.hasChildNodes()) draw(figure); }
    });
    </script>
    {{/interactive}}
    </body>
    </html>

    """

  private static let style = """
    :root { color-scheme: light; }
    * { box-sizing: border-box; }
    body { margin: 0; background: #fff; color: #1a1a1a; font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
    header, main { max-width: 76rem; margin: 0 auto; padding: 1rem clamp(1rem, 3vw, 2.5rem); }
    header { padding-top: 2rem; border-bottom: 1px solid #d5d5d5; }
    h1 { margin: 0; font-size: 1.9rem; }
    h2 { margin: 2.2rem 0 .3rem; font-size: 1.35rem; }
    h3 { margin: 0 0 .2rem; font-size: 1.02rem; }
    p { margin: .3rem 0 .9rem; max-width: 60rem; }
    header p { color: #444; }
    nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; }
    a { color: #00539c; }
    .warnings { border: 2px solid #b3261e; background: #fff4f2; padding: .2rem 1.2rem .6rem; margin-top: 1.2rem; }
    .warnings h2 { margin-top: .6rem; color: #8c1d18; }
    .note { background: #f3f3f3; padding: .6rem 1rem; }
    .scroll { overflow-x: auto; margin-bottom: 1rem; }
    table { border-collapse: collapse; font-size: .93rem; font-variant-numeric: tabular-nums; }
    caption { text-align: left; font-weight: 600; padding: .3rem 0; }
    th, td { padding: .28rem .8rem; text-align: left; vertical-align: baseline; white-space: nowrap; }
    th { border-bottom: 2px solid #1a1a1a; }
    td { border-bottom: 1px solid #e2e2e2; }
    .right { text-align: right; }
    .figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); gap: 1.6rem; }
    figure { margin: 0; min-width: 0; }
    figure.wide { grid-column: 1 / -1; }
    .plot { width: 100%; }
    .live .plot { min-height: 26rem; }
    .plot svg { width: 100%; height: auto; display: block; }
    figcaption { color: #444; font-size: .92rem; }
    details { margin: .3rem 0; }
    summary { cursor: pointer; }
    pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
    @media print { .scroll { overflow: visible; } figure { break-inside: avoid; } nav { display: none; } }
    """
}
