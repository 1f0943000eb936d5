// Draws the figures from the JSON beside this script; one legend and one column for all of them.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("plot-data").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const entries = [...document.querySelectorAll(".entry")];
  const chooser = document.getElementById("column");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)");

  const hidden = new Set();
  let column = 0;
  const pressed = { bands: true, zoom: false };

  const property = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Many bands on top of each other would hide the lines: two hexadecimal digits of opacity.
  const opacity = () => (data.methods.length - hidden.size > 5 ? "12" : "2a");

  function traces(quantity) {
    const lines = [];
    const bands = [];
    data.curves[quantity.key][column].forEach((curve, number) => {
      if (curve === null) return;
      const name = data.methods[number];
      const colour = property(`--method-${number}`);
      const visible = !hidden.has(name);
      lines.push({
        name, visible, meta: "line", x: curve.x, y: curve.y, mode: "lines", showlegend: false,
        line: { color: colour, width: 2.2, dash: entries[number].dataset.dash },
        hovertemplate: `<b>%{fullData.name}</b>  %{y:.4~g}<br>iteration %{x}<extra></extra>`,
      });
      if (curve.low && pressed.bands) {
        const kept = curve.x.map((_, i) => i).filter((i) => curve.low[i] !== null);
        const back = [...kept].reverse();
        bands.push({
          name, visible, meta: "band", mode: "lines", hoverinfo: "skip", showlegend: false,
          x: [...kept, ...back].map((i) => curve.x[i]),
          y: [...kept.map((i) => curve.low[i]), ...back.map((i) => curve.high[i])],
          fill: "toself", fillcolor: colour + opacity(), line: { width: 0 },
        });
      }
    });
    return [...bands, ...lines];
  }

  // From the median of the shown lines' last values to the best value of any.
  function betterHalf(quantity) {
    const shown = data.curves[quantity.key][column].filter(
      (curve, number) => curve !== null && !hidden.has(data.methods[number]));
    const finite = (values) => values.filter((value) => value !== null);
    const last = shown.map(({ y }) => finite(y).at(-1)).filter((value) => value !== undefined);
    if (last.length === 0) return undefined;
    const sign = data.higher_is_better ? 1 : -1;
    const median = last.sort((a, b) => sign * (a - b))[Math.floor((last.length - 1) / 2)];
    const best = sign * Math.max(...shown.flatMap(({ y }) => finite(y)).map((value) => sign * value));
    const room = 0.2 * (best - median);
    return sign > 0 ? [median - room, best + room] : [best + room, median - room];
  }

  // Digits 2 and 5 between few powers of ten; left alone, plotly crowds in all nine.
  function logStep(quantity) {
    const values = data.curves[quantity.key][column].flatMap((curve) => curve?.y ?? []);
    const shown = values.filter((value) => value !== null);
    return Math.log10(Math.max(...shown) / Math.min(...shown)) < 3 ? { dtick: "D2" } : {};
  }

  function layout(quantity) {
    const axis = {
      gridcolor: property("--rule"), linecolor: property("--quiet"), zeroline: false,
      ticks: "outside", tickcolor: property("--quiet"), showline: true,
    };
    return {
      paper_bgcolor: property("--background"), plot_bgcolor: property("--background"),
      font: { family: property("--sans"), size: 13, color: property("--text") },
      margin: { l: 52, r: 14, t: 34, b: 44 },
      hovermode: "closest", dragmode: touch.matches ? false : "zoom", showlegend: false,
      hoverlabel: { bgcolor: property("--raised"), bordercolor: property("--rule"), font: { color: property("--text") } },
      // A label across the top is never clipped, however low or narrow the figure.
      annotations: [{
        text: quantity.axis, showarrow: false, xref: "paper", yref: "paper",
        x: 0, y: 1, xanchor: "left", yanchor: "bottom", xshift: -44, yshift: 8,
      }],
      xaxis: { ...axis, tickfont: { size: 12 }, title: { text: "iteration", standoff: 8, font: { size: 13 } } },
      yaxis: {
        ...axis, type: quantity.log ? "log" : "linear",
        // Plotly sets powers of ten a quarter larger than their font.
        exponentformat: "power", tickfont: { size: quantity.log ? 10 : 12 },
        ...(quantity.log && logStep(quantity)),
        rangemode: quantity.key === "zero_gradient" ? "tozero" : "normal",
        ...(pressed.zoom && quantity.key === "test" ? { range: betterHalf(quantity) } : { autorange: true }),
      },
    };
  }

  // Named one by one: the default set has a button that would send the chart to a server.
  const buttons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]];
  const config = { responsive: true, displaylogo: false, modeBarButtons: buttons };

  function draw() {
    for (const plot of plots) {
      const quantity = data.quantities[plot.dataset.quantity];
      Plotly.react(plot, traces(quantity), layout(quantity), config);
    }
  }

  function show(names, visible) {
    for (const name of names) visible ? hidden.delete(name) : hidden.add(name);
    for (const entry of entries) entry.setAttribute("aria-pressed", !hidden.has(entry.dataset.method));
    draw();
  }

  for (const entry of entries) {
    const name = entry.dataset.method;
    entry.addEventListener("click", () => show([name], hidden.has(name)));
  }
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => show(data.methods, button.dataset.show === "all"));
  }
  for (const id of Object.keys(pressed)) {
    const button = document.getElementById(id);
    button.addEventListener("click", () => {
      pressed[id] = !pressed[id];
      button.setAttribute("aria-pressed", pressed[id]);
      draw();
    });
  }
  chooser?.addEventListener("change", () => { column = Number(chooser.value); draw(); });
  for (const query of [dark, touch]) query.addEventListener("change", draw);
  draw();
})();
