// Draws each figure of class `chart` from the numbers in its table, in the colours of the theme.
(() => {
  "use strict";
  const HEIGHT = 200;
  const SECONDS = 1000;
  const drawn = new Map();

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const exact = new Intl.NumberFormat("en");
  const dollars = (nanos) => {
    const value = nanos / 1e9;
    return `$${value === 0 || value >= 1 ? value.toFixed(2) : value.toPrecision(2)}`;
  };
  const writers = {
    count: { axis: (value) => compact.format(value), legend: (value) => exact.format(value) },
    money: { axis: dollars, legend: dollars },
  };

  // uPlot's shape: a list of times, then a list of values for each series, oldest first.
  function numbers(figure) {
    const rows = [...figure.querySelectorAll("tbody tr")].reverse();
    const times = rows.map((row) => Date.parse(row.querySelector("time").dateTime) / SECONDS);
    const columns = rows.length ? rows[0].querySelectorAll("td").length : 0;
    const values = Array.from({ length: columns }, (_, column) =>
      rows.map((row) => {
        const { value } = row.querySelectorAll("td")[column].dataset;
        return value === undefined ? null : Number(value);
      }));
    // A step lasts until the next one begins, so the newest needs an end of its own.
    if (isStepped(figure) && times.length > 1) {
      times.push(2 * times.at(-1) - times.at(-2));
      values.forEach((series) => series.push(series.at(-1)));
    }
    return [times, ...values];
  }

  const isStepped = (figure) => "addsUp" in figure.dataset;

  // A line has two ends; a value between two gaps has none and is drawn as a dot.
  function alone(plot, series) {
    const values = plot.data[series];
    const known = (place) => values[place] !== null && values[place] !== undefined;
    return values.flatMap((_, place) => (known(place) && !known(place - 1) && !known(place + 1) ? [place] : []));
  }

  function isEmpty([, ...values]) {
    return !values.some((series) => series.some((value) => value));
  }

  // While the pointer is over the chart, the legend tells of that moment.
  function tell(figure, plot, writer) {
    const place = plot.cursor.idx;
    figure.querySelectorAll(".legend b").forEach((figures, index) => {
      figures.dataset.whole ??= figures.textContent;
      const value = plot.data[index + 1]?.[place];
      figures.textContent =
        place === null || place === undefined ? figures.dataset.whole
        : value === null ? "–" : writer.legend(value);
    });
  }

  function options(figure, plot) {
    const writer = writers[figure.dataset.unit];
    const steps = isStepped(figure);
    const axis = { stroke: style("--soft"), grid: { stroke: style("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const names = [...figure.querySelectorAll(".legend li")];
    return {
      width: plot.clientWidth,
      height: HEIGHT,
      tzDate: (time) => uPlot.tzDate(new Date(time * SECONDS), "Etc/UTC"),
      legend: { show: false },
      cursor: { sync: { key: "overview" }, y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { y: { range: (_, __, highest) => [0, Math.max(highest ?? 0, figure.dataset.unit === "count" ? 4 : 1e6) * 1.08] } },
      axes: [
        { ...axis, space: 70, size: 40, values: [[86400, "{MM}-{DD}", null, null, null, null, null, null, 1], [60, "{HH}:{mm}", "\n{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1]] },
        { ...axis, size: 58, space: 34, values: (_, ticks) => ticks.map(writer.axis) },
      ],
      series: [{}, ...names.map((_, index) => ({
        stroke: style(`--s${index + 1}`),
        width: 1.75,
        dash: index < 3 ? undefined : [6, 3],
        fill: steps ? `${style(`--s${index + 1}`)}22` : undefined,
        paths: steps ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
        points: { show: true, size: 4, fill: style(`--s${index + 1}`), filter: alone },
        spanGaps: false,
      }))],
      hooks: { setCursor: [(drawing) => tell(figure, drawing, writer)] },
    };
  }

  function draw(figure) {
    const plot = figure.querySelector(".plot");
    const data = numbers(figure);
    const before = drawn.get(figure);
    if (before && before.data.length === data.length) {
      before.setData(data);
      return;
    }
    before?.destroy();
    drawn.delete(figure);
    if (before || !isEmpty(data)) {
      plot.replaceChildren();
      drawn.set(figure, new uPlot(options(figure, plot), data, plot));
    }
  }

  function drawAll({ anew = false } = {}) {
    for (const figure of document.querySelectorAll("figure.chart")) {
      if (anew) {
        drawn.get(figure)?.destroy();
        drawn.delete(figure);
      }
      draw(figure);
    }
  }

  drawAll();
  document.body.addEventListener("htmx:afterRequest", () => setTimeout(drawAll));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll({ anew: true }));
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      drawn.get(target.closest("figure"))?.setSize({ width: target.clientWidth, height: HEIGHT });
    }
  });
  document.querySelectorAll("figure.chart .plot").forEach((plot) => resized.observe(plot));
})();
