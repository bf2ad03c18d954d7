/// The page of the report, as a Mustache template. Written so that an XML reader accepts it too, but for the scripts.
enum ReportTemplate {
  /// What every page begins with, up to the end of its style; `further` is style of its own.
  static func head(_ further: String = "") -> String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8"/>
    <meta name="viewport" content="width=device-width, initial-scale=1"/>
    <meta name="color-scheme" content="light dark"/>
    <link rel="icon" href="data:,"/>
    <title>{{title}}</title>
    <style>
    \(style)
    \(further)
    </style>
    """
  }

  static let page = """
    \(head())
    {{{script}}}
    </head>
    <body class="{{#interactive}}live{{/interactive}}{{#static}}still{{/static}}">
    <a class="skip" href="#main">Skip to the content</a>
    <header>
    <h1>{{title}}</h1>
    <p>{{subtitle}}</p>
    <nav aria-label="Sections">{{#hasVerdict}}<a href="#verdict">Verdict</a> {{/hasVerdict}}{{#hasWarnings}}<a href="#warnings">Warnings</a> {{/hasWarnings}}{{#sections}}<a href="#{{id}}">{{title}}</a> {{/sections}}<a href="#parameters">Parameters</a> <a href="#words">Words</a></nav>
    </header>
    <main id="main" tabindex="-1">
    {{#verdict}}
    <section class="verdict" id="verdict">
    <h2>Verdict</h2>
    {{#answers}}
    <p class="answer">{{.}}</p>
    {{/answers}}
    {{#hasGrave}}
    <div class="grave">
    <h3>What must not be believed</h3>
    <ul>
    {{#grave}}
    <li>{{text}} <span class="cure"><strong>What helps:</strong> {{{cure}}}.</span></li>
    {{/grave}}
    </ul>
    </div>
    {{/hasGrave}}
    <p class="next"><strong>Next step:</strong> {{{next}}}.</p>
    {{#hasDoubts}}
    <h3>What is doubtful</h3>
    <ul>
    {{#doubts}}
    <li>{{text}} <span class="cure"><strong>What helps:</strong> {{{cure}}}.</span></li>
    {{/doubts}}
    </ul>
    {{/hasDoubts}}
    {{#hasAgreement}}
    <h3>What agrees with what</h3>
    <ul>
    {{#agreement}}
    <li>{{.}}</li>
    {{/agreement}}
    </ul>
    {{/hasAgreement}}
    {{#hasSupport}}
    <h3>What it rests on</h3>
    <ul>
    {{#support}}
    <li>{{.}}</li>
    {{/support}}
    </ul>
    {{/hasSupport}}
    </section>
    {{/verdict}}
    {{#hasWarnings}}
    <section class="warnings" id="warnings">
    <h2>Warnings</h2>
    <p>What the stages said of themselves, the gravest first.</p>
    <ul>
    {{#warnings}}
    <li class="{{kind}}"><span class="kind">{{word}}</span> <strong>{{stage}}</strong>: {{message}}{{#hasCure}} <span class="cure"><strong>What helps:</strong> {{cure}}.</span>{{/hasCure}}</li>
    {{/warnings}}
    </ul>
    </section>
    {{/hasWarnings}}
    {{#hasNote}}
    <p class="remark">{{note}}</p>
    {{/hasNote}}
    {{#static}}
    <p class="remark">Drawn without Plotly, so figures do not zoom: ./bootstrap fetches it, and the next report has it.</p>
    {{/static}}
    {{#sections}}
    <section id="{{id}}">
    <h2>{{title}}</h2>
    <p>{{text}}</p>
    {{#tables}}
    <div class="scroll" tabindex="0" role="region" aria-label="{{title}}">
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
    {{#hasMolecules}}
    <div class="molecules">
    {{#molecules}}
    <figure class="molecule" id="{{id}}">
    <h3>{{title}}</h3>
    {{{svg}}}
    <figcaption>{{caption}}</figcaption>
    </figure>
    {{/molecules}}
    </div>
    {{/hasMolecules}}
    {{#hasFigures}}
    <div class="figures">
    {{#figures}}
    <figure{{#wide}} class="wide"{{/wide}}>
    <h3>{{title}}</h3>
    <div class="plot" id="{{id}}" role="group" aria-label="{{title}}. {{caption}}">{{{drawing}}}</div>
    <figcaption>{{caption}}</figcaption>
    </figure>
    {{/figures}}
    </div>
    {{/hasFigures}}
    </section>
    {{/sections}}
    <section id="parameters">
    <h2>Parameters</h2>
    <p>What each stage's key was made from, in full.</p>
    {{#stages}}
    <details><summary>{{name}}</summary><pre>{{canonical}}</pre></details>
    {{/stages}}
    </section>
    <section id="words">
    <h2>Words</h2>
    <p>What words of this page mean; docs/glossary.md has more.</p>
    <details><summary>{{wordCount}} words</summary>
    <dl>
    {{#words}}
    <dt>{{word}}</dt><dd>{{meaning}}</dd>
    {{/words}}
    </dl>
    </details>
    </section>
    </main>
    {{#interactive}}
    <script>
    const figures = [
    {{{figures}}}
    ];
    \(script)
    </script>
    {{/interactive}}
    </body>
    </html>

    """

  /// Draws each figure when it comes near the window, so that a page of maps opens at once, and in the page's own colours and size.
  private static let script = """
    const darkness = matchMedia("(prefers-color-scheme: dark)"), paper = matchMedia("print");
    let printing = paper.matches;
    const isDark = () => darkness.matches && !printing;
    const ink = "\(Palette.reference)", light = "#ececec";
    function looks() {
      const dark = isDark(), text = dark ? light : ink, grid = dark ? "#3d4043" : "#e6e6e6", line = dark ? "#9aa0a6" : "#444";
      const size = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
      const both = { gridcolor: grid, linecolor: line, tickcolor: line };
      return { both, common: {
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: "system-ui, 'DejaVu Sans', sans-serif", size: 13 * size, color: text },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: line, activecolor: text },
        hoverlabel: { bgcolor: dark ? "#2a2d30" : "#fff", font: { color: text } } } };
    }
    // what is drawn in the ink of a light page is drawn in that of a dark one
    function traces(figure) {
      if (!isDark()) return figure.data;
      return JSON.parse(JSON.stringify(figure.data), (key, value) => value === ink ? light : value);
    }
    const plots = new Map(figures.map(figure => [document.getElementById(figure.id), figure]));
    function draw(element) {
      const figure = plots.get(element), { both, common } = looks(), size = common.font.size / 13;
      const margin = Object.fromEntries(Object.entries(figure.layout.margin).map(([side, width]) => [side, width * size]));
      const layout = { ...figure.layout, ...common, margin, xaxis: { ...figure.layout.xaxis, ...both }, yaxis: { ...figure.layout.yaxis, ...both } };
      return Plotly.react(element, traces(figure), layout, { responsive: true, displaylogo: false });
    }
    const drawn = new Set();
    function show(element) { drawn.add(element); return draw(element); }
    const watcher = new IntersectionObserver((entries, observer) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        observer.unobserve(entry.target);
        show(entry.target);
      }
    }, { rootMargin: "600px" });
    for (const element of plots.keys()) watcher.observe(element);
    darkness.addEventListener("change", () => drawn.forEach(draw));
    function onPaper(state) {
      if (printing === state) return;
      printing = state;
      for (const element of plots.keys()) if (state || drawn.has(element)) { show(element); Plotly.Plots.resize(element); }
    }
    window.addEventListener("beforeprint", () => onPaper(true));
    window.addEventListener("afterprint", () => onPaper(false));
    paper.addEventListener("change", event => onPaper(event.matches));
    if (printing) plots.forEach((figure, element) => show(element));
    """

  private static let style = """
    :root {
      color-scheme: light;
      --paper: #fff; --text: #1a1a1a; --soft: #4a4a4a; --line: #d5d5d5; --rule: #1a1a1a; --link: #00539c; --panel: #f3f3f3;
      --grave: #b3261e; --grave-text: #8c1d18; --grave-panel: #fff4f2; --warn: #8a5a00; --warn-panel: #fff8e8; --good: #1d6b34;
      --shade: rgba(0, 0, 0, .22);
      font-size: clamp(16px, .5vw + 7px, 24px);
    }
    @media screen and (prefers-color-scheme: dark) {
      :root {
        color-scheme: dark;
        --paper: #16181a; --text: #ececec; --soft: #b9bcc0; --line: #3d4043; --rule: #b9bcc0; --link: #8ab4f8; --panel: #222528;
        --grave: #f2766b; --grave-text: #ff9d94; --grave-panel: #2e1a19; --warn: #f0c268; --warn-panel: #2b2414; --good: #86d39b;
        --shade: rgba(255, 255, 255, .25);
      }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--paper); color: var(--text); font: 1rem/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
    header, main { max-width: 116rem; margin: 0 auto; padding: 1rem clamp(1rem, 3vw, 2.5rem); }
    header { padding-top: 2rem; border-bottom: 1px solid var(--line); }
    main:focus { outline: none; }
    h1 { margin: 0; font-size: 1.9rem; overflow-wrap: anywhere; }
    h2 { margin: 2.2rem 0 .3rem; font-size: 1.35rem; }
    h3 { margin: 0 0 .2rem; font-size: 1.02rem; overflow-wrap: anywhere; }
    p { margin: .3rem 0 .9rem; max-width: 60rem; }
    li { max-width: 60rem; margin: .25rem 0; overflow-wrap: anywhere; }
    header p { color: var(--soft); }
    nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; }
    a { color: var(--link); }
    :focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
    .skip { position: absolute; left: -100rem; top: 0; padding: .5rem 1rem; background: var(--paper); z-index: 1; }
    .skip:focus { left: .5rem; }
    code { background: var(--panel); padding: .1rem .3rem; border-radius: 3px; font-size: .9em; overflow-wrap: anywhere; }
    dt { font-weight: 600; margin-top: .5rem; } dd { margin: 0 0 0 1.3rem; }
    .verdict h3 { margin-top: 1rem; }
    .verdict ul, .warnings ul { margin: .2rem 0; padding-left: 1.3rem; }
    .answer { font-size: 1.25rem; line-height: 1.4; }
    .next { border-left: 5px solid var(--link); background: var(--panel); padding: .6rem 1rem; }
    .grave { border: 2px solid var(--grave); background: var(--grave-panel); padding: .2rem 1.2rem .6rem; margin: .8rem 0; max-width: 64rem; }
    .grave h3 { color: var(--grave-text); margin-top: .6rem; }
    .cure { display: block; color: var(--soft); }
    .warnings ul { list-style: none; padding: 0; }
    .warnings li { border-left: 5px solid var(--line); padding: .2rem .8rem; background: var(--panel); }
    .warnings li.is-grave { border-color: var(--grave); background: var(--grave-panel); }
    .warnings li.is-warning { border-color: var(--warn); background: var(--warn-panel); }
    .kind { font-size: .85rem; font-weight: 600; color: var(--soft); margin-right: .3rem; }
    .is-grave .kind { color: var(--grave-text); }
    .is-warning .kind { color: var(--warn); }
    .remark { background: var(--panel); padding: .6rem 1rem; }
    .scroll {
      overflow-x: auto; max-width: 100%; margin-bottom: 1rem;
      background: linear-gradient(to right, var(--paper) 30%, transparent) 0 0, linear-gradient(to left, var(--paper) 30%, transparent) 100% 0,
        linear-gradient(to right, var(--shade), transparent) 0 0, linear-gradient(to left, var(--shade), transparent) 100% 0;
      background-repeat: no-repeat; background-size: 3rem 100%, 3rem 100%, 1rem 100%, 1rem 100%;
      background-attachment: local, local, scroll, scroll;
    }
    table { border-collapse: collapse; font-size: .93rem; font-variant-numeric: tabular-nums; }
    caption { text-align: left; font-weight: 600; padding: .3rem 0; }
    th, td { padding: .28rem .8rem; text-align: left; vertical-align: baseline; white-space: nowrap; }
    th { border-bottom: 2px solid var(--rule); vertical-align: bottom; white-space: normal; }
    td { border-bottom: 1px solid var(--line); }
    .right { text-align: right; }
    .figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); gap: 1.6rem; }
    .molecules { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 24rem)); gap: 1.6rem; }
    .molecule svg { width: 100%; height: 16rem; display: block; background: #fff; border: 1px solid var(--line); padding: .6rem; }
    figure { margin: 0; min-width: 0; }
    figure.wide { grid-column: 1 / -1; }
    .plot { width: 100%; overflow: hidden; }
    .live .plot { height: 26rem; }
    .still .plot { background: #fff; }
    .plot > svg { width: 100%; height: auto; display: block; }
    figcaption { color: var(--soft); font-size: .92rem; }
    details { margin: .3rem 0; }
    summary { cursor: pointer; }
    pre { background: var(--panel); padding: .8rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
    @media print {
      :root { font-size: 11pt; }
      header, main { max-width: none; padding: 0; }
      .scroll { overflow: visible; background: none; }
      table { font-size: .72rem; width: 100%; }
      th, td { white-space: normal; overflow-wrap: anywhere; padding: .15rem .3rem; }
      .figures { display: block; }
      figure { break-inside: avoid; margin-bottom: 1rem; }
      .live .plot { width: min(17cm, 100%); height: 10cm; }
      nav, .skip, details, .modebar { display: none; }
      .grave, .warnings li, .next { break-inside: avoid; }
    }
    """
}
