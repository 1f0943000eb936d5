// Draws precision-recall, ROC and reliability curves from the JSON beside this script.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("plot-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)");
  const property = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const figures = {
    "precision-recall": {
      x: "recall", y: "precision", shape: "vh", random: [[0, 1], [data.share, data.share]],
    },
    roc: { x: "false positive rate", y: "true positive rate", shape: "linear", random: [[0, 1], [0, 1]] },
    reliability: { x: "probability", y: "share of positives", shape: "linear", random: [[0, 1], [0, 1]] },
  };

  // The area between the ends of the interval, behind the line.
  function area({ x, low, high }) {
    const line = { color: "transparent", width: 0 };
    const common = { x, mode: "lines", hoverinfo: "skip", line };
    return [
      { ...common, y: low },
      { ...common, y: high, fill: "tonexty", fillcolor: property("--band") },
    ];
  }

  // Points with the ends of their intervals, where something was resampled.
  function bins(curve) {
    const known = curve.low.every((end) => end !== null);
    const error_y = known ? {
      type: "data", symmetric: false, color: property("--accent"), thickness: 1.2, width: 3,
      array: curve.high.map((end, i) => end - curve.y[i]), arrayminus: curve.low.map((end, i) => curve.y[i] - end),
    } : undefined;
    return { mode: "lines+markers", marker: { color: property("--accent"), size: 7 }, error_y };
  }

  function axis(title) {
    return {
      title: { text: title, standoff: 8, font: { size: 13 } }, range: [-0.02, 1.02], zeroline: false,
      gridcolor: property("--rule"), linecolor: property("--quiet"), showline: true,
      ticks: "outside", tickcolor: property("--quiet"), tickfont: { size: 12 },
    };
  }

  function draw() {
    for (const [name, figure] of Object.entries(figures)) {
      const curve = data.curves[name];
      if (!curve) continue;
      const [x, y] = figure.random;
      const traces = [
        { x, y, mode: "lines", hoverinfo: "skip", line: { color: property("--quiet"), width: 1.4, dash: "dot" } },
        ...(curve.band ? area(curve.band) : []),
        {
          x: curve.x, y: curve.y, mode: "lines", ...(name === "reliability" ? bins(curve) : {}),
          line: { color: property("--accent"), width: 2.2, shape: figure.shape },
          hovertemplate: `${figure.x} %{x:.3f}<br>${figure.y} %{y:.3f}<extra></extra>`,
        },
      ];
      const layout = {
        paper_bgcolor: property("--background"), plot_bgcolor: property("--background"),
        font: { family: property("--sans"), size: 13, color: property("--text") },
        margin: { l: 52, r: 14, t: 14, b: 48 }, showlegend: false, hovermode: "closest",
        dragmode: touch.matches ? false : "zoom", xaxis: axis(figure.x), yaxis: axis(figure.y),
        hoverlabel: { bgcolor: property("--raised"), bordercolor: property("--rule"), font: { color: property("--text") } },
      };
      // Named one by one: the default set has a button that would send the chart to a server.
      const buttons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]];
      Plotly.react(`plot-${name}`, traces, layout, { responsive: true, displaylogo: false, modeBarButtons: buttons });
    }
  }

  for (const query of [dark, touch]) query.addEventListener("change", draw);
  draw();
})();
